package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/internal/rfc5280"
)

var oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 15}

// checkChain applies every rule of the profile to a path from leaf to anchor
// whose signatures are known to be good.
func (p Profile) checkChain(certs []*x509.Certificate, now time.Time) error {
	leaf, anchor := certs[0], certs[len(certs)-1]
	if len(certs) < 2 {
		return fail(ReasonPath, "the signer's certificate is a trust anchor")
	}
	if p.Direct && len(certs) != 2 {
		return fail(ReasonPath, "the signer must be certified by the trust anchor itself")
	}
	if p.MaxIntermediates > 0 && countIntermediates(certs[1:len(certs)-1]) > p.MaxIntermediates {
		return fail(ReasonPath, "more than %d intermediate certificates in the path", p.MaxIntermediates)
	}
	for i, c := range certs {
		if err := p.checkAny(c, now); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		if err := p.checkCA(c, certs[1:i]); err != nil {
			return err
		}
		if err := p.checkLink(certs[i-1], c); err != nil {
			return err
		}
	}
	if p.RequireKeyIdentifiers && len(anchor.AuthorityKeyId) == 0 && !rfc5280.SelfIssued(anchor) {
		return fail(ReasonProfile, "a key identifier is missing")
	}
	if err := p.checkLeaf(leaf); err != nil {
		return err
	}
	if err := p.checkUsages(certs); err != nil {
		return err
	}
	if err := rfc5280.CheckNames(certs); err != nil {
		return &Error{Reason: ReasonNames, Detail: "name constraints", Err: err}
	}
	if err := rfc5280.CheckPolicies(certs, p.policyInputs()); err != nil {
		return &Error{Reason: ReasonPolicy, Detail: "certificate policies", Err: err}
	}
	if p.IssuingAuthority {
		return checkIssuingAuthority(leaf, anchor)
	}
	return nil
}

// policyInputs are the rules of the profile for the whole path. What the leaf
// must say itself is for checkLeaf.
func (p Profile) policyInputs() rfc5280.PolicyInputs {
	in := rfc5280.PolicyInputs{
		Accepted: p.PathPolicies.Accepted, Explicit: p.PathPolicies.Explicit,
		NoMapping: p.PathPolicies.NoMapping, NoAny: p.PathPolicies.NoAny,
	}
	if len(p.Policies) > 0 && len(in.Accepted) == 0 {
		in.Accepted, in.Explicit = p.Policies, true
	}
	return in
}

// CheckSigner applies the rules that a signer's certificate is held to by
// itself, whatever the time and whoever issued it. It is for those who look
// after a signer without knowing the anchors of those who rely on it, and no
// reason to trust the certificate: that is for [Policy.Verify]. Errors are
// [*Error].
func (p Profile) CheckSigner(leaf *x509.Certificate) error {
	if p.Name == "" {
		return fail(ReasonConfiguration, "no profile")
	}
	if err := p.checkForm(leaf); err != nil {
		return err
	}
	if err := p.checkLeaf(leaf); err != nil {
		return err
	}
	return p.checkUsages([]*x509.Certificate{leaf})
}

// CheckAnchor applies the rules that an anchor is held to by itself, whatever
// the time and whatever it certified. It is for those who take CAs into a
// list, and no reason to trust the CA. Errors are [*Error].
func (p Profile) CheckAnchor(ca *x509.Certificate) error {
	if p.Name == "" {
		return fail(ReasonConfiguration, "no profile")
	}
	if err := p.checkForm(ca); err != nil {
		return err
	}
	if err := p.checkCA(ca, nil); err != nil {
		return err
	}
	if p.RequireKeyIdentifiers && len(ca.SubjectKeyId) == 0 {
		return fail(ReasonProfile, "a key identifier is missing")
	}
	if _, _, err := extKeyUsages(ca); err != nil {
		return err
	}
	if p.IssuingAuthority {
		return checkIACA(ca)
	}
	return nil
}

// checkAny applies the rules for every certificate of a path.
func (p Profile) checkAny(c *x509.Certificate, now time.Time) error {
	if err := checkValidity(c, now, "a certificate of the path"); err != nil {
		return err
	}
	return p.checkForm(c)
}

// checkForm applies those of the rules that do not depend on the time.
func (p Profile) checkForm(c *x509.Certificate) error {
	if c.Version != 3 {
		return fail(ReasonProfile, "a certificate is not of version 3")
	}
	if c.SerialNumber.Sign() <= 0 || len(c.SerialNumber.Bytes()) > 20 {
		return fail(ReasonProfile, "a serial number is not positive or longer than 20 octets")
	}
	for _, oid := range c.UnhandledCriticalExtensions {
		if !isNameConstraints(oid) {
			return fail(ReasonCriticalExtension, "extension %s is critical and not understood", oid)
		}
	}
	if err := p.checkKey(c); err != nil {
		return err
	}
	return checkKeyIdentifier(c)
}

