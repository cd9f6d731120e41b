// Package openidtest is an OpenID provider for tests, in the shape of the
// Digital Agency's authentication app: real HTTP over TLS on loopback, strict
// about what clients send, and as faulty in its answers as a test wants it.
//
// The people are made up. Instead of a card, a call of [Provider.Login] says who
// is in front of the next browser.
package openidtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
)

// realm is the path of the issuer identifier.
const realm = "/api/realms/test"

// Person is what the provider says of somebody.
type Person struct {
	Subject, Name, Address, BirthDate, Gender string
}

// Hanako is somebody to log in with.
var Hanako = Person{Subject: "ppid-hanako", Name: "山田　花子", Address: "東京都清瀬市中里五丁目８４２番地", BirthDate: "1985-04-01", Gender: "2"}

// Faults change what the provider answers. Nil functions change nothing.
type Faults struct {
	// Header and Claims change the ID token before it is signed, with Key if
	// that is set.
	Header func(*jose.Header)
	Claims func(map[string]any)
	Key    crypto.Signer
	// IDToken, Tokens, UserInfo and KeySet change finished answers.
	IDToken  func(string) string
	Tokens   func(map[string]any)
	UserInfo func(map[string]any)
	KeySet   func(map[string]any)
	// Callback changes the query with which the browser returns.
	Callback func(url.Values)
	// Status is answered by an endpoint in place of its answer, by its last
	// path segment.
	Status map[string]int
}

// Options describe a provider.
type Options struct {
	Now      func() time.Time
	ClientID string
	// ClientKeys are the public keys of the client's assertions.
	ClientKeys []crypto.PublicKey
	// Certificate is that of the server; without one it makes its own.
	Certificate *tls.Certificate
}

// Provider is a running provider.
type Provider struct {
	opt    Options
	server *httptest.Server
	key    *ecdsa.PrivateKey
	kid    string

	mu       sync.Mutex
	person   Person
	faults   Faults
	codes    map[string]request
	tokens   map[string]Person
	seen     map[string]bool // identifiers of assertions
	requests map[string]int
}

// request is an authorization request that was approved.
type request struct {
	query  url.Values
	person Person
}

// New starts a provider. Close it.
func New(o Options) (*Provider, error) {
	key, err := keys.GenerateP256()
	if err != nil {
		return nil, err
	}
	kid, err := jose.ThumbprintOf(key.Public())
	if err != nil {
		return nil, err
	}
	p := &Provider{opt: o, key: key, kid: kid, person: Hanako, codes: map[string]request{}, tokens: map[string]Person{}, seen: map[string]bool{}, requests: map[string]int{}}
	mux := http.NewServeMux()
	for name, answer := range map[string]http.HandlerFunc{
		"GET auth": p.authorize, "POST token": p.token, "GET userinfo": p.userInfo, "GET certs": p.certs,
	} {
		method, segment, _ := strings.Cut(name, " ")
		mux.HandleFunc(method+" "+realm+"/protocol/openid-connect/"+segment, func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.requests[segment]++
			if status := p.faults.Status[segment]; status != 0 {
				w.WriteHeader(status)
				return
			}
			answer(w, r)
		})
	}
	p.server = httptest.NewUnstartedServer(mux)
	if o.Certificate != nil {
		p.server.TLS = &tls.Config{Certificates: []tls.Certificate{*o.Certificate}, MinVersion: tls.VersionTLS12}
	}
	p.server.StartTLS()
	return p, nil
}

// Close stops the provider.
func (p *Provider) Close() { p.server.Close() }

// Issuer returns the issuer identifier.
func (p *Provider) Issuer() string { return p.server.URL + realm }

// Address returns host and port.
func (p *Provider) Address() string { return p.server.Listener.Addr().String() }

// Root returns the certificate to trust for TLS.
func (p *Provider) Root() *x509.Certificate { return p.server.Certificate() }

// Login says who shows their card next, and what goes wrong from now on.
func (p *Provider) Login(person Person, f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.person, p.faults = person, f
}

// Requests returns how often an endpoint was asked, by its last path segment.
func (p *Provider) Requests(segment string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[segment]
}

func secret() string {
	var b [24]byte
	_, _ = rand.Read(b[:])
	return jose.EncodeBase64(b[:])
}

