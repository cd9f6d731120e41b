package trust_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

func replaceEKU(e pkix.Extension) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtraExtensions[0] = e }
}

func TestNegMdocSigner(t *testing.T) {
	t.Parallel()
	soft := trusttest.CriticalExtKeyUsage(trust.OIDMdocSigner)
	soft.Critical = false
	country := func(name string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.Subject.Country = []string{name} }
	}
	tests := []struct {
		name       string
		iaca, leaf func(*x509.Certificate)
		want       trust.Reason
	}{
		{name: "honest twin"},
		{name: "CRT-01 valid for more than 20 years", iaca: func(c *x509.Certificate) { c.NotAfter = c.NotBefore.AddDate(20, 0, 1) }, want: trust.ReasonProfile},
		{name: "CRT-01 valid for 20 years", iaca: func(c *x509.Certificate) { c.NotAfter = c.NotBefore.AddDate(20, 0, 0) }},
		{name: "CRT-01 no country", iaca: func(c *x509.Certificate) { c.Subject.Country = nil }, leaf: func(c *x509.Certificate) { c.Subject.Country = nil }, want: trust.ReasonProfile},
		{name: "CRT-01 country in lower case", iaca: country("jp"), leaf: country("jp"), want: trust.ReasonProfile},
		{name: "CRT-01 no common name", iaca: func(c *x509.Certificate) { c.Subject.CommonName = "" }, want: trust.ReasonProfile},
		{name: "CRT-02 no path length", iaca: func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = -1, false }, want: trust.ReasonProfile},
		{name: "CRT-02 path length 1", iaca: func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 1, false }, want: trust.ReasonProfile},
		{name: "CRT-02 further key usage", iaca: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageDigitalSignature }, want: trust.ReasonProfile},
		{name: "CRT-03 document signer for 457 days", leaf: func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(457 * day) }},
		{name: "CRT-03 document signer for longer", leaf: func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(457*day + time.Second) }, want: trust.ReasonProfile},
		{name: "CRT-03 other country", leaf: country("US"), want: trust.ReasonProfile},
		{name: "CRT-03 same state", iaca: func(c *x509.Certificate) { c.Subject.Province = []string{"JP-13"} }, leaf: func(c *x509.Certificate) { c.Subject.Province = []string{"JP-13"} }},
		{name: "CRT-03 other state", iaca: func(c *x509.Certificate) { c.Subject.Province = []string{"JP-13"} }, leaf: func(c *x509.Certificate) { c.Subject.Province = []string{"JP-27"} }, want: trust.ReasonProfile},
		{name: "CRT-03 further key usage", leaf: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageContentCommitment }, want: trust.ReasonProfile},
		{name: "K03 no extended key usage", leaf: func(c *x509.Certificate) { c.ExtraExtensions = nil }, want: trust.ReasonProfile},
		{name: "K03 extended key usage not critical", leaf: replaceEKU(soft), want: trust.ReasonProfile},
		{name: "K03 second extended key usage", leaf: replaceEKU(trusttest.CriticalExtKeyUsage(trust.OIDMdocSigner, "1.3.6.1.5.5.7.3.2")), want: trust.ReasonProfile},
		{name: "K03 same extended key usage twice", leaf: replaceEKU(trusttest.CriticalExtKeyUsage(trust.OIDMdocSigner, trust.OIDMdocSigner)), want: trust.ReasonProfile},
		{name: "K03 extended key usage of readers", leaf: replaceEKU(trusttest.CriticalExtKeyUsage(trust.OIDMdocReader)), want: trust.ReasonProfile},
		{name: "K03 any extended key usage", leaf: replaceEKU(trusttest.CriticalExtKeyUsage("2.5.29.37.0")), want: trust.ReasonProfile},
		{name: "CRT-05 critical distribution points", leaf: func(c *x509.Certificate) {
			c.CRLDistributionPoints = nil
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 31}, Critical: true,
				Value: []byte{0x30, 0x0b, 0x30, 9, 0xa0, 7, 0xa0, 5, 0x86, 3, 'a', ':', 'b'}})
		}, want: trust.ReasonCriticalExtension},
		{name: "CRT-05 unknown critical extension", leaf: addUnknownCritical, want: trust.ReasonCriticalExtension},
		{name: "CRT-06 IACA expired", iaca: func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Second); c.NotBefore = start.Add(-day) }, want: trust.ReasonExpired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			iaca := newCA(t, trusttest.CAOptions{Profile: trusttest.IACA, Edit: tt.iaca})
			key := signer(t, iaca.IssueMdocSigner, trusttest.LeafOptions{NotBefore: start, Lifetime: 365 * day, Edit: tt.leaf})
			want(t, verify(policy(trust.ProfileMdocSigner, start, iaca), key.Chain), tt.want)
		})
	}
	t.Run("K03 SD-JWT VC signer as document signer", func(t *testing.T) {
		ca := newCA(t, trusttest.CAOptions{})
		key := signer(t, ca.IssueSDJWTSigner, trusttest.LeafOptions{})
		want(t, verify(policy(trust.ProfileSDJWTIssuer, start, ca), key.Chain), "")
		want(t, verify(policy(trust.ProfileMdocSigner, start, ca), key.Chain), trust.ReasonProfile)
	})
}

func TestNamedProfilesFitTheirSigners(t *testing.T) {
	t.Parallel()
	ca := newCA(t, trusttest.CAOptions{})
	for _, tt := range []struct {
		issue   issue
		profile trust.Profile
	}{
		{ca.IssueSDJWTSigner, trust.ProfileSDJWTIssuer},
		{ca.IssueStatusSigner, trust.ProfileStatusSigner},
		{ca.IssueWalletProvider, trust.ProfileWalletProvider},
		{ca.IssueVerifierAccess, trust.ProfileVerifierAccess},
	} {
		key := signer(t, tt.issue, trusttest.LeafOptions{})
		if err := verify(policy(tt.profile, start, ca), key.Chain); err != nil {
			t.Errorf("%s: %v", tt.profile.Name, err)
		}
	}
}
