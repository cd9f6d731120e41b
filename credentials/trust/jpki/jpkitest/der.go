package jpkitest

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// The certificates of JPKI have names and extensions that the standard library
// does not write (otherNames, directory names as distribution points, policies
// with qualifiers), in an order of their own. So all of them are written here.

var (
	oidC, oidO   = asn1.ObjectIdentifier{2, 5, 4, 6}, asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOU, oidCN = asn1.ObjectIdentifier{2, 5, 4, 11}, asn1.ObjectIdentifier{2, 5, 4, 3}
	oidL         = asn1.ObjectIdentifier{2, 5, 4, 7}

	oidCPS = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 1}
)

type attribute struct {
	oid   asn1.ObjectIdentifier
	value string
}

// name returns a Name of single-valued RDNs: the country as PrintableString,
// everything else as UTF8String.
func name(attributes ...attribute) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, a := range attributes {
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(a.oid)
					tag := cbasn1.UTF8String
					if a.oid.Equal(oidC) {
						tag = cbasn1.PrintableString
					}
					b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.value)) })
				})
			})
		}
	})
	return b.BytesOrPanic()
}

// caName is the subject of every generation of a family. The organisation is
// none that exists.
func caName(f jpki.Family) []byte {
	return name(attribute{oidC, "JP"}, attribute{oidO, organization}, attribute{oidOU, f.String()}, attribute{oidOU, "Tegata throwaway CA"})
}

// caNameJapanese stands in the subjectAltName of a CA and the issuerAltName of
// what it issues.
func caNameJapanese(f jpki.Family) []byte {
	unit := "公的個人認証サービス署名用"
	if f == jpki.Authentication {
		unit = "公的個人認証サービス利用者証明用"
	}
	return name(attribute{oidC, "JP"}, attribute{oidO, "公的個人認証サービス（試験用）"}, attribute{oidOU, unit}, attribute{oidOU, "手形試験認証局"})
}

// partitionName is the directory name of a municipality's revocation list.
func partitionName(f jpki.Family, m Municipality) []byte {
	return name(attribute{oidC, "JP"}, attribute{oidO, organization}, attribute{oidOU, f.String()},
		attribute{oidOU, "CRL Distribution Points"}, attribute{oidOU, m.Prefecture}, attribute{oidCN, m.City + " CRLDP"})
}

func contextTag(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

// addDirectoryName adds the GeneralName directoryName.
func addDirectoryName(b *cryptobyte.Builder, der []byte) {
	b.AddASN1(contextTag(4), func(b *cryptobyte.Builder) { b.AddBytes(der) })
}

// extension makes an extension whose value is a SEQUENCE.
func extension(last int, critical bool, content cryptobyte.BuilderContinuation) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, content)
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, last}, Critical: critical, Value: b.BytesOrPanic()}
}

// keyUsage takes the BIT STRING as its last two octets: unused bits and bits.
func keyUsage(unused, bits byte) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, unused, bits}}
}

func altName(last int, directory []byte) pkix.Extension {
	return extension(last, false, func(b *cryptobyte.Builder) { addDirectoryName(b, directory) })
}

func basicConstraintsCA() pkix.Extension {
	return extension(19, true, func(b *cryptobyte.Builder) { b.AddASN1Boolean(true) })
}

// addPointName adds a DistributionPointName with one directory name.
func addPointName(b *cryptobyte.Builder, directory []byte) {
	b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) {
		b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) { addDirectoryName(b, directory) })
	})
}

func distributionPoint(directory []byte) pkix.Extension {
	return extension(31, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addPointName(b, directory) })
	})
}

func issuingDistributionPoint(directory []byte) pkix.Extension {
	return extension(28, true, func(b *cryptobyte.Builder) { addPointName(b, directory) })
}

func subjectKeyIdentifier(key *rsa.PublicKey) pkix.Extension {
	sum := sha1.Sum(x509.MarshalPKCS1PublicKey(key))
	var b cryptobyte.Builder
	b.AddASN1OctetString(sum[:])
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 14}, Value: b.BytesOrPanic()}
}

// authorityKeyIdentifier has all three members, as JPKI writes it.
func authorityKeyIdentifier(ca *x509.Certificate) pkix.Extension {
	return extension(35, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(ca.SubjectKeyId) })
		b.AddASN1(contextTag(1), func(b *cryptobyte.Builder) { addDirectoryName(b, ca.RawSubject) })
		b.AddASN1(cbasn1.Tag(2).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(serialContent(ca.SerialNumber)) })
	})
}

// serialContent returns the content octets of a positive INTEGER.
func serialContent(n *big.Int) []byte {
	raw := n.Bytes()
	if raw[0]&0x80 != 0 {
		raw = append([]byte{0}, raw...)
	}
	return raw
}

func certificatePolicies(policy asn1.ObjectIdentifier) pkix.Extension {
	return extension(32, true, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(policy)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidCPS)
					b.AddASN1(cbasn1.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte("http://jpki.test.invalid/cps.html")) })
				})
			})
		})
	})
}

func clientAuth() pkix.Extension {
	return extension(37, false, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2})
	})
}

func ocspLocation() pkix.Extension {
	e := extension(0, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1})
			b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte("http://ocsp.jpki.test.invalid")) })
		})
	})
	e.Id = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	return e
}

// personalData is the subjectAltName with the attributes of a person, in the
// order of real certificates.
func personalData(p Person) pkix.Extension {
	return extension(17, false, func(b *cryptobyte.Builder) {
		for _, a := range []struct {
			number int
			value  string
		}{
			{1, p.Name}, {4, p.BirthDate}, {3, p.Gender}, {5, p.Address}, {2, p.NameSubstitutes}, {6, p.AddressSubstitutes},
		} {
			b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5, a.number})
				b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.value)) })
				})
			})
		}
	})
}
