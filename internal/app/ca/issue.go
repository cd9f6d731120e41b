package ca

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
)

// profile says what certificates for a use look like.
type profile struct {
	kind Kind
	// trust is how relying parties check it; nil for TLS.
	trust *trust.Profile
	// names admits subject alternative names, and needsNames demands them.
	names, needsNames bool
	maxDays           int
	extensions        func(*x509.Certificate) error
}

// profiles are the uses by their names. Signers live three years at most. The
// others live two days less, by which they are backdated, than annex B of
// ISO/IEC 18013-5 (457 days) and browsers (398 days) allow.
func profiles() map[string]profile {
	return map[string]profile{
		"sd-jwt":          {kind: Generic, trust: &trust.ProfileSDJWTIssuer, maxDays: 1096},
		"status":          {kind: Generic, trust: &trust.ProfileStatusSigner, maxDays: 1096},
		"wallet-provider": {kind: Generic, trust: &trust.ProfileWalletProvider, maxDays: 1096},
		"verifier-access": {kind: Generic, trust: &trust.ProfileVerifierAccess, maxDays: 1096, names: true},
		"mdoc":            {kind: IACA, trust: &trust.ProfileMdocSigner, maxDays: 455, extensions: documentSigner},
		"tls": {kind: Generic, maxDays: 396, names: true, needsNames: true, extensions: func(c *x509.Certificate) error {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			return nil
		}},
	}
}

// Profiles returns the names of the profiles.
func Profiles() []string { return slices.Sorted(maps.Keys(profiles())) }

// documentSigner marks a document signer with its extended key usage, critical
// as the standard library never writes it.
func documentSigner(c *x509.Certificate) error {
	value, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 0, 18013, 5, 1, 2}})
	if err != nil {
		return err
	}
	c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidExtKeyUsage, Critical: true, Value: value})
	return nil
}

// Issue certifies the key of a request (PKCS #10 in PEM) under a profile, for a
// number of days that the end of the authority cuts short. Subject and, where
// the profile has any, alternative names are the request's; whatever else it
// asks for is ignored. A request whose signature is not that of its key is
// refused: nobody gets another's key certified.
func (a *Authority) Issue(request []byte, use string, days int, now time.Time) (*x509.Certificate, error) {
	p, ok := profiles()[use]
	if !ok {
		return nil, fmt.Errorf("ca: the profile must be one of %s", strings.Join(Profiles(), ", "))
	}
	if p.kind != a.Kind {
		return nil, fmt.Errorf("ca: certificates of profile %s are issued by an authority of kind %s", use, p.kind)
	}
	if days < 1 || days > p.maxDays {
		return nil, fmt.Errorf("ca: certificates of profile %s are valid from 1 to %d days", use, p.maxDays)
	}
	csr, pub, err := parseRequest(request)
	if err != nil {
		return nil, err
	}
	if err := a.checkRequest(csr, p); err != nil {
		return nil, fmt.Errorf("ca: request: %w", err)
	}
	template := &x509.Certificate{
		RawSubject: csr.RawSubject, SerialNumber: newSerial(),
		DNSNames: csr.DNSNames, IPAddresses: csr.IPAddresses,
		NotBefore: now.Add(-backdated).Truncate(time.Second), NotAfter: now.AddDate(0, 0, days).Truncate(time.Second),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		CRLDistributionPoints: a.Certificate.CRLDistributionPoints, ExtraExtensions: a.contact(),
	}
	if template.NotBefore.Before(a.Certificate.NotBefore) {
		template.NotBefore = a.Certificate.NotBefore
	}
	if template.NotAfter.After(a.Certificate.NotAfter) {
		template.NotAfter = a.Certificate.NotAfter
	}
	if template.SubjectKeyId, err = keyID(pub); err != nil {
		return nil, err
	}
	if p.extensions != nil {
		if err := p.extensions(template); err != nil {
			return nil, err
		}
	}
	certificate, err := sign(template, a.Certificate, pub, a.signer)
	if err != nil {
		return nil, err
	}
	if err := a.prove(certificate, p, now); err != nil {
		return nil, fmt.Errorf("ca: relying parties would refuse the certificate: %w", err)
	}
	return certificate, nil
}

// parseRequest reads a request and checks that its key signed it.
func parseRequest(data []byte) (*x509.CertificateRequest, *ecdsa.PublicKey, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, nil, errors.New("ca: the request must be one PEM block CERTIFICATE REQUEST")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("ca: request: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, nil, fmt.Errorf("ca: request: the signature is not that of its key: %w", err)
	}
	pub, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve.Params().BitSize < 256 {
		return nil, nil, errors.New("ca: request: the key must be ECDSA on P-256, P-384 or P-521")
	}
	return csr, pub, nil
}

func (a *Authority) checkRequest(csr *x509.CertificateRequest, p profile) error {
	if own, ok := a.Certificate.PublicKey.(*ecdsa.PublicKey); ok && own.Equal(csr.PublicKey) {
		return errors.New("it is for the key of the authority")
	}
	if csr.Subject.CommonName == "" {
		return errors.New("the subject has no common name")
	}
	if p.trust != nil {
		if _, ok := trust.LegalEntityOf(&x509.Certificate{Subject: csr.Subject}); !ok {
			return errors.New("the subject does not name a legal entity: one country, one organization and one organizationIdentifier with right check digits")
		}
	}
	if p.kind == IACA && !slices.Equal(csr.Subject.Country, a.Certificate.Subject.Country) {
		return errors.New("the country is not that of the authority")
	}
	if len(csr.EmailAddresses)+len(csr.URIs) > 0 {
		return errors.New("alternative names must be DNS names and IP addresses")
	}
	names := len(csr.DNSNames) + len(csr.IPAddresses)
	switch {
	case names > 0 && !p.names:
		return errors.New("certificates of this profile have no alternative names")
	case names == 0 && p.needsNames:
		return errors.New("certificates of this profile need a DNS name or an IP address")
	}
	return nil
}

// prove checks what was issued as those do who will rely on it.
func (a *Authority) prove(certificate *x509.Certificate, p profile, now time.Time) error {
	if p.trust == nil {
		roots := x509.NewCertPool()
		roots.AddCert(a.Certificate)
		_, err := certificate.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now})
		return err
	}
	policy := &trust.Policy{
		Anchors: []trust.Anchor{{Certificate: a.Certificate}}, Profile: *p.trust,
		Revocation: trust.NotChecked("it was made a moment ago"), Now: func() time.Time { return now },
	}
	_, err := policy.Verify(context.Background(), certificate, nil)
	return err
}
