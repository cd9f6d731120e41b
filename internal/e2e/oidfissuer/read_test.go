package oidfissuer_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// object is a JSON object.
type object = wire.Object

func keyOf(t *testing.T, jwk object) *ecdsa.PublicKey {
	t.Helper()
	key, err := wire.Key(jwk)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// readJWT returns header and claims of a JWS.
func readJWT(t *testing.T, jws string) (header, claims object) {
	t.Helper()
	header, claims, err := wire.ReadJWS(jws)
	if err != nil {
		t.Fatal(err)
	}
	return header, claims
}

// x5c reads the header of that name.
func x5c(t *testing.T, header object) [][]byte {
	t.Helper()
	chain, err := wire.ReadX5C(header)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// readCBOR reads one item and nothing after it.
func readCBOR[T any](t *testing.T, data []byte) T {
	t.Helper()
	v, err := wire.ReadCBOR(data)
	if err != nil {
		t.Fatal(err)
	}
	return as[T](t, v)
}

// embedded reads CBOR in a byte string under tag 24.
func embedded[T any](t *testing.T, v any) T {
	t.Helper()
	v, err := wire.Embedded(v)
	if err != nil {
		t.Fatal(err)
	}
	return as[T](t, v)
}

// as converts what was read, or fails the test.
func as[T any](t *testing.T, v any) T {
	t.Helper()
	out, ok := v.(T)
	if !ok {
		t.Fatalf("CBOR: %T in place of %T", v, out)
	}
	return out
}

// signRS256 returns a JWS by RS256 under a fresh key.
func signRS256(t *testing.T, claims object) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	input := wire.B64(wire.JSON(object{"alg": "RS256"})) + "." + wire.B64(wire.JSON(claims))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, wire.Digest([]byte(input)))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + wire.B64(signature)
}
