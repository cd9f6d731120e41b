package oidfissuer_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

func stdBase64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// variant is one combination of the suite's parameters.
type variant struct {
	// format is sd_jwt_vc or mdoc.
	format string
	// auth is client_attestation or private_key_jwt.
	auth string
	// rar asks by authorization_details and not by scope.
	rar bool
	// encrypted encrypts credential requests and responses.
	encrypted bool
	// preAuthorized is the grant, and offered the flow: by an offer of the
	// issuer.
	preAuthorized, offered bool
	// proofType is how keys are proven: jwt if empty, attestation, or
	// jwt.keyattest, a jwt with a key attestation in its header.
	proofType string
}

func (v variant) String() string {
	name := []string{v.format, v.auth}
	for _, part := range []struct {
		is   bool
		name string
	}{{v.rar, "rar"}, {v.encrypted, "encrypted"}, {v.preAuthorized, "pre_authorization_code"}, {v.offered, "issuer_initiated"}, {v.proofType != "", v.proofType}} {
		if part.is {
			name = append(name, part.name)
		}
	}
	return strings.Join(name, "/")
}

// configuration is the credential_configuration_id of a format.
func (v variant) configuration() string {
	return map[string]string{"sd_jwt_vc": "identity_sd_jwt", "mdoc": "identity_mdoc"}[v.format]
}

var haip = []variant{{format: "sd_jwt_vc", auth: "client_attestation"}, {format: "mdoc", auth: "client_attestation"}}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r *reply) mediaType() string {
	mediaType, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	return mediaType
}

// json reads the body.
func (r *reply) json(t *testing.T) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(r.body, &o); err != nil || r.mediaType() != "application/json" {
		t.Fatalf("%d %s: not JSON: %s", r.status, r.mediaType(), r.body)
	}
	return o
}

// fails demands an OAuth error with one of the codes and a status of 400, or 401
// where the client is at fault.
func (r *reply) fails(t *testing.T, codes ...string) {
	t.Helper()
	e := r.json(t)
	code := wire.Text(e, "error")
	status := []int{http.StatusBadRequest}
	if strings.HasPrefix(code, "invalid_client") || code == "use_fresh_attestation" {
		status = append(status, http.StatusUnauthorized)
	}
	if !slices.Contains(status, r.status) || !slices.Contains(codes, code) {
		t.Errorf("%d %s, want %v", r.status, r.body, codes)
	}
	for name := range e {
		if name != "error" && name != "error_description" && name != "error_uri" {
			t.Errorf("the error has a member %s", name)
		}
	}
	if strings.ContainsAny(wire.Text(e, "error_description"), "\r\n\t\"\\") {
		t.Errorf("error_description %q", wire.Text(e, "error_description"))
	}
}

// send makes a request. Header names go out as they are written.
func (w *world) send(t *testing.T, method, address string, header http.Header, body []byte) *reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(request.Header, header)
	response, err := w.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &reply{response.StatusCode, response.Header, data}
}

// wallet is a client of the suite. What it does is right unless it is told
// otherwise.
type wallet struct {
	w *world
	variant
	id                     string
	instance, dpop, holder *ecdsa.PrivateKey
	redirectURI, state     string
	verifier               string
	dpopNonce, challenge   string
	issuerState            string
	// kid names the key of client assertions.
	kid string
	// skew is how far the clock of the DPoP proofs is off.
	skew time.Duration
	// extra are claims of every DPoP proof.
	extra object
	// scheme is that of the Authorization header.
	scheme string
	token  string
}

func (w *world) wallet(t *testing.T, v variant) *wallet {
	t.Helper()
	return w.walletNumber(t, v, 0)
}

// walletNumber returns the first or the second client.
func (w *world) walletNumber(t *testing.T, v variant, n int) *wallet {
	t.Helper()
	c := &wallet{
		w: w, variant: v, id: attestedClients[n], instance: wire.NewKey(), dpop: wire.NewKey(), holder: wire.NewKey(),
		redirectURI: callback, state: rand.Text(), verifier: rand.Text() + rand.Text(), scheme: "DPoP",
	}
	if v.auth == "private_key_jwt" {
		c.id, c.instance, c.kid = keyedClients[n], w.keys[keyedClients[n]], keyedClients[n]
	}
	return c
}

func (c *wallet) endpoint(name string) string {
	if address := wire.Text(c.w.server, name+"_endpoint"); address != "" {
		return address
	}
	return wire.Text(c.w.issuer, name+"_endpoint")
}

// attestation signs the client attestation with what is changed.
func (c *wallet) attestation(t *testing.T, changes object) string {
	t.Helper()
	now := c.w.now()
	claims := object{
		"iss": "https://client-attester.example.org/", "sub": c.id, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"cnf": object{"jwk": wire.JWK(&c.instance.PublicKey)}, "wallet_name": "Suite Wallet",
	}
	return wire.Sign(c.w.attester.key, object{"typ": "oauth-client-attestation+jwt", "x5c": c.w.attester.chain}, changed(claims, changes))
}

