package verifier

import (
	"crypto/x509"
	"strings"
)

// escaped keeps what stands in an attribute apart from what separates them.
var escaped = strings.NewReplacer(`\`, `\\`, ",", `\,`, "=", `\=`)

// subjectOf returns the subject of a certificate for people: the attributes in
// their order, with organizationIdentifier by its name, which the standard
// library writes as an OID and the DER of its value.
func subjectOf(cert *x509.Certificate) string {
	names := map[string]string{
		"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
		"2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.97": "organizationIdentifier",
	}
	var parts []string
	for _, attribute := range cert.Subject.Names {
		name := attribute.Type.String()
		if known, ok := names[name]; ok {
			name = known
		}
		value, ok := attribute.Value.(string)
		if !ok {
			value = "?"
		}
		parts = append(parts, name+"="+escaped.Replace(value))
	}
	return strings.Join(parts, ", ")
}
