package attestation_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
)

// FuzzVerify signs any claims as the trusted provider and as the instance.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	client, err := json.Marshal(w.clientClaims(f))
	if err != nil {
		f.Fatal(err)
	}
	proof, err := json.Marshal(popClaims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(client, proof)
	f.Add([]byte(`{}`), []byte(`{"iss":1}`))
	f.Fuzz(func(t *testing.T, client, proof []byte) {
		a, err := jose.Sign(jose.Header{Typ: attestation.TypeClient, X5C: w.provider.Chain}, client, w.provider.Signer)
		if err != nil {
			return
		}
		p, err := jose.Sign(jose.Header{Typ: attestation.TypePoP}, proof, w.instance)
		if err != nil {
			return
		}
		got, err := attestation.Verify(context.Background(), a, p, w.expect())
		if err != nil && attestation.CodeOf(err) == "" {
			t.Errorf("error without a code: %v", err)
		}
		if err == nil && (got.ID != clientID || got.InstanceKey == nil || !got.ExpiresAt.After(now)) {
			t.Errorf("accepted %s: %+v", client, got)
		}
	})
}

// FuzzKeyAttestation signs any claims as the trusted provider.
func FuzzKeyAttestation(f *testing.F) {
	w := newWorld(f)
	jwk, err := jose.NewJWK(w.instance.Public())
	if err != nil {
		f.Fatal(err)
	}
	honest, err := json.Marshal(map[string]any{
		"iat": now.Unix(), "exp": now.Unix() + 60, "attested_keys": []any{jwk},
		"key_storage": []string{"iso_18045_moderate"}, "user_authentication": []string{"iso_18045_moderate"}, "nonce": challenge,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(honest)
	f.Add([]byte(`{"attested_keys":[]}`))
	f.Fuzz(func(t *testing.T, claims []byte) {
		token, err := jose.Sign(jose.Header{Typ: attestation.TypeKey, X5C: w.provider.Chain}, claims, w.provider.Signer)
		if err != nil {
			return
		}
		got, err := attestation.VerifyKeyAttestation(context.Background(), token, w.keyExpect())
		if err == nil && len(got.Keys) == 0 {
			t.Errorf("accepted %s", claims)
		}
	})
}
