package oidfwallet_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/e2e/wire"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/provider"
)

const (
	clientID    = "https://wallet.test.invalid/client"
	redirectURI = "https://wallet.test.invalid/callback"
	providerURL = "https://provider.test.invalid/p"
	vct         = "eu.europa.ec.eudi.pid.1"
	doctype     = "org.iso.18013.5.1.mDL"
	namespace   = "org.iso.18013.5.1"
	txCode      = "123456"
	// alias is the path of the suite's peers, which ends with a slash.
	alias = "/test/a/tegata/"
)

// authority has what is slow to make, and the wallet provider.
type authority struct {
	ca, iaca                             *trusttest.CA
	tls, sd, doc, attester, access, rest *keys.Key
	provider                             http.Handler
}

var newAuthority = sync.OnceValue(func() *authority {
	start := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	a := &authority{
		ca:   wire.Must(trusttest.NewCA(trusttest.CAOptions{NotBefore: start})),
		iaca: wire.Must(trusttest.NewCA(trusttest.CAOptions{NotBefore: start, Profile: trusttest.IACA})),
	}
	a.tls = wire.Must(a.ca.IssueTLS(trusttest.LeafOptions{}))
	a.sd = wire.Must(a.ca.IssueSDJWTSigner(trusttest.LeafOptions{}))
	a.doc = wire.Must(a.iaca.IssueMdocSigner(trusttest.LeafOptions{}))
	a.attester = wire.Must(a.ca.IssueWalletProvider(trusttest.LeafOptions{}))
	a.access = wire.Must(a.ca.IssueVerifierAccess(trusttest.LeafOptions{DNSNames: []string{"localhost"}}))
	a.rest = wire.Must(a.ca.IssueVerifierAccess(trusttest.LeafOptions{Name: "Another Verifier"}))
	a.provider = newProvider(a.attester)
	return a
})

func newProvider(key *keys.Key) http.Handler {
	db := wire.Must(database.Open(context.Background(), database.Config{}))
	if err := db.Migrate(context.Background()); err != nil {
		panic(err)
	}
	server := wire.Must(httpd.New(httpd.Options{Name: "wallet", Origin: strings.TrimSuffix(providerURL, "/p"), Now: time.Now}))
	provider.Mount(server, "/p", wire.Must(provider.New(provider.Config{
		Tenant: "p", Issuer: providerURL, ClientID: clientID, Keys: wire.Must(keys.NewRing(keys.Entry{Key: key})), DB: db, TestMode: true,
		Platforms:  map[string]provider.Platform{provider.SoftwarePlatform: provider.NewSoftwarePlatform()},
		Sessions:   session.New(session.NewMemory(time.Now, 0), session.NewRandomKeys(), "p", time.Now),
		Audit:      wire.Must(audit.New("wallet_provider", bytes.Repeat([]byte{2}, 32))),
		Secret:     bytes.Repeat([]byte{3}, 32),
		AdminToken: strings.Repeat("x", 32), Now: time.Now,
	})))
	return server.Handler()
}

// direct is the way to the wallet provider, in this process.
type direct struct{ handler http.Handler }

// Get implements [holder.HTTP].
func (d direct) Get(context.Context, string, ...string) (*fetch.Response, error) {
	return nil, http.ErrNotSupported
}

// Post implements [holder.HTTP].
func (d direct) Post(ctx context.Context, address, contentType string, body []byte, _ http.Header) (*fetch.Response, error) {
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	recorder := httptest.NewRecorder()
	d.handler.ServeHTTP(recorder, request)
	response := &fetch.Response{Status: recorder.Code, Header: recorder.Header(), Body: recorder.Body.Bytes()}
	if response.Status > 299 {
		return nil, &fetch.StatusError{Response: response}
	}
	return response, nil
}

// peer is a server on loopback that remembers what it was asked.
type peer struct {
	*authority
	t *testing.T
	// base is the origin, id the identifier that the suite has under it.
	base, id string
	mu       sync.Mutex
	calls    []string
}

func newPeer(t *testing.T, mux *http.ServeMux) *peer {
	t.Helper()
	p := &peer{authority: newAuthority(), t: t}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.calls = append(p.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, alias))
		p.mu.Unlock()
		mux.ServeHTTP(rw, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{p.tls.TLSCertificate()}}
	server.StartTLS()
	t.Cleanup(server.Close)
	p.base = server.URL
	p.id = p.base + alias
	return p
}

// called returns how often something was asked for.
func (p *peer) called(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.calls {
		if c == what {
			n++
		}
	}
	return n
}

// after returns what was asked for after the first time of something.
func (p *peer) after(what string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.calls, what)
	if at < 0 {
		p.t.Errorf("%s was never asked for: %v", what, p.calls)
		return nil
	}
	return p.calls[at+1:]
}

// newWallet returns a wallet that may speak to the peer.
func (p *peer) newWallet(options fetch.Options) *holder.Wallet {
	p.t.Helper()
	options.Purpose, options.Now = "wallet", time.Now
	options.ExtraRoots = []*x509.Certificate{p.ca.Certificate}
	options.AllowLoopback = []string{strings.TrimPrefix(p.base, "https://"), strings.TrimPrefix(p.named(), "https://")}
	client := wire.Must(fetch.New(options))
	p.t.Cleanup(client.CloseIdleConnections)
	return &holder.Wallet{
		HTTP:  client,
		Vault: &holder.Memory{},
		Attester: &holder.Provider{
			HTTP: direct{p.provider}, URL: providerURL, Platform: provider.SoftwarePlatform, Now: time.Now,
		},
		IssuerTrust: map[credentials.Format]*trust.Policy{
			credentials.FormatSDJWTVC: policy(p.ca, trust.ProfileSDJWTIssuer),
			credentials.FormatMdoc:    policy(p.iaca, trust.ProfileMdocSigner),
		},
		VerifierTrust: policy(p.ca, trust.ProfileVerifierAccess),
		RedirectURI:   redirectURI, BatchSize: 3, Now: time.Now,
		Wait: func(context.Context, time.Duration) error { return nil },
	}
}

func policy(ca *trusttest.CA, profile trust.Profile) *trust.Policy {
	return &trust.Policy{
		Anchors: []trust.Anchor{ca.Anchor()}, Profile: profile, Revocation: trust.NotChecked("test"), Now: time.Now,
	}
}

// browser goes where it is sent, once, and knows the transaction code.
type browser struct{ peer *peer }

// Authorize implements [holder.UserAgent].
func (b browser) Authorize(ctx context.Context, authorizationURL, _ string) (string, error) {
	pool := x509.NewCertPool()
	pool.AddCert(b.peer.ca.Certificate)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizationURL, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	_ = response.Body.Close()
	location := response.Header.Get("Location")
	if location == "" {
		return "", errors.New("the browser was not sent anywhere")
	}
	return location, nil
}

// TxCode implements [holder.TxCodeReader].
func (browser) TxCode(context.Context, openid4vci.TxCode) (string, error) { return txCode, nil }

// withQuery adds parameters to an address.
func withQuery(address string, parameters url.Values) string {
	return address + "?" + parameters.Encode()
}

// named is the origin with a name in the place of the address.
func (p *peer) named() string { return strings.Replace(p.base, "127.0.0.1", "localhost", 1) }
