package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"strings"
)

// oidOrganizationIdentifier is the attribute type organizationIdentifier of
// X.520, which ETSI EN 319 412-1 section 5.1.4 gives its contents.
var oidOrganizationIdentifier = asn1.ObjectIdentifier{2, 5, 4, 97}

// LegalEntity is the organisation that a signer's certificate names.
type LegalEntity struct {
	// Name is organizationName as it stands in the certificate.
	Name string
	// OrganizationIdentifier is NTRJP- and the 13-digit corporate number, or
	// LEIXG- and the 20-character LEI. Its check digits have been verified.
	OrganizationIdentifier string
	// Country is the country of the subject.
	Country string
	// Certified is true only where a list of trusted entities says that the
	// seals of this signer are certified. A certificate alone never does.
	Certified bool
}

// LegalEntityOf reads the legal entity from the subject of a certificate. It
// returns false if the subject does not have exactly one country, one
// organizationName and one organizationIdentifier of a known scheme (NTRJP,
// LEIXG) with right check digits, or if scheme and country contradict each
// other. Certified is left false; see [Chain.LegalEntity].
func LegalEntityOf(cert *x509.Certificate) (LegalEntity, bool) {
	var identifiers []string
	for _, attribute := range cert.Subject.Names {
		if attribute.Type.Equal(oidOrganizationIdentifier) {
			text, ok := attribute.Value.(string)
			if !ok {
				return LegalEntity{}, false
			}
			identifiers = append(identifiers, text)
		}
	}
	subject := cert.Subject
	if len(identifiers) != 1 || len(subject.Organization) != 1 || len(subject.Country) != 1 {
		return LegalEntity{}, false
	}
	entity := LegalEntity{
		Name:                   subject.Organization[0],
		OrganizationIdentifier: identifiers[0],
		Country:                subject.Country[0],
	}
	scheme, number, _ := strings.Cut(entity.OrganizationIdentifier, "-")
	switch scheme {
	case "NTRJP":
		if entity.Country != "JP" || !ValidCorporateNumber(number) {
			return LegalEntity{}, false
		}
	case "LEIXG":
		if !ValidLEI(number) {
			return LegalEntity{}, false
		}
	default:
		return LegalEntity{}, false
	}
	return entity, entity.Name != ""
}

// ValidCorporateNumber reports whether s is a Japanese corporate number
// (法人番号): 13 digits of which the first is the check digit over the others.
func ValidCorporateNumber(s string) bool {
	return len(s) == 13 && s == CorporateNumber(s[1:])
}

// CorporateNumber puts the check digit in front of the 12 base digits of a
// corporate number. It returns "" if base is not 12 digits.
//
// The check digit is 9 − (Σ Pn·Qn mod 9), where Pn is the n-th base digit from
// the right and Qn is 1 for odd and 2 for even n.
func CorporateNumber(base string) string {
	if len(base) != 12 {
		return ""
	}
	sum := 0
	for i := range base {
		digit := int(base[len(base)-1-i]) - '0'
		if digit < 0 || digit > 9 {
			return ""
		}
		sum += digit * (1 + i%2)
	}
	return string(rune('0'+9-sum%9)) + base
}

// ValidLEI reports whether s is a legal entity identifier: 20 upper-case
// alphanumerics with check digits of ISO 17442 (ISO 7064 MOD 97-10).
func ValidLEI(s string) bool {
	if len(s) != 20 {
		return false
	}
	remainder := 0
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			remainder = (remainder*10 + int(c-'0')) % 97
		case c >= 'A' && c <= 'Z':
			remainder = (remainder*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return remainder == 1
}
