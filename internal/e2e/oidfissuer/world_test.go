package oidfissuer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// The clients of the suite. Those with keys are for the variant private_key_jwt.
var (
	attestedClients = []string{"suite-wallet-1", "suite-wallet-2"}
	keyedClients    = []string{"suite-web-1", "suite-web-2"}
)

// The redirect URIs that the suite registers.
const (
	callback      = "https://suite.example/test/a/tegata/callback"
	secondReturns = callback + "?dummy1=lorem&dummy2=ipsum"
)

// attester is the wallet provider of the suite.
type attester struct {
	key   *ecdsa.PrivateKey
	chain []string // x5c, without the anchor
}

// world is an issuer in a sandbox with what the suite knows of it.
type world struct {
	box      *sandbox.Sandbox
	http     *http.Client
	attester *attester
	// keys are those of the clients of private_key_jwt.
	keys  map[string]*ecdsa.PrivateKey
	ahead atomic.Int64

	// identifier is that of the issuer, and path what it has behind its origin.
	identifier, path string
	issuer, server   object // metadata
}

func (w *world) now() time.Time          { return time.Now().Add(time.Duration(w.ahead.Load())) }
func (w *world) advance(d time.Duration) { w.ahead.Add(int64(d)) }

// start runs an issuer until the end of the test. configure may be nil.
func start(t *testing.T, configure func(*config.Issuer)) *world {
	t.Helper()
	w := &world{keys: map[string]*ecdsa.PrivateKey{}}
	var err error
	if w.box, err = sandbox.New(t.TempDir(), sandbox.Options{Now: time.Now(), BatchSize: 20}); err != nil {
		t.Fatal(err)
	}
	cfg := w.register(t, configure)
	w.identifier, w.path = cfg.Issuer.BaseURL(), cfg.Issuer.Path
	log := slog.New(slog.DiscardHandler)
	process, err := app.New(t.Context(), cfg, app.Options{Log: log, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- process.Run(ctx) }()
	w.http = w.client()
	t.Cleanup(func() {
		w.http.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the process ended with %v", err)
		}
	})
	w.issuer = w.document(t, "/.well-known/openid-credential-issuer")
	w.server = w.document(t, "/.well-known/oauth-authorization-server")
	return w
}

// register writes the suite's clients and attester into the configuration, as an
// operator would.
func (w *world) register(t *testing.T, configure func(*config.Issuer)) *config.Config {
	t.Helper()
	cfg, err := config.Load(w.box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	var anchor []byte
	w.attester, anchor = newAttester(t)
	file := filepath.Join(w.box.Dir, "suite-attester.pem")
	write(t, file, anchor)
	cfg.Issuer.WalletProviders = []config.Anchor{{File: file}}
	both := []string{callback, secondReturns}
	for _, id := range attestedClients {
		cfg.Issuer.Wallets = append(cfg.Issuer.Wallets, config.Wallet{ClientID: id, RedirectURIs: both})
	}
	for n, id := range keyedClients {
		w.keys[id] = wire.NewKey()
		jwk := wire.JWK(&w.keys[id].PublicKey)
		jwk["kid"], jwk["alg"], jwk["use"] = id, "ES256", "sig"
		wallet := config.Wallet{ClientID: id, Name: "Suite " + id, RedirectURIs: both}
		if set := (object{"keys": []any{jwk}}); n == 0 {
			wallet.JWKS = set
		} else {
			wallet.JWKSFile = filepath.Join(w.box.Dir, id+".jwks.json")
			write(t, wallet.JWKSFile, wire.JSON(set))
		}
		cfg.Issuer.Wallets = append(cfg.Issuer.Wallets, wallet)
	}
	if configure != nil {
		configure(cfg.Issuer)
	}
	data, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w.box.ConfigFile, data)
	if cfg, err = config.Load(w.box.ConfigFile); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// newAttester returns a wallet provider and the PEM of its anchor.
func newAttester(t *testing.T) (*attester, []byte) {
	t.Helper()
	day := 24 * time.Hour
	ca, leaf := wire.NewKey(), wire.NewKey()
	root := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "Suite Attester CA"}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		NotBefore: time.Now().Add(-day), NotAfter: time.Now().Add(365 * day), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	rootDER := certify(t, root, root, ca, ca)
	root, err := x509.ParseCertificate(rootDER)
	if err != nil {
		t.Fatal(err)
	}
	leafDER := certify(t, &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "Suite Attester"},
		NotBefore: time.Now().Add(-day), NotAfter: time.Now().Add(90 * day), KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}, root, leaf, ca)
	return &attester{key: leaf, chain: []string{stdBase64(leafDER)}}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})
}

func serial(t *testing.T) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, big.NewInt(1))
}

func certify(t *testing.T, template, parent *x509.Certificate, subject, issuer *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &subject.PublicKey, issuer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// client returns a client that follows no redirects.
func (w *world) client() *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(w.box.TLSRoot)
	return &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// wellKnown is the address of a document of the issuer: its own path is behind the
// well-known one (RFC 8414 section 3.1, OpenID4VCI 1.0 section 12.2.2).
func (w *world) wellKnown(path string) string { return w.box.Issuer + path + w.path }

// document gets a public document at the well-known path of the issuer.
func (w *world) document(t *testing.T, path string) object {
	t.Helper()
	r := w.send(t, http.MethodGet, w.wellKnown(path), nil, nil)
	if mediaType := r.mediaType(); r.status != http.StatusOK || mediaType != "application/json" {
		t.Fatalf("%s: %d %s", path, r.status, mediaType)
	}
	var o object
	if err := json.Unmarshal(r.body, &o); err != nil {
		t.Fatal(err)
	}
	return o
}
