package issuer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/httpd"
)

// TestNoSignerIsTemporary holds that a wallet is told to come again when no key
// may sign now.
func TestNoSignerIsTemporary(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("signer: %w", keys.ErrNoSigner), http.StatusServiceUnavailable},
		{fmt.Errorf("another fault"), http.StatusInternalServerError},
	} {
		h, err := httpd.New(httpd.Options{Name: "issuer", Origin: "https://issuer.example", Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		h.Echo().POST(pathCredential, func(echo.Context) error { return tc.err }, httpd.Errors(encodeError))
		response := httptest.NewRecorder()
		h.Handler().ServeHTTP(response, httptest.NewRequest(http.MethodPost, "https://issuer.example"+pathCredential, nil))
		if response.Code != tc.want || (response.Header().Get("Retry-After") != "") != (tc.want == http.StatusServiceUnavailable) {
			t.Errorf("%v: %d, Retry-After %q", tc.err, response.Code, response.Header().Get("Retry-After"))
		}
	}
}
