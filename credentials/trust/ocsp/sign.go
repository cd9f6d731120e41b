package ocsp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Refusal returns an unsigned response with a status other than Successful.
func Refusal(status ResponseStatus) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(status)) })
	return b.BytesOrPanic()
}

// Sign returns the response in DER, signed with SHA-256 or, if
// SignatureAlgorithm is set, with that. TBS and Signature are ignored and all
// else is written as it stands, sense or nonsense.
func (b Basic) Sign(signer crypto.Signer) ([]byte, error) {
	var builder cryptobyte.Builder
	b.addData(&builder)
	tbs, err := builder.Bytes()
	if err != nil {
		return nil, err
	}
	oid, hash, err := b.signing(signer.Public())
	if err != nil {
		return nil, err
	}
	signature, err := crypto.SignMessage(signer, rand.Reader, tbs, hash)
	if err != nil {
		return nil, err
	}
	var basic cryptobyte.Builder
	basic.AddASN1(cbasn1.SEQUENCE, func(out *cryptobyte.Builder) {
		out.AddBytes(tbs)
		out.AddASN1(cbasn1.SEQUENCE, func(out *cryptobyte.Builder) {
			out.AddASN1ObjectIdentifier(oid)
			if _, ok := signer.Public().(*rsa.PublicKey); ok {
				out.AddASN1NULL()
			}
		})
		out.AddASN1BitString(signature)
		if len(b.Certificates) > 0 {
			out.AddASN1(explicit(0), func(out *cryptobyte.Builder) {
				out.AddASN1(cbasn1.SEQUENCE, func(out *cryptobyte.Builder) {
					for _, cert := range b.Certificates {
						out.AddBytes(cert)
					}
				})
			})
		}
	})
	content, err := basic.Bytes()
	if err != nil {
		return nil, err
	}
	var out cryptobyte.Builder
	out.AddASN1(cbasn1.SEQUENCE, func(out *cryptobyte.Builder) {
		out.AddASN1Enum(int64(Successful))
		out.AddASN1(explicit(0), func(out *cryptobyte.Builder) {
			out.AddASN1(cbasn1.SEQUENCE, func(out *cryptobyte.Builder) {
				out.AddASN1ObjectIdentifier(oidBasic)
				out.AddASN1OctetString(content)
			})
		})
	})
	return out.Bytes()
}

func (b Basic) signing(key crypto.PublicKey) (asn1.ObjectIdentifier, crypto.Hash, error) {
	algorithm := b.SignatureAlgorithm
	if algorithm == x509.UnknownSignatureAlgorithm {
		algorithm = x509.ECDSAWithSHA256
		if _, ok := key.(*rsa.PublicKey); ok {
			algorithm = x509.SHA256WithRSA
		}
	}
	for _, a := range algorithms {
		if a.algorithm != algorithm {
			continue
		}
		switch algorithm {
		case x509.SHA1WithRSA, x509.ECDSAWithSHA1:
			return a.oid, crypto.SHA1, nil
		case x509.SHA384WithRSA, x509.ECDSAWithSHA384:
			return a.oid, crypto.SHA384, nil
		case x509.SHA512WithRSA, x509.ECDSAWithSHA512:
			return a.oid, crypto.SHA512, nil
		}
		return a.oid, crypto.SHA256, nil
	}
	return nil, 0, errors.New("ocsp: unsupported signature algorithm")
}

func (b Basic) addData(out *cryptobyte.Builder) {
	out.AddASN1(cbasn1.SEQUENCE, func(out *cryptobyte.Builder) {
		if b.ResponderName != nil {
			out.AddASN1(explicit(1), func(out *cryptobyte.Builder) { out.AddBytes(b.ResponderName) })
		} else {
			out.AddASN1(explicit(2), func(out *cryptobyte.Builder) { out.AddASN1OctetString(b.ResponderKeyHash) })
		}
		addTime(out, b.ProducedAt)
		out.AddASN1(cbasn1.SEQUENCE, func(out *cryptobyte.Builder) {
			for _, single := range b.Singles {
				single.add(out)
			}
		})
		if len(b.Extensions) > 0 {
			addExtensions(out, explicit(1), b.Extensions)
		}
	})
}

func (r Single) add(out *cryptobyte.Builder) {
	out.AddASN1(cbasn1.SEQUENCE, func(out *cryptobyte.Builder) {
		r.ID.add(out)
		switch r.Status {
		case Good:
			out.AddASN1(implicit(0), func(*cryptobyte.Builder) {})
		case Revoked:
			out.AddASN1(explicit(1), func(out *cryptobyte.Builder) {
				addTime(out, r.RevokedAt)
				if r.ReasonCode != 0 {
					out.AddASN1(explicit(0), func(out *cryptobyte.Builder) { out.AddASN1Enum(int64(r.ReasonCode)) })
				}
			})
		default:
			out.AddASN1(implicit(2), func(*cryptobyte.Builder) {})
		}
		addTime(out, r.ThisUpdate)
		if !r.NextUpdate.IsZero() {
			out.AddASN1(explicit(0), func(out *cryptobyte.Builder) { addTime(out, r.NextUpdate) })
		}
		if len(r.Extensions) > 0 {
			addExtensions(out, explicit(1), r.Extensions)
		}
	})
}

func addTime(b *cryptobyte.Builder, t time.Time) { b.AddASN1GeneralizedTime(t.UTC()) }
