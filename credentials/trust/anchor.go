package trust

import (
	"crypto/x509"
	"slices"

	"github.com/tegata-id/tegata/credentials"
)

// Anchor is a certificate that is trusted because the operator or a trusted
// list says so, and what it is trusted for.
type Anchor struct {
	// Certificate is the CA's certificate.
	Certificate *x509.Certificate
	// Jurisdiction is an ISO 3166-1 alpha-2 code or a label such as "EU".
	Jurisdiction string
	// Formats and Types (vct or doctype) limit what may be issued under the
	// anchor. Empty means no limit.
	Formats []credentials.Format
	Types   []string
	// CertifiedSeal says that a list of trusted entities names the services
	// under this anchor as certified electronic seals.
	CertifiedSeal bool
}

// Allows reports whether credentials of the given format and type (vct or
// doctype) may be issued under the anchor. Policy.Verify does not know what a
// signer signed; whoever does asks here.
func (a Anchor) Allows(format credentials.Format, typ string) bool {
	if len(a.Formats) > 0 && !slices.Contains(a.Formats, format) {
		return false
	}
	return len(a.Types) == 0 || slices.Contains(a.Types, typ)
}

// Chain is a path that was verified.
type Chain struct {
	// Certificates run from the leaf to the anchor, both included.
	Certificates []*x509.Certificate
	// Anchor is the anchor the path ends in. Ask Anchor.Allows before relying
	// on the chain for a credential.
	Anchor Anchor
	// Checks lists what was verified, in order.
	Checks []credentials.Check
}

// LegalEntity returns the legal entity that the leaf names. Certified is set
// if the anchor's list says that its seals are certified.
func (c *Chain) LegalEntity() (LegalEntity, bool) {
	entity, ok := LegalEntityOf(c.Certificates[0])
	entity.Certified = ok && c.Anchor.CertifiedSeal
	return entity, ok
}
