package trust

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
)

// Policy decides which certificates are accepted for one purpose. All fields
// but Known are mandatory. A policy is read-only once in use and then safe for
// concurrent use; to change anchors, use another policy.
type Policy struct {
	Anchors []Anchor
	Profile Profile
	// Revocation is a [*CRLChecker], [*OCSPChecker], [CheckedBy] or [NotChecked].
	Revocation Revocation
	// Now returns the time at which validity is judged.
	Now func() time.Time
	// Known remembers paths, if it is there.
	Known *KnownPaths
}

// Revocation is a stance on revocation: [NotChecked], [CheckedBy], a
// [*CRLChecker] or an [*OCSPChecker].
type Revocation interface {
	// check judges every certificate of the chain but the anchor, which is
	// last.
	check(ctx context.Context, chain []*x509.Certificate) (credentials.Check, error)
	// configured returns nil if the stance is complete.
	configured() error
}

// Validate reports what is missing or contradictory in the policy, as an
// [*Error] with [ReasonConfiguration]. Verify calls it.
func (p *Policy) Validate() error {
	switch {
	case p.Profile.Name == "":
		return fail(ReasonConfiguration, "no profile")
	case p.Now == nil:
		return fail(ReasonConfiguration, "no clock")
	case p.Revocation == nil:
		return fail(ReasonConfiguration, "no stance on revocation")
	case len(p.Anchors) == 0:
		return fail(ReasonConfiguration, "no trust anchors")
	}
	if err := p.Revocation.configured(); err != nil {
		return &Error{Reason: ReasonConfiguration, Detail: "revocation", Err: err}
	}
	for i, a := range p.Anchors {
		if a.Certificate == nil {
			return fail(ReasonConfiguration, "anchor %d has no certificate", i)
		}
		// Two entries for one certificate would leave open whose limits count.
		for j := range i {
			if a.Certificate.Equal(p.Anchors[j].Certificate) {
				return fail(ReasonConfiguration, "anchors %d and %d are the same certificate", j, i)
			}
		}
	}
	return nil
}

// Verify checks that leaf is acceptable under the policy now, with a path over
// the given intermediates (in any order, unused ones are ignored) to one of
// the anchors. Errors are [*Error], or the context's error.
//
// The caller still has to ask [Anchor.Allows] whether the anchor may vouch for
// what the leaf signed.
func (p *Policy) Verify(ctx context.Context, leaf *x509.Certificate, intermediates []*x509.Certificate) (*Chain, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	// Validity is counted in whole seconds, both ends included (RFC 5280
	// section 4.1.2.5).
	now := p.Now().Truncate(time.Second)
	if certs := p.Known.find(p, leaf, intermediates, now); certs != nil {
		return p.accept(ctx, certs)
	}
	if err := p.screen(leaf, intermediates, now); err != nil {
		return nil, err
	}
	candidates, err := p.build(leaf, intermediates, now)
	if err != nil {
		return nil, err
	}
	var first error
	for _, certs := range candidates {
		if err := p.Profile.checkChain(certs, now); err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		chain, err := p.accept(ctx, certs)
		if err == nil {
			p.Known.keep(p, intermediates, candidates, now)
		}
		return chain, err
	}
	return nil, first
}

// accept asks for revocation of a path that is otherwise good.
func (p *Policy) accept(ctx context.Context, certs []*x509.Certificate) (*Chain, error) {
	revocation, err := p.Revocation.check(ctx, certs)
	if err != nil {
		return nil, err
	}
	chain := &Chain{Certificates: certs}
	for _, a := range p.Anchors {
		if a.Certificate.Equal(certs[len(certs)-1]) {
			chain.Anchor = a
		}
	}
	chain.Checks = []credentials.Check{
		{Name: "certificate_path", Detail: fmt.Sprintf("%d certificates, from the signer to a trust anchor", len(certs))},
		{Name: "certificate_profile", Detail: p.Profile.Name},
		revocation,
	}
	return chain, nil
}

// screen applies what can be said before any signature is checked.
func (p *Policy) screen(leaf *x509.Certificate, intermediates []*x509.Certificate, now time.Time) error {
	if leaf == nil {
		return fail(ReasonUntrusted, "no certificate")
	}
	if len(intermediates) > maxIntermediates {
		return fail(ReasonPath, "more than %d intermediate certificates", maxIntermediates)
	}
	if len(leaf.Raw) == 0 || len(leaf.Raw) > maxCertificateSize {
		return fail(ReasonPath, "certificate is larger than %d bytes or was not parsed", maxCertificateSize)
	}
	for _, c := range intermediates {
		if c == nil || len(c.Raw) > maxCertificateSize {
			return fail(ReasonPath, "intermediate certificate is missing or larger than %d bytes", maxCertificateSize)
		}
	}
	// Certificates from outside are used to check signatures while the path is
	// being looked for; the standard library takes RSA moduli of any length,
	// and one check with 100,000 bits keeps a processor busy for most of a second.
	for _, c := range append([]*x509.Certificate{leaf}, intermediates...) {
		if err := p.Profile.checkKey(c); err != nil {
			return err
		}
	}
	for _, a := range p.Anchors {
		if bytes.Equal(a.Certificate.RawSubjectPublicKeyInfo, leaf.RawSubjectPublicKeyInfo) {
			return fail(ReasonPath, "the signer's key is that of a trust anchor")
		}
		for _, c := range intermediates {
			if !p.Profile.AllowAnchorInChain && a.Certificate.Equal(c) {
				return fail(ReasonPath, "the trust anchor is among the certificates presented")
			}
		}
	}
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) && leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil {
		return fail(ReasonPath, "the signer's certificate is self-signed")
	}
	return checkValidity(leaf, now, "the signer's certificate")
}

