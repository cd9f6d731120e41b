// Package rfc5280 has the parts of path validation (RFC 5280 section 6.1) that
// the standard library leaves out or does otherwise: name constraints on
// directory names, self-issued certificates, and certificate policies with all
// their inputs.
//
// Its functions take a path from leaf to anchor whose signatures are known to
// be good. They bound their own work, whatever the path contains.
package rfc5280

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// Extensions that are read here.
var (
	OIDSubjectAltName    = asn1.ObjectIdentifier{2, 5, 29, 17}
	OIDNameConstraints   = asn1.ObjectIdentifier{2, 5, 29, 30}
	OIDPolicyConstraints = asn1.ObjectIdentifier{2, 5, 29, 36}
	OIDInhibitAnyPolicy  = asn1.ObjectIdentifier{2, 5, 29, 54}
)

// Extension returns the extension of a certificate with the given identifier.
// The standard library has made sure that there are no two of them.
func Extension(c *x509.Certificate, oid asn1.ObjectIdentifier) (pkix.Extension, bool) {
	for _, e := range c.Extensions {
		if e.Id.Equal(oid) {
			return e, true
		}
	}
	return pkix.Extension{}, false
}

// SelfIssued reports whether issuer and subject are the same name. Such
// certificates, by which a CA certifies its next key, count for nothing in
// several limits.
func SelfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }
