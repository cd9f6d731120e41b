package e2e_test

import (
	"testing"

	"github.com/tegata-id/tegata/credentials/jose"
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
