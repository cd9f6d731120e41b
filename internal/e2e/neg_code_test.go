package e2e_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// TestNegCode misuses authorization codes.
func TestNegCode(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	card := cardOf(t, "hanako")

	t.Run("honest twin", func(t *testing.T) {
		c := d.newClient(t)
		token := c.accessToken(t, card)
		if got := c.credential(t, token, c.credentialRequest(t, 3), nil).credentials(t); len(got) != 3 {
			t.Errorf("%d credentials", len(got))
		}
	})
	t.Run("I02 a code is used twice", func(t *testing.T) {
		c := d.newClient(t)
		code := c.code(t, card)
		var token openid4vci.TokenResponse
		c.token(t, c.tokenForm(code), nil).read(t, &token)
		c.credential(t, token.AccessToken, c.credentialRequest(t, 2), nil).credentials(t)
		before := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0")
		c.token(t, c.tokenForm(code), nil).want(t, http.StatusBadRequest, "invalid_grant")
		c.credential(t, token.AccessToken, c.credentialRequest(t, 1), nil).want(t, http.StatusUnauthorized, "invalid_token")
		if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0") - before; n != 2 {
			t.Errorf("%d credentials became INVALID, want 2", n)
		}
	})
	for name, change := range map[string]func(c *oauthClient, form url.Values){
		"I10 other instance key": func(c *oauthClient, _ url.Values) {
			c.instance = newKey(t)
			c.attestation = d.attest(t, c.instance.Public(), nil)
		},
		"I10 other DPoP key":        func(c *oauthClient, _ url.Values) { c.dpop = newKey(t) },
		"I10 other redirect_uri":    func(_ *oauthClient, form url.Values) { form.Set("redirect_uri", "https://wallet.example/callback2") },
		"I10 no redirect_uri":       func(_ *oauthClient, form url.Values) { form.Del("redirect_uri") },
		"O04 other verifier":        func(_ *oauthClient, form url.Values) { form.Set("code_verifier", openid4vci.NewCodeVerifier()) },
		"O04 no verifier":           func(_ *oauthClient, form url.Values) { form.Del("code_verifier") },
		"O04 short verifier":        func(_ *oauthClient, form url.Values) { form.Set("code_verifier", "short") },
		"I10 code of nobody":        func(_ *oauthClient, form url.Values) { form.Set("code", "abc") },
		"I10 code with a character": func(_ *oauthClient, form url.Values) { form.Set("code", form.Get("code")+"A") },
	} {
		t.Run(name, func(t *testing.T) {
			c := d.newClient(t)
			code := c.code(t, card)
			wrong, form := *c, c.tokenForm(code)
			change(&wrong, form)
			wrong.token(t, form, nil).want(t, http.StatusBadRequest, "invalid_grant")
			// The failed attempt of somebody else does not burn the code.
			var token openid4vci.TokenResponse
			c.token(t, c.tokenForm(code), nil).read(t, &token)
		})
	}
	for name, tc := range map[string]struct {
		change func(form url.Values)
		code   string
	}{
		"grant_type missing":       {func(f url.Values) { f.Del("grant_type") }, "invalid_request"},
		"grant_type password":      {func(f url.Values) { f.Set("grant_type", "password") }, "unsupported_grant_type"},
		"code missing":             {func(f url.Values) { f.Del("code") }, "invalid_request"},
		"code twice":               {func(f url.Values) { f.Add("code", "abc") }, "invalid_request"},
		"tx_code":                  {func(f url.Values) { f.Set("tx_code", "1234") }, "invalid_request"},
		"client_id of another one": {func(f url.Values) { f.Set("client_id", "another") }, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			c := d.newClient(t)
			form := c.tokenForm("abc")
			tc.change(form)
			a := c.token(t, form, nil)
			if a.code() != tc.code || a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized {
				t.Errorf("got %d %s, want %s", a.status, a.body, tc.code)
			}
		})
	}
}

// TestNegExpired lets codes, tokens and requests grow old. The clock is that of
// a deployment of its own.
func TestNegExpired(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	card := cardOf(t, "hanako")
	fresh := func(t *testing.T, c *oauthClient) { // attestations live for an hour
		t.Helper()
		c.attestation = d.attest(t, c.instance.Public(), nil)
	}
	t.Run("O07 code", func(t *testing.T) {
		c := d.newClient(t)
		inTime, late := c.code(t, card), c.code(t, card)
		d.clock.advance(50 * time.Second)
		var token openid4vci.TokenResponse
		c.token(t, c.tokenForm(inTime), nil).read(t, &token)
		d.clock.advance(11 * time.Second)
		c.token(t, c.tokenForm(late), nil).want(t, http.StatusBadRequest, "invalid_grant")
		// Its reuse is still noticed after the code itself has expired.
		c.token(t, c.tokenForm(inTime), nil).want(t, http.StatusBadRequest, "invalid_grant")
		c.credential(t, token.AccessToken, c.credentialRequest(t, 1), nil).want(t, http.StatusUnauthorized, "invalid_token")
	})
	t.Run("I22 token", func(t *testing.T) {
		c := d.newClient(t)
		token := c.accessToken(t, card)
		d.clock.advance(5*time.Minute - 10*time.Second)
		c.credential(t, token, c.credentialRequest(t, 1), nil).credentials(t)
		d.clock.advance(11 * time.Second)
		c.credential(t, token, c.credentialRequest(t, 1), nil).want(t, http.StatusUnauthorized, "invalid_token")
	})
	t.Run("I11 nonce", func(t *testing.T) {
		c := d.newClient(t)
		request := c.credentialRequest(t, 1)
		d.clock.advance(5*time.Minute + time.Second)
		fresh(t, c)
		request.Proofs.JWT = []string{c.keyProof(t, nonceOf(t, request.Proofs.JWT[0]), newKey(t))}
		token := c.accessToken(t, card)
		c.credential(t, token, request, nil).want(t, http.StatusBadRequest, "invalid_nonce")
	})
	t.Run("O02 request_uri", func(t *testing.T) {
		c := d.newClient(t)
		inTime, late := c.request(t), c.request(t)
		d.clock.advance(55 * time.Second)
		b := d.newBrowser(t)
		if p := b.open(t, inTime); p.attribute("challenge", "value") == "" {
			t.Errorf("in time: %d %s", p.status, p.text("oauth-error-description"))
		}
		d.clock.advance(6 * time.Second)
		if p := d.newBrowser(t).open(t, late); p.status != http.StatusBadRequest || p.text("oauth-error") != "invalid_request_uri" {
			t.Errorf("late: %d %s", p.status, p.text("oauth-error"))
		}
		// One that was visited in time may be visited again.
		b.login(t, inTime, card)
	})
	t.Run("challenge", func(t *testing.T) {
		c := d.newClient(t)
		b := d.newBrowser(t)
		p := b.open(t, c.request(t))
		answer := sign(t, p, card)
		d.clock.advance(5*time.Minute + time.Second)
		if p := b.submit(t, p, "sign-form", answer); p.status != http.StatusBadRequest || p.text("oauth-error") != "access_denied" {
			t.Errorf("late answer to the challenge: %d %s", p.status, p.text("oauth-error"))
		}
	})
}