// changed applies changes to claims; nil removes.
func changed(claims, changes object) object {
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// pop signs the proof of possession with what is changed.
func (c *wallet) pop(t *testing.T, key *ecdsa.PrivateKey, changes object) string {
	t.Helper()
	claims := object{"iss": c.id, "aud": wire.Text(c.w.server, "issuer"), "jti": rand.Text(), "iat": c.w.now().Unix()}
	if c.challenge != "" {
		claims["challenge"] = c.challenge
	}
	return wire.Sign(key, object{"typ": "oauth-client-attestation-pop+jwt"}, changed(claims, changes))
}

// assertion signs the client assertion with what is changed.
func (c *wallet) assertion(t *testing.T, changes object) string {
	t.Helper()
	now := c.w.now()
	claims := object{
		"iss": c.id, "sub": c.id, "aud": wire.Text(c.w.server, "issuer"), "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	return wire.Sign(c.instance, object{"kid": c.kid}, changed(claims, changes))
}

// proof signs a DPoP proof; claims and header may be changed.
func (c *wallet) proof(t *testing.T, address, token string, header, changes object) string {
	t.Helper()
	claims := object{"htm": "POST", "htu": address, "jti": rand.Text(), "iat": c.w.now().Add(c.skew).Unix()}
	maps.Copy(claims, c.extra)
	if token != "" {
		claims["ath"] = wire.Hash(token)
	}
	if c.dpopNonce != "" {
		claims["nonce"] = c.dpopNonce
	}
	h := object{"typ": "dpop+jwt", "jwk": wire.JWK(&c.dpop.PublicKey)}
	maps.Copy(h, header)
	return wire.Sign(c.dpop, h, changed(claims, changes))
}

// edit changes a form request before it is sent.
type edit func(form url.Values, header http.Header)

func set(name, value string) edit    { return func(f url.Values, _ http.Header) { f.Set(name, value) } }
func without(name string) edit       { return func(f url.Values, _ http.Header) { f.Del(name) } }
func withoutHeader(name string) edit { return func(_ url.Values, h http.Header) { h.Del(name) } }

// post sends a form with client authentication to an endpoint of the
// authorization server, and again at most twice if a nonce or challenge is asked
// for.
func (c *wallet) post(t *testing.T, endpoint string, form url.Values, withDPoP bool, edits ...edit) *reply {
	t.Helper()
	address := c.endpoint(endpoint)
	for try := 0; ; try++ {
		sent, header := maps.Clone(form), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		if c.auth == "private_key_jwt" {
			sent.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			sent.Set("client_assertion", c.assertion(t, nil))
		} else {
			c.fetchChallenge(t)
			header.Set("OAuth-Client-Attestation", c.attestation(t, nil))
			header.Set("OAuth-Client-Attestation-PoP", c.pop(t, c.instance, nil))
		}
		if withDPoP {
			header.Set("DPoP", c.proof(t, address, "", nil, nil))
		}
		for _, e := range edits {
			e(sent, header)
		}
		r := c.w.send(t, http.MethodPost, address, header, []byte(sent.Encode()))
		if nonce := r.header.Get("DPoP-Nonce"); nonce != "" {
			c.dpopNonce = nonce
		}
		if try == 2 || r.status != http.StatusBadRequest || wire.Text(r.json(t), "error") != "use_dpop_nonce" {
			return r
		}
	}
}

// fetchChallenge gets a challenge where the server offers them.
func (c *wallet) fetchChallenge(t *testing.T) {
	t.Helper()
	if address := wire.Text(c.w.server, "challenge_endpoint"); address != "" {
		r := c.w.send(t, http.MethodPost, address, nil, nil)
		if c.challenge = wire.Text(r.json(t), "attestation_challenge"); c.challenge == "" || !strings.Contains(r.header.Get("Cache-Control"), "no-store") {
			t.Errorf("challenge: %d %s", r.status, r.body)
		}
	}
}

// request is an authorization request.
func (c *wallet) request() url.Values {
	form := url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {c.redirectURI}, "state": {c.state},
		"code_challenge": {wire.Hash(c.verifier)}, "code_challenge_method": {"S256"},
	}
	if c.rar {
		form.Set("authorization_details", string(wire.JSON([]object{{"type": "openid_credential", "credential_configuration_id": c.configuration()}})))
	} else {
		form.Set("scope", c.configuration())
	}
	if c.issuerState != "" {
		form.Set("issuer_state", c.issuerState)
	}
	return form
}

// push pushes the request.
func (c *wallet) push(t *testing.T, edits ...edit) *reply {
	t.Helper()
	return c.post(t, "pushed_authorization_request", c.request(), false, edits...)
}

// pushBound pushes the request together with a DPoP proof.
func (c *wallet) pushBound(t *testing.T, edits ...edit) *reply {
	t.Helper()
	return c.post(t, "pushed_authorization_request", c.request(), true, edits...)
}

// pushed checks the answer to a push and returns the request_uri.
func (c *wallet) pushed(t *testing.T, r *reply) string {
	t.Helper()
	o := r.json(t)
	expires, _ := o["expires_in"].(float64)
	if r.status != http.StatusCreated || expires < 5 || expires > 600 || !strings.Contains(r.header.Get("Cache-Control"), "no-store") {
		t.Fatalf("PAR: %d %s", r.status, r.body)
	}
	requestURI := wire.Text(o, "request_uri")
	if secret, ok := strings.CutPrefix(requestURI, "urn:ietf:params:oauth:request_uri:"); !ok || entropy(secret) < 96 {
		t.Errorf("request_uri %q", requestURI)
	}
	return requestURI
}

// visit is the address for the browser. As the suite does, it repeats what was
// pushed.
func (c *wallet) visit(requestURI string, extra ...string) string {
	query := c.request()
	query.Set("request_uri", requestURI)
	for i := 0; i < len(extra); i += 2 {
		query.Set(extra[i], extra[i+1])
	}
	return c.endpoint("authorization") + "?" + query.Encode()
}

// tokenForm is a token request for a code.
func (c *wallet) tokenForm(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.redirectURI}, "code_verifier": {c.verifier}, "client_id": {c.id},
	}
}
