package provider_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/wallet/provider"
)

// FuzzProof signs any claims with the key that a wallet registers. Every answer
// is also held against the API's document.
func FuzzProof(f *testing.F) {
	w := newWorld(f, nil)
	key := newKey(f)
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	honest, err := json.Marshal(map[string]any{
		"aud": origin + "/minato", "iat": w.now().Unix(), "challenge": w.challenge(f, "minato"), "purpose": provider.PurposeRegister,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("software", honest)
	f.Add("", []byte(`{"aud":1}`))
	f.Fuzz(func(t *testing.T, platform string, claims []byte) {
		proof, err := jose.Sign(jose.Header{Typ: provider.ProofType, JWK: jwk}, claims, key)
		if err != nil {
			return
		}
		a := w.post(t, "/minato/instances", provider.RegisterRequest{
			InstanceKey: jwk, Platform: platform, PlatformEvidence: "genuine", Proof: proof,
		})
		if a.status >= http.StatusInternalServerError {
			t.Errorf("%d for %s", a.status, claims)
		}
	})
}
