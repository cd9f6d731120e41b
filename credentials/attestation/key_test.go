package attestation_test

import (
	"context"
	"crypto"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
)

func (w *world) keyExpect() attestation.KeyExpect {
	return attestation.KeyExpect{
		Policy: w.policy(), Nonce: "nonce-1", Now: now, RequireExpiry: true, Algorithms: []string{"ES256"},
		KeyStorage:         []string{attestation.ResistanceHigh, attestation.ResistanceModerate},
		UserAuthentication: []string{attestation.ResistanceHigh, attestation.ResistanceModerate},
	}
}

func TestKeyAttestation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pubs := []crypto.PublicKey{newKey(t).Public(), newKey(t).Public()}
	status := credentials.StatusRef{URI: "https://provider.example/status/2", Index: 7}
	a := attestation.KeyAttestation{
		Issuer: provider, Keys: pubs, KeyStorage: []string{attestation.ResistanceHigh}, UserAuthentication: []string{attestation.ResistanceModerate},
		Certification: "https://provider.example/certified", Nonce: "nonce-1", IssuedAt: now, ExpiresAt: now.Add(time.Hour), Status: &status,
	}
	compact := must[string](t)(attestation.SignKeyAttestation(a, w.provider))
	got := must[*attestation.AttestedKeys](t)(attestation.VerifyKeyAttestation(context.Background(), compact, w.keyExpect()))
	want := &attestation.AttestedKeys{
		Keys: pubs, Nonce: "nonce-1", KeyStorage: a.KeyStorage, UserAuthentication: a.UserAuthentication, Certification: a.Certification,
		Statuses: []credentials.StatusRef{status}, IssuedAt: now, ExpiresAt: a.ExpiresAt, Chain: got.Chain,
	}
	if diff := cmp.Diff(want, got); diff != "" || got.Chain == nil {
		t.Error(diff)
	}
}

