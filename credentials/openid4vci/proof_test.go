package openid4vci_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

const (
	clientID = "https://wallet.example"
	nonce    = "nonce-1"
	gone     = "\x00" // marks a member to leave out
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	return must[*ecdsa.PrivateKey](t)(keys.GenerateP256())
}

func jwkOf(t testing.TB, key crypto.Signer) *jose.JWK {
	t.Helper()
	return must[*jose.JWK](t)(jose.NewJWK(key.Public()))
}

func expect() openid4vci.ProofExpect {
	return openid4vci.ProofExpect{
		Audience: issuer, ClientID: clientID, RequireNonce: true, Algorithms: []string{"ES256"}, MaxKeys: 3, Now: now,
	}
}

func sign(t testing.TB, key crypto.Signer, change func(*openid4vci.ProofOptions)) string {
	t.Helper()
	o := openid4vci.ProofOptions{Audience: issuer, Nonce: nonce, ClientID: clientID, Now: now}
	if change != nil {
		change(&o)
	}
	return must[string](t)(openid4vci.SignProof(o, key))
}

func TestProofExample(t *testing.T) {
	t.Parallel()
	proof := strings.Join(strings.Fields(string(file(t, "jwt_proof.txt"))), "")
	e := openid4vci.ProofExpect{
		Audience: "https://credential-issuer.example.com", ClientID: "any", RequireNonce: true, Algorithms: []string{"ES256"},
		Now: time.Unix(1701960444, 0),
	}
	v, err := openid4vci.VerifyProof(context.Background(), proof, e)
	if err != nil || v.Nonce != "LarRGSbmUPYtRYO6BQ4yn8" || v.IssuedAt.Unix() != 1701960444 {
		t.Fatalf("TV-13: %+v, %v", v, err)
	}
	e.Now = now
	if _, err := openid4vci.VerifyProof(context.Background(), proof, e); openid4vci.CodeOf(err) != openid4vci.CodeInvalidProof {
		t.Errorf("TV-13 years later: %v", err)
	}
}

// forge signs a proof from header members and claims of the caller's choice.
func forge(t testing.TB, signer crypto.Signer, header, claims map[string]any) string {
	t.Helper()
	drop := func(_ string, v any) bool { s, ok := v.(string); return ok && s == gone }
	maps.DeleteFunc(header, drop)
	maps.DeleteFunc(claims, drop)
	return must[string](t)(jose.Sign(jose.Header{Extra: header}, must[[]byte](t)(json.Marshal(claims)), signer))
}

