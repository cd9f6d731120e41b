package e2e_test

import (
	"crypto"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/issuer/evidence/openid/openidtest"
)

// TestOpenID has an OpenID provider vouch for a person, up to the token, and
// nobody else's browser get anything of it.
func TestOpenID(t *testing.T) {
	t.Parallel()
	var op *openidtest.Provider
	d := deploy(t, deployOptions{sameDevice: true, configure: func(d *deployment) {
		c := d.cfg
		client, err := keys.LoadFile(c.Issuer.Keys.Status[0].Key, c.Issuer.Keys.Status[0].Chain)
		if err != nil {
			t.Fatal(err)
		}
		server, err := d.box.TLS.IssueTLS(trusttest.LeafOptions{})
		if err != nil {
			t.Fatal(err)
		}
		certificate := server.TLSCertificate()
		if op, err = openidtest.New(openidtest.Options{
			Now: d.clock.Now, ClientID: "RP00000001", ClientKeys: []crypto.PublicKey{client.Signer.Public()}, Certificate: &certificate,
		}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(op.Close)
		c.Issuer.Keys.OpenID = c.Issuer.Keys.Status
		c.Issuer.OpenID = &config.OpenID{Issuer: op.Issuer(), ClientID: "RP00000001", ACRValues: []string{"aal3"}}
	}})
	// leave goes to the provider, logs in there, and returns where the browser
	// is sent back to.
	leave := func(t *testing.T, b *browser, p *page) string {
		t.Helper()
		location := b.submit(t, p, "openid-form", nil).url
		if !strings.HasPrefix(location.String(), op.Issuer()+"/protocol/openid-connect/auth?") {
			t.Fatalf("the browser is sent to %s", location.Redacted())
		}
		if csp := p.header.Get("Content-Security-Policy"); !strings.Contains(csp, " https://"+op.Address()) {
			t.Errorf("the policy does not let the form go there: %s", csp)
		}
		back := d.send(t, http.MethodGet, location.String(), nil, nil).header.Get("Location")
		if !strings.HasPrefix(back, d.endpoint("/login/openid/callback")+"?") {
			t.Fatalf("the provider sends the browser to %s", back)
		}
		return back
	}
	c, b := d.newClient(t), d.newBrowser(t)
	back := leave(t, b, b.open(t, c.request(t)))
	// I08: neither a browser without a login nor one with another gets on.
	other := d.newBrowser(t)
	other.open(t, back).want(t, http.StatusBadRequest, "invalid_request")
	other.open(t, d.newClient(t).request(t))
	other.open(t, back).want(t, http.StatusBadRequest, "invalid_request")
	before := b.cookie(t, d.box.Issuer)
	p := b.open(t, back)
	if p.text("person-name") != openidtest.Hanako.Name || p.text("person-birthdate") != "1985-04-01" || b.cookie(t, d.box.Issuer) == before {
		t.Fatalf("no review page: %d %s", p.status, p.text("oauth-error-description"))
	}
	callback := b.submit(t, p, "review-form", approve).url
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(callback.Query().Get("code")), nil).read(t, &token)
	if got := c.credential(t, token.AccessToken, c.credentialRequest(t, 1), nil).credentials(t); len(got) != 1 {
		t.Errorf("%d credentials", len(got))
	}
	d.wantKind(t, "openid-connect")
	b.open(t, back).want(t, http.StatusBadRequest, "invalid_request")

	t.Run("the person says no", func(t *testing.T) {
		op.Login(openidtest.Hanako, openidtest.Faults{Callback: func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }})
		b := d.newBrowser(t)
		b.open(t, leave(t, b, b.open(t, d.newClient(t).request(t)))).want(t, http.StatusBadRequest, "access_denied")
	})
	t.Run("the provider is away", func(t *testing.T) {
		op.Login(openidtest.Hanako, openidtest.Faults{Status: map[string]int{"token": 503}})
		b := d.newBrowser(t)
		b.open(t, leave(t, b, b.open(t, d.newClient(t).request(t)))).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	})
	if log := d.log.String(); strings.Contains(log, "ppid") || strings.Contains(log, openidtest.Hanako.Name) {
		t.Error("the log names the person")
	}
}
