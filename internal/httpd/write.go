package httpd

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// WriteJSON answers with v as application/json. The status must be one that has
// a body.
func WriteJSON(c echo.Context, status int, v any) error {
	return writeJSON(c, status, "application/json", v)
}

func writeJSON(c echo.Context, status int, mediaType string, v any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // never read as HTML: nosniff and the type see to it
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return c.Blob(status, mediaType, bytes.TrimSuffix(body.Bytes(), []byte("\n")))
}

// Problem is the error object of our own APIs (RFC 9457).
type Problem struct {
	// Type is a URI for the kind of problem; "about:blank" if empty.
	Type string `json:"type"`
	// Title is the same for all problems of a type; the status text if empty.
	Title string `json:"title"`
	// Status is the HTTP status code.
	Status int `json:"status"`
	// Detail explains this occurrence to a developer.
	Detail string `json:"detail,omitempty"`
	// Reason is a member of the API's closed list of reasons.
	Reason string `json:"reason,omitempty"`
	// Instance names the request; WriteProblem fills it in.
	Instance string `json:"instance,omitempty"`
}

// WriteProblem answers with a problem as application/problem+json and notes the
// reason for the log.
func WriteProblem(c echo.Context, p Problem) error {
	if p.Status < 400 || p.Status > 599 {
		p.Status = http.StatusInternalServerError
	}
	if p.Type == "" {
		p.Type = "about:blank"
	}
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	ev := eventOf(c)
	if ev.requestID != "" {
		p.Instance = "urn:tegata:request:" + ev.requestID
	}
	ev.answered(p.Reason)
	return writeJSON(c, p.Status, "application/problem+json", p)
}

// OAuthError is an answer in the form of RFC 6749 section 5.2, which OpenID4VCI
// uses too.
type OAuthError struct {
	Status      int
	Code        string
	Description string
	// RetryAfter, if positive, becomes the Retry-After header.
	RetryAfter time.Duration
	// Headers are added to the answer: WWW-Authenticate, DPoP-Nonce.
	Headers http.Header
}

// WriteOAuthError answers with error and error_description as JSON, never
// cached, and notes the code for the log. Characters that RFC 6749 does not
// allow in the description are replaced.
func WriteOAuthError(c echo.Context, e OAuthError) error {
	header := c.Response().Header()
	header.Set("Cache-Control", "no-store")
	for name, values := range e.Headers {
		header[http.CanonicalHeaderKey(name)] = values
	}
	setRetryAfter(c, e.RetryAfter)
	if e.Status < 400 || e.Status > 599 {
		e.Status = http.StatusInternalServerError
	}
	eventOf(c).answered(e.Code)
	return WriteJSON(c, e.Status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{describable(e.Code), describable(e.Description)})
}

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