// TestNegKey spoils one thing at a time; the cases with an empty want are the
// honest twins.
func TestNegKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	jwk := must[*jose.JWK](t)(jose.NewJWK(newKey(t).Public()))
	jwks := []*jose.JWK{jwk}
	private := map[string]any{"kty": "EC", "crv": "P-256", "x": jwk.X, "y": jwk.Y, "d": jwk.X}
	var many []*jose.JWK
	for range 4 {
		many = append(many, must[*jose.JWK](t)(jose.NewJWK(newKey(t).Public())))
	}
	const bad = attestation.CodeInvalidProof
	for _, tc := range []struct {
		name   string
		typ    string
		claims map[string]any
		signer *keys.Key
		edit   func(*attestation.KeyExpect)
		want   string
	}{
		{name: "I19 honest"},
		{name: "I19 bad signature", signer: &keys.Key{Signer: newKey(t), Chain: w.provider.Chain}, want: bad},
		{name: "I19 untrusted provider", signer: newWorld(t).provider, want: bad},
		{name: "I19 no x5c", signer: &keys.Key{Signer: w.provider.Signer}, want: bad},
		{name: "I19 typ keyattestation+jwt", typ: "keyattestation+jwt", want: bad},
		{name: "I19 algorithm not supported", edit: func(e *attestation.KeyExpect) { e.Algorithms = []string{"ES384"} }, want: bad},
		{name: "I19 expired", claims: map[string]any{"exp": now.Unix() - 31}, want: bad},
		{name: "I19 exp missing", claims: map[string]any{"exp": gone}, want: bad},
		{name: "I19 exp missing and not required", claims: map[string]any{"exp": gone}, edit: func(e *attestation.KeyExpect) { e.RequireExpiry = false }},
		{name: "I19 iat missing", claims: map[string]any{"iat": gone}, want: bad},
		{name: "I19 iat ahead", claims: map[string]any{"iat": now.Unix() + 31}, want: bad},
		{name: "I19 wrong nonce", claims: map[string]any{"nonce": "nonce-2"}, want: attestation.CodeInvalidNonce},
		{name: "I19 no nonce", claims: map[string]any{"nonce": gone}, want: bad},
		{name: "I19 no nonce expected", claims: map[string]any{"nonce": gone}, edit: func(e *attestation.KeyExpect) { e.Nonce = "" }},
		{name: "I19 no keys", claims: map[string]any{"attested_keys": gone}, want: bad},
		{name: "I19 empty keys", claims: map[string]any{"attested_keys": []any{}}, want: bad},
		{name: "I19 private key", claims: map[string]any{"attested_keys": []any{private}}, want: bad},
		{name: "I19 the same key twice", claims: map[string]any{"attested_keys": []any{jwk, jwk}}, want: bad},
		{name: "I19 as many keys as allowed", claims: map[string]any{"attested_keys": many}, edit: func(e *attestation.KeyExpect) { e.MaxKeys = 4 }},
		{name: "I19 more keys than allowed", claims: map[string]any{"attested_keys": many}, edit: func(e *attestation.KeyExpect) { e.MaxKeys = 3 }, want: bad},
		{name: "I19 key_storage below", claims: map[string]any{"key_storage": []string{attestation.ResistanceBasic}}, want: bad},
		{name: "I19 key_storage missing", claims: map[string]any{"key_storage": gone}, want: bad},
		{name: "I19 one of two accepted", claims: map[string]any{"key_storage": []string{attestation.ResistanceBasic, attestation.ResistanceHigh}}},
		{name: "I19 user_authentication below", claims: map[string]any{"user_authentication": []string{attestation.ResistanceEnhancedBasic}}, want: bad},
		{name: "I19 nothing demanded", claims: map[string]any{"key_storage": gone, "user_authentication": gone}, edit: func(e *attestation.KeyExpect) { e.KeyStorage, e.UserAuthentication = nil, nil }},
		{name: "I19 status that nobody can check", claims: map[string]any{"status": map[string]any{"x": 1}}, want: bad},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.signer == nil {
				tc.signer = w.provider
			}
			if tc.typ == "" {
				tc.typ = attestation.TypeKey
			}
			e := w.keyExpect()
			if tc.edit != nil {
				tc.edit(&e)
			}
			claims := patch(map[string]any{
				"iat": now.Unix(), "exp": now.Unix() + 300, "nonce": "nonce-1", "attested_keys": jwks, "unknown": 1,
				"key_storage": []string{attestation.ResistanceHigh}, "user_authentication": []string{attestation.ResistanceHigh},
			}, tc.claims)
			_, err := attestation.VerifyKeyAttestation(context.Background(), forge(t, tc.signer.Signer, tc.typ, tc.signer.Chain, claims), e)
			if got := attestation.CodeOf(err); got != tc.want || (err == nil) != (tc.want == "") {
				t.Errorf("code %q, error %v, want %q", got, err, tc.want)
			}
		})
	}
	t.Run("I19 revoked: every status is reported", func(t *testing.T) {
		t.Parallel()
		list := func(i int) map[string]any {
			return map[string]any{"status_list": map[string]any{"idx": i, "uri": "https://provider.example/status"}}
		}
		compact := forge(t, w.provider.Signer, attestation.TypeKey, w.provider.Chain, map[string]any{
			"iat": now.Unix(), "exp": now.Unix() + 300, "nonce": "nonce-1", "attested_keys": jwks,
			"key_storage": []string{attestation.ResistanceHigh}, "user_authentication": []string{attestation.ResistanceHigh},
			"status": list(1), "key_storage_status": map[string]any{"status": list(2), "exp": 1},
		})
		got := must[*attestation.AttestedKeys](t)(attestation.VerifyKeyAttestation(context.Background(), compact, w.keyExpect()))
		want := []credentials.StatusRef{{URI: "https://provider.example/status", Index: 1}, {URI: "https://provider.example/status", Index: 2}}
		if diff := cmp.Diff(want, got.Statuses); diff != "" {
			t.Error(diff)
		}
	})
}
