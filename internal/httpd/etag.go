package httpd

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// WriteTagged answers with body and an entity tag made of its hash, or with 304
// and no body if the client has it already (RFC 9110 section 13.1.2). Headers
// such as Cache-Control and Content-Encoding must be set before.
func WriteTagged(c echo.Context, mediaType string, body []byte) error {
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	c.Response().Header().Set("ETag", tag)
	if matches(c.Request().Header.Values("If-None-Match"), tag) {
		c.Response().Header().Del("Content-Encoding") // there is no content
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, mediaType, body)
}

// matches compares weakly, as If-None-Match demands. No tag of ours has a comma
// in it.
func matches(headers []string, tag string) bool {
	for _, header := range headers {
		for _, candidate := range strings.Split(header, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
				return true
			}
		}
	}
	return false
}