// build lets the standard library find the paths.
//
// It is shown copies of the certificates without what it would refuse although
// RFC 5280 allows it: constraints on directory names, and path lengths exceeded
// by self-issued certificates only. Both are checked here, on the originals.
func (p *Policy) build(leaf *x509.Certificate, intermediates []*x509.Certificate, now time.Time) ([][]*x509.Certificate, error) {
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		// Usages are ours to check: the library knows only its own.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	originals := map[*x509.Certificate]*x509.Certificate{}
	relaxed := func(c *x509.Certificate) *x509.Certificate {
		r := *c
		r.MaxPathLen, r.MaxPathLenZero = -1, false
		r.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions), isNameConstraints)
		originals[&r] = c
		return &r
	}
	for _, a := range p.Anchors {
		options.Roots.AddCert(relaxed(a.Certificate))
	}
	if !p.Profile.Direct { // whose path has none: nobody should make us try them
		for _, c := range intermediates {
			options.Intermediates.AddCert(relaxed(c))
		}
	}
	candidates, err := relaxed(leaf).Verify(options)
	if err == nil {
		for _, path := range candidates {
			for i, c := range path {
				path[i] = originals[c]
			}
		}
		return candidates, nil
	}
	// The library's texts quote names, so only their kind is kept.
	var invalid x509.CertificateInvalidError
	if errors.As(err, &x509.UnhandledCriticalExtension{}) {
		return nil, fail(ReasonCriticalExtension, "a critical extension is not understood")
	}
	if !errors.As(err, &invalid) {
		return nil, p.diagnose(leaf, intermediates, now)
	}
	switch invalid.Reason {
	case x509.Expired:
		if err := checkValidity(invalid.Cert, now, "a certificate of the path"); err != nil {
			return nil, err
		}
		return nil, fail(ReasonExpired, "a certificate of the path")
	case x509.NotAuthorizedToSign:
		return nil, fail(ReasonPath, "a certificate of the path was not issued by a CA")
	case x509.CANotAuthorizedForThisName:
		return nil, fail(ReasonNames, "the names of the path violate the name constraints of a CA")
	}
	return nil, fail(ReasonPolicy, "the path is valid for no certificate policy")
}

// diagnose says why there is no path: the standard library only says that there
// is none. It follows the signatures from the leaf upwards, one issuer at a
// time, and returns what is wrong with the first issuer that may not be one.
func (p *Policy) diagnose(leaf *x509.Certificate, intermediates []*x509.Certificate, now time.Time) error {
	nobody := fail(ReasonUntrusted, "no path to a trust anchor")
	candidates := intermediates
	for _, a := range p.Anchors {
		candidates = append(candidates[:len(candidates):len(candidates)], a.Certificate)
	}
	below := []*x509.Certificate{}
	for checks, c := 0, leaf; ; {
		if slices.Contains(candidates[len(intermediates):], c) {
			if p.Profile.Direct {
				return fail(ReasonPath, "the signer must be certified by the trust anchor itself")
			}
			return nobody // what is wrong is not with an issuer
		}
		if err := p.Profile.checkAlgorithm(c); err != nil {
			return err
		}
		var issuer *x509.Certificate
		for _, candidate := range candidates {
			if !bytes.Equal(candidate.RawSubject, c.RawIssuer) || slices.Contains(below, candidate) {
				continue
			}
			if checks++; checks > maxIntermediates+len(p.Anchors) {
				return nobody
			}
			if candidate.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil {
				issuer = candidate
				break
			}
		}
		if issuer == nil {
			return nobody
		}
		if err := p.Profile.checkAny(issuer, now); err != nil {
			return err
		}
		if err := p.Profile.checkCA(issuer, below); err != nil {
			return err
		}
		below = append(below, issuer)
		c = issuer
	}
}

func checkValidity(cert *x509.Certificate, now time.Time, what string) error {
	if now.Before(cert.NotBefore) {
		return fail(ReasonNotYetValid, "%s is not valid yet", what)
	}
	if now.After(cert.NotAfter) {
		return fail(ReasonExpired, "%s has expired", what)
	}
	return nil
}

// NotChecked is the stance that revocation is not looked at, and why. The
// reason is mandatory and appears in Chain.Checks.
func NotChecked(reason string) Revocation { return notChecked(reason) }

type notChecked string

func (n notChecked) check(context.Context, []*x509.Certificate) (credentials.Check, error) {
	return credentials.Check{Name: "certificate_revocation", Detail: "not checked: " + string(n), Skipped: true}, nil
}

func (n notChecked) configured() error {
	if n == "" {
		return errors.New("a reason is needed not to check it")
	}
	return nil
}
