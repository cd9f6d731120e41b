package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"github.com/tegata-id/tegata/credentials/trust/internal/rfc5280"
)

var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

// Extended key usages, in dotted form.
const (
	// OIDMdocSigner marks document signers (ISO/IEC 18013-5 annex B.1.4).
	OIDMdocSigner = "1.0.18013.5.1.2"
	// OIDMdocReader marks reader authentication certificates.
	OIDMdocReader = "1.0.18013.5.1.6"
	// OIDVICALSigner marks signers of lists of IACAs.
	OIDVICALSigner = "1.0.18013.5.1.8"

	oidAnyUsage    = "2.5.29.37.0"
	oidServerAuth  = "1.3.6.1.5.5.7.3.1"
	oidClientAuth  = "1.3.6.1.5.5.7.3.2"
	oidOCSPSigning = "1.3.6.1.5.5.7.3.9"
)

// checkUsages applies the rules for extended key usage: those of the profile
// to the leaf, and the limits that CAs of the path were given.
func (p Profile) checkUsages(certs []*x509.Certificate) error {
	usages, present, err := extKeyUsages(certs[0])
	if err != nil {
		return err
	}
	if present && p.NoExtKeyUsage {
		return fail(ReasonProfile, "extended key usage is not allowed for %s", p.Name)
	}
	if p.CriticalExtKeyUsage && !isCritical(certs[0], oidExtKeyUsage) {
		return fail(ReasonProfile, "extended key usage is not critical")
	}
	if len(p.ExtKeyUsage) > 0 {
		slices.Sort(usages)
		if !slices.Equal(usages, slices.Sorted(slices.Values(p.ExtKeyUsage))) {
			return fail(ReasonProfile, "extended key usage is not that of %s", p.Name)
		}
	}
	for _, u := range usages {
		if slices.Contains(p.ForbiddenExtKeyUsage, u) || (u == oidAnyUsage && len(p.ForbiddenExtKeyUsage) > 0) {
			return fail(ReasonProfile, "extended key usage %s is not allowed for %s", u, p.Name)
		}
	}
	for _, ca := range certs[1:] {
		allowed, limited, err := extKeyUsages(ca)
		if err != nil {
			return err
		}
		if !limited || slices.Contains(allowed, oidAnyUsage) {
			continue
		}
		// A leaf without the extension inherits the limits of its CA, which
		// must then leave something that is not forbidden.
		if !present && !slices.ContainsFunc(allowed, func(u string) bool { return !slices.Contains(p.ForbiddenExtKeyUsage, u) }) {
			return fail(ReasonProfile, "a CA's extended key usage does not allow %s", p.Name)
		}
		for _, u := range usages {
			if !slices.Contains(allowed, u) {
				return fail(ReasonProfile, "extended key usage %s is not allowed to a CA of the path", u)
			}
		}
	}
	return nil
}

// extKeyUsages returns the OIDs of extKeyUsage in dotted form and whether the
// extension is there. An empty one is an error (RFC 5280 section 4.2.1.12).
func extKeyUsages(c *x509.Certificate) (usages []string, present bool, err error) {
	e, present := rfc5280.Extension(c, oidExtKeyUsage)
	if !present {
		return nil, false, nil
	}
	var oids []asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(e.Value, &oids); err != nil || len(rest) > 0 || len(oids) == 0 {
		return nil, true, fail(ReasonProfile, "extended key usage is empty or malformed")
	}
	for _, oid := range oids {
		usages = append(usages, oid.String())
	}
	return usages, true, nil
}
