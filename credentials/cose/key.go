package cose

import (
	"crypto"
	"crypto/ecdsa"
	"fmt"
	"slices"
)

// Labels of a COSE_Key (RFC 9052 section 7.1, RFC 9053 section 7.1.1).
type keyEC2 struct {
	Kty int64  `cbor:"1,keyasint"`
	Crv int64  `cbor:"-1,keyasint"`
	X   Bytes  `cbor:"-2,keyasint"`
	Y   Bytes  `cbor:"-3,keyasint"`
	Alg *int64 `cbor:"3,keyasint,omitempty"`
	// D is the private part. A public key that carries it is refused.
	D RawMessage `cbor:"-4,keyasint,omitempty"`
}

const ktyEC2 = 2

// MarshalKey encodes a P-256, P-384 or P-521 public key as a COSE_Key of type
// EC2 with both coordinates.
func MarshalKey(pub crypto.PublicKey) ([]byte, error) {
	s, key, err := suiteFor(pub)
	if err != nil {
		return nil, err
	}
	point, err := key.Bytes() // 4, x, y
	if err != nil {
		return nil, fmt.Errorf("cose: key: %w", err)
	}
	return Marshal(keyEC2{Kty: ktyEC2, Crv: s.curveID, X: point[1 : 1+s.size], Y: point[1+s.size:]})
}

// ParseKey decodes a COSE_Key of type EC2 on P-256, P-384 or P-521. It refuses
// points that are not on the curve, compressed points, private keys, and an
// alg that does not fit the curve. Other members are ignored.
func ParseKey(data []byte) (crypto.PublicKey, error) {
	var k keyEC2
	if err := Unmarshal(data, &k); err != nil {
		return nil, err
	}
	if k.Kty != ktyEC2 {
		return nil, fmt.Errorf("cose: key of type %d is not supported", k.Kty)
	}
	if k.D != nil {
		return nil, fmt.Errorf("cose: private key where a public key belongs")
	}
	for _, s := range suites() {
		if s.curveID != k.Crv {
			continue
		}
		if k.Alg != nil && *k.Alg != int64(s.alg) && *k.Alg != int64(s.specified) {
			return nil, fmt.Errorf("cose: key: %w", ErrAlgorithm)
		}
		if len(k.X) != s.size || len(k.Y) != s.size {
			return nil, fmt.Errorf("cose: key coordinates of the wrong length")
		}
		key, err := ecdsa.ParseUncompressedPublicKey(s.curve, slices.Concat([]byte{4}, k.X, k.Y))
		if err != nil {
			return nil, fmt.Errorf("cose: key: %w", err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("cose: key on curve %d is not supported", k.Crv)
}
