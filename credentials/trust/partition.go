package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Many CAs cut their revocation list into partitions, one per distribution
// point; JPKI has one for every municipality. A list of another partition,
// though signed by the right CA, says nothing about a certificate. Partitions
// are known here by text: "uri:" and the URI, "dn:" and the directory name in
// the form of RFC 4514, or "" for the undivided list of a CA.

var (
	oidCRLDistributionPoints = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidIssuingDistribution   = asn1.ObjectIdentifier{2, 5, 29, 28}

	errDistributionPoint = errors.New("distribution point is malformed or of an unsupported form")
)

// Tags of RFC 5280: DistributionPoint, DistributionPointName, GeneralName and
// IssuingDistributionPoint.
var (
	tagPointName     = cbasn1.Tag(0).ContextSpecific().Constructed()
	tagFullName      = cbasn1.Tag(0).ContextSpecific().Constructed()
	tagReasons       = cbasn1.Tag(1).ContextSpecific()
	tagCRLIssuer     = cbasn1.Tag(2).ContextSpecific().Constructed()
	tagDirectoryName = cbasn1.Tag(4).ContextSpecific().Constructed()
	tagURI           = cbasn1.Tag(6).ContextSpecific()
)

// Partitions returns the names of the partitions on whose lists the
// certificate would appear, in the certificate's order; each of them alone is
// enough. It is empty for a certificate without distribution points.
// Distribution points for some reasons only and of indirect lists are left
// out; it is an error if no other is there.
//
// For a citizen's certificate a name tells the municipality: treat it as
// personal data.
func Partitions(cert *x509.Certificate) ([]string, error) {
	for _, e := range cert.Extensions {
		if e.Id.Equal(oidCRLDistributionPoints) {
			return parseDistributionPoints(e.Value)
		}
	}
	return nil, nil
}

func parseDistributionPoints(der []byte) ([]string, error) {
	input := cryptobyte.String(der)
	var points cryptobyte.String
	if !input.ReadASN1(&points, cbasn1.SEQUENCE) || !input.Empty() || points.Empty() {
		return nil, errDistributionPoint
	}
	var names []string
	for !points.Empty() {
		var point, name cryptobyte.String
		var hasName bool
		if !points.ReadASN1(&point, cbasn1.SEQUENCE) || !point.ReadOptionalASN1(&name, &hasName, tagPointName) {
			return nil, errDistributionPoint
		}
		// What remains are reasons and cRLIssuer, neither of which is used.
		if !hasName || point.PeekASN1Tag(tagReasons) || point.PeekASN1Tag(tagCRLIssuer) {
			continue
		}
		if !point.Empty() {
			return nil, errDistributionPoint
		}
		found, err := parsePointName(name)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return nil, errDistributionPoint
	}
	return names, nil
}

// parsePointName reads a DistributionPointName. Names relative to the issuer
// and general names other than URI and directoryName are not supported.
func parsePointName(name cryptobyte.String) ([]string, error) {
	var full cryptobyte.String
	if !name.ReadASN1(&full, tagFullName) || !name.Empty() || full.Empty() {
		return nil, errDistributionPoint
	}
	var names []string
	for !full.Empty() {
		var value cryptobyte.String
		switch {
		case full.PeekASN1Tag(tagURI):
			if !full.ReadASN1(&value, tagURI) || value.Empty() {
				return nil, errDistributionPoint
			}
			names = append(names, "uri:"+string(value))
		case full.PeekASN1Tag(tagDirectoryName):
			if !full.ReadASN1(&value, tagDirectoryName) {
				return nil, errDistributionPoint
			}
			text, err := directoryName(value)
			if err != nil {
				return nil, err
			}
			names = append(names, "dn:"+text)
		default:
			return nil, errDistributionPoint
		}
	}
	return names, nil
}

// directoryName renders a Name as text, so that names that differ only in the
// string type of an attribute are the same.
func directoryName(der []byte) (string, error) {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &name); err != nil || len(rest) > 0 || len(name) == 0 {
		return "", errDistributionPoint
	}
	for _, rdn := range name {
		for _, attribute := range rdn {
			if _, ok := attribute.Value.(string); !ok {
				return "", errDistributionPoint
			}
		}
	}
	return name.String(), nil
}

// scope is what an issuingDistributionPoint extension says about a list (RFC
// 5280 section 5.2.5).
type scope struct {
	present             bool
	names               []string
	onlyUsers, onlyCAs  bool
	someReasons         bool
	indirect, onlyAttrs bool
}

func parseScope(der []byte) (scope, error) {
	s := scope{present: true}
	input := cryptobyte.String(der)
	var idp, name, reasons cryptobyte.String
	var hasName bool
	if !input.ReadASN1(&idp, cbasn1.SEQUENCE) || !input.Empty() || !idp.ReadOptionalASN1(&name, &hasName, tagPointName) {
		return s, errDistributionPoint
	}
	if hasName {
		var err error
		if s.names, err = parsePointName(name); err != nil {
			return s, err
		}
	}
	ok := readFlag(&idp, 1, &s.onlyUsers) && readFlag(&idp, 2, &s.onlyCAs) &&
		idp.ReadOptionalASN1(&reasons, &s.someReasons, cbasn1.Tag(3).ContextSpecific()) &&
		readFlag(&idp, 4, &s.indirect) && readFlag(&idp, 5, &s.onlyAttrs)
	if !ok || !idp.Empty() {
		return s, errDistributionPoint
	}
	return s, nil
}

// readFlag reads an implicitly tagged BOOLEAN DEFAULT FALSE.
func readFlag(s *cryptobyte.String, number uint8, out *bool) bool {
	var value cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&value, &present, cbasn1.Tag(number).ContextSpecific()) {
		return false
	}
	if !present {
		return true
	}
	if len(value) != 1 || (value[0] != 0 && value[0] != 0xff) {
		return false
	}
	*out = value[0] == 0xff
	return true
}
