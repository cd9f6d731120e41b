package e2e_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// nonceOf reads the nonce of a key proof.
func nonceOf(t *testing.T, proof string) string {
	t.Helper()
	u, err := jose.Parse(proof)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Nonce string `json:"nonce"`
	}
	if err := jose.UnmarshalJSON(u.UnverifiedPayload(), &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Nonce
}

// forged is a JWT of which every part can be anything.
type forged struct {
	header, claims map[string]any
	key            crypto.Signer
	// payload, if set, takes the place of the claims.
	payload string
}

// compact signs with the key, whatever the header says. Header members of value
// nil are left out.
func (f forged) compact(t *testing.T) string {
	t.Helper()
	part := func(members map[string]any) []byte {
		members = maps.Clone(members)
		maps.DeleteFunc(members, func(_ string, v any) bool { return v == nil })
		out, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	payload := []byte(f.payload)
	if f.payload == "" {
		payload = part(f.claims)
	}
	input := jose.EncodeBase64(part(f.header)) + "." + jose.EncodeBase64(payload)
	switch f.header["alg"] {
	case "none":
		return input + "."
	case "HS256":
		jwk, err := json.Marshal(f.header["jwk"])
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, jwk)
		mac.Write([]byte(input))
		return input + "." + jose.EncodeBase64(mac.Sum(nil))
	}
	// A signature over another header's JWS does not fit, so the signature is
	// made here, in the form of ES256.
	return input + "." + jose.EncodeBase64(signES256(t, f.key, input))
}

func jwkOf(t *testing.T, key crypto.PublicKey) *jose.JWK {
	t.Helper()
	jwk, err := jose.NewJWK(key)
	if err != nil {
		t.Fatal(err)
	}
	return jwk
}

// proofOf is an honest key proof in pieces.
func (c *oauthClient) proofOf(t *testing.T) forged {
	t.Helper()
	key := newKey(t)
	return forged{
		key:    key,
		header: map[string]any{"alg": "ES256", "typ": "openid4vci-proof+jwt", "jwk": jwkOf(t, key.Public())},
		claims: map[string]any{"iss": c.id, "aud": c.d.box.Issuer, "iat": c.d.clock.Now().Unix(), "nonce": c.d.nonce(t)},
	}
}

