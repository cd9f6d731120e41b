package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/tegata-id/tegata/credentials/trust/internal/rfc5280"
)

var (
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidCountry          = asn1.ObjectIdentifier{2, 5, 4, 6}
)

// checkIssuingAuthority applies ISO/IEC 18013-5 annex B.1 to the pair of IACA
// and document signer, beyond what the profile's fields say. The presence of
// issuerAltName and distribution points, which only inform, is not demanded:
// authorities in use differ there.
func checkIssuingAuthority(leaf, anchor *x509.Certificate) error {
	if err := checkIACA(anchor); err != nil {
		return err
	}
	country, _ := printableCountry(anchor.RawSubject)
	if leafCountry, ok := printableCountry(leaf.RawSubject); !ok || leafCountry != country {
		return fail(ReasonProfile, "document signer and issuing authority are not of the same country")
	}
	if len(leaf.Subject.Province) > 0 && len(anchor.Subject.Province) > 0 &&
		!slices.Equal(leaf.Subject.Province, anchor.Subject.Province) {
		return fail(ReasonProfile, "document signer and issuing authority are not of the same state or province")
	}
	return checkCritical(leaf)
}

// checkIACA is the part for the authority alone.
func checkIACA(ca *x509.Certificate) error {
	if !rfc5280.SelfIssued(ca) || !isSelfSigned(ca) {
		return fail(ReasonProfile, "the issuing authority's certificate is not self-signed")
	}
	if ca.MaxPathLen != 0 || !ca.MaxPathLenZero || !isCritical(ca, oidBasicConstraints) {
		return fail(ReasonProfile, "the issuing authority's basic constraints are not critical with path length 0")
	}
	if ca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || !isCritical(ca, oidKeyUsage) {
		return fail(ReasonProfile, "the issuing authority's key usage is not critical with keyCertSign and cRLSign alone")
	}
	if ca.NotAfter.After(ca.NotBefore.AddDate(20, 0, 0)) {
		return fail(ReasonProfile, "the issuing authority's certificate is valid for more than 20 years")
	}
	if _, ok := printableCountry(ca.RawSubject); !ok || ca.Subject.CommonName == "" {
		return fail(ReasonProfile, "the issuing authority does not name its country and itself")
	}
	return checkCritical(ca)
}

// checkCritical bars critical extensions but for those that must be.
func checkCritical(c *x509.Certificate) error {
	for _, e := range c.Extensions {
		if e.Critical && !e.Id.Equal(oidBasicConstraints) && !e.Id.Equal(oidKeyUsage) && !e.Id.Equal(oidExtKeyUsage) {
			return fail(ReasonCriticalExtension, "extension %s must not be critical", e.Id)
		}
	}
	return nil
}

// printableCountry returns the only country of a name if it is two upper-case
// letters in a PrintableString, as ISO/IEC 18013-5 demands.
func printableCountry(rawName []byte) (string, bool) {
	country, found := "", false
	input := cryptobyte.String(rawName)
	var name cryptobyte.String
	if !input.ReadASN1(&name, cbasn1.SEQUENCE) {
		return "", false
	}
	for !name.Empty() {
		var rdn cryptobyte.String
		if !name.ReadASN1(&rdn, cbasn1.SET) {
			return "", false
		}
		for !rdn.Empty() {
			var attribute, value cryptobyte.String
			var oid asn1.ObjectIdentifier
			var tag cbasn1.Tag
			if !rdn.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
				!attribute.ReadAnyASN1(&value, &tag) {
				return "", false
			}
			if !oid.Equal(oidCountry) {
				continue
			}
			if found || tag != cbasn1.PrintableString || len(value) != 2 {
				return "", false
			}
			for _, b := range value {
				if b < 'A' || b > 'Z' {
					return "", false
				}
			}
			country, found = string(value), true
		}
	}
	return country, found
}
