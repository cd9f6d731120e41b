package sdjwt

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust"
)

// DefaultKeyBindingMaxAge is how old a KB-JWT may be.
const DefaultKeyBindingMaxAge = 5 * time.Minute

// Verifier checks presentations of SD-JWT VCs. The zero value accepts nothing.
// It is safe for concurrent use.
type Verifier struct {
	// Trust says whose signatures count. Its profile is usually
	// [trust.ProfileSDJWTIssuer]. Mandatory.
	Trust *trust.Policy
	// Now is the clock for everything but certificates. Mandatory.
	Now func() time.Time
	// RequireHolderBinding refuses presentations without a KB-JWT unless the
	// binding says that none was asked for. One that is there is checked in any
	// case.
	RequireHolderBinding bool
	// AcceptLegacyType accepts the typ vc+sd-jwt beside dc+sd-jwt.
	AcceptLegacyType bool
	// MatchIssuer demands of a credential with iss that this is an https URL
	// that the signer's certificate names as a URI or by its host. Without it
	// such a credential is accepted, and what was verified names no issuer.
	MatchIssuer bool
	// AllowUnlimited accepts credentials with neither exp nor status.
	AllowUnlimited bool
	// KeyBindingMaxAge is how old a KB-JWT may be; zero means
	// [DefaultKeyBindingMaxAge].
	KeyBindingMaxAge time.Duration
}

// Verify checks a presentation: chain and signature of the issuer, digests and
// disclosures, validity, and the holder's signature over exactly these
// disclosures and this binding (RFC 9901 section 7.3, OpenID4VP 1.0 appendix
// B.3). The status is left to the caller. Errors are of type [*Error].
func (v *Verifier) Verify(ctx context.Context, raw string, b credentials.Binding) (*credentials.Verified, error) {
	if v.Trust == nil || v.Now == nil {
		return nil, fail(ReasonConfiguration, "verifier without trust policy or clock")
	}
	p, err := split(raw)
	if err != nil {
		return nil, err
	}
	// The policy decides before anything the holder sent is looked at.
	required := v.RequireHolderBinding && !b.HolderUnproven
	if required && p.binding == "" {
		return nil, fail(ReasonKeyBindingMissing, "no KB-JWT")
	}
	if (required || p.binding != "") && (b.Audience() == "" || b.Nonce == "") {
		return nil, fail(ReasonConfiguration, "binding without audience or nonce")
	}
	c, err := v.open(ctx, p)
	if err != nil {
		return nil, err
	}
	now := v.Now()
	if err := c.facts.checkTimes(now); err != nil {
		return nil, err
	}
	if !c.facts.addressedTo(b.Audience()) {
		return nil, fail(ReasonAudience, "the credential is for another audience")
	}
	verified := c.verified()
	if p.binding == "" {
		verified.Checks = append(verified.Checks, credentials.Check{
			Name: "holder_binding", Detail: "no proof of possession was asked for", Skipped: true,
		})
		return verified, nil
	}
	if verified.Authorized, err = v.checkBinding(c, b, now); err != nil {
		return nil, err
	}
	verified.HolderKey = c.facts.holder
	verified.Checks = append(verified.Checks, credentials.Check{
		Name: "holder_binding", Detail: "signed by the holder's key for this request",
	})
	return verified, nil
}

// VerifyIssued checks a credential as a wallet receives it from an issuer. All
// is as in [Verifier.Verify] except that there must be no KB-JWT, that the
// credential may begin to be valid later, and that HolderKey of the result is
// the key in cnf, which the caller compares with its own.
func (v *Verifier) VerifyIssued(ctx context.Context, raw string) (*credentials.Verified, error) {
	if v.Trust == nil || v.Now == nil {
		return nil, fail(ReasonConfiguration, "verifier without trust policy or clock")
	}
	p, err := split(raw)
	if err != nil {
		return nil, err
	}
	if p.binding != "" {
		return nil, fail(ReasonMalformed, "an issuer must not send a KB-JWT")
	}
	c, err := v.open(ctx, p)
	if err != nil {
		return nil, err
	}
	times := *c.facts
	times.validFrom = time.Time{}
	if err := times.checkTimes(v.Now()); err != nil {
		return nil, err
	}
	verified := c.verified()
	verified.HolderKey = c.facts.holder
	return verified, nil
}

