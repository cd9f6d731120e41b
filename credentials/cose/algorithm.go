package cose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"io"
	"math/big"

	gocose "github.com/veraison/go-cose"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Errors that a caller may want to tell apart.
var (
	// ErrSignature means that a signature does not verify under the key.
	ErrSignature = errors.New("signature does not verify")
	// ErrAlgorithm means that the algorithm is missing from the protected
	// header, is not supported, or does not fit the key.
	ErrAlgorithm = errors.New("algorithm missing, unknown or unfit for the key")
)

// A suite is one curve with the only hash that is used with it and the two
// identifiers of the pair: the polymorphic one of RFC 9053 section 2.1, which
// is emitted, and the fully specified one of RFC 9864, which is accepted.
type suite struct {
	curve          elliptic.Curve
	curveID        int64 // of COSE_Key
	hash           crypto.Hash
	size           int // of a coordinate and of r and s, in bytes
	alg, specified gocose.Algorithm
}

func suites() [3]suite {
	return [3]suite{
		{elliptic.P256(), 1, crypto.SHA256, 32, -7, -9},
		{elliptic.P384(), 2, crypto.SHA384, 48, -35, -51},
		{elliptic.P521(), 3, crypto.SHA512, 66, -36, -52},
	}
}

func suiteFor(pub crypto.PublicKey) (suite, *ecdsa.PublicKey, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key == nil {
		return suite{}, nil, fmt.Errorf("cose: %w: %T is no ECDSA key", ErrAlgorithm, pub)
	}
	for _, s := range suites() {
		if s.curve == key.Curve {
			return s, key, nil
		}
	}
	return suite{}, nil, fmt.Errorf("cose: %w: curve not supported", ErrAlgorithm)
}

// Algorithm returns the COSE algorithm identifier with which a key signs: -7,
// -35 or -36.
func Algorithm(pub crypto.PublicKey) (int64, error) {
	s, _, err := suiteFor(pub)
	return int64(s.alg), err
}

// signer lets go-cose sign with any [crypto.Signer], one in a hardware module
// included. The library's own adapter does not tell the signer which hash was
// used, on which such signers rely.
type signer struct {
	suite
	key crypto.Signer
}

func (s signer) Algorithm() gocose.Algorithm { return s.alg }

func (s signer) Sign(random io.Reader, content []byte) ([]byte, error) {
	h := s.hash.New()
	h.Write(content)
	der, err := s.key.Sign(random, h.Sum(nil), s.hash)
	if err != nil {
		return nil, err
	}
	var inner cryptobyte.String
	input := cryptobyte.String(der)
	r, v := new(big.Int), new(big.Int)
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !input.Empty() ||
		!inner.ReadASN1Integer(r) || !inner.ReadASN1Integer(v) || !inner.Empty() {
		return nil, errors.New("the signer returned no ASN.1 signature")
	}
	if r.Sign() <= 0 || v.Sign() <= 0 || r.BitLen() > 8*s.size || v.BitLen() > 8*s.size {
		return nil, errors.New("the signer returned a signature of another curve")
	}
	out := make([]byte, 2*s.size)
	r.FillBytes(out[:s.size])
	v.FillBytes(out[s.size:])
	return out, nil
}

// verifier checks signatures under one key. Its algorithm is the one of the
// message, after it was found to be one of the two that fit the key.
type verifier struct {
	suite
	key   *ecdsa.PublicKey
	named gocose.Algorithm
}

func (v verifier) Algorithm() gocose.Algorithm { return v.named }

func (v verifier) Verify(content, signature []byte) error {
	if len(signature) != 2*v.size {
		return ErrSignature
	}
	h := v.hash.New()
	h.Write(content)
	r := new(big.Int).SetBytes(signature[:v.size])
	s := new(big.Int).SetBytes(signature[v.size:])
	if !ecdsa.Verify(v.key, h.Sum(nil), r, s) {
		return ErrSignature
	}
	return nil
}
