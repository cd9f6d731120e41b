package e2e_test

import (
	"crypto/rand"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// proofParts is an honest DPoP proof for the credential endpoint in pieces.
func (c *oauthClient) proofParts(t *testing.T, token string) forged {
	t.Helper()
	return forged{
		key:    c.dpop,
		header: map[string]any{"alg": "ES256", "typ": "dpop+jwt", "jwk": jwkOf(t, c.dpop.Public())},
		claims: map[string]any{
			"htm": "POST", "htu": c.d.endpoint("/credential"), "iat": c.d.clock.Now().Unix(),
			"jti": rand.Text(), "ath": dpop.Hash(token),
		},
	}
}

// TestNegDPoP uses an access token with proofs that have faults.
func TestNegDPoP(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	use := func(t *testing.T, proofs ...string) *answer {
		t.Helper()
		header := c.resourceHeaders(t, token)
		header["Dpop"] = proofs
		// What is asked for does not exist, so that no credentials are used up.
		return c.credential(t, token, []byte(`{"credential_configuration_id":"passport"}`), header)
	}
	accepted := func(t *testing.T, a *answer) {
		t.Helper()
		a.want(t, http.StatusBadRequest, "unknown_credential_configuration")
	}
	refused := func(t *testing.T, a *answer) {
		t.Helper()
		if a.status != http.StatusUnauthorized || a.code() != "invalid_dpop_proof" && a.code() != "invalid_token" {
			t.Errorf("%d %s", a.status, a.body)
		}
		if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "DPoP ") {
			t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
		}
	}
	header, claim := func(f forged) map[string]any { return f.header }, func(f forged) map[string]any { return f.claims }
	set := func(part func(forged) map[string]any, name string, value any) func(*forged) {
		return func(f *forged) { part(*f)[name] = value }
	}
	now := d.clock.Now().Unix()
	for name, edit := range map[string]func(*forged){
		"typ missing": set(header, "typ", nil), "typ JWT": set(header, "typ", "JWT"),
		"alg missing": set(header, "alg", nil), "alg none": set(header, "alg", "none"), "alg HS256": set(header, "alg", "HS256"),
		"jwk missing": set(header, "jwk", nil), "jwk symmetric": set(header, "jwk", map[string]any{"kty": "oct", "k": "AAAA"}),
		"jwk private": func(f *forged) { f.header["jwk"] = withMember(t, f.header["jwk"], "d", strings.Repeat("A", 43)) },
		"jti missing": set(claim, "jti", nil), "htm missing": set(claim, "htm", nil), "htu missing": set(claim, "htu", nil),
		"iat missing": set(claim, "iat", nil), "ath missing": set(claim, "ath", nil),
		"htm GET": set(claim, "htm", "GET"), "htu token endpoint": set(claim, "htu", d.endpoint("/token")),
		"htu other host": set(claim, "htu", d.box.Verifier+"/credential"),
		"htu http":       set(claim, "htu", strings.Replace(d.endpoint("/credential"), "https:", "http:", 1)),
		"iat old":        set(claim, "iat", now-3600), "iat ahead": set(claim, "iat", now+3600),
		"ath of another": set(claim, "ath", dpop.Hash("another")),
		"bad signature":  func(f *forged) { f.key = newKey(t) },
		"other key": func(f *forged) {
			f.key = newKey(t)
			f.header["jwk"] = jwkOf(t, f.key.Public())
		},
	} {
		t.Run("O08 "+name, func(t *testing.T) {
			f := c.proofParts(t, token)
			edit(&f)
			refused(t, use(t, f.compact(t)))
		})
	}
	t.Run("O08 none, two, not a JWT", func(t *testing.T) {
		refused(t, use(t))
		refused(t, use(t, c.proofParts(t, token).compact(t), c.proofParts(t, token).compact(t)))
		refused(t, use(t, "not.a.jwt"))
	})
	t.Run("O08 jti again", func(t *testing.T) {
		proof := c.proofParts(t, token).compact(t)
		accepted(t, use(t, proof))
		refused(t, use(t, proof))
	})
	t.Run("O08 accepted", func(t *testing.T) {
		for name, edit := range map[string]func(*forged){
			"as it is":            func(*forged) {},
			"htu with query":      set(claim, "htu", d.endpoint("/credential")+"?a=b#c"),
			"htu upper case":      set(claim, "htu", strings.Replace(d.endpoint("/credential"), "https:", "HTTPS:", 1)),
			"nbf, exp and others": func(f *forged) { maps.Copy(f.claims, map[string]any{"nbf": now, "exp": now + 60, "foo": "bar"}) },
			"ten seconds ago":     set(claim, "iat", now-10),
			"ten seconds ahead":   set(claim, "iat", now+10),
		} {
			f := c.proofParts(t, token)
			edit(&f)
			t.Log(name)
			accepted(t, use(t, f.compact(t)))
		}
	})
}

