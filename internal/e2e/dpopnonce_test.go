package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/nonce"
)

// newestNonce returns the nonce that came with an answer.
func (a *answer) newestNonce(t *testing.T) string {
	t.Helper()
	values := a.header.Values("DPoP-Nonce")
	if len(values) != 1 || values[0] == "" || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
		t.Fatalf("DPoP-Nonce %q, exposed %q", values, a.header.Get("Access-Control-Expose-Headers"))
	}
	return values[0]
}

// TestDPoPNonce talks to an issuer that demands nonces in DPoP proofs.
func TestDPoPNonce(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{configure: func(d *deployment) { d.cfg.Issuer.DPoPNonces = true }})
	c := d.newClient(t)
	with := func(path, nonce string) http.Header {
		h := c.headers(t, d.endpoint(path))
		h.Set("DPoP", c.proof(t, dpop.ProofOptions{URL: d.endpoint(path), Nonce: nonce}))
		return h
	}
	resource := func(token, nonce string) http.Header {
		h := c.resourceHeaders(t, token)
		h.Set("DPoP", c.proof(t, dpop.ProofOptions{URL: d.endpoint("/credential"), AccessToken: token, Nonce: nonce}))
		return h
	}
	// post tries every nonce that must be refused and then the newest.
	post := func(t *testing.T, path string, form url.Values, bad map[string]string) *answer {
		t.Helper()
		send := func(nonce string) *answer {
			return d.send(t, http.MethodPost, d.endpoint(path), with(path, nonce), []byte(form.Encode()))
		}
		var nonce string
		for name, value := range bad {
			refused := send(value)
			if refused.want(t, http.StatusBadRequest, "use_dpop_nonce"); t.Failed() {
				t.Fatalf("O08 %s nonce at %s", name, path)
			}
			nonce = refused.newestNonce(t)
		}
		return send(nonce)
	}
	first := d.send(t, http.MethodPost, d.endpoint("/nonce"), nil, nil).newestNonce(t)
	flipped := first[:len(first)-10] + "AAAAAAAAAA"
	bad := map[string]string{"absent": "", "invented": "nonce", "changed": flipped, "c_nonce in place of a": d.nonce(t)}

	pushed := post(t, "/par", c.parForm(), bad)
	callback := d.newBrowser(t).authorize(t, c.visit(t, pushed), cardOf(t, "hanako"))
	if callback.Query().Get("code") == "" {
		t.Fatalf("no code in %s", callback.Redacted())
	}
	d.clock.advance(nonce.Lifetime)
	bad["expired"] = first
	c = d.newClient(t)
	h := c.headers(t, d.endpoint("/par"))
	h.Del("DPoP") // without a proof there is nothing to put a nonce in
	callback = d.newBrowser(t).authorize(t, c.visit(t, c.push(t, c.parForm(), h)), cardOf(t, "hanako"))
	exchanged := post(t, "/token", c.tokenForm(callback.Query().Get("code")), bad)
	var token openid4vci.TokenResponse
	exchanged.read(t, &token)

	nonsense := []byte(`{"credential_configuration_id":"passport"}`)
	for name, value := range bad {
		refused := c.credential(t, token.AccessToken, nonsense, resource(token.AccessToken, value))
		refused.want(t, http.StatusUnauthorized, "use_dpop_nonce")
		if challenge := refused.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, `DPoP error="use_dpop_nonce"`) {
			t.Errorf("O08 %s nonce: %q", name, challenge)
		}
		refused.newestNonce(t)
	}
	nonce := exchanged.newestNonce(t)
	// O10: whoever goes on with the latest nonce is never turned away, however
	// much time passes in all.
	for range 4 {
		d.clock.advance(time.Minute)
		got := c.credential(t, token.AccessToken, nonsense, resource(token.AccessToken, nonce))
		got.want(t, http.StatusBadRequest, "unknown_credential_configuration")
		nonce = got.newestNonce(t)
	}
	// Honest twin: the wallet engine, which tries again once.
	d.receive(t, cardOf(t, "hanako"))
}

// TestNoDPoPNonce sees to it that nothing of this is there unless asked for.
func TestNoDPoPNonce(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	a := d.newClient(t)
	got := a.push(t, a.parForm(), nil)
	got.read(t, &struct{}{})
	if _, there := got.header["Dpop-Nonce"]; there {
		t.Error("a nonce that is not asked for")
	}
}
