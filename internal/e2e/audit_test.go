package e2e_test

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/issuer"
)

// TestTrails verifies the trails of an issuer and a wallet provider that have the
// same name, each with the key of its own.
func TestTrails(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	if d.cfg.Issuer.Tenant != d.cfg.Provider.Tenant {
		t.Fatal("the tenants have names of their own")
	}
	key := func(file string) []byte {
		raw, err := hex.DecodeString(secret(t, file))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	issuers, err := issuer.DeriveKey(key(d.cfg.Issuer.Secret), d.cfg.Issuer.Tenant, "audit")
	if err != nil {
		t.Fatal(err)
	}
	providers, err := hkdf.Key(sha256.New, key(d.cfg.Provider.Secret), nil, "tegata wallet provider v1\x00"+d.cfg.Provider.Tenant+"\x00audit", 32)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the events of both alternate
		c := d.newClient(t)
		code := c.code(t, cardOf(t, "hanako"))
		var token struct {
			AccessToken string `json:"access_token"`
		}
		c.token(t, c.tokenForm(code), nil).read(t, &token)
		c.credential(t, token.AccessToken, c.credentialRequest(t, 1), nil).credentials(t)
		c.token(t, c.tokenForm(code), nil).want(t, http.StatusBadRequest, "invalid_grant") // revokes
		(&side{deployment: d}).register(t, newKey(t))
	}
	for role, key := range map[string][]byte{config.RoleIssuer: issuers, config.RoleProvider: providers} {
		log, err := audit.New(role, key)
		if err != nil {
			t.Fatal(err)
		}
		db := d.openDatabase(t)
		defer db.Close()
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		head, err := log.Verify(t.Context(), tx, d.cfg.Issuer.Tenant)
		if err != nil || head.Sequence != 2 {
			t.Errorf("%s: %d events, %v", role, head.Sequence, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}
