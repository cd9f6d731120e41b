package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrKey says that a JWK is malformed, private, or of a kind that is not used
// here.
var ErrKey = errors.New("unusable JWK")

// JWK is a public elliptic-curve key (RFC 7517, RFC 7518 section 6.2). Other
// key types are refused.
type JWK struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	Kid string `json:"kid,omitempty"`
	// Use, Alg and KeyOps limit what the key is for. Empty ones limit nothing.
	Use    string   `json:"use,omitempty"`
	Alg    string   `json:"alg,omitempty"`
	KeyOps []string `json:"key_ops,omitempty"`
}

// JWKSet is a set of keys (RFC 7517 section 5).
type JWKSet struct {
	Keys []JWK `json:"keys"`
}

var curves = map[string]elliptic.Curve{
	"P-256": elliptic.P256(),
	"P-384": elliptic.P384(),
	"P-521": elliptic.P521(),
}

// ParseJWK reads a public key. Members of a private or symmetric key, other
// key types and curves, coordinates of the wrong length and points off the
// curve are errors that wrap [ErrKey].
func ParseJWK(data []byte) (*JWK, error) {
	var key JWK
	if err := key.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	return &key, nil
}

// UnmarshalJSON implements json.Unmarshaler by the rules of [ParseJWK], so that
// a key inside another document is held to them too.
func (k *JWK) UnmarshalJSON(data []byte) error {
	type plain JWK
	var wire struct {
		Plain plain          `json:",embed"`
		D     jsontext.Value `json:"d"`
		P     jsontext.Value `json:"p"`
		Q     jsontext.Value `json:"q"`
		DP    jsontext.Value `json:"dp"`
		DQ    jsontext.Value `json:"dq"`
		QI    jsontext.Value `json:"qi"`
		Oth   jsontext.Value `json:"oth"`
		K     jsontext.Value `json:"k"`
	}
	if err := UnmarshalJSON(data, &wire); err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	for _, private := range []jsontext.Value{wire.D, wire.P, wire.Q, wire.DP, wire.DQ, wire.QI, wire.Oth, wire.K} {
		if private != nil {
			return fmt.Errorf("%w: private member", ErrKey)
		}
	}
	*k = JWK(wire.Plain)
	_, err := k.ecdsa()
	return err
}

// PublicKey returns the *ecdsa.PublicKey. The point is checked to lie on the
// curve.
func (k *JWK) PublicKey() (crypto.PublicKey, error) {
	pub, err := k.ecdsa()
	if err != nil {
		return nil, err
	}
	return pub, nil
}

func (k *JWK) ecdsa() (*ecdsa.PublicKey, error) {
	curve, ok := curves[k.Crv]
	if k.Kty != "EC" || !ok {
		return nil, fmt.Errorf("%w: key type or curve", ErrKey)
	}
	size := (curve.Params().BitSize + 7) / 8
	x, errX := DecodeBase64(k.X)
	y, errY := DecodeBase64(k.Y)
	if errX != nil || errY != nil || len(x) != size || len(y) != size {
		return nil, fmt.Errorf("%w: coordinates", ErrKey)
	}
	point := append([]byte{4}, append(x, y...)...)
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, fmt.Errorf("%w: point is not on the curve", ErrKey)
	}
	return pub, nil
}

// VerificationKey returns the *ecdsa.PublicKey to check signatures with. It is
// an error that wraps [ErrKey] if the JWK says that it is for something else,
// by use, by key_ops or by the algorithm of another curve.
func (k *JWK) VerificationKey() (crypto.PublicKey, error) {
	pub, err := k.PublicKey()
	if err != nil {
		return nil, err
	}
	alg, err := AlgorithmOf(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if k.limited("sig", alg, "verify") {
		return nil, fmt.Errorf("%w: not for signatures", ErrKey)
	}
	return pub, nil
}

// EncryptionKey returns the *ecdsa.PublicKey to encrypt to by ECDH-ES. It is an
// error that wraps [ErrKey] if the JWK says that it is for something else.
func (k *JWK) EncryptionKey() (crypto.PublicKey, error) {
	pub, err := k.PublicKey()
	if err != nil {
		return nil, err
	}
	if k.limited("enc", ECDHES, "deriveKey", "deriveBits") {
		return nil, fmt.Errorf("%w: not for encryption", ErrKey)
	}
	return pub, nil
}

// limited says whether a member of the key forbids the use in question.
func (k *JWK) limited(use, alg string, operations ...string) bool {
	if (k.Use != "" && k.Use != use) || (k.Alg != "" && k.Alg != alg) {
		return true
	}
	return len(k.KeyOps) > 0 && !slices.ContainsFunc(operations, func(o string) bool { return slices.Contains(k.KeyOps, o) })
}

// NewJWK returns the JWK of a public elliptic-curve key.
func NewJWK(pub crypto.PublicKey) (*JWK, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: %T", ErrKey, pub)
	}
	point, err := key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	size := (len(point) - 1) / 2
	return &JWK{
		Kty: "EC",
		Crv: key.Curve.Params().Name,
		X:   EncodeBase64(point[1 : 1+size]),
		Y:   EncodeBase64(point[1+size:]),
	}, nil
}

// Thumbprint returns the 32-byte SHA-256 thumbprint (RFC 7638).
func (k *JWK) Thumbprint() []byte {
	sum := sha256.Sum256([]byte(`{"crv":"` + k.Crv + `","kty":"` + k.Kty + `","x":"` + k.X + `","y":"` + k.Y + `"}`))
	return sum[:]
}

// ThumbprintOf returns the base64url SHA-256 thumbprint of a public key
// (RFC 7638).
func ThumbprintOf(pub crypto.PublicKey) (string, error) {
	key, err := NewJWK(pub)
	if err != nil {
		return "", err
	}
	return EncodeBase64(key.Thumbprint()), nil
}
