package listen_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/httpd/listen"
	"github.com/tegata-id/tegata/internal/telemetry"
)

// certificate makes a certificate for 127.0.0.1.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// start serves the fixture, with TLS if there is a certificate, and returns its
// address, a function that ends it, and the channel with Serve's result.
func start(t *testing.T, f fixture, certificate *tls.Certificate, change func(*listen.Options)) (addr string, stop func(), done <-chan error) {
	t.Helper()
	options := listen.Options{Name: "test", Metrics: f.metrics, Now: now}
	if change != nil {
		change(&options)
	}
	front, err := listen.New(options)
	if err != nil {
		t.Fatal(err)
	}
	site := listen.Site{Server: f.Server}
	if certificate != nil {
		site.Certificate = func() (*tls.Certificate, error) { return certificate, nil }
	}
	front.SetSites([]listen.Site{site})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- front.Serve(ctx, listener, certificate != nil) }()
	t.Cleanup(cancel)
	return listener.Addr().String(), cancel, result
}

func TestTLS(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Echo().GET("/", func(c echo.Context) error { return c.String(200, c.Request().Proto) })
	leaf, pool := certificate(t)
	addr, stop, done := start(t, f, &leaf, nil)

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	response, err := client.Get("https://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, response); body != "HTTP/2.0" || response.TLS.Version != tls.VersionTLS13 {
		t.Errorf("%s over TLS %x", body, response.TLS.Version)
	}
	_ = response.Body.Close()
	client.CloseIdleConnections()

	tests := []struct {
		name     string
		min, max uint16
		suite    uint16
		want     bool
	}{
		{"TLS 1.2 AES-128-GCM", tls.VersionTLS12, tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true},
		{"TLS 1.2 AES-256-GCM", tls.VersionTLS12, tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, true},
		{"TLS 1.2 ChaCha20", tls.VersionTLS12, tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, true},
		{"TLS 1.2 CBC", tls.VersionTLS12, tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, false},
		{"TLS 1.1", tls.VersionTLS10, tls.VersionTLS11, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, false},
	}
	for _, tt := range tests {
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, MinVersion: tt.min, MaxVersion: tt.max, CipherSuites: []uint16{tt.suite}})
		if (err == nil) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	health := listen.NewHealth()
	f := newFixture(t)
	entered, release := make(chan struct{}), make(chan struct{})
	f.Echo().GET("/slow", func(c echo.Context) error {
		close(entered)
		<-release
		if err := c.Request().Context().Err(); err != nil {
			return err
		}
		return ok(c)
	})
	f.Echo().GET("/quick", ok)
	addr, stop, done := start(t, f, nil, func(o *listen.Options) { o.Health, o.DrainDelay = health, 50*time.Millisecond })
	answer := make(chan error, 1)
	go func() { answer <- get("http://" + addr + "/slow") }()
	<-entered
	if ready(health) != 200 {
		t.Error("not ready before the end")
	}
	stop()
	waitFor(t, func() bool { return ready(health) == 503 })
	if err := get("http://" + addr + "/quick"); err != nil {
		t.Errorf("refused while load balancers have not noticed: %v", err)
	}
	waitFor(t, func() bool { return get("http://"+addr+"/quick") != nil })
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("request in flight: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	entered, release := make(chan struct{}), make(chan struct{})
	f.Echo().GET("/stuck", func(c echo.Context) error {
		close(entered)
		<-release
		return ok(c)
	})
	addr, stop, done := start(t, f, nil, func(o *listen.Options) { o.DrainTimeout = 50 * time.Millisecond })
	answer := make(chan error, 1)
	go func() { answer <- get("http://" + addr + "/stuck") }()
	<-entered
	stop()
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Serve: %v", err)
	}
	if err := <-answer; err == nil {
		t.Error("the request that was cut off got an answer")
	}
	close(release)
}