// authorize approves at once.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	for _, name := range []string{"redirect_uri", "state", "nonce", "code_challenge"} {
		if query.Get(name) == "" {
			http.Error(w, "there is no "+name, http.StatusBadRequest)
			return
		}
	}
	if query.Get("response_type") != "code" || query.Get("client_id") != p.opt.ClientID || query.Get("code_challenge_method") != "S256" ||
		!slices.Contains(strings.Fields(query.Get("scope")), "openid") {
		http.Error(w, "not a request of the client", http.StatusBadRequest)
		return
	}
	code := secret()
	p.codes[code] = request{query, p.person}
	back := url.Values{"code": {code}, "state": {query.Get("state")}, "iss": {p.Issuer()}}
	if p.faults.Callback != nil {
		p.faults.Callback(back)
	}
	http.Redirect(w, r, query.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "not a form", http.StatusBadRequest)
		return
	}
	if err := p.checkAssertion(r.PostForm); err != nil {
		write(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": err.Error()})
		return
	}
	code := r.PostForm.Get("code")
	request, ok := p.codes[code]
	delete(p.codes, code)
	challenge := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !ok || r.PostForm.Get("grant_type") != "authorization_code" || r.PostForm.Get("redirect_uri") != request.query.Get("redirect_uri") ||
		jose.EncodeBase64(challenge[:]) != request.query.Get("code_challenge") {
		write(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	access := secret()
	p.tokens[access] = request.person
	idToken, err := p.idToken(request, access)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": idToken}
	if p.faults.Tokens != nil {
		p.faults.Tokens(answer)
	}
	write(w, http.StatusOK, answer)
}

func (p *Provider) idToken(r request, access string) (string, error) {
	now := p.opt.Now()
	hash := sha256.Sum256([]byte(access))
	claims := map[string]any{
		"iss": p.Issuer(), "sub": r.person.Subject, "aud": p.opt.ClientID, "azp": p.opt.ClientID, "nonce": r.query.Get("nonce"),
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "at_hash": jose.EncodeBase64(hash[:16]), "acr": "aal3",
	}
	if p.faults.Claims != nil {
		p.faults.Claims(claims)
	}
	header := jose.Header{Typ: "JWT", Kid: p.kid}
	if p.faults.Header != nil {
		p.faults.Header(&header)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	var signer crypto.Signer = p.key
	if p.faults.Key != nil {
		signer = p.faults.Key
	}
	signed, err := jose.Sign(header, payload, signer)
	if err == nil && p.faults.IDToken != nil {
		signed = p.faults.IDToken(signed)
	}
	return signed, err
}

// checkAssertion checks private_key_jwt as OpenID Connect Core 1.0 section 9
// says.
func (p *Provider) checkAssertion(form url.Values) error {
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return errors.New("no assertion")
	}
	unverified, err := jose.Parse(form.Get("client_assertion"))
	if err != nil {
		return err
	}
	var claims struct {
		Issuer   string           `json:"iss"`
		Subject  string           `json:"sub"`
		Audience string           `json:"aud"`
		ID       string           `json:"jti"`
		Issued   jose.NumericDate `json:"iat"`
		Expires  jose.NumericDate `json:"exp"`
	}
	for _, key := range p.opt.ClientKeys {
		kid, err := jose.ThumbprintOf(key)
		if err != nil || kid != unverified.Header.Kid {
			continue
		}
		payload, err := unverified.Verify(key)
		if err != nil {
			return err
		}
		if err := jose.UnmarshalJSON(payload, &claims); err != nil {
			return err
		}
	}
	now := p.opt.Now()
	if claims.Issuer != p.opt.ClientID || claims.Subject != p.opt.ClientID || claims.Audience != p.Issuer()+"/protocol/openid-connect/token" ||
		claims.ID == "" || p.seen[claims.ID] || !now.Before(claims.Expires.Time()) || claims.Issued.Time().After(now) {
		return errors.New("the assertion does not hold")
	}
	p.seen[claims.ID] = true
	return nil
}

func (p *Provider) userInfo(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	person, known := p.tokens[token]
	if !ok || !known {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	claims := map[string]any{"sub": person.Subject, "name": person.Name, "address": person.Address, "birthdate": person.BirthDate, "gender": person.Gender}
	if p.faults.UserInfo != nil {
		p.faults.UserInfo(claims)
	}
	write(w, http.StatusOK, claims)
}

// certs publishes the key, beside one that is of no use for ID tokens.
func (p *Provider) certs(w http.ResponseWriter, _ *http.Request) {
	key, err := jose.NewJWK(p.key.Public())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	key.Kid = p.kid
	set := map[string]any{"keys": []any{key, map[string]any{"kty": "RSA", "kid": "enc", "use": "enc", "n": "AQAB", "e": "AQAB"}}}
	if p.faults.KeySet != nil {
		p.faults.KeySet(set)
	}
	write(w, http.StatusOK, set)
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that went away is told nothing
}
