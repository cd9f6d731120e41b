package ocsp

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// OIDs of extensions.
var (
	// OIDNonce: of a request, and of the response to it.
	OIDNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	// OIDNoCheck: of a responder's certificate whose revocation nobody needs to
	// look at.
	OIDNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
)

// Request asks for the status of certificates (RFC 6960 section 4.1).
type Request struct {
	CertIDs []CertID
	// Nonce is 1 to 128 octets (RFC 9654), or nil for none.
	Nonce []byte
}

// Marshal returns the request in DER, unsigned.
func (r Request) Marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, id := range r.CertIDs {
					b.AddASN1(cbasn1.SEQUENCE, id.add)
				}
			})
			if r.Nonce != nil {
				addExtensions(b, explicit(2), []pkix.Extension{NonceExtension(r.Nonce)})
			}
		})
	})
	return b.Bytes()
}

// ParseRequest reads a request, for responders. Requests with a signature or a
// requestor's name are refused.
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > MaxSize {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxSize)
	}
	input := cryptobyte.String(der)
	var outer, tbs, list cryptobyte.String
	if !input.ReadASN1(&outer, cbasn1.SEQUENCE) || !input.Empty() || !outer.ReadASN1(&tbs, cbasn1.SEQUENCE) ||
		!outer.Empty() || !tbs.ReadASN1(&list, cbasn1.SEQUENCE) || list.Empty() {
		return nil, ErrMalformed
	}
	var r Request
	for !list.Empty() {
		var entry cryptobyte.String
		if !list.ReadASN1(&entry, cbasn1.SEQUENCE) || len(r.CertIDs) == maxSingles {
			return nil, ErrMalformed
		}
		id, ok := readCertID(&entry)
		if !ok || !entry.Empty() {
			return nil, ErrMalformed
		}
		r.CertIDs = append(r.CertIDs, id)
	}
	extensions, ok := readExtensions(&tbs, 2)
	if !ok || !tbs.Empty() {
		return nil, ErrMalformed
	}
	nonce, err := Nonce(extensions)
	r.Nonce = nonce
	return &r, err
}

// NonceExtension wraps a nonce.
func NonceExtension(nonce []byte) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1OctetString(nonce)
	return pkix.Extension{Id: OIDNonce, Value: b.BytesOrPanic()}
}

// Nonce returns the nonce among extensions, nil if there is none. An empty or
// malformed one is an error, as is a second.
func Nonce(extensions []pkix.Extension) ([]byte, error) {
	var nonce []byte
	for _, e := range extensions {
		if !e.Id.Equal(OIDNonce) {
			continue
		}
		value := cryptobyte.String(e.Value)
		var content cryptobyte.String
		if nonce != nil || !value.ReadASN1(&content, cbasn1.OCTET_STRING) || !value.Empty() || content.Empty() || len(content) > 128 {
			return nil, ErrMalformed
		}
		nonce = content
	}
	return nonce, nil
}

func addExtensions(b *cryptobyte.Builder, tag cbasn1.Tag, extensions []pkix.Extension) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, e := range extensions {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(e.Id)
					if e.Critical {
						b.AddASN1Boolean(true)
					}
					b.AddASN1OctetString(e.Value)
				})
			}
		})
	})
}

// readExtensions reads the optional Extensions under an explicit tag. It fails
// on repetitions: which of two counts would be anybody's guess.
func readExtensions(s *cryptobyte.String, tag uint8) ([]pkix.Extension, bool) {
	var wrapped, list cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&wrapped, &present, explicit(tag)) {
		return nil, false
	}
	if !present {
		return nil, true
	}
	if !wrapped.ReadASN1(&list, cbasn1.SEQUENCE) || !wrapped.Empty() || list.Empty() {
		return nil, false
	}
	var extensions []pkix.Extension
	for !list.Empty() {
		var entry, value cryptobyte.String
		var e pkix.Extension
		if len(extensions) == maxExtensions || !list.ReadASN1(&entry, cbasn1.SEQUENCE) || !entry.ReadASN1ObjectIdentifier(&e.Id) ||
			(entry.PeekASN1Tag(cbasn1.BOOLEAN) && !entry.ReadASN1Boolean(&e.Critical)) ||
			!entry.ReadASN1(&value, cbasn1.OCTET_STRING) || !entry.Empty() {
			return nil, false
		}
		for _, other := range extensions {
			if other.Id.Equal(e.Id) {
				return nil, false
			}
		}
		e.Value = value
		extensions = append(extensions, e)
	}
	return extensions, true
}
