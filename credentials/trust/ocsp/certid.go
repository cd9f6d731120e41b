package ocsp

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // what most responders expect
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// CertID names a certificate by its issuer and serial number (RFC 6960 section
// 4.1.1). Two CertIDs with different hash algorithms may name the same one.
type CertID struct {
	// HashAlgorithm is the OID of the hash.
	HashAlgorithm asn1.ObjectIdentifier
	// NameHash is the hash of the issuer's name, KeyHash that of its public
	// key without algorithm.
	NameHash, KeyHash []byte
	Serial            *big.Int
}

var hashes = []struct {
	hash crypto.Hash
	oid  asn1.ObjectIdentifier
}{
	{crypto.SHA1, asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}},
	{crypto.SHA256, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}},
	{crypto.SHA384, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}},
	{crypto.SHA512, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}},
}

// NewCertID names the certificate with a serial number under an issuer. The
// hash is SHA-1 or one of SHA-2; collisions do not matter here, so SHA-1 is no
// weakness.
func NewCertID(hash crypto.Hash, issuer *x509.Certificate, serial *big.Int) (CertID, error) {
	for _, h := range hashes {
		if h.hash != hash {
			continue
		}
		key, err := KeyHash(hash, issuer)
		if err != nil {
			return CertID{}, err
		}
		name := hash.New()
		name.Write(issuer.RawSubject)
		return CertID{HashAlgorithm: h.oid, NameHash: name.Sum(nil), KeyHash: key, Serial: serial}, nil
	}
	return CertID{}, errors.New("ocsp: unsupported hash algorithm")
}

// KeyHash hashes the public key of a certificate: the bits alone, without
// algorithm, tag or length.
func KeyHash(hash crypto.Hash, cert *x509.Certificate) ([]byte, error) {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		PublicKey asn1.BitString
	}
	if _, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &spki); err != nil {
		return nil, errors.New("ocsp: the certificate's public key cannot be read")
	}
	h := hash.New()
	h.Write(spki.PublicKey.Bytes)
	return h.Sum(nil), nil
}

// Names reports whether the CertID names the certificate with that serial
// number under that issuer, whatever its hash algorithm. It is false for an
// algorithm that is not known.
func (id CertID) Names(issuer *x509.Certificate, serial *big.Int) bool {
	for _, h := range hashes {
		if h.oid.Equal(id.HashAlgorithm) {
			other, err := NewCertID(h.hash, issuer, serial)
			return err == nil && id.Equal(other)
		}
	}
	return false
}

// Equal reports whether two CertIDs are the same, the hash algorithm included.
func (id CertID) Equal(other CertID) bool {
	return id.HashAlgorithm.Equal(other.HashAlgorithm) && bytes.Equal(id.NameHash, other.NameHash) &&
		bytes.Equal(id.KeyHash, other.KeyHash) && id.Serial.Cmp(other.Serial) == 0
}

func (id CertID) add(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(id.HashAlgorithm)
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(id.NameHash)
		b.AddASN1OctetString(id.KeyHash)
		b.AddASN1BigInt(id.Serial)
	})
}

func readCertID(s *cryptobyte.String) (CertID, bool) {
	id := CertID{Serial: new(big.Int)}
	var outer, algorithm, name, key cryptobyte.String
	ok := s.ReadASN1(&outer, cbasn1.SEQUENCE) && outer.ReadASN1(&algorithm, cbasn1.SEQUENCE) &&
		algorithm.ReadASN1ObjectIdentifier(&id.HashAlgorithm) && noParameters(algorithm) &&
		outer.ReadASN1(&name, cbasn1.OCTET_STRING) && outer.ReadASN1(&key, cbasn1.OCTET_STRING) &&
		outer.ReadASN1Integer(id.Serial) && outer.Empty()
	id.NameHash, id.KeyHash = name, key
	return id, ok
}

// noParameters takes what follows the OID of an algorithm: NULL or nothing.
func noParameters(s cryptobyte.String) bool {
	return s.Empty() || bytes.Equal(s, asn1.NullBytes)
}
