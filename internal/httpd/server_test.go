package httpd_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/httpd/listen"
	"github.com/tegata-id/tegata/internal/telemetry"
)

const origin = "https://issuer.example"

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// fixture is a server with its log and its metrics.
type fixture struct {
	*httpd.Server
	log      *lockedBuffer
	registry *prometheus.Registry
	metrics  *telemetry.HTTPMetrics
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newFixture(t *testing.T, change func(*httpd.Options)) fixture {
	t.Helper()
	f := fixture{log: &lockedBuffer{}, registry: telemetry.NewRegistry()}
	logger, err := telemetry.NewLogger(f.log, slog.LevelDebug, telemetry.LogJSON)
	if err != nil {
		t.Fatal(err)
	}
	f.metrics = telemetry.NewHTTPMetrics(f.registry)
	options := httpd.Options{Name: "test", Tenant: "city", Origin: origin, Logger: logger, Metrics: f.metrics, Now: now}
	if change != nil {
		change(&options)
	}
	f.Server, err = httpd.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fixture) do(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	f.Handler().ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func ok(c echo.Context) error { return httpd.WriteJSON(c, http.StatusOK, map[string]bool{"ok": true}) }

func TestNewRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "issuer.example", "https://", "https://issuer.example/", "https://issuer.example/x",
		"https://user@issuer.example", "ftp://issuer.example", "https://Issuer.example", "https://issuer.example?x", "HTTPS://issuer.example"} {
		if _, err := httpd.New(httpd.Options{Origin: bad, Now: now}); err == nil {
			t.Errorf("origin %q accepted", bad)
		}
	}
	if _, err := httpd.New(httpd.Options{Origin: origin}); err == nil {
		t.Error("accepted without a clock")
	}
	for _, good := range []string{origin, "https://issuer.example:8443", "http://127.0.0.1:8080", "https://[::1]:8443"} {
		if _, err := httpd.New(httpd.Options{Origin: good, Now: now}); err != nil {
			t.Errorf("origin %q: %v", good, err)
		}
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	group := f.Echo().Group("/t/:tenant")
	group.Use(httpd.Errors(httpd.EncodeProblem))
	group.GET("/thing", ok)
	group.PUT("/thing", ok)

	f.Echo().GET("/bare", ok)

	tests := []struct {
		method, path string
		status       int
		allow, body  string
	}{
		{"GET", "/t/a/thing", 200, "", `{"ok":true}`},
		{"GET", "/t/a/secret-path", 404, "", `"reason":"not_found"`},
		{"GET", "/elsewhere", 404, "", `"reason":"not_found"`},
		{"POST", "/t/a/thing", 405, "GET, PUT", `"reason":"method_not_allowed"`},
		{"DELETE", "/bare", 405, "GET", `"reason":"method_not_allowed"`},
		{"BREW", "/t/a/thing", 405, "GET, PUT", `"reason":"method_not_allowed"`},
	}
	for _, tt := range tests {
		response := f.do(httptest.NewRequest(tt.method, tt.path+"?q=secret-query", nil))
		body := bodyOf(t, response)
		if response.StatusCode != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, response.StatusCode, body)
		}
		if got := response.Header.Get("Allow"); got != tt.allow {
			t.Errorf("%s %s: Allow %q, want %q", tt.method, tt.path, got, tt.allow)
		}
		if tt.status != 200 && response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: type %q", tt.method, tt.path, response.Header.Get("Content-Type"))
		}
	}
	log := f.log.String()
	for _, refused := range []string{"secret", "elsewhere", "BREW", "/t/a"} {
		if strings.Contains(log, refused) {
			t.Errorf("log holds %q: %s", refused, log)
		}
	}
	if got := strings.Count(log, "\n"); got != len(tests) {
		t.Errorf("%d log lines for %d requests", got, len(tests))
	}
	for _, want := range []string{`"route":"/t/:tenant/thing"`, `"route":"unmatched"`, `"method":"other"`, `"status":405`} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	group := f.Echo().Group("/t/:tenant", httpd.CORS())
	group.POST("/token", ok)
	group.OPTIONS("/token", httpd.Preflight("POST"))
	group.GET("/list/:id", ok)
	f.Echo().GET("/", ok)
	want := []httpd.Route{{"GET", "/"}, {"GET", "/t/:tenant/list/:id"}, {"POST", "/t/:tenant/token"}}
	if diff := cmp.Diff(want, f.Routes()); diff != "" {
		t.Error(diff)
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.Echo().GET("/panic", func(echo.Context) error { panic("Hanako") })
	f.Echo().GET("/nil", func(c echo.Context) error {
		var p *httpd.Problem
		return c.String(p.Status, "")
	})
	f.Echo().GET("/fine", ok)
	t.Run("F05 opaque and counted", func(t *testing.T) {
		for _, path := range []string{"/panic", "/nil"} {
			response := f.do(httptest.NewRequest("GET", path, nil))
			body := bodyOf(t, response)
			if response.StatusCode != 500 || !strings.Contains(body, `"instance":"urn:tegata:request:`+response.Header.Get("X-Request-Id")) {
				t.Errorf("%s: %d %s", path, response.StatusCode, body)
			}
			if strings.Contains(body, "Hanako") || strings.Contains(body, ".go") || strings.Contains(body, "nil pointer") {
				t.Errorf("%s: the answer tells: %s", path, body)
			}
		}
		log := f.log.String()
		if strings.Contains(log, "Hanako") || !strings.Contains(log, "server_test.go:") || !strings.Contains(log, "nil pointer") {
			t.Errorf("log: %s", log)
		}
		if metrics := scrape(t, f); !strings.Contains(metrics, `tegata_http_panics_total{server="test"} 2`) {
			t.Error("panics not counted")
		}
	})
	if response := f.do(httptest.NewRequest("GET", "/fine", nil)); response.StatusCode != 200 {
		t.Errorf("after the panics: %d", response.StatusCode)
	}
}

