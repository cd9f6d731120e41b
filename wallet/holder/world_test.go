package holder_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/wallet/holder"
)

const (
	clientID    = "https://wallet.test.invalid/client"
	redirectURI = "https://wallet.test.invalid/callback"
	vct         = "urn:test:identity"
	doctype     = "org.test.identity"
)

// authority has the CAs of all tests, which are slow to make.
type authority struct {
	ca, iaca                             *trusttest.CA
	tls, sd, doc, provider, access, rest *keys.Key
}

var newAuthority = sync.OnceValues(func() (*authority, error) {
	var a authority
	var errs [8]error
	start := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	a.ca, errs[0] = trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	a.iaca, errs[1] = trusttest.NewCA(trusttest.CAOptions{NotBefore: start, Profile: trusttest.IACA})
	a.tls, errs[2] = a.ca.IssueTLS(trusttest.LeafOptions{})
	a.sd, errs[3] = a.ca.IssueSDJWTSigner(trusttest.LeafOptions{})
	a.doc, errs[4] = a.iaca.IssueMdocSigner(trusttest.LeafOptions{})
	a.provider, errs[5] = a.ca.IssueWalletProvider(trusttest.LeafOptions{})
	a.access, errs[6] = a.ca.IssueVerifierAccess(trusttest.LeafOptions{})
	a.rest, errs[7] = a.ca.IssueVerifierAccess(trusttest.LeafOptions{Name: "Another Verifier"})
	return &a, errors.Join(errs[:]...)
})

