package listen_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/httpd/listen"
)

func TestFrontFindsTheTenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const shared, own = "https://issuer.example", "https://city.example"
	sites := []listen.Site{
		{Server: tenantServer(t, f, "chiyoda", shared, "/13101")},
		{Server: tenantServer(t, f, "minato", shared, "/13103")},
		{Server: tenantServer(t, f, "osaka", shared, "/osaka/27100")},
		{Server: tenantServer(t, f, "city", own, "")},
	}
	tests := []struct {
		name, host, path string
		list             []listen.Site
		status           int
		body             string
	}{
		{"by path", "issuer.example", "/13103/offers/1", sites, 200, "minato1"},
		{"by another path", "issuer.example", "/13101/offers/1", sites, 200, "chiyoda1"},
		{"root of a tenant", "issuer.example", "/13101/", sites, 200, "chiyoda"},
		{"by a longer path", "issuer.example", "/osaka/27100/offers/1", sites, 200, "osaka1"},
		{"well-known", "issuer.example", "/.well-known/openid-credential-issuer/13103", sites, 200, "minato"},
		{"well-known of a longer path", "issuer.example", "/.well-known/openid-credential-issuer/osaka/27100", sites, 200, "osaka"},
		{"well-known of nobody", "issuer.example", "/.well-known/openid-credential-issuer", sites, 404, `"reason":"not_found"`},
		{"by host", "city.example", "/offers/1", sites, 200, "city1"},
		{"host with port in capitals", "City.Example:443", "/offers/1", sites, 200, "city1"},
		{"another port is another origin", "city.example:8443", "/offers/1", sites, 404, `"reason":"not_found"`},
		{"well-known by host", "city.example", "/.well-known/openid-credential-issuer", sites, 200, "city"},
		{"unknown host", "evil.example", "/13103/offers/1", sites, 404, `"reason":"not_found"`},
		{"path of another origin", "city.example", "/13103/offers/1", sites, 404, `"reason":"not_found"`},
		{"no tenant's path", "issuer.example", "/13199/offers/1", sites, 404, `"reason":"not_found"`},
		{"longer than a tenant's path", "issuer.example", "/131031/offers/1", sites, 404, `"reason":"not_found"`},
		{"shorter than a tenant's path", "issuer.example", "/osaka/offers/1", sites, 404, `"reason":"not_found"`},
		{"two slashes", "issuer.example", "//13103/offers/1", sites, 404, `"reason":"not_found"`},
		{"out of a tenant's path", "issuer.example", "/13101/../13103/offers/1", sites, 404, `"reason":"not_found"`},
		{"an escaped slash", "issuer.example", "/13103%2foffers/1", sites, 404, `"reason":"not_found"`},
		{"an escaped digit", "issuer.example", "/%313103/offers/1", sites, 404, `"reason":"not_found"`},
		{"one origin and a proxy with its own name for it", "10.0.0.7:8443", "/13103/offers/1", sites[:3], 200, "minato1"},
		{"one tenant", "10.0.0.7:8443", "/offers/1", sites[3:], 200, "city1"},
		{"no tenants", "issuer.example", "/", nil, 404, `"reason":"not_found"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			front, err := listen.New(listen.Options{Name: "front", Now: now})
			if err != nil {
				t.Fatal(err)
			}
			front.SetSites(tt.list)
			r := httptest.NewRequest(http.MethodGet, "https://x"+tt.path, nil)
			r.Host = tt.host
			w := httptest.NewRecorder()
			front.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, tt.status, tt.body)
			}
		})
	}
	// The patterns are the same for all tenants; the log names the tenant.
	sites[0].Server.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/13101/offers/1", nil))
	sites[0].Server.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/.well-known/openid-credential-issuer/13101", nil))
	log := f.log.String()
	for _, want := range []string{`"route":"/offers/:id","status":200`, `"tenant":"chiyoda"`, `"route":"/.well-known/openid-credential-issuer","status":405`} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
	if strings.Contains(log, "13101") {
		t.Errorf("a tenant's path is in the log: %s", log)
	}
}

// TestFrontExchangesSites takes a server away while it answers.
func TestFrontExchangesSites(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	entered, release := make(chan struct{}), make(chan struct{})
	f.Echo().GET("/", func(c echo.Context) error {
		close(entered)
		<-release
		return c.String(200, "old")
	})
	next := newFixture(t)
	next.Echo().GET("/", func(c echo.Context) error { return c.String(200, "new") })
	oldLeaf, oldPool := certificate(t)
	newLeaf, newPool := certificate(t)
	front, err := listen.New(listen.Options{Name: "front", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	site := func(s *httpd.Server, leaf *tls.Certificate) []listen.Site {
		return []listen.Site{{Server: s, Certificate: func() (*tls.Certificate, error) { return leaf, nil }}}
	}
	front.SetSites(site(f.Server, &oldLeaf))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- front.Serve(t.Context(), listener, true) }()
	get := func(pool *x509.CertPool) string {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
		defer client.CloseIdleConnections()
		response, err := client.Get("https://" + listener.Addr().String() + "/")
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return string(body)
	}
	answer := make(chan string, 1)
	go func() { answer <- get(oldPool) }()
	<-entered
	front.SetSites(site(next.Server, &newLeaf))
	if got := get(newPool); got != "new" {
		t.Errorf("after the exchange: %s", got)
	}
	if got := get(oldPool); !strings.Contains(got, "certificate") {
		t.Errorf("the old certificate still serves: %s", got)
	}
	close(release)
	if got := <-answer; got != "old" {
		t.Errorf("the request that was being answered: %s", got)
	}
}