// TestNeg spoils one thing of a key proof at a time; the cases with an empty
// want are the honest twins.
func TestNeg(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	jwk := jwkOf(t, key)
	private := map[string]any{"kty": "EC", "crv": "P-256", "x": jwk.X, "y": jwk.Y, "d": jwk.X}
	ca := must[*trusttest.CA](t)(trusttest.NewCA(trusttest.CAOptions{NotBefore: now.Add(-time.Hour)}))
	certified := must[*keys.Key](t)(ca.IssueWalletProvider(trusttest.LeafOptions{Signer: key}))
	x5c := [][]byte{certified.Leaf().Raw}
	const bad = openid4vci.CodeInvalidProof
	anonymous := func(e *openid4vci.ProofExpect) { e.ClientID = "" }
	for _, tc := range []struct {
		name           string
		header, claims map[string]any
		signer         crypto.Signer
		edit           func(*openid4vci.ProofExpect)
		want           string
	}{
		{name: "I13 honest"},
		{name: "I13 typ JWT", header: map[string]any{"typ": "JWT"}, want: bad},
		{name: "I13 typ missing", header: map[string]any{"typ": gone}, want: bad},
		{name: "I13 typ upper case", header: map[string]any{"typ": "OpenID4VCI-Proof+JWT"}, want: bad},
		{name: "I13 alg not in metadata", edit: func(e *openid4vci.ProofExpect) { e.Algorithms = []string{"ES384"} }, want: bad},
		{name: "I13 any alg", edit: func(e *openid4vci.ProofExpect) { e.Algorithms = nil }},
		{name: "I13 crit", header: map[string]any{"crit": []string{"x"}, "x": 1}, want: bad},
		{name: "I14 other issuer", claims: map[string]any{"aud": "https://other.example"}, want: bad},
		{name: "I14 array", claims: map[string]any{"aud": []string{issuer}}, want: bad},
		{name: "I14 two issuers", claims: map[string]any{"aud": []string{issuer, "https://other.example"}}, want: bad},
		{name: "I14 trailing slash", claims: map[string]any{"aud": issuer + "/"}, want: bad},
		{name: "I14 upper-case host", claims: map[string]any{"aud": "https://ISSUER.example/tenant"}, want: bad},
		{name: "I14 missing", claims: map[string]any{"aud": gone}, want: bad},
		{name: "I15 iat an hour ago", claims: map[string]any{"iat": now.Unix() - 3600}, want: bad},
		{name: "I15 iat in an hour", claims: map[string]any{"iat": now.Unix() + 3600}, want: bad},
		{name: "I15 iat missing", claims: map[string]any{"iat": gone}, want: bad},
		{name: "I15 iat float", claims: map[string]any{"iat": float64(now.Unix()) + 0.5}, want: bad},
		{name: "I15 iat string", claims: map[string]any{"iat": fmt.Sprint(now.Unix())}, want: bad},
		{name: "I15 iat 1e400", claims: map[string]any{"iat": json.RawMessage("1e400")}, want: bad},
		{name: "I15 iat at the lower bound", claims: map[string]any{"iat": now.Unix() - 300}},
		{name: "I15 iat below", claims: map[string]any{"iat": now.Unix() - 301}, want: bad},
		{name: "I15 iat at the upper bound", claims: map[string]any{"iat": now.Unix() + 60}},
		{name: "I15 iat above", claims: map[string]any{"iat": now.Unix() + 61}, want: bad},
		{name: "I15 exp passed", claims: map[string]any{"exp": now.Unix() - 60}, want: bad},
		{name: "I15 exp ahead", claims: map[string]any{"exp": now.Unix() + 60}},
		{name: "I16 no key", header: map[string]any{"jwk": gone}, want: bad},
		{name: "I16 jwk and kid", header: map[string]any{"kid": "0"}, want: bad},
		{name: "I16 jwk and x5c", header: map[string]any{"x5c": x5c}, want: bad},
		{name: "I16 x5c", header: map[string]any{"jwk": gone, "x5c": x5c}, want: bad},
		{name: "I16 private jwk", header: map[string]any{"jwk": private}, want: bad},
		{name: "I16 symmetric jwk", header: map[string]any{"jwk": map[string]any{"kty": "oct", "k": "AAAA"}}, want: bad},
		{name: "I16 kid of someone's DID", header: map[string]any{"jwk": gone, "kid": "did:web:127.0.0.1#0"}, want: bad},
		{name: "I16 kid index without attestation", header: map[string]any{"jwk": gone, "kid": "0"}, want: bad},
		{name: "I16 trust_chain", header: map[string]any{"trust_chain": []string{"x"}}, want: bad},
		{name: "I16 jku", header: map[string]any{"jku": "https://127.0.0.1/"}, want: bad},
		{name: "I16 x5u", header: map[string]any{"x5u": "https://127.0.0.1/"}, want: bad},
		{name: "I16 signed by another key", signer: newKey(t), want: bad},
		{name: "I17 wrong client", claims: map[string]any{"iss": "https://other.example"}, want: bad},
		{name: "I17 no iss", claims: map[string]any{"iss": gone}},
		{name: "I17 iss of another type", claims: map[string]any{"iss": []string{clientID}}, want: bad},
		{name: "I17 iss in the anonymous flow", edit: anonymous, want: bad},
		{name: "I17 empty iss in the anonymous flow", claims: map[string]any{"iss": ""}, edit: anonymous, want: bad},
		{name: "I17 anonymous flow", claims: map[string]any{"iss": gone}, edit: anonymous},
		{name: "VCI-CR-08 no nonce", claims: map[string]any{"nonce": gone}, want: bad},
		{name: "VCI-CR-08 empty nonce", claims: map[string]any{"nonce": ""}, want: bad},
		{name: "VCI-CR-08 nonce number", claims: map[string]any{"nonce": 1}, want: bad},
		{name: "VCI-CR-08 no nonce endpoint", claims: map[string]any{"nonce": gone}, edit: func(e *openid4vci.ProofExpect) { e.RequireNonce = false }},
		{name: "I19 key attestation required", edit: func(e *openid4vci.ProofExpect) { e.RequireKeyAttestation = true }, want: bad},
		{name: "VCI-PF-06 key attestation that nobody asked for", header: map[string]any{"key_attestation": "x"}},
		{name: "nothing expected", edit: func(e *openid4vci.ProofExpect) { e.Audience = "" }, want: openid4vci.CodeServerError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			header := map[string]any{"typ": openid4vci.TypeProof, "jwk": jwk}
			claims := map[string]any{"iss": clientID, "aud": issuer, "iat": now.Unix(), "nonce": nonce, "unknown": []any{1}}
			maps.Copy(header, tc.header)
			maps.Copy(claims, tc.claims)
			signer, e := tc.signer, expect()
			if signer == nil {
				signer = key
			}
			if tc.edit != nil {
				tc.edit(&e)
			}
			var proof string
			if raw, ok := claims["iat"].(json.RawMessage); ok {
				// encoding/json would not write such a number.
				payload := `{"aud":"` + issuer + `","nonce":"` + nonce + `","iat":` + string(raw) + `}`
				proof = must[string](t)(jose.Sign(jose.Header{Extra: header}, []byte(payload), signer))
			} else {
				proof = forge(t, signer, header, claims)
			}
			_, err := openid4vci.VerifyProof(context.Background(), proof, e)
			if got := openid4vci.CodeOf(err); got != tc.want || (err == nil) != (tc.want == "") {
				t.Errorf("code %q, error %v, want %q", got, err, tc.want)
			}
		})
	}
}