// world is an issuer, its authorization server and a verifier on one loopback
// server, and a wallet. The functions spoil one thing each and may be nil.
type world struct {
	*authority
	t      *testing.T
	base   string
	wallet *holder.Wallet

	editIssuer func(*openid4vci.IssuerMetadata)
	// metadata answers in the issuer's place with what it would say.
	metadata func(rw http.ResponseWriter, r *http.Request, m *openid4vci.IssuerMetadata)
	// tenant is the path of the issuer, whose authorization server has none.
	tenant string
	// types answers at /type.
	types http.HandlerFunc
	// accepted are the Accept headers that metadata saw.
	accepted   []string
	editServer func(*openid4vci.AuthorizationServerMetadata)
	callback   func(url.Values) string
	draft      func(n int, d *credentials.Draft)
	respond    func(*openid4vci.CredentialResponse)
	request    func() string
	// badNonces is how many credential requests fail with invalid_nonce,
	// badDPoP how many requests at each endpoint ask for a DPoP nonce.
	// deferrals is how often the wallet has to wait; plain answers without
	// encryption whatever was asked.
	badNonces, badDPoP, deferrals int
	// proofs judges the proofs of credential requests.
	proofs         func(*openid4vci.Proofs) bool
	details, plain bool
	// refreshToken, if set, comes with tokens and serves to renew.
	refreshToken string
	// dpopAt limits badDPoP to one path, tokenType replaces DPoP, and
	// redirect the address after a presentation; if they are not empty.
	dpopAt, tokenType, redirect string
	// decrypt, if not nil, opens requests.
	decrypt *ecdsa.PrivateKey
	later   *openid4vci.CredentialResponse

	mu     sync.Mutex
	calls  []string
	par    url.Values
	posted []url.Values
	events []string
	asked  map[string]int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	a, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{authority: a, t: t, asked: map[string]int{}}
	server := httptest.NewUnstartedServer(w.mux())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{a.tls.TLSCertificate()}}
	server.StartTLS()
	t.Cleanup(server.Close)
	w.base = server.URL
	u, _ := url.Parse(server.URL)
	if _, _, err := net.SplitHostPort(u.Host); err != nil {
		t.Fatal(err)
	}
	client, err := fetch.New(fetch.Options{
		Purpose: "wallet", ExtraRoots: []*x509.Certificate{a.ca.Certificate}, AllowLoopback: []string{u.Host}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	w.wallet = &holder.Wallet{
		HTTP: client, Attester: attester{a.provider}, Vault: &holder.Memory{},
		IssuerTrust: map[credentials.Format]*trust.Policy{
			credentials.FormatSDJWTVC: policy(a.ca, trust.ProfileSDJWTIssuer),
			credentials.FormatMdoc:    policy(a.iaca, trust.ProfileMdocSigner),
		},
		VerifierTrust: policy(a.ca, trust.ProfileVerifierAccess),
		RedirectURI:   redirectURI, BatchSize: 3, Now: time.Now,
	}
	return w
}

func policy(ca *trusttest.CA, profile trust.Profile) *trust.Policy {
	return &trust.Policy{
		Anchors: []trust.Anchor{ca.Anchor()}, Profile: profile, Revocation: trust.NotChecked("test"), Now: time.Now,
	}
}

// attester is a wallet provider at hand.
type attester struct{ key *keys.Key }

func (a attester) ClientAttestation(context.Context, string) (string, crypto.Signer, error) {
	instance, err := keys.GenerateP256()
	if err != nil {
		return "", nil, err
	}
	compact, err := attestation.SignClientAttestation(attestation.ClientAttestation{
		ClientID: clientID, InstanceKey: instance.Public(), ExpiresAt: time.Now().Add(time.Hour),
	}, a.key)
	return compact, instance, err
}

func (a attester) KeyAttestation(_ context.Context, _ string, attested []crypto.PublicKey, nonce string) (string, error) {
	return attestation.SignKeyAttestation(attestation.KeyAttestation{
		Keys: attested, Nonce: nonce, IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
		KeyStorage: []string{attestation.ResistanceBasic},
	}, a.key)
}

// Authorize plays the browser of somebody who agrees to everything.
func (w *world) Authorize(_ context.Context, authorizationURL, _ string) (string, error) {
	u, err := url.Parse(authorizationURL)
	if err != nil {
		return "", err
	}
	query := u.Query()
	if names := len(query); names != 2 || query.Get("client_id") != clientID || query.Get("request_uri") != "urn:test:1" {
		w.t.Errorf("authorization URL has the query %q, want client_id and request_uri only", u.RawQuery)
	}
	answer := url.Values{"code": {"the-code"}, "state": {w.par.Get("state")}, "iss": {w.base}}
	if w.callback != nil {
		if address := w.callback(answer); address != "" {
			return address + "?" + answer.Encode(), nil
		}
	}
	return redirectURI + "?" + answer.Encode(), nil
}

// offer returns a link to an offer by value.
func (w *world) offer(ids ...string) string {
	o := openid4vci.CredentialOffer{
		CredentialIssuer: w.base, ConfigurationIDs: ids,
		Grants: &openid4vci.Grants{AuthorizationCode: &openid4vci.AuthorizationCodeGrant{IssuerState: "the-offer"}},
	}
	link, err := openid4vci.OfferLink{Offer: &o}.String(openid4vci.SchemeHAIP)
	if err != nil {
		w.t.Fatal(err)
	}
	return link
}

// hold fills the vault.
func (w *world) hold(ids ...string) []*holder.Held {
	w.t.Helper()
	held, err := w.wallet.AcceptOffer(w.t.Context(), w.offer(ids...), w)
	if err != nil {
		w.t.Fatal(err)
	}
	return held
}

func (w *world) vault() []*holder.Held {
	w.t.Helper()
	held, err := w.wallet.Vault.List(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return held
}

// called reports whether a path was asked for.
func (w *world) called(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.calls, func(c string) bool { return strings.HasPrefix(c, path) })
}

func (w *world) mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /offer", func(rw http.ResponseWriter, _ *http.Request) {
		writeJSON(rw, 200, openid4vci.CredentialOffer{CredentialIssuer: w.base, ConfigurationIDs: []string{"sd"}})
	})
	mux.HandleFunc("GET "+openid4vci.WellKnownIssuer, w.issuerMetadata)
	mux.HandleFunc("GET "+openid4vci.WellKnownIssuer+"/tenant", w.issuerMetadata)
	mux.HandleFunc("GET "+openid4vci.WellKnownAuthorizationServer, w.serverMetadata)
	mux.HandleFunc("GET /type", func(rw http.ResponseWriter, r *http.Request) { w.types(rw, r) })
	mux.HandleFunc("POST /par", w.push)
	mux.HandleFunc("POST /token", w.token)
	mux.HandleFunc("POST /nonce", func(rw http.ResponseWriter, _ *http.Request) {
		writeJSON(rw, 200, openid4vci.NonceResponse{Nonce: "c-nonce"})
	})
	mux.HandleFunc("POST /credential", w.credential)
	mux.HandleFunc("POST /deferred", w.deferred)
	mux.HandleFunc("POST /notification", w.notification)
	mux.HandleFunc("/request", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
		if err := r.ParseForm(); err != nil {
			w.t.Error(err)
		}
		rw.Write([]byte(w.request()))
	})
	mux.HandleFunc("POST /response", func(rw http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			w.t.Error(err)
		}
		w.mu.Lock()
		w.posted = append(w.posted, r.PostForm)
		w.mu.Unlock()
		redirect := w.base + "/done#code"
		if w.redirect != "" {
			redirect = w.redirect
		}
		writeJSON(rw, 200, map[string]string{"redirect_uri": redirect})
	})
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.calls = append(w.calls, r.URL.Path)
		w.mu.Unlock()
		mux.ServeHTTP(rw, r)
	})
}

func writeJSON(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	json.NewEncoder(rw).Encode(v)
}
