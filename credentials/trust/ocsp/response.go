package ocsp

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ResponseStatus says whether a responder answers at all (RFC 6960 section
// 4.2.1). Anything but Successful is unsigned.
type ResponseStatus int

// The response statuses.
const (
	Successful        ResponseStatus = 0
	MalformedRequest  ResponseStatus = 1
	InternalError     ResponseStatus = 2
	TryLater          ResponseStatus = 3
	SignatureRequired ResponseStatus = 5
	Unauthorized      ResponseStatus = 6
)

// String returns the name of the status.
func (s ResponseStatus) String() string {
	switch s {
	case Successful:
		return "successful"
	case MalformedRequest:
		return "malformedRequest"
	case InternalError:
		return "internalError"
	case TryLater:
		return "tryLater"
	case SignatureRequired:
		return "sigRequired"
	case Unauthorized:
		return "unauthorized"
	}
	return "an undefined status"
}

// CertStatus is what a responder says of a certificate.
type CertStatus int

// The certificate statuses. The zero value is none of them.
const (
	Good CertStatus = iota + 1
	Revoked
	Unknown
)

// Response is a response as it was read: neither its signature nor anything
// else in it has been checked.
type Response struct {
	Status ResponseStatus
	// Basic is nil unless Status is Successful.
	Basic *Basic
}

// Basic is a BasicOCSPResponse (RFC 6960 section 4.2.1).
type Basic struct {
	// TBS is what the signature is over, as received.
	TBS []byte
	// ResponderName is the DER of the signer's name; where it is nil,
	// ResponderKeyHash is the SHA-1 hash of its key.
	ResponderName, ResponderKeyHash []byte
	ProducedAt                      time.Time
	Singles                         []Single
	Extensions                      []pkix.Extension
	// SignatureAlgorithm is x509.UnknownSignatureAlgorithm for any but RSA
	// (PKCS #1 v1.5) and ECDSA with SHA-1 or one of SHA-2.
	SignatureAlgorithm x509.SignatureAlgorithm
	Signature          []byte
	// Certificates are in DER, as received.
	Certificates [][]byte
}

// Single is what is said about one certificate.
type Single struct {
	ID     CertID
	Status CertStatus
	// RevokedAt and ReasonCode (RFC 5280 section 5.3.1) belong to Revoked.
	RevokedAt  time.Time
	ReasonCode int
	ThisUpdate time.Time
	// NextUpdate is zero if the responder always has news.
	NextUpdate time.Time
	Extensions []pkix.Extension
}

var (
	oidBasic = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}

	algorithms = []struct {
		oid       asn1.ObjectIdentifier
		algorithm x509.SignatureAlgorithm
	}{
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, x509.SHA1WithRSA},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, x509.SHA256WithRSA},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, x509.SHA384WithRSA},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, x509.SHA512WithRSA},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}, x509.ECDSAWithSHA1},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, x509.ECDSAWithSHA256},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, x509.ECDSAWithSHA384},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, x509.ECDSAWithSHA512},
	}
)

// ParseResponse reads a response.
func ParseResponse(der []byte) (*Response, error) {
	if len(der) > MaxSize {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxSize)
	}
	input := cryptobyte.String(der)
	var outer, wrapped, typed, basic cryptobyte.String
	var present bool
	var status int
	if !input.ReadASN1(&outer, cbasn1.SEQUENCE) || !input.Empty() || !outer.ReadASN1Enum(&status) ||
		!outer.ReadOptionalASN1(&wrapped, &present, explicit(0)) || !outer.Empty() || present != (status == int(Successful)) {
		return nil, ErrMalformed
	}
	r := &Response{Status: ResponseStatus(status)}
	if !present {
		return r, nil
	}
	var oid asn1.ObjectIdentifier
	if !wrapped.ReadASN1(&typed, cbasn1.SEQUENCE) || !wrapped.Empty() || !typed.ReadASN1ObjectIdentifier(&oid) ||
		!oid.Equal(oidBasic) || !typed.ReadASN1(&basic, cbasn1.OCTET_STRING) || !typed.Empty() {
		return nil, ErrMalformed
	}
	var ok bool
	if r.Basic, ok = readBasic(basic); !ok {
		return nil, ErrMalformed
	}
	return r, nil
}