func TestNegProofForm(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	good := sign(t, key, nil)
	if _, err := openid4vci.VerifyProof(context.Background(), good, expect()); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	jwk := string(must[[]byte](t)(json.Marshal(jwkOf(t, key))))
	parts := strings.Split(good, ".")
	rehead := func(alg string) string {
		return jose.EncodeBase64([]byte(`{"typ":"openid4vci-proof+jwt","alg":`+alg+`,"jwk":`+jwk+`}`)) + "." + parts[1] + "." + parts[2]
	}
	for name, proof := range map[string]string{
		"I13 alg none":      rehead(`"none"`),
		"I13 alg HS256":     rehead(`"HS256"`),
		"I13 alg RS256":     rehead(`"RS256"`),
		"I13 unsecured":     parts[0] + "." + parts[1] + ".",
		"I13 bad signature": parts[0] + "." + parts[1] + "." + jose.EncodeBase64(make([]byte, 64)),
		"I13 other payload": parts[0] + "." + jose.EncodeBase64([]byte(`{"aud":"`+issuer+`"}`)) + "." + parts[2],
		"I13 not a JWT":     "abc",
		"I13 empty":         "",
		"I13 too large":     good + strings.Repeat("A", openid4vci.MaxProofSize),
	} {
		if _, err := openid4vci.VerifyProof(context.Background(), proof, expect()); openid4vci.CodeOf(err) != openid4vci.CodeInvalidProof {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNegProofs(t *testing.T) {
	t.Parallel()
	a, b, c := newKey(t), newKey(t), newKey(t)
	other := func(o *openid4vci.ProofOptions) { o.Nonce = "nonce-2" }
	many := make([]string, 10000)
	for _, tc := range []struct {
		name   string
		proofs *openid4vci.Proofs
		want   string
		keys   []crypto.Signer
	}{
		{"I12 one nonce in a batch", &openid4vci.Proofs{JWT: []string{sign(t, a, nil), sign(t, b, nil), sign(t, c, nil)}}, "", []crypto.Signer{a, b, c}},
		{"I12 two nonces", &openid4vci.Proofs{JWT: []string{sign(t, a, nil), sign(t, b, other)}}, openid4vci.CodeInvalidNonce, nil},
		{"I18 one key twice", &openid4vci.Proofs{JWT: []string{sign(t, a, nil), sign(t, a, nil)}}, openid4vci.CodeInvalidProof, nil},
		{"I18 one proof twice", &openid4vci.Proofs{JWT: []string{sign(t, a, nil), sign(t, b, nil), sign(t, a, nil)}}, openid4vci.CodeInvalidProof, nil},
		{"I18 batch_size+1", &openid4vci.Proofs{JWT: many[:4]}, openid4vci.CodeInvalidCredentialRequest, nil},
		{"I18 10k proofs", &openid4vci.Proofs{JWT: many}, openid4vci.CodeInvalidCredentialRequest, nil},
		{"I18 empty", &openid4vci.Proofs{}, openid4vci.CodeInvalidProof, nil},
		{"I18 nil", nil, openid4vci.CodeInvalidProof, nil},
		{"I18 mixed", &openid4vci.Proofs{JWT: []string{sign(t, a, nil)}, Attestation: []string{"x"}}, openid4vci.CodeInvalidProof, nil},
		{"VCI-CR-09 one bad proof", &openid4vci.Proofs{JWT: []string{sign(t, a, nil), sign(t, b, nil)[1:]}}, openid4vci.CodeInvalidProof, nil},
		{"VCI-PF-07 attestations not supported", &openid4vci.Proofs{Attestation: []string{"x"}}, openid4vci.CodeInvalidProof, nil},
	} {
		v, err := openid4vci.VerifyProofs(context.Background(), tc.proofs, expect())
		if got := openid4vci.CodeOf(err); got != tc.want || (err == nil) != (tc.want == "") {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if err == nil && (v.Nonce != nonce || len(v.Keys) != len(tc.keys)) {
			t.Errorf("%s: %+v", tc.name, v)
		}
		for i, key := range tc.keys {
			if !key.Public().(*ecdsa.PublicKey).Equal(v.Keys[i]) {
				t.Errorf("%s: key %d", tc.name, i)
			}
		}
	}
}

// attested is a wallet provider with attestations over keys a, b and c.
type attested struct {
	provider *keys.Key
	expect   openid4vci.ProofExpect
	keys     []*ecdsa.PrivateKey
}

func newAttested(t testing.TB) *attested {
	t.Helper()
	ca := must[*trusttest.CA](t)(trusttest.NewCA(trusttest.CAOptions{NotBefore: now.Add(-time.Hour)}))
	e := expect()
	e.RequireKeyAttestation = true
	e.KeyAttestation = &attestation.KeyExpect{
		KeyStorage: []string{attestation.ResistanceHigh},
		Policy: &trust.Policy{
			Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileWalletProvider,
			Revocation: trust.NotChecked("test"), Now: func() time.Time { return now },
		},
	}
	return &attested{
		provider: must[*keys.Key](t)(ca.IssueWalletProvider(trusttest.LeafOptions{})),
		expect:   e, keys: []*ecdsa.PrivateKey{newKey(t), newKey(t), newKey(t)},
	}
}

func (a *attested) attest(t testing.TB, change func(*attestation.KeyAttestation)) string {
	t.Helper()
	k := attestation.KeyAttestation{
		KeyStorage: []string{attestation.ResistanceHigh}, Nonce: nonce, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	for _, key := range a.keys {
		k.Keys = append(k.Keys, key.Public())
	}
	if change != nil {
		change(&k)
	}
	return must[string](t)(attestation.SignKeyAttestation(k, a.provider))
}

func TestNegKeyAttestation(t *testing.T) {
	t.Parallel()
	w := newAttested(t)
	stranger := newAttested(t)
	good := w.attest(t, nil)
	claims := func() map[string]any {
		return map[string]any{"iss": clientID, "aud": issuer, "iat": now.Unix(), "nonce": nonce}
	}
	proof := func(key crypto.Signer, header map[string]any) string {
		all := map[string]any{"typ": openid4vci.TypeProof, "jwk": jwkOf(t, key), "key_attestation": good}
		maps.Copy(all, header)
		return forge(t, key, all, claims())
	}
	const bad = openid4vci.CodeInvalidProof
	for _, tc := range []struct {
		name, proof, want string
	}{
		{"VCI-PF-06 jwk", proof(w.keys[1], nil), ""},
		{"VCI-PF-06 kid is an index", proof(w.keys[2], map[string]any{"jwk": gone, "kid": "2"}), ""},
		{"VCI-PF-06 no key named", proof(w.keys[0], map[string]any{"jwk": gone}), ""},
		{"VCI-PF-06 no key named, signed by the second", proof(w.keys[1], map[string]any{"jwk": gone}), bad},
		{"VCI-PF-06 kid of another key", proof(w.keys[2], map[string]any{"jwk": gone, "kid": "1"}), bad},
		{"VCI-PF-06 kid out of range", proof(w.keys[2], map[string]any{"jwk": gone, "kid": "3"}), bad},
		{"VCI-PF-06 kid with a sign", proof(w.keys[0], map[string]any{"jwk": gone, "kid": "+0"}), bad},
		{"VCI-PF-06 kid negative", proof(w.keys[0], map[string]any{"jwk": gone, "kid": "-1"}), bad},
		{"I16 jwk and kid", proof(w.keys[0], map[string]any{"kid": "0"}), bad},
		{"I19 attested_keys lacks the proof key", proof(newKey(t), nil), bad},
		{"I19 attestation missing", proof(w.keys[0], map[string]any{"key_attestation": gone}), bad},
		{"I19 attestation is an object", proof(w.keys[0], map[string]any{"key_attestation": map[string]any{}}), bad},
		{"I19 untrusted provider", proof(w.keys[0], map[string]any{"key_attestation": stranger.attest(t, func(k *attestation.KeyAttestation) { k.Keys = []crypto.PublicKey{w.keys[0].Public()} })}), bad},
		{"I19 bad signature", proof(w.keys[0], map[string]any{"key_attestation": good[:len(good)-8] + "AAAAAAAA"}), bad},
		{"I19 expired", proof(w.keys[0], map[string]any{"key_attestation": w.attest(t, func(k *attestation.KeyAttestation) { k.ExpiresAt = now.Add(-time.Hour) })}), bad},
		{"I19 no exp", proof(w.keys[0], map[string]any{"key_attestation": w.attest(t, func(k *attestation.KeyAttestation) { k.ExpiresAt = time.Time{} })}), bad},
		{"I19 level below", proof(w.keys[0], map[string]any{"key_attestation": w.attest(t, func(k *attestation.KeyAttestation) { k.KeyStorage = []string{attestation.ResistanceBasic} })}), bad},
		{"I19 wrong nonce", proof(w.keys[0], map[string]any{"key_attestation": w.attest(t, func(k *attestation.KeyAttestation) { k.Nonce = "nonce-2" })}), openid4vci.CodeInvalidNonce},
		{"I19 no nonce", proof(w.keys[0], map[string]any{"key_attestation": w.attest(t, func(k *attestation.KeyAttestation) { k.Nonce = "" })}), bad},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			v, err := openid4vci.VerifyProof(context.Background(), tc.proof, w.expect)
			if got := openid4vci.CodeOf(err); got != tc.want || (err == nil) != (tc.want == "") {
				t.Fatalf("code %q, error %v, want %q", got, err, tc.want)
			}
			if err == nil && len(v.Attested.Keys) != 3 {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestKeyAttestationKeys(t *testing.T) {
	t.Parallel()
	w := newAttested(t)
	signed := sign(t, w.keys[1], func(o *openid4vci.ProofOptions) { o.KeyAttestation = w.attest(t, nil) })
	for _, tc := range []struct {
		name   string
		proofs openid4vci.Proofs
		batch  int
		want   []int
	}{
		{"VCI-PF-08 jwt", openid4vci.Proofs{JWT: []string{signed}}, 3, []int{1, 0, 2}},
		{"VCI-PF-08 jwt, smaller batch", openid4vci.Proofs{JWT: []string{signed}}, 2, []int{1, 0}},
		{"VCI-PF-08 jwt, no batch", openid4vci.Proofs{JWT: []string{signed}}, 0, []int{1}},
		{"VCI-PF-07 attestation", openid4vci.Proofs{Attestation: []string{w.attest(t, nil)}}, 3, []int{0, 1, 2}},
		{"VCI-PF-07 attestation, no batch", openid4vci.Proofs{Attestation: []string{w.attest(t, nil)}}, 1, []int{0}},
		{"VCI-PF-07 attestation without exp", openid4vci.Proofs{Attestation: []string{w.attest(t, func(k *attestation.KeyAttestation) { k.ExpiresAt = time.Time{} })}}, 3, []int{0, 1, 2}},
	} {
		e := w.expect
		e.MaxKeys = tc.batch
		v, err := openid4vci.VerifyProofs(context.Background(), &tc.proofs, e)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		var want []crypto.PublicKey
		for _, i := range tc.want {
			want = append(want, w.keys[i].Public())
		}
		if diff := cmp.Diff(want, v.Keys); diff != "" || v.Nonce != nonce || len(v.Attestations) != 1 {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
	for name, compact := range map[string]string{
		"VCI-PF-07 no nonce":          w.attest(t, func(k *attestation.KeyAttestation) { k.Nonce = "" }),
		"VCI-PF-07 untrusted":         newAttested(t).attest(t, nil),
		"VCI-PF-07 a proof by itself": signed,
	} {
		_, err := openid4vci.VerifyProofs(context.Background(), &openid4vci.Proofs{Attestation: []string{compact}}, w.expect)
		if openid4vci.CodeOf(err) != openid4vci.CodeInvalidProof {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := openid4vci.VerifyProofs(context.Background(), &openid4vci.Proofs{Attestation: []string{newAttested(t).attest(t, nil)}}, w.expect)
	var cause *trust.Error
	if !errors.As(err, &cause) {
		t.Errorf("the cause is lost: %v", err)
	}
	if _, err := openid4vci.VerifyProof(context.Background(), signed, openid4vci.ProofExpect{Audience: issuer, ClientID: clientID, Now: now, RequireKeyAttestation: true}); openid4vci.CodeOf(err) != openid4vci.CodeServerError {
		t.Errorf("required but nobody trusted: %v", err)
	}
}

func TestSignProofNeeds(t *testing.T) {
	t.Parallel()
	if _, err := openid4vci.SignProof(openid4vci.ProofOptions{Now: now}, newKey(t)); err == nil {
		t.Error("signed without an audience")
	}
	if _, err := openid4vci.SignProof(openid4vci.ProofOptions{Audience: issuer}, newKey(t)); err == nil {
		t.Error("signed without a time")
	}
	p224 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	if _, err := openid4vci.SignProof(openid4vci.ProofOptions{Audience: issuer, Now: now}, p224); err == nil {
		t.Error("signed with P-224")
	}
}

func ExampleVerifyProofs() {
	key, _ := keys.GenerateP256()
	proof, _ := openid4vci.SignProof(openid4vci.ProofOptions{Audience: "https://issuer.example", Nonce: "n-1", Now: now}, key)
	v, err := openid4vci.VerifyProofs(context.Background(), &openid4vci.Proofs{JWT: []string{proof}}, openid4vci.ProofExpect{
		Audience: "https://issuer.example", RequireNonce: true, Now: now,
	})
	// The issuer now sees whether it handed out this nonce, and uses it up.
	fmt.Println(len(v.Keys), v.Nonce, err)
	// Output: 1 n-1 <nil>
}

func FuzzProof(f *testing.F) {
	example, err := testdata.ReadFile("testdata/jwt_proof.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(strings.Join(strings.Fields(string(example)), ""))
	f.Add("e30.e30.AA")
	f.Fuzz(func(t *testing.T, proof string) {
		v, err := openid4vci.VerifyProof(context.Background(), proof, openid4vci.ProofExpect{
			Audience: "https://credential-issuer.example.com", Now: time.Unix(1701960444, 0),
		})
		if err != nil && openid4vci.CodeOf(err) == "" {
			t.Errorf("error without a code: %v", err)
		}
		if err == nil && v.Key == nil {
			t.Error("no key")
		}
	})
}
