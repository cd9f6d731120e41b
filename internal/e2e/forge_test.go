package e2e_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/tegata-id/tegata/credentials/jose"
)

// signES256 signs a JWS signing input: r and s, 32 bytes each.
func signES256(t *testing.T, key crypto.Signer, input string) []byte {
	t.Helper()
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("a key of type %T", key)
	}
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out
}

// signJWT signs claims under a header, which may lie.
func signJWT(t *testing.T, h jose.Header, claims any, key crypto.Signer) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jose.Sign(h, payload, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// flip changes one character of base64url.
func flip(s string, at int) string {
	other := "A"
	if s[at] == 'A' {
		other = "B"
	}
	return s[:at] + other + s[at+1:]
}

func thumbprint(t *testing.T, key crypto.Signer) string {
	t.Helper()
	out, err := jose.ThumbprintOf(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return out
}