func readBasic(input cryptobyte.String) (*Basic, bool) {
	b := &Basic{}
	var outer, tbs, algorithm, certs cryptobyte.String
	var oid asn1.ObjectIdentifier
	var present bool
	if !input.ReadASN1(&outer, cbasn1.SEQUENCE) || !input.Empty() || !outer.ReadASN1Element(&tbs, cbasn1.SEQUENCE) ||
		!outer.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!outer.ReadASN1BitStringAsBytes(&b.Signature) || !outer.ReadOptionalASN1(&certs, &present, explicit(0)) || !outer.Empty() {
		return nil, false
	}
	for _, a := range algorithms {
		if a.oid.Equal(oid) {
			if !noParameters(algorithm) {
				return nil, false
			}
			b.SignatureAlgorithm = a.algorithm
		}
	}
	if present {
		var list cryptobyte.String
		if !certs.ReadASN1(&list, cbasn1.SEQUENCE) || !certs.Empty() {
			return nil, false
		}
		for !list.Empty() {
			var cert cryptobyte.String
			if len(b.Certificates) == maxCertificates || !list.ReadASN1Element(&cert, cbasn1.SEQUENCE) {
				return nil, false
			}
			b.Certificates = append(b.Certificates, cert)
		}
	}
	b.TBS = tbs
	return b, b.readData(tbs)
}

// readData reads ResponseData.
func (b *Basic) readData(tbs cryptobyte.String) bool {
	var data, version, list cryptobyte.String
	var present bool
	if !tbs.ReadASN1(&data, cbasn1.SEQUENCE) || !data.ReadOptionalASN1(&version, &present, explicit(0)) {
		return false
	}
	var number int
	if present && (!version.ReadASN1Integer(&number) || number != 0 || !version.Empty()) {
		return false
	}
	if !b.readResponder(&data) || !readTime(&data, &b.ProducedAt) || !data.ReadASN1(&list, cbasn1.SEQUENCE) || list.Empty() {
		return false
	}
	for !list.Empty() {
		var entry cryptobyte.String
		var single Single
		if len(b.Singles) == maxSingles || !list.ReadASN1(&entry, cbasn1.SEQUENCE) || !single.read(&entry) {
			return false
		}
		b.Singles = append(b.Singles, single)
	}
	var ok bool
	b.Extensions, ok = readExtensions(&data, 1)
	return ok && data.Empty()
}

func (b *Basic) readResponder(s *cryptobyte.String) bool {
	var id, value cryptobyte.String
	if s.PeekASN1Tag(explicit(1)) {
		ok := s.ReadASN1(&id, explicit(1)) && id.ReadASN1Element(&value, cbasn1.SEQUENCE) && id.Empty()
		b.ResponderName = value
		return ok
	}
	ok := s.ReadASN1(&id, explicit(2)) && id.ReadASN1(&value, cbasn1.OCTET_STRING) && id.Empty()
	b.ResponderKeyHash = value
	return ok && len(value) == 20
}

func (r *Single) read(s *cryptobyte.String) bool {
	var ok, present bool
	var next cryptobyte.String
	if r.ID, ok = readCertID(s); !ok || !r.readStatus(s) || !readTime(s, &r.ThisUpdate) ||
		!s.ReadOptionalASN1(&next, &present, explicit(0)) {
		return false
	}
	if present && (!readTime(&next, &r.NextUpdate) || !next.Empty()) {
		return false
	}
	r.Extensions, ok = readExtensions(s, 1)
	return ok && s.Empty()
}

func (r *Single) readStatus(s *cryptobyte.String) bool {
	var value, reason cryptobyte.String
	switch {
	case s.PeekASN1Tag(implicit(0)):
		r.Status = Good
		return s.ReadASN1(&value, implicit(0)) && value.Empty()
	case s.PeekASN1Tag(implicit(2)):
		r.Status = Unknown
		return s.ReadASN1(&value, implicit(2)) && value.Empty()
	}
	r.Status = Revoked
	var present bool
	if !s.ReadASN1(&value, explicit(1)) || !readTime(&value, &r.RevokedAt) ||
		!value.ReadOptionalASN1(&reason, &present, explicit(0)) || !value.Empty() {
		return false
	}
	return !present || reason.ReadASN1Enum(&r.ReasonCode) && reason.Empty()
}

// readTime reads a GeneralizedTime in the form of RFC 5280 section 4.1.2.5.2:
// in UTC and without fractions.
func readTime(s *cryptobyte.String, out *time.Time) bool {
	const form = "20060102150405Z"
	var value cryptobyte.String
	if !s.ReadASN1(&value, cbasn1.GeneralizedTime) || len(value) != len(form) {
		return false
	}
	t, err := time.Parse(form, string(value))
	*out = t
	return err == nil
}
