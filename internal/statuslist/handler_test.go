package statuslist_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// respond answers a request with headers as pairs.
func respond(t *testing.T, target string, headers ...string) *http.Response {
	t.Helper()
	pub := statuslist.Publication{Signed: statuslist.Signed{JWT: "a.b.c", CWT: "\xd2\x00", Expires: start.Add(30 * time.Second)}}
	server, err := httpd.New(httpd.Options{Origin: "https://issuer.example", Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	server.Echo().GET("/list", func(c echo.Context) error {
		return statuslist.Respond(c, time.Minute, start, func() (statuslist.Publication, error) { return pub, nil })
	})
	server.Echo().GET("/halflist", func(c echo.Context) error {
		return statuslist.Respond(c, time.Minute, start, func() (statuslist.Publication, error) {
			return statuslist.Publication{Signed: statuslist.Signed{JWT: "a.b.c", Expires: start.Add(time.Hour)}}, nil
		})
	})
	server.Echo().GET("/gone", func(c echo.Context) error {
		return statuslist.Respond(c, time.Minute, start, func() (statuslist.Publication, error) { return pub, errors.New("gone") })
	})
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	server.Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestRespondNegotiates(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"":                                   status.MediaType,
		"*/*":                                status.MediaType,
		"application/*":                      status.MediaType,
		"text/html, */*;q=0.1":               status.MediaType,
		status.MediaType:                     status.MediaType,
		status.CWTMediaType:                  status.CWTMediaType,
		"APPLICATION/STATUSLIST+CWT":         status.CWTMediaType,
		status.CWTMediaType + ", */*;q=0.5":  status.CWTMediaType,
		status.CWTMediaType + ";q=0.5, */*":  status.MediaType,
		status.MediaType + ";q=0, */*;q=0.1": status.CWTMediaType,
		status.CWTMediaType + ";q=x":         status.CWTMediaType,
		status.MediaType + ";v=1;q=0.2, " + status.CWTMediaType + ";q=0.3": status.CWTMediaType,
		"text/html":               "",
		"application/json":        "",
		"*/*;q=0":                 "",
		status.MediaType + ";q=0": "",
	} {
		response := respond(t, "/list", "Accept", accept)
		if want == "" {
			if response.StatusCode != http.StatusNotAcceptable {
				t.Errorf("%q: %d", accept, response.StatusCode)
			}
			continue
		}
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != want {
			t.Errorf("%q: %d %s, want %s", accept, response.StatusCode, got, want)
		}
		if vary := response.Header.Values("Vary"); len(vary) == 0 || vary[0] != "Accept, Accept-Encoding" {
			t.Errorf("%q: Vary: %q", accept, vary)
		}
	}
}

func TestRespondConditionally(t *testing.T) {
	t.Parallel()
	jwt, cwt := respond(t, "/list"), respond(t, "/list", "Accept", status.CWTMediaType)
	tag := jwt.Header.Get("ETag")
	if tag == "" || tag == cwt.Header.Get("ETag") {
		t.Fatalf("tags %s and %s", tag, cwt.Header.Get("ETag"))
	}
	if got := jwt.Header.Get("Cache-Control"); got != "public, max-age=30" {
		t.Errorf("Cache-Control: %s, want the time to the token's expiry", got)
	}
	for header, want := range map[string]int{
		tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, cwt.Header.Get("ETag"): 200, "": 200,
	} {
		response := respond(t, "/list", "If-None-Match", header)
		if response.StatusCode != want || response.Header.Get("ETag") != tag || response.Header.Get("Cache-Control") == "" {
			t.Errorf("%s: %d %v", header, response.StatusCode, response.Header)
		}
		if want == 304 && response.ContentLength > 0 {
			t.Errorf("%s: 304 with a body", header)
		}
	}
}

// TestRespondCompressed asks for gzip in many ways. The token is the same, and the
// entity tag is that of what was sent (TSL-23; RFC 9110 section 8.8.3.3).
func TestRespondCompressed(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"gzip": true, "deflate, GZIP;q=0.5": true, "*": true, "br, *;q=0.1": true, "gzip, *;q=0": true, "*;q=0, gzip": true,
		"": false, "identity": false, "br": false, "gzip;q=0": false, "gzip;q=0, *": false, "*;q=0": false, "xgzip": false,
	} {
		response := respond(t, "/list", "Accept-Encoding", accept)
		if got := response.Header.Get("Content-Encoding"); (got == "gzip") != want || !want && got != "" {
			t.Errorf("%q: Content-Encoding: %q", accept, got)
			continue
		}
		body := io.Reader(response.Body)
		if want {
			var err error
			if body, err = gzip.NewReader(body); err != nil {
				t.Errorf("%q: %v", accept, err)
				continue
			}
		}
		if token, err := io.ReadAll(body); err != nil || string(token) != "a.b.c" {
			t.Errorf("%q: %q, %v", accept, token, err)
		}
	}
	plain, packed := respond(t, "/list"), respond(t, "/list", "Accept-Encoding", "gzip")
	if plain.Header.Get("ETag") == packed.Header.Get("ETag") {
		t.Error("two representations have one entity tag")
	}
	again := respond(t, "/list", "Accept-Encoding", "gzip", "If-None-Match", packed.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified || again.Header.Get("Content-Encoding") != "" || again.Header.Get("Vary") != "Accept, Accept-Encoding" {
		t.Errorf("%d %v", again.StatusCode, again.Header)
	}
	if other := respond(t, "/list", "If-None-Match", packed.Header.Get("ETag")); other.StatusCode != http.StatusOK {
		t.Errorf("the tag of the compressed token for the plain one: %d", other.StatusCode)
	}
}

func TestRespondRefuses(t *testing.T) {
	t.Parallel()
	// TSL-15: an answer with the present list would be taken for that of the past.
	for _, target := range []string{"/list?time=1686925000", "/list?time"} {
		if got := respond(t, target).StatusCode; got != http.StatusNotImplemented {
			t.Errorf("%s: %d", target, got)
		}
	}
	if got := respond(t, "/list?other=1").StatusCode; got != http.StatusOK {
		t.Errorf("another parameter: %d", got)
	}
	if got := respond(t, "/halflist", "Accept", status.CWTMediaType).StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("a form that was not published: %d", got)
	}
	if got := respond(t, "/gone").StatusCode; got != http.StatusInternalServerError {
		t.Errorf("an error: %d", got)
	}
}