func scrape(t *testing.T, f fixture) string {
	t.Helper()
	w := httptest.NewRecorder()
	listen.Admin(f.registry, listen.NewHealth()).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestErrorsAreLoggedButNotSent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	e := f.Echo()
	e.GET("/typed", func(echo.Context) error {
		return &httpd.Error{Status: 409, Code: "already_done", Description: "it is done", Cause: errors.New("row 7")}
	})
	e.GET("/plain", func(echo.Context) error { return errors.New("secret dsn") })
	e.GET("/away", func(echo.Context) error { return httpd.Unavailable(errors.New("dial refused")) })
	e.GET("/oauth", func(echo.Context) error {
		return &httpd.Error{Status: 400, Code: "invalid_grant", Description: "no \"such\"\r\nSet-Cookie: ü", Cause: errors.New("row 8")}
	}, httpd.Errors(httpd.EncodeOAuth))
	e.GET("/mute", func(echo.Context) error { return errors.New("x") }, httpd.Errors(func(echo.Context, error) {}))

	tests := []struct {
		path   string
		status int
		body   string
		log    []string
	}{
		{"/typed", 409, `{"type":"about:blank","title":"Conflict","status":409,"detail":"it is done","reason":"already_done","instance":"ID"}`, []string{`"code":"already_done","cause":"row 7"`}},
		{"/plain", 500, `{"type":"about:blank","title":"Internal Server Error","status":500,"reason":"server_error","instance":"ID"}`, []string{`"level":"ERROR"`, `"cause":"secret dsn"`}},
		{"/away", 503, `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"try again later","reason":"temporarily_unavailable","instance":"ID"}`, []string{"dial refused"}},
		{"/oauth", 400, `{"error":"invalid_grant","error_description":"no 'such'??Set-Cookie: ?"}`, []string{`"tenant":"city","code":"invalid_grant","cause":"row 8"`}},
		{"/mute", 500, `{"type":"about:blank","title":"Internal Server Error","status":500,"reason":"server_error","instance":"ID"}`, nil},
	}
	for _, tt := range tests {
		response := f.do(httptest.NewRequest("GET", tt.path, nil))
		body := strings.ReplaceAll(bodyOf(t, response), "urn:tegata:request:"+response.Header.Get("X-Request-Id"), "ID")
		if response.StatusCode != tt.status {
			t.Errorf("%s: status %d", tt.path, response.StatusCode)
		}
		if diff := cmp.Diff(tt.body, body); diff != "" {
			t.Errorf("%s: %s", tt.path, diff)
		}
		if response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: cacheable", tt.path)
		}
		for _, want := range tt.log {
			if !strings.Contains(f.log.String(), want) {
				t.Errorf("%s: no %s in %s", tt.path, want, f.log)
			}
		}
		if got, want := response.Header.Get("Retry-After"), map[bool]string{true: "5"}[tt.status == 503]; got != want {
			t.Errorf("%s: Retry-After %q, want %q", tt.path, got, want)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.Echo().GET("/", ok)
	request := httptest.NewRequest("GET", "/", nil)
	request.Header.Set("X-Request-Id", "chosen-by-the-client")
	if id := f.do(request).Header.Get("X-Request-Id"); len(id) != 32 || strings.ContainsAny(id, "0123456789") || !strings.Contains(f.log.String(), id) {
		t.Errorf("request id %q", id)
	}
}

func TestAbandonedRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.Echo().GET("/", func(c echo.Context) error { return c.Request().Context().Err() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	response := f.do(httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	if response.StatusCode != 500 || !strings.Contains(f.log.String(), `"status":499`) {
		t.Errorf("status %d, log %s", response.StatusCode, f.log)
	}
}
