package oidfissuer_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
)

// object is a JSON object.
type object = map[string]any

var b64 = base64.RawURLEncoding

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// jwkOf returns the public JWK of a key.
func jwkOf(key *ecdsa.PublicKey) object {
	point, err := key.Bytes()
	if err != nil {
		panic(err)
	}
	return object{"kty": "EC", "crv": "P-256", "x": b64.EncodeToString(point[1:33]), "y": b64.EncodeToString(point[33:])}
}

// keyOf is the other way round.
func keyOf(t *testing.T, jwk object) *ecdsa.PublicKey {
	t.Helper()
	x, _ := b64.DecodeString(text(jwk, "x"))
	y, _ := b64.DecodeString(text(jwk, "y"))
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	if err != nil || text(jwk, "kty") != "EC" || text(jwk, "crv") != "P-256" {
		t.Fatalf("unusable key %v: %v", jwk, err)
	}
	return key
}

func thumbprint(key *ecdsa.PublicKey) string {
	jwk := jwkOf(key)
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, jwk["x"], jwk["y"]))
	return b64.EncodeToString(sum[:])
}

// text returns a member of an object that is a string, or "".
func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

func marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// sign returns a JWS by ES256. The header gets alg unless it has one, which may
// lie.
func sign(t *testing.T, key *ecdsa.PrivateKey, header, claims object) string {
	t.Helper()
	h := object{"alg": "ES256"}
	for name, value := range header {
		if h[name] = value; value == nil {
			delete(h, name)
		}
	}
	input := b64.EncodeToString(marshal(h)) + "." + b64.EncodeToString(marshal(claims))
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return input + "." + b64.EncodeToString(signature)
}

// spoil changes the signature of a JWS.
func spoil(jws string) string {
	at := strings.LastIndexByte(jws, '.') + 10
	other := "A"
	if jws[at] == 'A' {
		other = "B"
	}
	return jws[:at] + other + jws[at+1:]
}

// readJWT returns header and claims of a JWS.
func readJWT(t *testing.T, jws string) (header, claims object) {
	t.Helper()
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWS: %q", jws)
	}
	for i, into := range []*object{&header, &claims} {
		raw, err := b64.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			t.Fatalf("JWS part %d: %v", i, err)
		}
	}
	return header, claims
}

// verified reports whether the JWS is by ES256 and that key.
func verified(t *testing.T, key *ecdsa.PublicKey, jws string) bool {
	t.Helper()
	header, _ := readJWT(t, jws)
	at := strings.LastIndexByte(jws, '.')
	signature, err := b64.DecodeString(jws[at+1:])
	if err != nil || len(signature) != 64 || text(header, "alg") != "ES256" {
		return false
	}
	return verifiedRaw(key, []byte(jws[:at]), signature)
}

func verifiedRaw(key *ecdsa.PublicKey, input, signature []byte) bool {
	digest := sha256.Sum256(input)
	return len(signature) == 64 && ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

// contentKey derives the key for the content by ECDH-ES (RFC 7518 section 4.6).
func contentKey(t *testing.T, private *ecdh.PrivateKey, public *ecdh.PublicKey, header object) []byte {
	t.Helper()
	secret, err := private.ECDH(public)
	if err != nil {
		t.Fatal(err)
	}
	bits := map[string]uint32{"A128GCM": 128, "A256GCM": 256}[text(header, "enc")]
	info := binary.BigEndian.AppendUint32(nil, 1)
	info = append(info, secret...)
	for _, part := range []string{text(header, "enc"), decoded(header, "apu"), decoded(header, "apv")} {
		info = append(binary.BigEndian.AppendUint32(info, uint32(len(part))), part...)
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(info, bits))
	return sum[:bits/8]
}

func decoded(o object, name string) string {
	raw, _ := b64.DecodeString(text(o, name))
	return string(raw)
}

func sealer(t *testing.T, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm
}

// encrypt returns a JWE by ECDH-ES to a JWK of the issuer, compressed on demand.
func encrypt(t *testing.T, plain []byte, to object, enc string, deflate bool) string {
	t.Helper()
	ephemeral := newKey(t)
	header := object{"alg": text(to, "alg"), "enc": enc, "kid": to["kid"], "cty": "json", "epk": jwkOf(&ephemeral.PublicKey)}
	if deflate {
		header["zip"] = "DEF"
		var out bytes.Buffer
		w, _ := flate.NewWriter(&out, flate.DefaultCompression)
		_, _ = w.Write(plain)
		_ = w.Close()
		plain = out.Bytes()
	}
	private, err := ephemeral.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	public, err := keyOf(t, to).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	gcm := sealer(t, contentKey(t, private, public, header))
	protected := b64.EncodeToString(marshal(header))
	iv := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(iv)
	sealed := gcm.Seal(nil, iv, plain, []byte(protected))
	at := len(sealed) - gcm.Overhead()
	return strings.Join([]string{protected, "", b64.EncodeToString(iv), b64.EncodeToString(sealed[:at]), b64.EncodeToString(sealed[at:])}, ".")
}

// decrypt opens a JWE and returns its header too.
func decrypt(t *testing.T, jwe string, key *ecdsa.PrivateKey) (header object, plain []byte) {
	t.Helper()
	parts := strings.Split(jwe, ".")
	if len(parts) != 5 || parts[1] != "" {
		t.Fatalf("not a JWE by ECDH-ES: %q", jwe)
	}
	raw := make([][]byte, 5)
	for i, part := range parts {
		var err error
		if raw[i], err = b64.DecodeString(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(raw[0], &header); err != nil {
		t.Fatal(err)
	}
	epk, _ := header["epk"].(object)
	public, err := keyOf(t, epk).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	private, err := key.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	plain, err = sealer(t, contentKey(t, private, public, header)).Open(nil, raw[2], append(raw[3], raw[4]...), []byte(parts[0]))
	if err != nil {
		t.Fatalf("the response does not decrypt: %v", err)
	}
	if text(header, "zip") == "DEF" {
		if plain, err = io.ReadAll(flate.NewReader(bytes.NewReader(plain))); err != nil {
			t.Fatal(err)
		}
	}
	return header, plain
}

// signRS256 returns a JWS by RS256 under a fresh key.
func signRS256(t *testing.T, claims object) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	input := b64.EncodeToString(marshal(object{"alg": "RS256"})) + "." + b64.EncodeToString(marshal(claims))
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64.EncodeToString(signature)
}
