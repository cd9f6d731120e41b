package listen_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/httpd/listen"
	"github.com/tegata-id/tegata/internal/telemetry"
)

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// fixture is a server to listen for, with its log and its metrics.
type fixture struct {
	*httpd.Server
	log      *lockedBuffer
	registry *prometheus.Registry
	metrics  *telemetry.HTTPMetrics
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	f := fixture{log: &lockedBuffer{}, registry: telemetry.NewRegistry()}
	f.metrics = telemetry.NewHTTPMetrics(f.registry)
	f.Server = newServer(t, f, "city", "https://issuer.example", "")
	return f
}

func newServer(t *testing.T, f fixture, tenant, origin, path string) *httpd.Server {
	t.Helper()
	logger, err := telemetry.NewLogger(f.log, slog.LevelInfo, telemetry.LogJSON)
	if err != nil {
		t.Fatal(err)
	}
	s, err := httpd.New(httpd.Options{Name: "issuer", Tenant: tenant, Origin: origin, Path: path, Logger: logger, Metrics: f.metrics, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
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

func ok(c echo.Context) error { return httpd.WriteJSON(c, http.StatusOK, map[string]bool{"ok": true}) }

// tenantServer answers with its name at its paths.
func tenantServer(t *testing.T, f fixture, name, origin, path string) *httpd.Server {
	t.Helper()
	s := newServer(t, f, name, origin, path)
	answer := func(c echo.Context) error { return c.String(200, name+c.Param("id")) }
	s.Echo().GET(path+"/offers/:id", answer)
	s.Echo().GET(path+"/", answer)
	s.Echo().GET("/.well-known/openid-credential-issuer"+path, answer)
	return s
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

func scrape(t *testing.T, f fixture) string {
	t.Helper()
	w := httptest.NewRecorder()
	listen.Admin(f.registry, listen.NewHealth()).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}