// opened is a credential whose issuer's signature has been verified.
type opened struct {
	parts   *parts
	payload credentials.Object
	facts   *facts
	chain   *trust.Chain
	signer  crypto.PublicKey
}

// open verifies the issuer's side of a credential, except for times.
func (v *Verifier) open(ctx context.Context, p *parts) (*opened, error) {
	token, err := parseIssuerToken(p.jwt, v.AcceptLegacyType)
	if err != nil {
		return nil, err
	}
	if len(token.Header.X5C) == 0 {
		return nil, fail(ReasonUntrustedIssuer, "no x5c")
	}
	leaf := token.Header.X5C[0]
	chain, err := v.Trust.Verify(ctx, leaf, token.Header.X5C[1:])
	if err != nil {
		return nil, failWith(ReasonUntrustedIssuer, "certificate", err)
	}
	c, err := v.openWith(token, p, leaf.PublicKey)
	if err != nil {
		return nil, err
	}
	c.chain = chain
	if !chain.Anchor.Allows(credentials.FormatSDJWTVC, c.facts.vct) {
		return nil, fail(ReasonUntrustedIssuer, "the anchor is not for this type of credential")
	}
	if !namesIssuer(leaf, c.facts.issuer) {
		if v.MatchIssuer {
			return nil, fail(ReasonIssuer, "the certificate does not name iss")
		}
		// Every issuer under the anchors could write the name of any other into
		// iss; without the certificate's word for it nobody gets to read it.
		c.facts.issuer = ""
	}
	return c, nil
}

// openWith verifies the signature under a key and processes the payload.
func (v *Verifier) openWith(token *jose.Unverified, p *parts, signer crypto.PublicKey) (*opened, error) {
	data, err := token.Verify(signer)
	if err != nil {
		return nil, failWith(ReasonSignature, "issuer-signed JWT", err)
	}
	payload, _, err := processPayload(data, p.disclosures)
	if err != nil {
		return nil, err
	}
	f, err := readFacts(payload)
	if err != nil {
		return nil, err
	}
	if f.validUntil.IsZero() && f.status == nil && !v.AllowUnlimited {
		return nil, fail(ReasonUnlimited, "neither exp nor status")
	}
	if holder, ok := f.holder.(*ecdsa.PublicKey); ok && holder.Equal(signer) {
		return nil, fail(ReasonHolderKey, "the holder's key is the issuer's own")
	}
	return &opened{parts: p, payload: payload, facts: f, signer: signer}, nil
}

// namesIssuer reports whether the certificate names iss. Without iss the
// certificate's subject is the issuer.
func namesIssuer(leaf *x509.Certificate, iss string) bool {
	if iss == "" {
		return true
	}
	u, err := url.Parse(iss)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return false
	}
	names := slices.ContainsFunc(leaf.URIs, func(name *url.URL) bool { return name.String() == iss })
	return names || slices.Contains(leaf.DNSNames, u.Hostname())
}

func (c *opened) verified() *credentials.Verified {
	f := c.facts
	checks := append(slices.Clone(c.chain.Checks), credentials.Check{
		Name: "issuer_signature", Detail: "signed by the certified issuer",
	}, credentials.Check{
		Name: "disclosures", Detail: fmt.Sprintf("%d disclosures match signed digests", len(c.parts.disclosures)),
	}, credentials.Check{
		Name: "validity", Detail: "within exp, nbf and iat where present",
	})
	return &credentials.Verified{
		Format: credentials.FormatSDJWTVC, Type: f.vct, Claims: subjectClaims(c.payload), Issuer: f.issuer,
		Chain: c.chain.Certificates, SignedAt: f.signedAt, ValidFrom: f.validFrom, ValidUntil: f.validUntil,
		Status: f.status, Checks: checks,
	}
}