// TestNegToken uses access tokens in ways that they are not for.
func TestNegToken(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c, other := d.newClient(t), d.newClient(t)
	card := cardOf(t, "hanako")
	token, others := c.accessToken(t, card), other.accessToken(t, cardOf(t, "taro"))
	body := []byte(`{"credential_configuration_id":"passport"}`)
	for name, edit := range map[string]func(http.Header){
		"I22 none":        func(h http.Header) { h.Del("Authorization") },
		"I22 two headers": func(h http.Header) { h.Add("Authorization", "DPoP "+token) },
		"I22 as Bearer":   func(h http.Header) { h.Set("Authorization", "Bearer "+token) },
		"I22 unknown":     func(h http.Header) { h.Set("Authorization", "DPoP abc") },
		"I22 empty":       func(h http.Header) { h.Set("Authorization", "DPoP ") },
		"I22 of another client": func(h http.Header) {
			h.Set("Authorization", "DPoP "+others)
			h.Set("DPoP", c.proof(t, dpop.ProofOptions{URL: d.endpoint("/credential"), AccessToken: others}))
		},
		"I22 with the key of another": func(h http.Header) {
			h.Set("DPoP", other.proof(t, dpop.ProofOptions{URL: d.endpoint("/credential"), AccessToken: token}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			header := c.resourceHeaders(t, token)
			edit(header)
			c.credential(t, token, body, header).want(t, http.StatusUnauthorized, "invalid_token")
		})
	}
	t.Run("I22 in the query", func(t *testing.T) {
		header := c.resourceHeaders(t, token)
		header.Del("Authorization")
		d.send(t, http.MethodPost, d.endpoint("/credential")+"?access_token="+token, header, body).want(t, http.StatusUnauthorized, "invalid_token")
	})
	t.Run("honest twin in any case", func(t *testing.T) {
		header := c.resourceHeaders(t, token)
		header.Set("Authorization", "dPOP "+token)
		c.credential(t, token, c.credentialRequest(t, 1), header).credentials(t)
	})
}

// TestNegRevoked revokes certificates between the steps of issuance.
func TestNegRevoked(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{lists: time.Nanosecond})
	card, twin := newCard(t, "hanako"), d.newClient(t)
	before, after := d.newClient(t), d.newClient(t)
	code, token := before.code(t, card), after.accessToken(t, card)
	twins := twin.accessToken(t, cardOf(t, "taro"))
	b := d.newBrowser(t)
	p := b.open(t, d.newClient(t).request(t))
	if err := nation(t).Revoke(card.SignatureCertificate(), 3); err != nil {
		t.Fatal(err)
	}
	t.Run("I34 between login and credential", func(t *testing.T) {
		rows := d.query(t, "SELECT COUNT(*) FROM issued_credentials")
		after.credential(t, token, after.credentialRequest(t, 1), nil).want(t, http.StatusBadRequest, "credential_request_denied")
		if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials"); n != rows {
			t.Errorf("%d rows instead of %d", n, rows)
		}
	})
	t.Run("I34 between code and credential", func(t *testing.T) {
		// Whether the code still gives a token depends on whether the import of
		// revocation lists has come by; a credential it never gives.
		a := before.token(t, before.tokenForm(code), nil)
		if a.status != http.StatusOK {
			a.want(t, http.StatusBadRequest, "invalid_grant")
			return
		}
		var token openid4vci.TokenResponse
		a.read(t, &token)
		a = before.credential(t, token.AccessToken, before.credentialRequest(t, 1), nil)
		if code := a.code(); a.status/100 == 2 || code != "credential_request_denied" && code != "invalid_token" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("before the login", func(t *testing.T) {
		b.submit(t, p, "sign-form", sign(t, p, card)).want(t, http.StatusBadRequest, "access_denied")
	})
	t.Run("honest twin", func(t *testing.T) {
		twin.credential(t, twins, twin.credentialRequest(t, 1), nil).credentials(t)
	})
}
