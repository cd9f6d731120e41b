package cms

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// signer is a SignerInfo, still unverified.
type signer struct {
	version int64
	// issuer and serial, or keyID, name the certificate.
	issuer []byte // the name in DER
	serial *big.Int
	keyID  []byte
	// attributes are the signed attributes, without their tag.
	attributes cryptobyte.String
	// signed is what the signature is over: the attributes as a SET OF.
	signed    []byte
	signature []byte
}

// parseSigner reads a SignerInfo (RFC 5652 section 5.3).
func parseSigner(s cryptobyte.String) (*signer, error) {
	out := &signer{}
	if !s.ReadASN1Integer(&out.version) {
		return nil, refused("malformed signer")
	}
	if err := out.readName(&s); err != nil {
		return nil, err
	}
	if !readAlgorithm(&s, true, oidSHA256) {
		return nil, refused("the signer's digest algorithm is not SHA-256")
	}
	var element, signature cryptobyte.String
	if !s.ReadASN1Element(&element, tag0) {
		return nil, refused("there are no signed attributes")
	}
	whole := element
	if !whole.ReadASN1(&out.attributes, tag0) {
		return nil, refused("malformed signed attributes")
	}
	// What is signed has the tag of SET OF in place of [0] (RFC 5652 section 5.4).
	out.signed = bytes.Clone(element)
	out.signed[0] = byte(cbasn1.SET)
	// RFC 3370 section 3.2 says rsaEncryption, many write the full name.
	if !readAlgorithm(&s, false, oidRSAEncryption, oidSHA256WithRSA) {
		return nil, refused("the signature algorithm is not RSA with SHA-256")
	}
	if !s.ReadASN1(&signature, cbasn1.OCTET_STRING) {
		return nil, refused("malformed signature")
	}
	// Unsigned attributes would follow, under [1]. Anybody can add them.
	if !s.Empty() {
		return nil, refused("something unsigned follows the signature")
	}
	out.signature = signature
	return out, nil
}

// readName reads SignerIdentifier. The version says which choice it is.
func (s *signer) readName(input *cryptobyte.String) error {
	switch s.version {
	case versionIssuer:
		var name, issuer cryptobyte.String
		s.serial = new(big.Int)
		if !input.ReadASN1(&name, cbasn1.SEQUENCE) || !name.ReadASN1Element(&issuer, cbasn1.SEQUENCE) ||
			!name.ReadASN1Integer(s.serial) || !name.Empty() {
			return refused("the signer is not named by issuer and serial number")
		}
		s.issuer = issuer
	case versionKeyID:
		var keyID cryptobyte.String
		if !input.ReadASN1(&keyID, tagSubjectKeyID) || len(keyID) == 0 {
			return refused("the signer is not named by key identifier")
		}
		s.keyID = keyID
	default:
		return refused("version of the signer is neither 1 nor 3")
	}
	return nil
}

// find returns the one certificate that the signer names.
func (s *signer) find(certificates []*x509.Certificate) (*x509.Certificate, error) {
	var found *x509.Certificate
	for _, cert := range certificates {
		var same bool
		if s.version == versionKeyID {
			same = bytes.Equal(cert.SubjectKeyId, s.keyID)
		} else {
			same = bytes.Equal(cert.RawIssuer, s.issuer) && cert.SerialNumber.Cmp(s.serial) == 0
		}
		switch {
		case same && found != nil:
			return nil, refused("two certificates fit the signer")
		case same:
			found = cert
		}
	}
	if found == nil {
		return nil, refused("the signer's certificate is missing")
	}
	return found, nil
}

// Signed attributes (RFC 5652 section 11, RFC 5035).
var (
	oidContentType          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidCountersignature     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 6}
	oidSigningCertificate   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
)

// checkAttributes checks the signed attributes: each kind once, in the order of
// DER, content type and message digest among them. The signing time is not
// believed, and attributes of other kinds are ignored.
func checkAttributes(set cryptobyte.String, digest [sha256.Size]byte, cert *x509.Certificate) error {
	if !sorted(set) {
		return refused("signed attributes are malformed or not in the order of DER")
	}
	seen := map[string]bool{}
	for !set.Empty() {
		var attribute, values cryptobyte.String
		var kind asn1.ObjectIdentifier
		if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&kind) ||
			!attribute.ReadASN1(&values, cbasn1.SET) || !attribute.Empty() || values.Empty() || !sorted(values) {
			return refused("malformed signed attribute")
		}
		if seen[kind.String()] {
			return refused("a signed attribute is repeated")
		}
		seen[kind.String()] = true
		if err := checkAttribute(kind, values, digest, cert); err != nil {
			return err
		}
	}
	if !seen[oidContentType.String()] || !seen[oidMessageDigest.String()] {
		return refused("content type or message digest is not signed")
	}
	return nil
}

func checkAttribute(kind asn1.ObjectIdentifier, values cryptobyte.String, digest [sha256.Size]byte, cert *x509.Certificate) error {
	switch {
	case kind.Equal(oidContentType):
		var content asn1.ObjectIdentifier
		if !values.ReadASN1ObjectIdentifier(&content) || !values.Empty() || !content.Equal(oidData) {
			return refused("the signed content type is not data")
		}
	case kind.Equal(oidMessageDigest):
		var got cryptobyte.String
		if !values.ReadASN1(&got, cbasn1.OCTET_STRING) || !values.Empty() || subtle.ConstantTimeCompare(got, digest[:]) != 1 {
			return refused("the signed digest is that of another content")
		}
	case kind.Equal(oidSigningTime):
		if !oneTime(values) {
			return refused("malformed signing time")
		}
	case kind.Equal(oidSigningCertificateV2):
		if !namesCertificate(values, cert) {
			return refused("another certificate was signed for")
		}
	case kind.Equal(oidSigningCertificate):
		return refused("the signing certificate is named by SHA-1")
	case kind.Equal(oidCountersignature):
		return refused("a countersignature among the signed attributes")
	}
	return nil
}

// oneTime reports whether the values are one Time (RFC 5652 section 11.3).
func oneTime(values cryptobyte.String) bool {
	var t time.Time
	if values.PeekASN1Tag(cbasn1.UTCTime) {
		return values.ReadASN1UTCTime(&t) && values.Empty()
	}
	return values.ReadASN1GeneralizedTime(&t) && values.Empty()
}

// namesCertificate reports whether the first certificate of a SigningCertificateV2
// (RFC 5035 section 3) is the signer's. The hash is SHA-256, which is the default
// and therefore not written in DER; some write it all the same.
func namesCertificate(values cryptobyte.String, cert *x509.Certificate) bool {
	var signing, list, first, hash cryptobyte.String
	if !values.ReadASN1(&signing, cbasn1.SEQUENCE) || !values.Empty() ||
		!signing.ReadASN1(&list, cbasn1.SEQUENCE) || !list.ReadASN1(&first, cbasn1.SEQUENCE) {
		return false
	}
	if first.PeekASN1Tag(cbasn1.SEQUENCE) && !readAlgorithm(&first, true, oidSHA256) {
		return false
	}
	want := sha256.Sum256(cert.Raw)
	return first.ReadASN1(&hash, cbasn1.OCTET_STRING) && bytes.Equal(hash, want[:])
}
