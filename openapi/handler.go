package openapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
)

// Path is where a role serves its document, under the role's own path.
const Path = "/openapi.yaml"

// MediaType is what it is served as (RFC 9512).
const MediaType = "application/yaml"

// Mount serves the document of a role under path, which is that of the role:
// empty, or with a leading and without a trailing slash. Pages of any origin
// may read it. Mount panics if there is no such document.
func Mount(h *httpd.Server, path string, name Name) {
	if Document(name) == nil {
		panic("openapi: there is no document " + string(name))
	}
	h.Echo().GET(path+Path, func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderCacheControl, "public, max-age=3600")
		// Read when asked for: thousands of tenants need no copy each.
		return c.Blob(http.StatusOK, MediaType, Document(name))
	}, httpd.CORS())
}
