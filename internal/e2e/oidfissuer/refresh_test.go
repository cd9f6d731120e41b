package oidfissuer_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// refreshToken (I33) is the FAPI module refresh-token.
func refreshToken(t *testing.T, c *wallet) {
	t.Helper()
	r := c.exchange(t, c.tokenForm(c.code(t)))
	c.accept(t, r)
	token, first := wire.Text(r.json(t), "refresh_token"), c.token
	if entropy(token) < 96 {
		t.Fatalf("no refresh token: %q", token)
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {c.id}}
	c.exchange(t, form, withoutHeader("DPoP")).fails(t, "invalid_request", "invalid_grant", "invalid_dpop_proof")
	second := c.second(t)
	others := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {second.id}}
	second.exchange(t, others).fails(t, "invalid_grant", "invalid_client", "invalid_request")
	unauthenticated := []edit{
		withoutHeader("OAuth-Client-Attestation"), withoutHeader("OAuth-Client-Attestation-PoP"),
		without("client_assertion"), without("client_assertion_type"),
	}
	c.exchange(t, form, unauthenticated...).fails(t, "invalid_client", "invalid_grant", "invalid_request", "invalid_client_attestation")
	if c.auth == "client_attestation" {
		other := *c
		other.instance = wire.NewKey()
		other.exchange(t, form).fails(t, "invalid_client", "invalid_grant", "invalid_request", "invalid_client_attestation")
	}
	// Another DPoP key is accepted of a confidential client, and the refresh
	// token stays good.
	for range 2 {
		c.dpop = wire.NewKey()
		c.w.advance(time.Second)
		r := c.exchange(t, form)
		c.accept(t, r)
		if c.token == first {
			t.Error("the access token is the old one")
		}
		if rotated := wire.Text(r.json(t), "refresh_token"); rotated != "" && rotated != token {
			t.Errorf("the refresh token was rotated")
		}
		c.issuedByToken(t)
	}
}

// TestRefreshAfterKeyRotation refreshes with another of the client's registered
// keys than the one that began: the client is the registration, not the key.
func TestRefreshAfterKeyRotation(t *testing.T) {
	t.Parallel()
	next := wire.NewKey()
	w := start(t, func(c *config.Issuer) {
		for i := range c.Wallets {
			if c.Wallets[i].ClientID == keyedClients[0] {
				jwk := wire.JWK(&next.PublicKey)
				jwk["kid"] = "next"
				c.Wallets[i].JWKS["keys"] = append(c.Wallets[i].JWKS["keys"].([]any), jwk)
			}
		}
	})
	c := w.wallet(t, variant{format: "sd_jwt_vc", auth: "private_key_jwt"})
	code := c.code(t)
	began := *c
	c.instance, c.kid = next, "next"
	// The person agreed to the key that began.
	c.exchange(t, c.tokenForm(code)).fails(t, "invalid_grant")
	r := began.exchange(t, c.tokenForm(code))
	began.accept(t, r)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {wire.Text(r.json(t), "refresh_token")}, "client_id": {c.id}}
	c.accept(t, c.exchange(t, form))
	c.issuedByToken(t)
	second := c.second(t)
	form.Set("client_id", second.id)
	second.exchange(t, form).fails(t, "invalid_grant")
}
