package e2e_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// issuerMetadata fetches what wallets learn of the issuer.
func (d *deployment) issuerMetadata(t *testing.T) *openid4vci.IssuerMetadata {
	t.Helper()
	address, err := openid4vci.MetadataURL(d.box.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	a := d.send(t, http.MethodGet, address, http.Header{"Accept": {"application/json"}}, nil)
	m, err := openid4vci.ParseIssuerMetadata(a.body, d.box.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	if m.RequestEncryption == nil || m.ResponseEncryption == nil {
		t.Fatal("the issuer offers no encryption")
	}
	return m
}

// requestKey is what requests to the issuer are encrypted to.
func (d *deployment) requestKey(t *testing.T) *jose.JWK {
	t.Helper()
	return &d.issuerMetadata(t).RequestEncryption.Keys.Keys[0]
}

// responseKey makes parameters for a response with a key of their own.
func responseKey(t *testing.T, enc, zip string) (*openid4vci.EncryptionParameters, *ecdsa.PrivateKey) {
	t.Helper()
	private := newKey(t)
	jwk, err := jose.NewJWK(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk.Alg, jwk.Kid = jose.ECDHES, "1"
	return &openid4vci.EncryptionParameters{JWK: jwk, Enc: enc, Zip: zip}, private
}

// sealed sends a credential request, a value or raw JSON, encrypted to a key.
func (c *oauthClient) sealed(t *testing.T, token string, request any, to *jose.JWK, enc, zip string) *answer {
	t.Helper()
	body, ok := request.([]byte)
	if !ok {
		var err error
		if body, err = json.Marshal(request); err != nil {
			t.Fatal(err)
		}
	}
	compact, err := jose.Encrypt(body, to, enc, jose.EncryptOptions{Zip: zip})
	if err != nil {
		t.Fatal(err)
	}
	return c.asJWT(t, token, compact)
}

// asJWT sends something as an encrypted credential request.
func (c *oauthClient) asJWT(t *testing.T, token, body string) *answer {
	t.Helper()
	header := c.resourceHeaders(t, token)
	header.Set("Content-Type", openid4vci.MediaTypeEncrypted)
	return c.credential(t, token, []byte(body), header)
}

// opened reads an encrypted answer.
func (a *answer) opened(t *testing.T, p *openid4vci.EncryptionParameters, private *ecdsa.PrivateKey) []string {
	t.Helper()
	if a.status != http.StatusOK || a.header.Get("Content-Type") != openid4vci.MediaTypeEncrypted {
		t.Fatalf("%d %s %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	e, err := jose.ParseCompressed(string(a.body), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if h := e.Header; h.Alg != p.JWK.Alg || h.Enc != p.Enc || h.Zip != p.Zip || h.Kid != p.JWK.Kid {
		t.Errorf("header %+v", h)
	}
	content, err := e.Decrypt(private, p.Enc)
	if err != nil {
		t.Fatal(err)
	}
	return (&answer{status: a.status, body: content}).credentials(t)
}

// TestEncryptedCredentials has every combination that the metadata offer.
func TestEncryptedCredentials(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	m := d.issuerMetadata(t)
	to := d.requestKey(t)
	for _, enc := range m.RequestEncryption.Enc {
		for _, zip := range append([]string{""}, m.RequestEncryption.Zip...) {
			request := c.credentialRequest(t, 1)
			if got := c.sealed(t, token, request, to, enc, zip).credentials(t); len(got) != 1 {
				t.Errorf("request in %s %s: %d credentials", enc, zip, len(got))
			}
		}
	}
	for _, enc := range m.ResponseEncryption.Enc {
		for _, zip := range append([]string{""}, m.ResponseEncryption.Zip...) {
			request := c.credentialRequest(t, 1)
			p, private := responseKey(t, enc, zip)
			request.ResponseEncryption = p
			if got := c.sealed(t, token, request, to, enc, "").opened(t, p, private); len(got) != 1 || !strings.Contains(got[0], "~") {
				t.Errorf("response in %s %s: %d credentials", enc, zip, len(got))
			}
		}
	}
}

// TestNegEncryptedCredentials sends faulty encryption. Each case is refused in
// clear, issues nothing, and leaves the nonce to the honest twin.
func TestNegEncryptedCredentials(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	to := d.requestKey(t)
	request := c.credentialRequest(t, 1)
	with := func(edit func(map[string]any)) []byte {
		t.Helper()
		p, _ := responseKey(t, jose.A256GCM, "")
		asked := *request
		asked.ResponseEncryption = p
		raw, err := json.Marshal(asked)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(raw, &members); err != nil {
			t.Fatal(err)
		}
		parameters, _ := members["credential_response_encryption"].(map[string]any)
		edit(parameters)
		if raw, err = json.Marshal(members); err != nil {
			t.Fatal(err)
		}
		return raw
	}
	set := func(name string, value any) []byte {
		return with(func(p map[string]any) { p[name] = value })
	}
	inKey := func(name string, value any) []byte {
		return with(func(p map[string]any) {
			jwk, _ := p["jwk"].(map[string]any)
			jwk[name] = value
		})
	}
	seal := func(body []byte) func() *answer {
		return func() *answer { return c.sealed(t, token, body, to, jose.A256GCM, "") }
	}
	_, stranger := responseKey(t, "", "")
	other, err := jose.NewJWK(stranger.Public())
	if err != nil {
		t.Fatal(err)
	}
	other.Kid, other.Alg = to.Kid, to.Alg
	nameless := *to
	nameless.Kid = ""
	honest := with(func(map[string]any) {})
	for name, send := range map[string]func() *answer{
		"VCI-EN-04 parameters in a request in clear": func() *answer { return c.credential(t, token, honest, nil) },
		"VCI-EN-03 enc":              seal(set("enc", "A128CBC-HS256")),
		"VCI-EN-03 no enc":           seal(with(func(p map[string]any) { delete(p, "enc") })),
		"VCI-EN-03 zip":              seal(set("zip", "GZIP")),
		"VCI-EN-03 alg":              seal(inKey("alg", "ECDH-ES+A128KW")),
		"VCI-EN-03 RSA":              seal(set("jwk", map[string]string{"kty": "RSA", "alg": "RSA-OAEP-256", "n": "AQAB", "e": "AQAB"})),
		"VCI-EN-03 no alg":           seal(with(func(p map[string]any) { delete(p["jwk"].(map[string]any), "alg") })),
		"VCI-EN-03 no jwk":           seal(with(func(p map[string]any) { delete(p, "jwk") })),
		"VCI-EN-03 key for signing":  seal(inKey("use", "sig")),
		"VCI-EN-03 not on the curve": seal(inKey("x", jose.EncodeBase64(make([]byte, 32)))),
		"VCI-EN-09 private key":      seal(inKey("d", jose.EncodeBase64(make([]byte, 32)))),
		"VCI-EN-02 request for another key": func() *answer {
			return c.sealed(t, token, honest, other, jose.A256GCM, "")
		},
		"VCI-EN-02 request without kid": func() *answer { return c.sealed(t, token, honest, &nameless, jose.A256GCM, "") },
		"VCI-EN-09 request that grows": func() *answer {
			return c.sealed(t, token, bytes.Repeat([]byte(" "), 1<<20), to, jose.A256GCM, jose.DEF)
		},
		"VCI-EN-01 request that is no JWE":    func() *answer { return c.asJWT(t, token, "a.b.c") },
		"VCI-EN-01 request in clear as a JWE": func() *answer { return c.asJWT(t, token, string(honest)) },
	} {
		a := send()
		a.want(t, http.StatusBadRequest, openid4vci.CodeInvalidEncryptionParameters)
		if t.Failed() {
			t.Logf("in %s", name)
		}
		if a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" || bytes.Contains(a.body, []byte("~")) {
			t.Fatalf("I23 %s: %v %s", name, a.header, a.body)
		}
	}
	// Other errors of encrypted requests are in clear as well.
	asked := *request
	asked.ConfigurationID = "unknown"
	p, private := responseKey(t, jose.A128GCM, "")
	asked.ResponseEncryption = p
	a := c.sealed(t, token, &asked, to, jose.A128GCM, "")
	a.want(t, http.StatusBadRequest, openid4vci.CodeUnknownCredentialConfiguration)
	asked.ConfigurationID = request.ConfigurationID
	if got := c.sealed(t, token, &asked, to, jose.A128GCM, "").opened(t, p, private); len(got) != 1 {
		t.Errorf("honest twin: %d credentials", len(got))
	}
}

// TestEncryptionRequired has an issuer that takes nothing in clear.
func TestEncryptionRequired(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{configure: func(d *deployment) { d.cfg.Issuer.EncryptionRequired = true }})
	m := d.issuerMetadata(t)
	if !m.RequestEncryption.Required || !m.ResponseEncryption.Required {
		t.Fatalf("metadata: %+v %+v", m.RequestEncryption, m.ResponseEncryption)
	}
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	request := c.credentialRequest(t, 1)
	before := d.rows(t)
	t.Run("VCI-EN-05 request in clear", func(t *testing.T) {
		c.credential(t, token, request, nil).want(t, http.StatusBadRequest, openid4vci.CodeInvalidEncryptionParameters)
	})
	t.Run("VCI-EN-07 response in clear", func(t *testing.T) {
		c.sealed(t, token, request, d.requestKey(t), jose.A256GCM, "").want(t, http.StatusBadRequest, openid4vci.CodeInvalidEncryptionParameters)
	})
	p, private := responseKey(t, jose.A256GCM, jose.DEF)
	request.ResponseEncryption = p
	t.Run("oid4vci-1_0-issuer-fail-unsupported-encryption-algorithm", func(t *testing.T) {
		p, _ := responseKey(t, jose.A256GCM, "")
		p.JWK.Alg = "UNSUPPORTED_ALG"
		asked := *request
		asked.ResponseEncryption = p
		a := c.sealed(t, token, &asked, d.requestKey(t), jose.A256GCM, "")
		a.want(t, http.StatusBadRequest, openid4vci.CodeInvalidEncryptionParameters)
		if a.header.Get("Content-Type") != "application/json" {
			t.Errorf("the error came as %s", a.header.Get("Content-Type"))
		}
	})
	if after := d.rows(t); after != before {
		t.Errorf("rows before %s, after %s", before, after)
	}
	if got := c.sealed(t, token, request, d.requestKey(t), jose.A256GCM, "").opened(t, p, private); len(got) != 1 {
		t.Errorf("honest twin: %d credentials", len(got))
	}
	d.receive(t, cardOf(t, "taro"))
}
