package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/provider"
)

// browserWorld is a process with all roles, and a wallet whose redirect URI is
// a page that a browser can really arrive at.
type browserWorld struct {
	box    *sandbox.Sandbox
	wallet *holder.Wallet
	client *http.Client
	// servers are the TLS certificates that the browser may meet.
	servers []*x509.Certificate

	// slow makes the redirect URI take a moment to answer.
	slow atomic.Bool

	mu sync.Mutex
	// arrivals are the queries with which a browser came to the redirect URI.
	arrivals []string
}

func newBrowserWorld(t *testing.T) *browserWorld {
	t.Helper()
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.New(dir, sandbox.Options{Now: time.Now(), BatchSize: 4, StatusWindow: time.Second, JPKI: config.JPKI{OtherDevice: true}})
	if err != nil {
		t.Fatal(err)
	}
	if err := box.OfferCompanies(); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	w := &browserWorld{box: box}
	redirectURI := w.serveCallback(t, listener)

	logs, err := os.Create(dir + "/tegata.log")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	process, err := app.New(ctx, cfg, app.Options{Log: slog.New(slog.NewTextHandler(logs, nil)), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if data, err := os.ReadFile(logs.Name()); err == nil && t.Failed() {
			t.Logf("log of the process:\n%s", data)
		}
		_ = logs.Close()
	})

	pool := x509.NewCertPool()
	pool.AddCert(box.TLSRoot)
	w.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}}
	for _, origin := range []string{box.Issuer, box.Verifier} {
		w.servers = append(w.servers, serverCertificate(t, origin, pool))
	}
	w.wallet = newBrowserWallet(t, box, cfg, redirectURI)
	return w
}

// serveCallback serves the wallet's redirect URI, and at /evil a page of
// another origin on the same site, whose requests come with Lax cookies.
func (w *browserWorld) serveCallback(t *testing.T, listener net.Listener) string {
	t.Helper()
	key, err := w.box.TLS.IssueTLS(trusttest.LeafOptions{DNSNames: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	w.servers = append(w.servers, key.Chain[0])
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.arrivals = append(w.arrivals, r.URL.RawQuery)
		w.mu.Unlock()
		if w.slow.Load() {
			time.Sleep(time.Second)
		}
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(rw, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Wallet</title><p id="callback">back in the wallet`)
	})
	mux.HandleFunc("GET /evil", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(rw, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Evil</title>
			<form id="approve" method="post" action="%[1]s/review"><button name="decision" value="approve" id="evil">Win a prize</button></form>
			<iframe src="%[1]s/login"></iframe><iframe src="%[2]s/"></iframe>`, w.box.Issuer, w.box.Verifier)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_ = server.Serve(tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{key.TLSCertificate()}, MinVersion: tls.VersionTLS12,
		}))
	}()
	t.Cleanup(func() { _ = server.Close() })
	return "https://" + listener.Addr().String() + "/callback"
}

// arrived returns how many browsers have come to the redirect URI.
func (w *browserWorld) arrived() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.arrivals)
}

// serverCertificate returns the certificate of an origin that is valid under
// the roots. It waits until the origin listens.
func serverCertificate(t *testing.T, origin string, roots *x509.CertPool) *x509.Certificate {
	t.Helper()
	address := origin[len("https://"):]
	deadline := time.Now().Add(10 * time.Second)
	for {
		connection, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
		if err == nil {
			defer connection.Close()
			return connection.ConnectionState().PeerCertificates[0]
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func newBrowserWallet(t *testing.T, box *sandbox.Sandbox, cfg *config.Config, redirectURI string) *holder.Wallet {
	t.Helper()
	web, err := fetch.New(fetch.Options{
		Purpose: "the wallet", ExtraRoots: []*x509.Certificate{box.TLSRoot},
		AllowLoopback: cfg.Outbound.AllowLoopback, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	policy := func(profile trust.Profile, anchor trust.Anchor) *trust.Policy {
		return &trust.Policy{
			Anchors: []trust.Anchor{anchor}, Profile: profile, Now: time.Now,
			Revocation: trust.NotChecked("the sandbox publishes no lists"),
		}
	}
	return &holder.Wallet{
		HTTP: web, Vault: &holder.Memory{}, BatchSize: 4, Now: time.Now, RedirectURI: redirectURI,
		Attester: &holder.Provider{HTTP: web, URL: box.Provider, Platform: provider.SoftwarePlatform, Now: time.Now},
		IssuerTrust: map[credentials.Format]*trust.Policy{
			credentials.FormatSDJWTVC: policy(trust.ProfileSDJWTIssuer, box.IssuerAnchors[credentials.FormatSDJWTVC]),
			credentials.FormatMdoc:    policy(trust.ProfileMdocSigner, box.IssuerAnchors[credentials.FormatMdoc]),
		},
		VerifierTrust: policy(trust.ProfileVerifierAccess, box.VerifierAnchor),
	}
}

// offer makes the operator offer both formats.
func (w *browserWorld) offer(t *testing.T) string {
	t.Helper()
	link, _ := w.offered(t, `{"credential_configuration_ids":["identity_sd_jwt","identity_mdoc"]}`)
	return link
}

// offered makes the operator offer something.
func (w *browserWorld) offered(t *testing.T, body string) (link, page string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.box.Issuer+"/admin/offers", bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+w.box.AdminToken)
	request.Header.Set("Content-Type", "application/json")
	response, err := w.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var offer struct {
		Link string `json:"link"`
		Page string `json:"page"`
	}
	if err := json.NewDecoder(response.Body).Decode(&offer); err != nil || offer.Link == "" {
		t.Fatalf("offer: status %d, %v", response.StatusCode, err)
	}
	return offer.Link, offer.Page
}

// browserAgent is the person at a browser.
type browserAgent func(ctx context.Context, authorizationURL string) (callback string, err error)

// Authorize implements holder.UserAgent.
func (a browserAgent) Authorize(ctx context.Context, authorizationURL, _ string) (string, error) {
	return a(ctx, authorizationURL)
}
