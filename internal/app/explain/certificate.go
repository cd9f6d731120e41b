package explain

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// certificate says what a certificate may be used for, and whether a path leads
// to an anchor.
func (e *explainer) certificate(ctx context.Context, leaf *x509.Certificate, chain []*x509.Certificate) {
	const where = "certificate"
	e.OK(where, "version %d, key %s, signed with %s", leaf.Version, keyName(leaf), leaf.SignatureAlgorithm)
	switch {
	case e.now.Before(leaf.NotBefore):
		e.Fault(where, "wait, or look at the clock", "it is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	case e.now.After(leaf.NotAfter):
		e.Fault(where, "have the CA issue a new one", "it ended at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	default:
		e.OK(where, "it is valid now, until %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if leaf.IsCA {
		e.authority(leaf)
		return
	}
	if entity, ok := trust.LegalEntityOf(leaf); ok {
		e.OK(where, "it names the legal entity %s, %s, with right check digits", entity.Name, entity.OrganizationIdentifier)
	}
	var fitting []trust.Profile
	for _, profile := range e.profiles() {
		if err := profile.CheckSigner(leaf); err == nil {
			fitting = append(fitting, profile)
		} else {
			e.OK("profile "+profile.Name, "not for this use: %s", plain(err))
		}
	}
	if len(fitting) == 0 {
		e.Fault(where, "have a CA issue a certificate for the use that is meant", "it fits none of the uses of wallets, issuers and verifiers")
		return
	}
	for _, profile := range fitting {
		e.path(ctx, profile, leaf, chain)
	}
}

// path judges a certificate for one use.
func (e *explainer) path(ctx context.Context, profile trust.Profile, leaf *x509.Certificate, chain []*x509.Certificate) {
	where := "profile " + profile.Name
	e.OK(where, "the certificate itself is fit for this use")
	if !e.anchored(where) {
		return
	}
	found, err := e.policy(profile).Verify(ctx, leaf, append(chain, e.opt.Intermediates...))
	if err != nil {
		e.Fault(where, fixReason(err), "not trusted for this use: %s", plain(err))
		return
	}
	for _, check := range found.Checks {
		e.OK(where, "%s: %s", check.Name, check.Detail)
	}
	e.OK(where, "trusted for this use: %d certificates lead to the anchor %s", len(found.Certificates), found.Anchor.Certificate.Subject.CommonName)
}

// authority looks at a CA.
func (e *explainer) authority(ca *x509.Certificate) {
	const where = "certificate"
	e.OK(where, "it is that of a CA: %s", ca.Subject.CommonName)
	for _, anchor := range e.opt.Anchors {
		if anchor.Certificate.Equal(ca) {
			e.OK(where, "it is one of the given anchors")
			return
		}
	}
	for _, profile := range e.profiles() {
		if err := profile.CheckAnchor(ca); err != nil {
			e.OK("profile "+profile.Name, "not fit as an anchor for this use: %s", plain(err))
		} else {
			e.OK("profile "+profile.Name, "fit as an anchor for this use")
		}
	}
	e.Warn(where, "list it as an anchor if it is to be trusted", "it is none of the given anchors; a CA is trusted because somebody says so")
}

// profiles are the uses of certificates that are known here.
func (e *explainer) profiles() []trust.Profile {
	list := []trust.Profile{
		trust.ProfileSDJWTIssuer, trust.ProfileMdocSigner, trust.ProfileStatusSigner, trust.ProfileWalletProvider,
		trust.ProfileVerifierAccess, trust.ProfileSeal, trust.ProfileListOperator, trust.ProfileVICALSigner,
	}
	for _, of := range []func(jpki.Mode, ...string) (trust.Profile, error){jpki.SignatureProfile, jpki.AuthenticationProfile} {
		if profile, err := of(e.opt.Mode); err == nil {
			list = append(list, profile)
		}
	}
	return list
}

// revocationList says what can be said of a list by itself, and whether an
// anchor signed it.
func (e *explainer) revocationList(der []byte) {
	const where = "revocation list"
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		e.Fault("file", fixKind, "this is neither a certificate nor a revocation list: %s", err)
		return
	}
	e.OK(where, "%d entries, made at %s, next at %s", len(list.RevokedCertificateEntries),
		list.ThisUpdate.UTC().Format(time.RFC3339), list.NextUpdate.UTC().Format(time.RFC3339))
	if !e.anchored(where) {
		return
	}
	var failure error
	for _, anchor := range e.opt.Anchors {
		if _, failure = trust.ParseCRL(der, anchor.Certificate, e.now); failure == nil {
			e.OK(where, "signed by %s, complete for its partition, and fresh", anchor.Certificate.Subject.CommonName)
			return
		}
	}
	e.Fault(where, fixReason(failure), "no anchor stands behind it; of the last one tried: %s", plain(failure))
}

func keyName(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return key.Curve.Params().Name
	case *rsa.PublicKey:
		return "RSA"
	}
	return c.PublicKeyAlgorithm.String()
}

// plain returns the reason of an error and its detail.
func plain(err error) string {
	var e *trust.Error
	if errors.As(err, &e) {
		return string(e.Reason) + ", " + e.Detail
	}
	return err.Error()
}

// fixes say what to do about a reason.
var fixes = map[trust.Reason]string{
	trust.ReasonConfiguration:         "correct the anchors that were given",
	trust.ReasonUntrusted:             "add the anchor of this hierarchy, or the intermediate certificates between it and the leaf",
	trust.ReasonExpired:               "have the CA issue a new certificate",
	trust.ReasonNotYetValid:           "wait, or look at the clock",
	trust.ReasonRevoked:               "have the CA issue a new certificate, and find out why this one was revoked",
	trust.ReasonWeak:                  "have the CA issue a certificate with P-256, P-384 or RSA of 2048 bits or more, signed with SHA-256 or better",
	trust.ReasonRevocationStale:       "fetch the newest list",
	trust.ReasonRevocationUnavailable: "make the list or the responder reachable",
}

func fixReason(err error) string {
	var e *trust.Error
	if errors.As(err, &e) && fixes[e.Reason] != "" {
		return fixes[e.Reason]
	}
	return "have the CA issue what the specification of this use demands"
}
