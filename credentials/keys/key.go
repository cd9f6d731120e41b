// Package keys holds signing keys together with their certificate chains and
// reads them from files; package pkcs11 finds them in hardware modules.
//
// A key is a [crypto.Signer] everywhere, so that a key in a hardware module is
// used like one in memory. Signing keys are on the curves P-256, P-384 and
// P-521; RSA is verified elsewhere but never signs.
package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Key is a signing key with the certificates that vouch for it.
type Key struct {
	// Signer signs digests. Its public key is an [*ecdsa.PublicKey].
	Signer crypto.Signer
	// Chain starts with the certificate of the key; each further certificate
	// issued the one before. The trust anchor is not included (HAIP 1.0
	// section 6.1.1). It is empty for keys that are published as bare JWKs.
	Chain []*x509.Certificate
}

// GenerateP256 makes a new key on the curve P-256.
func GenerateP256() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// Leaf returns the certificate of the key, or nil if it has none.
func (k *Key) Leaf() *x509.Certificate {
	if len(k.Chain) == 0 {
		return nil
	}
	return k.Chain[0]
}

// TLSCertificate returns the key and its chain as crypto/tls takes them.
func (k *Key) TLSCertificate() tls.Certificate {
	c := tls.Certificate{PrivateKey: k.Signer, Leaf: k.Leaf()}
	for _, certificate := range k.Chain {
		c.Certificate = append(c.Certificate, certificate.Raw)
	}
	return c
}

// Public returns the public key as ECDSA, or an error if the key is of another
// kind or on another curve than P-256, P-384 and P-521.
func (k *Key) Public() (*ecdsa.PublicKey, error) {
	if k.Signer == nil {
		return nil, errors.New("keys: no signer")
	}
	return supported(k.Signer.Public())
}

// Prove signs once and verifies the result, and checks that the certificate
// of the key certifies that very key and is within its validity at now, and
// that every certificate of the chain was signed by the next. It is meant for
// startup and health checks: a key that proves itself can be announced.
func (k *Key) Prove(now time.Time) error {
	pub, err := k.Public()
	if err != nil {
		return err
	}
	// The message says what it is, so that the signature can never be taken
	// for anything else.
	hash := HashFor(pub)
	h := hash.New()
	h.Write([]byte("tegata key self-test, signs nothing"))
	digest := h.Sum(nil)
	signature, err := k.Signer.Sign(rand.Reader, digest, hash)
	if err != nil {
		return fmt.Errorf("keys: sign: %w", err)
	}
	if !ecdsa.VerifyASN1(pub, digest, signature) {
		return errors.New("keys: the signer's signature does not verify under its own public key")
	}
	return k.proveChain(pub, now)
}

func (k *Key) proveChain(pub *ecdsa.PublicKey, now time.Time) error {
	leaf := k.Leaf()
	if leaf == nil {
		return nil
	}
	if !pub.Equal(leaf.PublicKey) {
		return errors.New("keys: the first certificate is for another key")
	}
	now = now.Truncate(time.Second)
	for i, cert := range k.Chain {
		if now.Before(cert.NotBefore) {
			return fmt.Errorf("keys: certificate %d of the chain is not valid before %s", i, cert.NotBefore.UTC().Format(time.RFC3339))
		}
		if now.After(cert.NotAfter) {
			return fmt.Errorf("keys: certificate %d of the chain expired at %s", i, cert.NotAfter.UTC().Format(time.RFC3339))
		}
		if i > 0 {
			if err := k.Chain[i-1].CheckSignatureFrom(cert); err != nil {
				return fmt.Errorf("keys: certificate %d of the chain did not issue the one before: %w", i, err)
			}
		}
	}
	return nil
}

// HashFor returns the hash that goes with the key's curve: SHA-256, SHA-384 or
// SHA-512 (RFC 7518 section 3.4).
func HashFor(pub *ecdsa.PublicKey) crypto.Hash {
	switch pub.Curve {
	case elliptic.P384():
		return crypto.SHA384
	case elliptic.P521():
		return crypto.SHA512
	}
	return crypto.SHA256
}

func supported(pub crypto.PublicKey) (*ecdsa.PublicKey, error) {
	ec, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("keys: %T cannot be a signing key, only ECDSA can", pub)
	}
	switch ec.Curve {
	case elliptic.P256(), elliptic.P384(), elliptic.P521():
		return ec, nil
	}
	return nil, fmt.Errorf("keys: curve %s is not supported", ec.Curve.Params().Name)
}