// TestNegProof sends key proofs with faults to the credential endpoint.
func TestNegProof(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	other := deploy(t, deployOptions{})
	ask := func(t *testing.T, proofs ...string) *answer {
		t.Helper()
		return c.credential(t, token, map[string]any{"credential_configuration_id": "identity_sd_jwt", "proofs": map[string]any{"jwt": proofs}}, nil)
	}
	set := func(part func(forged) map[string]any, name string, value any) func(*forged) {
		return func(f *forged) { part(*f)[name] = value }
	}
	header, claim := func(f forged) map[string]any { return f.header }, func(f forged) map[string]any { return f.claims }
	now := d.clock.Now().Unix()
	for name, edit := range map[string]func(*forged){
		"I13 typ JWT":             set(header, "typ", "JWT"),
		"I13 typ of a DPoP proof": set(header, "typ", "dpop+jwt"),
		"I13 typ missing":         set(header, "typ", nil),
		"I13 alg none":            set(header, "alg", "none"),
		"I13 alg HS256":           set(header, "alg", "HS256"),
		"I13 alg of another key":  set(header, "alg", "ES384"),
		"I13 other key signs":     func(f *forged) { f.key = newKey(t) },
		"I14 aud of another":      set(claim, "aud", other.box.Issuer),
		"I14 aud missing":         set(claim, "aud", nil),
		"I14 two audiences":       set(claim, "aud", []string{d.box.Issuer, other.box.Issuer}),
		"I14 trailing slash":      set(claim, "aud", d.box.Issuer+"/"),
		"I14 upper case":          set(claim, "aud", strings.ToUpper(d.box.Issuer)),
		"I15 iat an hour ago":     set(claim, "iat", now-3600),
		"I15 iat in an hour":      set(claim, "iat", now+3600),
		"I15 iat missing":         set(claim, "iat", nil),
		"I15 iat a string":        set(claim, "iat", fmt.Sprint(now)),
		"I15 iat a fraction":      set(claim, "iat", float64(now)+0.5),
		"I15 iat too large": func(f *forged) {
			f.payload = fmt.Sprintf(`{"iss":%q,"aud":%q,"nonce":%q,"iat":1e400}`, c.id, d.box.Issuer, f.claims["nonce"])
		},
		"I15 claims twice": func(f *forged) {
			f.payload = fmt.Sprintf(`{"iss":%q,"aud":%q,"aud":%q,"nonce":%q,"iat":%d}`, c.id, d.box.Issuer, d.box.Issuer, f.claims["nonce"], now)
		},
		"I16 jwk and kid":          set(header, "kid", "did:example:someone#1"),
		"I16 kid alone":            func(f *forged) { delete(f.header, "jwk"); f.header["kid"] = "did:example:someone#1" },
		"I16 jku":                  set(header, "jku", "https://127.0.0.1:1/keys"),
		"I16 x5u":                  set(header, "x5u", "https://127.0.0.1:1/chain"),
		"I16 crit":                 set(header, "crit", []string{"exp"}),
		"I16 jwk missing":          set(header, "jwk", nil),
		"I16 jwk with private key": func(f *forged) { f.header["jwk"] = withMember(t, f.header["jwk"], "d", strings.Repeat("A", 43)) },
		"I16 jwk off the curve":    func(f *forged) { f.header["jwk"] = withMember(t, f.header["jwk"], "x", strings.Repeat("A", 43)) },
		"I16 jwk and x5c":          set(header, "x5c", []string{"MIIB"}),
		"I17 iss of another":       set(claim, "iss", "another-client"),
	} {
		t.Run(name, func(t *testing.T) {
			before := d.rows(t)
			f := c.proofOf(t)
			edit(&f)
			ask(t, f.compact(t)).want(t, http.StatusBadRequest, "invalid_proof")
			if after := d.rows(t); after != before {
				t.Errorf("rows before %s, after %s", before, after)
			}
		})
	}
	t.Run("honest twin", func(t *testing.T) { ask(t, c.proofOf(t).compact(t)).credentials(t) })
	t.Run("I11 nonces", func(t *testing.T) {
		for name, nonce := range map[string]any{
			"absent": nil, "empty": "", "of another issuer": other.nonce(t), "truncated": d.nonce(t)[:20],
			"changed": flip(d.nonce(t), 0), "long": strings.Repeat("A", 5000),
		} {
			f := c.proofOf(t)
			f.claims["nonce"] = nonce
			if a := ask(t, f.compact(t)); a.status != http.StatusBadRequest || a.code() != "invalid_nonce" && a.code() != "invalid_proof" {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
	})
	t.Run("I11 a nonce serves once", func(t *testing.T) {
		f := c.proofOf(t)
		bad := f
		bad.header = maps.Clone(f.header)
		bad.header["typ"] = "JWT"
		ask(t, bad.compact(t)).want(t, http.StatusBadRequest, "invalid_proof") // does not use it up
		ask(t, f.compact(t)).credentials(t)
		ask(t, f.compact(t)).want(t, http.StatusBadRequest, "invalid_nonce")
	})
}

// TestNegBatch sends batches and requests whose form is wrong.
func TestNegBatch(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c, card := d.newClient(t), cardOf(t, "taro")
	token := c.accessToken(t, card)
	batch := c.credentialRequest(t, 3)
	t.Run("I12 one nonce in a batch", func(t *testing.T) {
		if got := c.credential(t, token, batch, nil).credentials(t); len(got) != 3 {
			t.Errorf("%d credentials", len(got))
		}
		c.credential(t, token, batch, nil).want(t, http.StatusBadRequest, "invalid_nonce")
	})
	t.Run("I12 two nonces in a batch", func(t *testing.T) {
		request := c.credentialRequest(t, 1)
		request.Proofs.JWT = append(request.Proofs.JWT, c.credentialRequest(t, 1).Proofs.JWT...)
		if a := c.credential(t, token, request, nil); a.status != http.StatusBadRequest || a.code() != "invalid_proof" && a.code() != "invalid_nonce" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	one := c.credentialRequest(t, 1).Proofs.JWT[0]
	quoted := `"` + one + `"`
	for name, tc := range map[string]struct{ body, code string }{
		"I18 same key twice":          {`{"credential_configuration_id":"identity_sd_jwt","proofs":{"jwt":[` + quoted + `,` + quoted + `]}}`, "invalid_proof"},
		"I18 too many":                {`{"credential_configuration_id":"identity_sd_jwt","proofs":{"jwt":[` + strings.Repeat(quoted+",", 3) + quoted + `]}}`, "invalid_credential_request"},
		"I18 none in the list":        {`{"credential_configuration_id":"identity_sd_jwt","proofs":{"jwt":[]}}`, "invalid_proof"},
		"I18 no list":                 {`{"credential_configuration_id":"identity_sd_jwt","proofs":{}}`, "invalid_proof"},
		"I18 no proofs":               {`{"credential_configuration_id":"identity_sd_jwt"}`, "invalid_proof"},
		"I18 two types":               {`{"credential_configuration_id":"identity_sd_jwt","proofs":{"jwt":[` + quoted + `],"attestation":["a.b.c"]}}`, "invalid_proof"},
		"I18 unknown type":            {`{"credential_configuration_id":"identity_sd_jwt","proofs":{"di_vp":[{}]}}`, "invalid_proof"},
		"I18 not a JWT":               {`{"credential_configuration_id":"identity_sd_jwt","proofs":{"jwt":["a.b.c"]}}`, "invalid_proof"},
		"I21 unknown configuration":   {`{"credential_configuration_id":"passport","proofs":{"jwt":[` + quoted + `]}}`, "unknown_credential_configuration"},
		"I21 configuration not asked": {`{"credential_configuration_id":"identity_mdoc","proofs":{"jwt":[` + quoted + `]}}`, "invalid_credential_request"},
		"I21 unknown identifier":      {`{"credential_identifier":"passport","proofs":{"jwt":[` + quoted + `]}}`, "unknown_credential_identifier"},
		"I21 identifier not given":    {`{"credential_identifier":"identity_sd_jwt","proofs":{"jwt":[` + quoted + `]}}`, "unknown_credential_identifier"},
		"I21 both":                    {`{"credential_configuration_id":"identity_sd_jwt","credential_identifier":"identity_sd_jwt","proofs":{"jwt":[` + quoted + `]}}`, "invalid_credential_request"},
		"I21 neither":                 {`{"proofs":{"jwt":[` + quoted + `]}}`, "invalid_credential_request"},
		"I35 member twice":            {`{"credential_configuration_id":"identity_sd_jwt","credential_configuration_id":"identity_sd_jwt","proofs":{"jwt":[` + quoted + `]}}`, "invalid_credential_request"},
	} {
		t.Run(name, func(t *testing.T) {
			before := d.rows(t)
			c.credential(t, token, []byte(tc.body), nil).want(t, http.StatusBadRequest, tc.code)
			if after := d.rows(t); after != before {
				t.Errorf("rows before %s, after %s", before, after)
			}
		})
	}
	t.Run("I35 unknown members are ignored", func(t *testing.T) {
		body := `{"foo":{"bar":[1]},"credential_configuration_id":"identity_sd_jwt","proofs":{"jwt":[` + quoted + `]}}`
		c.credential(t, token, []byte(body), nil).credentials(t)
	})
	t.Run("no more than the grant yields", func(t *testing.T) {
		got := 4 // so far
		for range 5 {
			a := c.credential(t, token, c.credentialRequest(t, 3), nil)
			if a.status != http.StatusOK {
				a.want(t, http.StatusBadRequest, "credential_request_denied")
				break
			}
			got += 3
		}
		if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials"); n != got || n > 9 {
			t.Errorf("%d rows for %d credentials, at most 9", n, got)
		}
	})
	t.Run("I21 identifiers of authorization_details", func(t *testing.T) {
		c := d.newClient(t)
		form := c.parForm()
		form.Del("scope")
		form.Set("authorization_details", `[{"type":"openid_credential","credential_configuration_id":"identity_sd_jwt"}]`)
		callback := d.newBrowser(t).authorize(t, c.visit(t, c.push(t, form, nil)), card)
		var token openid4vci.TokenResponse
		c.token(t, c.tokenForm(callback.Query().Get("code")), nil).read(t, &token)
		if len(token.AuthorizationDetails) != 1 || len(token.AuthorizationDetails[0].CredentialIdentifiers) != 1 {
			t.Fatalf("authorization_details %v", token.AuthorizationDetails)
		}
		request := c.credentialRequest(t, 1)
		c.credential(t, token.AccessToken, request, nil).want(t, http.StatusBadRequest, "invalid_credential_request")
		request.ConfigurationID, request.CredentialIdentifier = "", token.AuthorizationDetails[0].CredentialIdentifiers[0]
		c.credential(t, token.AccessToken, request, nil).credentials(t)
	})
}

// withMember returns the value as JSON has it, with one member set.
func withMember(t *testing.T, v any, name string, value any) map[string]any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&members); err != nil {
		t.Fatal(err)
	}
	members[name] = value
	return members
}
