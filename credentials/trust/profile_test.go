package trust_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// roles are the named profiles and how a certificate for each is made.
var roles = []struct {
	profile trust.Profile
	issue   func(*trusttest.CA, trusttest.LeafOptions) (*keys.Key, error)
}{
	{trust.ProfileSDJWTIssuer, (*trusttest.CA).IssueSDJWTSigner},
	{trust.ProfileStatusSigner, (*trusttest.CA).IssueStatusSigner},
	{trust.ProfileWalletProvider, (*trusttest.CA).IssueWalletProvider},
	{trust.ProfileVerifierAccess, (*trusttest.CA).IssueVerifierAccess},
	{trust.ProfileSeal, (*trusttest.CA).IssueSeal},
	{trust.ProfileListOperator, (*trusttest.CA).IssueListOperator},
	{trust.ProfileVICALSigner, (*trusttest.CA).IssueVICALSigner},
}

// TestRoles: the certificate made for a role is accepted for it, also over an
// intermediate, and one without any key usage is not. TLS servers are for none
// of the roles but those whose certificates carry that usage in practice.
func TestRoles(t *testing.T) {
	t.Parallel()
	root := newCA(t, trusttest.CAOptions{})
	sub := newIntermediate(t, root, trusttest.CAOptions{})
	for _, role := range roles {
		t.Run(role.profile.Name, func(t *testing.T) {
			t.Parallel()
			issued := func(o trusttest.LeafOptions) error {
				key, err := role.issue(sub, o)
				if err != nil {
					t.Fatal(err)
				}
				return verify(policy(role.profile, start, root), key.Chain)
			}
			want(t, issued(trusttest.LeafOptions{}), "")
			want(t, issued(trusttest.LeafOptions{Edit: func(c *x509.Certificate) { c.KeyUsage = 0 }}), trust.ReasonProfile)
			want(t, issued(trusttest.LeafOptions{Edit: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }}), trust.ReasonProfile)
			want(t, issued(trusttest.LeafOptions{Edit: func(c *x509.Certificate) {
				c.ExtraExtensions = []pkix.Extension{trusttest.CriticalExtKeyUsage("1.3.6.1.5.5.7.3.9")}
			}}), trust.ReasonProfile)
			want(t, issued(trusttest.LeafOptions{Edit: func(c *x509.Certificate) {
				c.ExtraExtensions = []pkix.Extension{trusttest.CriticalExtKeyUsage(trust.OIDMdocReader)}
			}}), map[bool]trust.Reason{false: trust.ReasonProfile}[role.profile.Name == "verifier-access"])
		})
	}
}

func TestNegSeal(t *testing.T) {
	t.Parallel()
	root := newCA(t, trusttest.CAOptions{})
	key2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		options trusttest.LeafOptions
		want    trust.Reason
	}{
		{"corporate number", trusttest.LeafOptions{OrganizationIdentifier: "NTRJP-9011101031552"}, ""},
		{"corporate number with a wrong check digit", trusttest.LeafOptions{OrganizationIdentifier: "NTRJP-8011101031552"}, trust.ReasonProfile},
		{"LEI", trusttest.LeafOptions{OrganizationIdentifier: "LEIXG-5493001KJTIIGC8Y1R12"}, ""},
		{"LEI with wrong check digits", trusttest.LeafOptions{OrganizationIdentifier: "LEIXG-5493001KJTIIGC8Y1R21"}, trust.ReasonProfile},
		{"another scheme", trusttest.LeafOptions{OrganizationIdentifier: "VATJP-T9011101031552"}, trust.ReasonProfile},
		{"no legal entity", trusttest.LeafOptions{Edit: func(c *x509.Certificate) { c.Subject.ExtraNames = nil }}, trust.ReasonProfile},
		{"two legal entities", trusttest.LeafOptions{Edit: func(c *x509.Certificate) {
			c.Subject.ExtraNames = append(c.Subject.ExtraNames, c.Subject.ExtraNames[0])
		}}, trust.ReasonProfile},
		{"digital signature", trusttest.LeafOptions{Edit: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }}, ""},
		{"RSA", trusttest.LeafOptions{Signer: key2048}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, err := root.IssueSeal(tt.options)
			if err != nil {
				t.Fatal(err)
			}
			want(t, verify(policy(trust.ProfileSeal, start, root), key.Chain), tt.want)
		})
	}
}

func TestNegVICALSigner(t *testing.T) {
	t.Parallel()
	root := newCA(t, trusttest.CAOptions{})
	usage := func(critical bool, oids ...string) func(*x509.Certificate) {
		e := trusttest.CriticalExtKeyUsage(oids...)
		e.Critical = critical
		return func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{e} }
	}
	for _, tt := range []struct {
		name string
		edit func(*x509.Certificate)
		want trust.Reason
	}{
		{"honest twin", usage(true, trust.OIDVICALSigner), ""},
		{"extended key usage not critical", usage(false, trust.OIDVICALSigner), trust.ReasonProfile},
		{"usage of document signers", usage(true, trust.OIDMdocSigner), trust.ReasonProfile},
		{"further usage", usage(true, trust.OIDVICALSigner, trust.OIDMdocSigner), trust.ReasonProfile},
		{"no usage", func(c *x509.Certificate) { c.ExtraExtensions = nil }, trust.ReasonProfile},
	} {
		key, err := root.IssueVICALSigner(trusttest.LeafOptions{Edit: tt.edit})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(tt.name, func(t *testing.T) {
			want(t, verify(policy(trust.ProfileVICALSigner, start, root), key.Chain), tt.want)
		})
	}
}

// TestNegCheckAnchor looks at CAs by themselves, at any time.
func TestNegCheckAnchor(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	withRSA := trust.Profile{Name: "with-rsa", AllowRSA: true}
	for _, tt := range []struct {
		name    string
		profile trust.Profile
		options trusttest.CAOptions
		want    trust.Reason
	}{
		{"CA", trust.ProfileSDJWTIssuer, trusttest.CAOptions{}, ""},
		{"no profile", trust.Profile{}, trusttest.CAOptions{}, trust.ReasonConfiguration},
		{"no CA", trust.ProfileSDJWTIssuer, trusttest.CAOptions{Edit: func(c *x509.Certificate) { c.IsCA = false }}, trust.ReasonPath},
		{"unknown critical extension", trust.ProfileSDJWTIssuer, trusttest.CAOptions{Edit: addUnknownCritical}, trust.ReasonCriticalExtension},
		{"RSA where it is allowed", withRSA, trusttest.CAOptions{Signer: rsaKey}, ""},
		{"RSA where it is not", trust.ProfileSDJWTIssuer, trusttest.CAOptions{Signer: rsaKey}, trust.ReasonWeak},
		{"empty extended key usage", trust.ProfileSDJWTIssuer, trusttest.CAOptions{Edit: func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: []byte{0x30, 0}})
		}}, trust.ReasonProfile},
		{"IACA", trust.ProfileMdocSigner, trusttest.CAOptions{Profile: trusttest.IACA}, ""},
		{"CRT-01 IACA for more than 20 years", trust.ProfileMdocSigner, trusttest.CAOptions{Profile: trusttest.IACA, Lifetime: 21 * 365 * day}, trust.ReasonProfile},
		{"CRT-02 CA without path length as IACA", trust.ProfileMdocSigner, trusttest.CAOptions{}, trust.ReasonProfile},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want(t, tt.profile.CheckAnchor(newCA(t, tt.options).Certificate), tt.want)
		})
	}
}
