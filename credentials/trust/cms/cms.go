package cms

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrSignedData is the error for what is not a SignedData of the shape that is
// read here, or does not cover the content. Errors that wrap it quote nothing.
var ErrSignedData = errors.New("cms: signed data")

// MaxSize limits a SignedData, in bytes. It has room for a signer's certificate
// and those of its CAs.
const MaxSize = 32 << 10

// maxCertificates limits the certificates that come along.
const maxCertificates = 4

var (
	oidData                = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidSHA256              = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSAEncryption       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidSHA256WithRSA       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	tag0                   = cbasn1.Tag(0).ContextSpecific().Constructed()
	tagSubjectKeyID        = cbasn1.Tag(0).ContextSpecific()
	versionIssuer    int64 = 1 // the signer is named by issuer and serial number
	versionKeyID     int64 = 3 // the signer is named by subject key identifier
)

// CheckSignature checks a signature over message under the certificate's key,
// RSASSA-PKCS1-v1_5 with SHA-256.
type CheckSignature func(cert *x509.Certificate, message, signature []byte) error

// Verify checks that der is a SignedData in which one signer signed content,
// and returns the signer's certificate, which the caller still has to validate.
// The content may be in the SignedData, and must then be equal, or apart from
// it. check is called once, at the end. Errors wrap [ErrSignedData] or are
// those of check.
func Verify(der, content []byte, check CheckSignature) (*x509.Certificate, error) {
	if len(der) > MaxSize {
		return nil, refused("longer than %d bytes", MaxSize)
	}
	data, err := parse(der)
	if err != nil {
		return nil, err
	}
	if data.attached && !bytes.Equal(data.content, content) {
		return nil, refused("the content is another one")
	}
	signer, err := parseSigner(data.signer)
	if err != nil {
		return nil, err
	}
	if signer.version != data.version {
		return nil, refused("version does not belong to how the signer is named")
	}
	cert, err := signer.find(data.certificates)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(content)
	if err := checkAttributes(signer.attributes, digest, cert); err != nil {
		return nil, err
	}
	if err := check(cert, signer.signed, signer.signature); err != nil {
		return nil, err
	}
	return cert, nil
}

// signedData is what a SignedData has in it, still unverified.
type signedData struct {
	version      int64
	attached     bool
	content      []byte
	certificates []*x509.Certificate
	signer       cryptobyte.String
}

// parse reads ContentInfo and SignedData (RFC 5652 sections 3 and 5.1).
func parse(der []byte) (*signedData, error) {
	input := cryptobyte.String(der)
	var info, wrapped, body cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !input.ReadASN1(&info, cbasn1.SEQUENCE) || !input.Empty() {
		return nil, refused("not one DER value")
	}
	if !info.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidSignedData) {
		return nil, refused("not of the type signed-data")
	}
	if !info.ReadASN1(&wrapped, tag0) || !info.Empty() || !wrapped.ReadASN1(&body, cbasn1.SEQUENCE) || !wrapped.Empty() {
		return nil, refused("malformed content info")
	}
	data := &signedData{}
	var digests, encapsulated, signers cryptobyte.String
	if !body.ReadASN1Integer(&data.version) || !body.ReadASN1(&digests, cbasn1.SET) || !body.ReadASN1(&encapsulated, cbasn1.SEQUENCE) {
		return nil, refused("malformed")
	}
	if data.version != versionIssuer && data.version != versionKeyID {
		return nil, refused("version is neither 1 nor 3")
	}
	if !readAlgorithm(&digests, true, oidSHA256) || !digests.Empty() {
		return nil, refused("the digest algorithms are not SHA-256 alone")
	}
	if err := data.readContent(encapsulated); err != nil {
		return nil, err
	}
	if err := data.readCertificates(&body); err != nil {
		return nil, err
	}
	// Revocation lists would stand here, under [1]: they are for whoever
	// validates the certificate, from a source of their own.
	if !body.ReadASN1(&signers, cbasn1.SET) || !body.Empty() {
		return nil, refused("signers are not where they belong")
	}
	if !signers.ReadASN1(&data.signer, cbasn1.SEQUENCE) || !signers.Empty() {
		return nil, refused("there is not exactly one signer")
	}
	return data, nil
}

// readContent reads EncapsulatedContentInfo (RFC 5652 section 5.2).
func (d *signedData) readContent(encapsulated cryptobyte.String) error {
	var kind asn1.ObjectIdentifier
	if !encapsulated.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidData) {
		return refused("the content is not of the type data")
	}
	if encapsulated.Empty() {
		return nil
	}
	var wrapped, content cryptobyte.String
	if !encapsulated.ReadASN1(&wrapped, tag0) || !encapsulated.Empty() || !wrapped.ReadASN1(&content, cbasn1.OCTET_STRING) || !wrapped.Empty() {
		return refused("malformed content")
	}
	d.attached, d.content = true, content
	return nil
}

// readCertificates reads the certificates that come along. At least the
// signer's must: the answer to a challenge is the first that is heard of it.
func (d *signedData) readCertificates(body *cryptobyte.String) error {
	var set cryptobyte.String
	if !body.ReadASN1(&set, tag0) || !sorted(set) {
		return refused("certificates are missing or malformed")
	}
	for !set.Empty() {
		var raw cryptobyte.String
		if len(d.certificates) == maxCertificates {
			return refused("more than %d certificates", maxCertificates)
		}
		// All other choices than a certificate have a tag of their own.
		if !set.ReadASN1Element(&raw, cbasn1.SEQUENCE) {
			return refused("something else than certificates among them")
		}
		cert, err := x509.ParseCertificate(raw)
		if err != nil {
			return refused("malformed certificate")
		}
		d.certificates = append(d.certificates, cert)
	}
	return nil
}

// readAlgorithm reads an AlgorithmIdentifier that is one of those given. NULL
// parameters are right for all of them; bare says that none are right too
// (RFC 5754 section 2).
func readAlgorithm(s *cryptobyte.String, bare bool, allowed ...asn1.ObjectIdentifier) bool {
	var identifier, null cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&identifier, cbasn1.SEQUENCE) || !identifier.ReadASN1ObjectIdentifier(&oid) {
		return false
	}
	if !(bare && identifier.Empty()) &&
		(!identifier.ReadASN1(&null, cbasn1.NULL) || !null.Empty() || !identifier.Empty()) {
		return false
	}
	for _, a := range allowed {
		if a.Equal(oid) {
			return true
		}
	}
	return false
}

// sorted reports whether the elements of a SET OF are in the order of DER and
// none is there twice (X.690 section 11.6).
func sorted(set cryptobyte.String) bool {
	var previous []byte
	for !set.Empty() {
		var element cryptobyte.String
		var tag cbasn1.Tag
		if !set.ReadAnyASN1Element(&element, &tag) || bytes.Compare(previous, element) >= 0 {
			return false
		}
		previous = element
	}
	return true
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSignedData, fmt.Sprintf(format, args...))
}
