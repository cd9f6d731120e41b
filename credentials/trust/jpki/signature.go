package jpki

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/big"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/cms"
)

// ErrSignature is the error for a signature that is not the certificate's over
// the message.
var ErrSignature = errors.New("jpki: signature does not verify")

// VerifySignature checks a signature made by the card or phone over message:
// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2.2) under the
// certificate's key of 2048 to 8192 bits. Verify the certificate apart.
func VerifySignature(cert *x509.Certificate, message, signature []byte) error {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	// The certificate need not be one of JPKI yet; the upper bound keeps the
	// check of a made-up key cheap.
	if !ok || key.N.BitLen() < 2048 || key.N.BitLen() > 8192 || key.E < 65537 {
		return ErrSignature
	}
	digest := sha256.Sum256(message)
	// The standard library rebuilds the padding and compares all of it, so
	// none of the known laxities apply.
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) != nil {
		return ErrSignature
	}
	return nil
}

// VerifySignedData is [VerifySignature] for answers in the Cryptographic Message
// Syntax: der is a SignedData over message, attached or detached, as package
// cms reads it. It returns the signer's certificate, which has to be verified
// apart; other certificates that came along are dropped. Errors wrap
// [ErrSignature] or [cms.ErrSignedData].
func VerifySignedData(der, message []byte) (*x509.Certificate, error) {
	return cms.Verify(der, message, VerifySignature)
}

// IssuerKeyID returns the identifier of the key that issued the certificate.
// It tells the generations of a CA apart, which share their name.
func IssuerKeyID(cert *x509.Certificate) []byte { return cert.AuthorityKeyId }

// Handle is the least that has to be kept of a certificate to learn of its
// revocation later. It is personal data: seal it, and use it for nothing else.
type Handle struct {
	// IssuerKeyID finds the CA, by its subjectKeyIdentifier.
	IssuerKeyID []byte
	// Partition names the part of the CA's revocation list; see
	// [trust.Partitions].
	Partition string
	// Serial is the serial number, big-endian without leading zeros.
	Serial []byte
	// Operator is what a platform operator named the certificate, if one was
	// asked; see [trust.CertStatus].
	Operator string `json:",omitempty"`
}

// HandleOf returns the handle of a verified certificate.
func HandleOf(cert *x509.Certificate) (Handle, error) {
	partitions, err := trust.Partitions(cert)
	if err != nil {
		return Handle{}, err
	}
	if len(partitions) == 0 || len(cert.AuthorityKeyId) == 0 {
		return Handle{}, errors.New("jpki: the certificate does not say where its revocation would be found")
	}
	return Handle{IssuerKeyID: cert.AuthorityKeyId, Partition: partitions[0], Serial: cert.SerialNumber.Bytes()}, nil
}

// CertRef names the certificate to those who look up its revocation. The issuer
// is that of [Handle.Issuer].
func (h Handle) CertRef(issuer *x509.Certificate) trust.CertRef {
	return trust.CertRef{Issuer: issuer, Serial: h.SerialNumber(), Partitions: []string{h.Partition}, OperatorHandle: h.Operator}
}

// SerialNumber returns Serial as a number, as revocation lists have it.
func (h Handle) SerialNumber() *big.Int { return new(big.Int).SetBytes(h.Serial) }

// Issuer returns the certificate among cas whose key issued the certificate,
// or nil.
func (h Handle) Issuer(cas []trust.Anchor) *x509.Certificate {
	for _, ca := range cas {
		if len(h.IssuerKeyID) > 0 && string(ca.Certificate.SubjectKeyId) == string(h.IssuerKeyID) {
			return ca.Certificate
		}
	}
	return nil
}

// Pseudonym returns the name under which an issuer remembers the certificate:
// HMAC-SHA256 of the CA's key identifier and the serial number under a key of
// that issuer alone, in base64url. To match a revocation list, compute it for
// every entry. The key has at least 32 bytes.
func Pseudonym(key, issuerKeyID []byte, serial *big.Int) (string, error) {
	if len(key) < 32 {
		return "", errors.New("jpki: the pseudonym key is shorter than 32 bytes")
	}
	if len(issuerKeyID) == 0 || serial.Sign() <= 0 {
		return "", errors.New("jpki: no issuer key or serial number to make a pseudonym of")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("tegata jpki pseudonym v1\x00"))
	mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(issuerKeyID))))
	mac.Write(issuerKeyID)
	mac.Write(serial.Bytes())
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}
