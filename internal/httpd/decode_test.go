package httpd_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
)

const formType = "application/x-www-form-urlencoded"

// decode mounts the decoder, sends it the request, and returns what it decoded
// and the *httpd.Error it failed with.
func decode[T any](t *testing.T, r *http.Request, decoder func(echo.Context) (T, error)) (decoded T, failure *httpd.Error) {
	t.Helper()
	f := newFixture(t, func(o *httpd.Options) { o.MaxBody = 2000 })
	called := false
	f.Echo().Any("/", func(c echo.Context) error {
		called = true
		var err error
		decoded, err = decoder(c)
		if err != nil && !errors.As(err, &failure) {
			t.Errorf("error of type %T: %v", err, err)
		}
		return err
	})
	response := f.do(r)
	if !called {
		t.Fatal("handler not reached")
	}
	if failure != nil && response.StatusCode != failure.Status {
		t.Errorf("answered %d for %v", response.StatusCode, failure)
	}
	return decoded, failure
}

func post(contentType, body string) *http.Request {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func TestForm(t *testing.T) {
	t.Parallel()
	many := ""
	for i := range httpd.MaxParameters {
		many += string(rune('a'+i/26)) + string(rune('a'+i%26)) + "=1&"
	}
	many = strings.TrimSuffix(many, "&")
	twice := func(r *http.Request) *http.Request {
		r.Header.Add("Content-Type", formType)
		return r
	}
	gzipped := func(r *http.Request) *http.Request {
		r.Header.Set("Content-Encoding", "gzip")
		return r
	}
	tests := []struct {
		name    string
		request *http.Request
		status  int // 0 for success
		want    httpd.Values
	}{
		{"honest", post(formType, "code=a%20b+c&state=%E6%89%8B%E5%BD%A2"), 0, httpd.Values{"code": "a b c", "state": "手形"}},
		{"charset", post(formType+"; charset=UTF-8", "a=b"), 0, httpd.Values{"a": "b"}},
		{"type in capitals", post("Application/X-WWW-Form-URLencoded", "a=b"), 0, httpd.Values{"a": "b"}},
		{"empty body", post(formType, ""), 0, httpd.Values{}},
		{"empty value is left out", post(formType, "a=&b=1"), 0, httpd.Values{"b": "1"}},
		{"as many as allowed", post(formType, many), 0, nil},
		{"value with equals sign", post(formType, "a=b=c"), 0, httpd.Values{"a": "b=c"}},

		{"O14 duplicate", post(formType, "code=a&code=b"), 400, nil},
		{"O14 duplicate with one name escaped", post(formType, "code=a&c%6Fde=b"), 400, nil},
		{"O14 duplicate of an empty one", post(formType, "code=&code=b"), 400, nil},
		{"O14 other charset", post(formType+"; charset=utf-7", "a=b"), 415, nil},
		{"O14 multipart", post("multipart/form-data; boundary=x", "--x--"), 415, nil},
		{"O14 no type", post("", "a=b"), 415, nil},
		{"O14 two types", twice(post(formType, "a=b")), 415, nil},
		{"O14 type does not parse", post(formType+"; =", "a=b"), 415, nil},
		{"O14 encoded content", gzipped(post(formType, "a=b")), 415, nil},
		{"bad percent encoding", post(formType, "a=%G1"), 400, nil},
		{"cut off percent encoding", post(formType, "a=%E"), 400, nil},
		{"bad UTF-8", post(formType, "a=%FF"), 400, nil},
		{"raw bad UTF-8", post(formType, "a=\xff"), 400, nil},
		{"bad UTF-8 in the name", post(formType, "%FF=a"), 400, nil},
		{"zero byte", post(formType, "a=b%00c"), 400, nil},
		{"semicolon", post(formType, "a=b;c=d"), 400, nil},
		{"no name", post(formType, "=b"), 400, nil},
		{"D01 one too many", post(formType, many+"&zz=1"), 400, nil},
		{"D01 separators only", post(formType, strings.Repeat("&", 101)), 400, nil},
		{"D01 body too large", post(formType, strings.Repeat("a", 2001)), 413, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, failure := decode(t, tt.request, httpd.Form)
			if status := statusOf(failure); status != tt.status {
				t.Fatalf("status %d (%v), want %d", status, failure, tt.status)
			}
			if tt.want != nil {
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func statusOf(e *httpd.Error) int {
	if e == nil {
		return 0
	}
	return e.Status
}

func TestFormLeavesTheQueryAlone(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("POST", "/?code=query&state=s", strings.NewReader("code=body"))
	r.Header.Set("Content-Type", formType)
	got, failure := decode(t, r, httpd.Form)
	if diff := cmp.Diff(httpd.Values{"code": "body"}, got); diff != "" || failure != nil {
		t.Error(diff, failure)
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	tests := map[string]int{"/?a=1&b=%E6%89%8B": 0, "/": 0, "/?a=1&a=2": 400, "/?a=%ff": 400, "/?a=%zz": 400, "/?a;b": 400}
	for target, want := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		_, r.URL.RawQuery, _ = strings.Cut(target, "?")
		got, failure := decode(t, r, httpd.Query)
		if statusOf(failure) != want {
			t.Errorf("%s: %v, want %d", target, failure, want)
		}
		if want == 0 && strings.Contains(target, "a=1") && (got.Get("a") != "1" || !got.Has("b") || got.Has("c")) {
			t.Errorf("%s: %v", target, got)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	type input struct {
		Name string `json:"name"`
	}
	decoder := func(c echo.Context) (input, error) {
		var v input
		return v, errors.Join(httpd.JSON(c, &v))
	}
	tests := []struct {
		name, contentType, body string
		status                  int
	}{
		{"honest", "application/json", `{"name":"x"}`, 0},
		{"charset", "application/json;charset=utf-8", `{"name":"x"}`, 0},
		{"empty", "application/json", ``, 400},
		{"broken", "application/json", `{"name":`, 400},
		{"trailing", "application/json", `{} {}`, 400},
		{"duplicate", "application/json", `{"name":"x","name":"y"}`, 400},
		{"D01 deep", "application/json", strings.Repeat("[", 900) + strings.Repeat("]", 900), 400},
		{"text", "text/plain", `{}`, 415},
		{"suffix", "application/x+json", `{}`, 415},
		{"latin", "application/json; charset=iso-8859-1", `{}`, 415},
		{"none", "", `{}`, 415},
		{"large", "application/json", `"` + strings.Repeat("x", 2000) + `"`, 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, failure := decode(t, post(tt.contentType, tt.body), decoder); statusOf(failure) != tt.status {
				t.Errorf("%v, want %d", failure, tt.status)
			}
		})
	}
}

func TestBodyLimitBoundary(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *httpd.Options) { o.MaxBody = 10 })
	handler := func(c echo.Context) error {
		body, _, err := httpd.Body(c, "application/octet-stream")
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, string(body))
	}
	f.Echo().POST("/default", handler)
	f.Echo().POST("/more", handler, httpd.BodyLimit(20))
	f.Echo().POST("/less", handler, httpd.BodyLimit(5))
	for path, limit := range map[string]int{"/default": 10, "/more": 20, "/less": 5} {
		for size, want := range map[int]int{0: 200, limit - 1: 200, limit: 200, limit + 1: 413, 10 * limit: 413} {
			body := strings.Repeat("x", size)
			announced := httptest.NewRequest("POST", path, strings.NewReader(body))
			chunked := httptest.NewRequest("POST", path, io.MultiReader(strings.NewReader(body)))
			for name, r := range map[string]*http.Request{"announced": announced, "chunked": chunked} {
				r.Header.Set("Content-Type", "application/octet-stream")
				response := f.do(r)
				if response.StatusCode != want {
					t.Errorf("D01 %s %s %d bytes: %d, want %d", path, name, size, response.StatusCode, want)
				}
				if got := bodyOf(t, response); want == 200 && got != body {
					t.Errorf("%s %s: body %q, want %q", path, name, got, body)
				}
			}
		}
	}
}

func FuzzForm(f *testing.F) {
	f.Add("a=b&c=%20")
	f.Add("a=%FF;")
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = raw
		values, err := httpd.Query(echo.New().NewContext(r, httptest.NewRecorder()))
		if err != nil {
			return
		}
		for name, value := range values {
			if got := r.URL.Query()[name]; len(got) != 1 || got[0] != value {
				t.Errorf("%q: %q here, %q in net/url", name, value, got)
			}
		}
	})
}

// FuzzBody has any body under any type for the decoders of forms and of JSON.
func FuzzBody(f *testing.F) {
	f.Add(formType, []byte("a=b&c=%20"))
	f.Add("application/json", []byte(`{"a":["b"]}`))
	f.Add("application/json; charset=utf-16", []byte(`{}`))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		context := func() echo.Context {
			r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			return echo.New().NewContext(r, httptest.NewRecorder())
		}
		var failure *httpd.Error
		_, formErr := httpd.Form(context())
		var v map[string]any
		jsonErr := httpd.JSON(context(), &v)
		if formErr == nil && jsonErr == nil {
			t.Errorf("%q is a form and JSON", contentType)
		}
		for _, err := range []error{formErr, jsonErr} {
			if err != nil && !errors.As(err, &failure) {
				t.Errorf("error of type %T: %v", err, err)
			}
		}
	})
}
