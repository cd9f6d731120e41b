// Package jpki knows the certificates of the Japanese Public Key
// Infrastructure (公的個人認証サービス): which policies they carry, what they
// say about their holder and how their signatures are checked.
//
// There are two families that share nothing: certificates for digital
// signature (署名用), which carry name, address, birth date and gender, and
// certificates for user authentication (利用者証明用), which carry none of them.
// In each family several generations of the CA have the same name and differ
// only in key, so nothing here or in package trust goes by the CA's name.
//
// Everything in these certificates is personal data, the serial number and
// the end of validity (a birthday) included: errors of this package quote
// nothing.
package jpki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/trust"
)

// Family is one of the two independent hierarchies.
type Family int

// The families. The zero value is none.
const (
	// Signature is 署名用, for digital signature.
	Signature Family = iota + 1
	// Authentication is 利用者証明用, for user authentication.
	Authentication
)

// String returns the name of the family in the CA's subject.
func (f Family) String() string {
	switch f {
	case Signature:
		return "JPKI for digital signature"
	case Authentication:
		return "JPKI for user authentication"
	}
	return "no JPKI family"
}

// Mode says which cards are accepted.
type Mode int

// The modes. The zero value accepts nothing.
const (
	// Production accepts the policies of real cards only.
	Production Mode = iota + 1
	// Test accepts the policies of test cards, too.
	Test
)

// Certificate policies. Those of certificates on smartphones are not published
// in a form that could be checked: pass them to [SignatureProfile] and
// [AuthenticationProfile] where they are known.
const (
	PolicyCardSignature      = "1.2.392.200149.8.5.1.1.20"
	PolicyCardAuthentication = "1.2.392.200149.8.5.1.3.30"
	// PolicyTestSignature is that of test cards; PolicyTestAuthentication is
	// formed like it.
	PolicyTestSignature      = "1.2.392.200149.8.5.1.0.20"
	PolicyTestAuthentication = "1.2.392.200149.8.5.1.0.30"

	testArc = "1.2.392.200149.8.5.1.0."
)

// SignatureProfile returns the profile of certificates for digital signature.
// further are policies accepted beside those of the card. An unknown mode is
// an error, as is a policy of the test arc in production.
func SignatureProfile(mode Mode, further ...string) (trust.Profile, error) {
	policies, err := policies(mode, PolicyCardSignature, PolicyTestSignature, further)
	return trust.Profile{
		Name:                  "jpki-signature",
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		ExactKeyUsage:         true,
		CriticalKeyUsage:      true,
		NoExtKeyUsage:         true,
		Policies:              policies,
		AllowRSA:              true,
		RequireKeyIdentifiers: true,
		Direct:                true,
	}, err
}

// AuthenticationProfile returns the profile of certificates for user
// authentication. See [SignatureProfile] for the parameters.
func AuthenticationProfile(mode Mode, further ...string) (trust.Profile, error) {
	policies, err := policies(mode, PolicyCardAuthentication, PolicyTestAuthentication, further)
	return trust.Profile{
		Name:                  "jpki-authentication",
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExactKeyUsage:         true,
		CriticalKeyUsage:      true,
		ExtKeyUsage:           []string{"1.3.6.1.5.5.7.3.2"}, // id-kp-clientAuth
		Policies:              policies,
		AllowRSA:              true,
		RequireKeyIdentifiers: true,
		Direct:                true,
	}, err
}

// policies never returns an empty list, which would stand for no demand.
func policies(mode Mode, card, test string, further []string) ([]string, error) {
	switch mode {
	case Production:
		for _, p := range further {
			if strings.HasPrefix(p, testArc) {
				return []string{"none"}, fmt.Errorf("jpki: policy %s is for test cards, which production refuses", p)
			}
		}
		return append([]string{card}, further...), nil
	case Test:
		return append([]string{card, test}, further...), nil
	}
	return []string{"none"}, errors.New("jpki: no mode")
}

// CheckAnchor reports whether a CA certificate is fit to be configured as an
// anchor of the family: its name must be that of the family and, in
// production, of no test hierarchy; in test mode both are accepted. The name
// proves nothing about where the certificate came from; compare its hash with
// the published one.
func CheckAnchor(mode Mode, family Family, ca *x509.Certificate) error {
	if !slices.Contains(ca.Subject.OrganizationalUnit, family.String()) {
		return fmt.Errorf("jpki: the certificate is not of the CA of %s", family)
	}
	organization := strings.Join(ca.Subject.Organization, ",")
	switch {
	case mode == Production && organization == "JPKI":
		return nil
	case mode == Production:
		return errors.New("jpki: production takes no test CA as an anchor")
	case mode == Test && (organization == "JPKI" || strings.HasPrefix(organization, "JPKI-TEST")):
		return nil
	}
	return errors.New("jpki: the certificate is not of a CA of JPKI")
}
