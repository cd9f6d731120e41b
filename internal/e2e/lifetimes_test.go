package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/app/config"
)

// TestConfiguredLifetimes uses what an issuer hands out for as long as its
// configuration says, and for longer.
func TestConfiguredLifetimes(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{configure: func(d *deployment) {
		d.cfg.Issuer.Lifetimes = config.Lifetimes{
			Request: config.Duration(2 * time.Minute), Login: config.Duration(20 * time.Minute), Code: config.Duration(20 * time.Second),
			AccessToken: config.Duration(20 * time.Minute), PreAuthorized: config.Duration(20 * time.Minute),
		}
	}})
	d.clock.stop()
	c := d.newClient(t)
	pushed := c.push(t, c.parForm(), nil)
	var par openid4vci.PARResponse
	pushed.read(t, &par)
	if par.ExpiresIn != 120 {
		t.Errorf("request: expires_in %d", par.ExpiresIn)
	}
	d.clock.advance(90 * time.Second) // more than the default
	callback := d.newBrowser(t).authorize(t, c.visit(t, pushed), cardOf(t, "hanako"))
	d.clock.advance(19 * time.Second)
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(callback.Query().Get("code")), nil).read(t, &token)
	if token.ExpiresIn != 1200 {
		t.Errorf("access token: expires_in %d", token.ExpiresIn)
	}
	nonsense := []byte(`{"credential_configuration_id":"passport"}`)
	d.clock.advance(20*time.Minute - 2*time.Second)
	c.credential(t, token.AccessToken, nonsense, nil).want(t, http.StatusBadRequest, "unknown_credential_configuration")
	d.clock.advance(2 * time.Second)
	c.credential(t, token.AccessToken, nonsense, nil).want(t, http.StatusUnauthorized, "invalid_token")

	late := c.code(t, cardOf(t, "hanako"))
	d.clock.advance(21 * time.Second) // less than the default
	c.token(t, c.tokenForm(late), nil).want(t, http.StatusBadRequest, "invalid_grant")
}