// isNameConstraints: the standard library calls them unhandled where they
// contain more than it knows; see [rfc5280.CheckNames].
func isNameConstraints(oid asn1.ObjectIdentifier) bool { return oid.Equal(rfc5280.OIDNameConstraints) }

// checkCA applies the rules for issuers, the anchor included. below are the
// intermediates between this CA and the leaf.
func (p Profile) checkCA(c *x509.Certificate, below []*x509.Certificate) error {
	if !c.BasicConstraintsValid || !c.IsCA {
		return fail(ReasonPath, "an issuer is not a CA")
	}
	if len(c.Subject.Names) == 0 {
		return fail(ReasonProfile, "an issuer has no name")
	}
	// What limits a CA has to be understood by everybody.
	for _, oid := range []asn1.ObjectIdentifier{
		oidBasicConstraints, rfc5280.OIDNameConstraints, rfc5280.OIDPolicyConstraints, rfc5280.OIDInhibitAnyPolicy,
	} {
		if e, present := rfc5280.Extension(c, oid); present && !e.Critical && !p.AllowNonCritical {
			return fail(ReasonProfile, "extension %s of an issuer is not critical", oid)
		}
	}
	if c.KeyUsage&x509.KeyUsageCertSign == 0 {
		return fail(ReasonPath, "an issuer's key usage lacks keyCertSign")
	}
	if (c.MaxPathLen > 0 || c.MaxPathLenZero) && countIntermediates(below) > c.MaxPathLen {
		return fail(ReasonPath, "path length constraint violated")
	}
	return nil
}

// countIntermediates leaves out self-issued certificates, which do not count
// (RFC 5280 section 4.2.1.9).
func countIntermediates(certs []*x509.Certificate) int {
	n := 0
	for _, c := range certs {
		if !rfc5280.SelfIssued(c) {
			n++
		}
	}
	return n
}

// checkAlgorithm applies the rules for how a certificate is signed.
func (p Profile) checkAlgorithm(c *x509.Certificate) error {
	switch c.SignatureAlgorithm {
	case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS:
		if !p.AllowRSA {
			return fail(ReasonWeak, "RSA signatures are not allowed for %s", p.Name)
		}
	default:
		return fail(ReasonWeak, "a signature algorithm is not allowed")
	}
	return nil
}

// checkLink applies the rules between a certificate and its issuer.
func (p Profile) checkLink(c, issuer *x509.Certificate) error {
	if err := p.checkAlgorithm(c); err != nil {
		return err
	}
	if p.RequireKeyIdentifiers && (len(c.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0) {
		return fail(ReasonProfile, "a key identifier is missing")
	}
	if len(c.AuthorityKeyId) > 0 && len(issuer.SubjectKeyId) > 0 && !bytes.Equal(c.AuthorityKeyId, issuer.SubjectKeyId) {
		return fail(ReasonProfile, "an authority key identifier is not that of the issuer's key")
	}
	return nil
}

// checkLeaf applies the rules for the leaf but for extended key usage.
func (p Profile) checkLeaf(leaf *x509.Certificate) error {
	if leaf.IsCA {
		return fail(ReasonProfile, "the signer's certificate is that of a CA")
	}
	if _, present := rfc5280.Extension(leaf, rfc5280.OIDNameConstraints); present {
		return fail(ReasonProfile, "the signer's certificate has name constraints, which are for CAs")
	}
	if len(leaf.Subject.Names) == 0 && !isCritical(leaf, rfc5280.OIDSubjectAltName) {
		return fail(ReasonProfile, "the signer's certificate names nobody")
	}
	if leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
		return fail(ReasonProfile, "the signer's key usage allows to sign certificates or revocation lists")
	}
	if leaf.KeyUsage&p.KeyUsage != p.KeyUsage || (p.ExactKeyUsage && leaf.KeyUsage != p.KeyUsage) {
		return fail(ReasonProfile, "the signer's key usage is not that of %s", p.Name)
	}
	if p.KeyUsageOneOf != 0 && leaf.KeyUsage&p.KeyUsageOneOf == 0 {
		return fail(ReasonProfile, "the signer's key usage is not that of %s", p.Name)
	}
	if p.CriticalKeyUsage && !isCritical(leaf, oidKeyUsage) {
		return fail(ReasonProfile, "key usage is not critical")
	}
	if p.MaxLifetime > 0 && leaf.NotAfter.Sub(leaf.NotBefore) > p.MaxLifetime {
		return fail(ReasonProfile, "the signer's certificate is valid for too long")
	}
	if _, ok := LegalEntityOf(leaf); p.LegalEntity && !ok {
		return fail(ReasonProfile, "the signer's certificate does not name a legal entity by a valid number")
	}
	if len(p.Policies) == 0 {
		return nil
	}
	for _, policy := range leaf.Policies {
		if slices.Contains(p.Policies, policy.String()) {
			return nil
		}
	}
	return fail(ReasonPolicy, "the certificate policy is not one of %s", p.Name)
}

func isCritical(c *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	e, present := rfc5280.Extension(c, oid)
	return present && e.Critical
}
