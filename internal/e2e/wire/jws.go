package wire

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Object is a JSON object.
type Object = map[string]any

// Must returns the value of what cannot fail.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// B64 is base64url without padding.
func B64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// UnB64 is the other way round.
func UnB64(text string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(text) }

// JSON encodes what can be.
func JSON(v any) []byte { return Must(json.Marshal(v)) }

// Digest is that by SHA-256.
func Digest(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

// Hash is the digest of a text in base64url: what stands for a disclosure, sd_hash,
// ath.
func Hash(text string) string { return B64(Digest([]byte(text))) }

// Text returns a member of an object that is a string, or "".
func Text(o Object, name string) string {
	s, _ := o[name].(string)
	return s
}

// NewKey makes a key on P-256.
func NewKey() *ecdsa.PrivateKey { return Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// JWK is a key on P-256 as a JWK.
func JWK(key *ecdsa.PublicKey) Object {
	point := Must(key.Bytes())
	return Object{"kty": "EC", "crv": "P-256", "x": B64(point[1:33]), "y": B64(point[33:])}
}

// Key reads a public JWK.
func Key(jwk any) (*ecdsa.PublicKey, error) {
	o, _ := jwk.(Object)
	x, _ := UnB64(Text(o, "x"))
	y, _ := UnB64(Text(o, "y"))
	if Text(o, "kty") != "EC" || Text(o, "crv") != "P-256" || o["d"] != nil {
		return nil, fmt.Errorf("not a public key on P-256: %v", jwk)
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
}

// Thumbprint is that of RFC 7638.
func Thumbprint(key *ecdsa.PublicKey) []byte {
	jwk := JWK(key)
	return Digest(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, jwk["x"], jwk["y"]))
}

// SignRaw signs by ES256: r and s of 32 bytes each.
func SignRaw(key crypto.Signer, input []byte) []byte {
	var sig struct{ R, S *big.Int }
	Must(asn1.Unmarshal(Must(key.Sign(rand.Reader, Digest(input), crypto.SHA256)), &sig))
	return append(sig.R.FillBytes(make([]byte, 32)), sig.S.FillBytes(make([]byte, 32))...)
}

// VerifyRaw checks what SignRaw returns.
func VerifyRaw(key *ecdsa.PublicKey, input, signature []byte) error {
	if len(signature) != 64 || !ecdsa.Verify(key, Digest(input), new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return errors.New("the signature does not verify")
	}
	return nil
}

// Sign returns a JWS by ES256. The header gets alg unless it has one, which may
// lie; a member that is nil is left out.
func Sign(key crypto.Signer, header, claims Object) string {
	h := Object{"alg": "ES256"}
	for name, value := range header {
		if h[name] = value; value == nil {
			delete(h, name)
		}
	}
	return SignText(key, string(JSON(h)), string(JSON(claims)))
}

// SignText returns a JWS by ES256 of a header and a payload in JSON, or nearly.
func SignText(key crypto.Signer, header, payload string) string {
	input := B64([]byte(header)) + "." + B64([]byte(payload))
	return input + "." + B64(SignRaw(key, []byte(input)))
}

// ReadJWS returns header and claims of a JWS.
func ReadJWS(jws string) (header, claims Object, err error) {
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		return nil, nil, fmt.Errorf("not a JWS: %q", jws)
	}
	for i, into := range []*Object{&header, &claims} {
		raw, err := UnB64(parts[i])
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("part %d of the JWS: %w", i, err)
		}
	}
	return header, claims, nil
}

// VerifyJWS checks the signature of a JWS that says it is by ES256.
func VerifyJWS(key *ecdsa.PublicKey, jws string) error {
	header, _, err := ReadJWS(jws)
	if err != nil {
		return err
	}
	if Text(header, "alg") != "ES256" {
		return fmt.Errorf("alg %v", header["alg"])
	}
	at := strings.LastIndexByte(jws, '.')
	signature, err := UnB64(jws[at+1:])
	if err != nil {
		return err
	}
	return VerifyRaw(key, []byte(jws[:at]), signature)
}

// Spoil changes the signature of a JWS.
func Spoil(jws string) string {
	at := strings.LastIndexByte(jws, '.') + 1
	other := "A"
	if jws[at] == 'A' {
		other = "B"
	}
	return jws[:at] + other + jws[at+1:]
}

// X5C is a chain as the header of that name.
func X5C(chain []*x509.Certificate) []string {
	var out []string
	for _, c := range chain {
		out = append(out, base64.StdEncoding.EncodeToString(c.Raw))
	}
	return out
}

// ReadX5C reads the header of that name.
func ReadX5C(header Object) (chain [][]byte, err error) {
	list, _ := header["x5c"].([]any)
	for _, entry := range list {
		encoded, _ := entry.(string)
		der, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, err
		}
		chain = append(chain, der)
	}
	return chain, nil
}

// Leaf returns the certificate that signs, with its key on P-256, of a chain that
// leads to the root without holding it, as HAIP 1.0 wants everywhere.
func Leaf(chain [][]byte, root *x509.Certificate, at time.Time) (*x509.Certificate, *ecdsa.PublicKey, error) {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	var leaf *x509.Certificate
	for i, der := range chain {
		certificate, err := x509.ParseCertificate(der)
		switch {
		case err != nil:
			return nil, nil, err
		case certificate.Equal(root):
			return nil, nil, errors.New("the chain has the anchor in it")
		case i > 0:
			between.AddCert(certificate)
		default:
			leaf = certificate
		}
	}
	if leaf == nil || string(leaf.RawIssuer) == string(leaf.RawSubject) {
		return nil, nil, errors.New("no chain, or a leaf that signed itself")
	}
	// Which extended key usages are right is not the suite's business.
	leaf.UnhandledCriticalExtensions = nil
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return nil, nil, err
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, nil, fmt.Errorf("the key is a %T", leaf.PublicKey)
	}
	return leaf, key, nil
}
