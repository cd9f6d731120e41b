package e2e_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

// oauthClient is a wallet taken apart, so that every piece of what it sends can
// be made wrong. Its methods send what is right unless they are told otherwise.
type oauthClient struct {
	d              *deployment
	id             string
	instance, dpop *ecdsa.PrivateKey
	attestation    string
	verifier       string
	redirectURI    string
}

func (d *deployment) newClient(t *testing.T) *oauthClient {
	t.Helper()
	c := &oauthClient{
		d: d, id: d.cfg.Provider.ClientID, instance: newKey(t), dpop: newKey(t),
		verifier: openid4vci.NewCodeVerifier(), redirectURI: "https://wallet.example/callback",
	}
	c.attestation = d.attest(t, c.instance.Public(), nil)
	return c
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// attest signs a client attestation as the wallet provider does, after edit has
// changed it.
func (d *deployment) attest(t *testing.T, instance crypto.PublicKey, edit func(*attestation.ClientAttestation)) string {
	t.Helper()
	now := d.clock.Now().Truncate(time.Minute)
	a := attestation.ClientAttestation{
		Issuer: d.box.Provider, ClientID: d.cfg.Provider.ClientID, InstanceKey: instance,
		IssuedAt: now, ExpiresAt: now.Add(time.Hour), WalletName: "手形ウォレット",
	}
	if edit != nil {
		edit(&a)
	}
	signed, err := attestation.SignClientAttestation(a, d.providerKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// code returns the error code of the answer, or "".
func (a *answer) code() string {
	var e struct{ Error, Reason string }
	_ = json.Unmarshal(a.body, &e)
	if e.Error != "" {
		return e.Error
	}
	return e.Reason
}

// want fails the test unless the answer has the status and the error code.
func (a *answer) want(t *testing.T, status int, code string) {
	t.Helper()
	if a.status != status || a.code() != code {
		t.Errorf("got %d %s, want %d %s", a.status, bytes.TrimSpace(a.body), status, code)
	}
}

// read decodes a good answer.
func (a *answer) read(t *testing.T, v any) {
	t.Helper()
	if a.status > 299 {
		t.Fatalf("refused: %d %s", a.status, a.body)
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatal(err)
	}
}

// send makes a request. Headers of several values go out as several fields.
func (d *deployment) send(t *testing.T, method, address string, header http.Header, body []byte) *answer {
	t.Helper()
	a, err := d.try(t, method, address, header, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (d *deployment) try(t *testing.T, method, address string, header http.Header, body []byte) (*answer, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	response, err := d.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return &answer{response.StatusCode, response.Header, data}, err
}

func (d *deployment) endpoint(path string) string { return d.box.Issuer + path }

// headers are those of a request to the authorization server.
func (c *oauthClient) headers(t *testing.T, address string) http.Header {
	t.Helper()
	pop, err := attestation.SignPoP(attestation.PoP{
		ClientID: c.id, Audience: c.d.box.Issuer, Challenge: c.d.attestationChallenge(t), Now: c.d.clock.Now(), Lifetime: time.Minute,
	}, c.instance)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	h.Set(attestation.HeaderClient, c.attestation)
	h.Set(attestation.HeaderPoP, pop)
	h.Set("DPoP", c.proof(t, dpop.ProofOptions{URL: address}))
	return h
}

// proof signs a DPoP proof with what the options leave out.
func (c *oauthClient) proof(t *testing.T, o dpop.ProofOptions) string {
	t.Helper()
	if o.Method == "" {
		o.Method = http.MethodPost
	}
	if o.Now.IsZero() {
		o.Now = c.d.clock.Now()
	}
	proof, err := dpop.Sign(o, c.dpop)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

// parForm is a pushed authorization request for the SD-JWT VC.
func (c *oauthClient) parForm() url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {c.redirectURI},
		"state": {"a-state"}, "scope": {"identity_sd_jwt"},
		"code_challenge": {openid4vci.CodeChallenge(c.verifier)}, "code_challenge_method": {"S256"},
	}
}

func (c *oauthClient) push(t *testing.T, form url.Values, header http.Header) *answer {
	t.Helper()
	address := c.d.endpoint("/par")
	if header == nil {
		header = c.headers(t, address)
	}
	return c.d.send(t, http.MethodPost, address, header, []byte(form.Encode()))
}

// request pushes a request and returns the address for the browser.
func (c *oauthClient) request(t *testing.T) string {
	t.Helper()
	return c.visit(t, c.push(t, c.parForm(), nil))
}

// visit returns the address for the browser from the answer to a push.
func (c *oauthClient) visit(t *testing.T, a *answer) string {
	t.Helper()
	var pushed openid4vci.PARResponse
	a.read(t, &pushed)
	return c.d.endpoint("/authorize") + "?" + url.Values{"client_id": {c.id}, "request_uri": {pushed.RequestURI}}.Encode()
}

// code has the person agree.
func (c *oauthClient) code(t *testing.T, card *jpkitest.Card) string {
	t.Helper()
	callback := c.d.newBrowser(t).authorize(t, c.request(t), card)
	code := callback.Query().Get("code")
	if code == "" {
		t.Fatalf("no code in %s", callback.Redacted())
	}
	return code
}

func (c *oauthClient) tokenForm(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "client_id": {c.id}, "code": {code},
		"redirect_uri": {c.redirectURI}, "code_verifier": {c.verifier},
	}
}

func (c *oauthClient) token(t *testing.T, form url.Values, header http.Header) *answer {
	t.Helper()
	address := c.d.endpoint("/token")
	if header == nil {
		header = c.headers(t, address)
	}
	return c.d.send(t, http.MethodPost, address, header, []byte(form.Encode()))
}

// accessToken has the person agree and exchanges the code.
func (c *oauthClient) accessToken(t *testing.T, card *jpkitest.Card) string {
	t.Helper()
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(c.code(t, card)), nil).read(t, &token)
	return token.AccessToken
}

func (d *deployment) nonce(t *testing.T) string {
	t.Helper()
	var nonce openid4vci.NonceResponse
	d.send(t, http.MethodPost, d.endpoint("/nonce"), nil, nil).read(t, &nonce)
	return nonce.Nonce
}

// keyProof signs a key proof for a nonce.
func (c *oauthClient) keyProof(t *testing.T, nonce string, key crypto.Signer) string {
	t.Helper()
	proof, err := openid4vci.SignProof(openid4vci.ProofOptions{
		Audience: c.d.box.Issuer, Nonce: nonce, ClientID: c.id, Now: c.d.clock.Now(),
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

// credentialRequest asks for n copies of the SD-JWT VC.
func (c *oauthClient) credentialRequest(t *testing.T, n int) *openid4vci.CredentialRequest {
	t.Helper()
	nonce := c.d.nonce(t)
	request := &openid4vci.CredentialRequest{ConfigurationID: "identity_sd_jwt", Proofs: &openid4vci.Proofs{}}
	for range n {
		request.Proofs.JWT = append(request.Proofs.JWT, c.keyProof(t, nonce, newKey(t)))
	}
	return request
}

// resourceHeaders are those of a request to the credential endpoint.
func (c *oauthClient) resourceHeaders(t *testing.T, token string) http.Header {
	t.Helper()
	return http.Header{
		"Content-Type":  {"application/json"},
		"Authorization": {"DPoP " + token},
		"Dpop":          {c.proof(t, dpop.ProofOptions{URL: c.d.endpoint("/credential"), AccessToken: token})},
	}
}

// credential sends a credential request, which is a value or raw JSON.
func (c *oauthClient) credential(t *testing.T, token string, request any, header http.Header) *answer {
	t.Helper()
	body, ok := request.([]byte)
	if !ok {
		var err error
		if body, err = json.Marshal(request); err != nil {
			t.Fatal(err)
		}
	}
	if header == nil {
		header = c.resourceHeaders(t, token)
	}
	return c.d.send(t, http.MethodPost, c.d.endpoint("/credential"), header, body)
}

// credentials reads what was issued.
func (a *answer) credentials(t *testing.T) []string {
	t.Helper()
	var response openid4vci.CredentialResponse
	a.read(t, &response)
	var out []string
	for _, c := range response.Credentials {
		out = append(out, c.Credential)
	}
	return out
}