// get fetches a URL on a connection of its own.
func get(url string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != 200 {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

func ready(health *listen.Health) int {
	w := httptest.NewRecorder()
	health.Ready().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	return w.Code
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Echo().POST("/", func(c echo.Context) error {
		_, err := httpd.Form(c)
		if err != nil {
			return err
		}
		return ok(c)
	})
	addr, _, _ := start(t, f, nil, func(o *listen.Options) {
		o.HeaderTimeout, o.ReadTimeout = 100*time.Millisecond, 300*time.Millisecond
	})
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n"
	tests := []struct{ name, send, want string }{
		{"R14 slow header", head, ""},
		{"R14 slow body", head + "\r\na", "HTTP/1.1 408"},
		{"honest", head + "\r\na=b", "HTTP/1.1 200"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, tt.send); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(conn).ReadString('\n')
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Fatal("still open")
			}
			if !strings.HasPrefix(line, tt.want) || tt.want == "" && line != "" {
				t.Errorf("answer %q, want %q", line, tt.want)
			}
		})
	}
}

func TestHeaderLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Echo().GET("/", ok)
	addr, _, _ := start(t, f, nil, func(o *listen.Options) { o.MaxHeaderBytes = 4096 })
	for size, want := range map[int]int{3000: 200, 20_000: 431} {
		request, err := http.NewRequest("GET", "http://"+addr+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Long", strings.Repeat("x", size))
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("D01 %d bytes: %d, want %d", size, response.StatusCode, want)
		}
	}
}

func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	tests := map[string]struct {
		change func(*listen.Options)
		metric string
	}{
		"per address": {func(o *listen.Options) { o.MaxPerAddress = 3 }, `limit="address"`},
		"total": {func(o *listen.Options) {
			o.MaxConnections, o.MaxPerAddress, o.TrustedProxies = 3, 1, []netip.Prefix{loopback}
		}, `limit="total"`},
	}
	for name, tt := range tests {
		t.Run("R14 "+name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.Echo().GET("/", ok)
			addr, _, _ := start(t, f, nil, tt.change)
			var idle []net.Conn
			for range 3 {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				idle = append(idle, conn)
			}
			if err := get("http://" + addr + "/"); err == nil {
				t.Error("the fourth connection was served")
			}
			if !strings.Contains(scrape(t, f), `tegata_http_connections_refused_total{`+tt.metric+`,server="test"}`) {
				t.Error("refusal not counted")
			}
			_ = idle[0].Close()
			waitFor(t, func() bool { return get("http://"+addr+"/") == nil })
		})
	}
}

func TestAdminStandsApart(t *testing.T) {
	t.Parallel()
	health := listen.NewHealth()
	failing := errors.New("secret dsn")
	var storeErr error
	health.Add("store", func(context.Context) error { return storeErr })
	f := newFixture(t)
	admin := listen.Admin(f.registry, health)
	paths := []string{"/metrics", "/livez", "/readyz", "/debug/pprof/", "/debug/pprof/cmdline"}
	for _, path := range paths {
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 200 {
			t.Errorf("admin %s: %d", path, w.Code)
		}
		if got := f.do(httptest.NewRequest("GET", path, nil)).StatusCode; got != 404 {
			t.Errorf("F08 public %s: %d", path, got)
		}
	}
	storeErr = failing
	w := httptest.NewRecorder()
	health.Ready().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if body := w.Body.String(); w.Code != 503 || !strings.Contains(body, `"store":"failing"`) || strings.Contains(body, "secret") {
		t.Errorf("ready with a failing store: %d %s", w.Code, body)
	}
	w = httptest.NewRecorder()
	health.Live().ServeHTTP(w, httptest.NewRequest("GET", "/livez", nil))
	if w.Code != 200 {
		t.Errorf("live with a failing store: %d", w.Code)
	}
}

func TestServeAdmin(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- listen.ServeAdmin(ctx, listener, listen.Admin(f.registry, listen.NewHealth()), telemetry.DiscardLogger())
	}()
	if err := get("http://" + listener.Addr().String() + "/livez"); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
