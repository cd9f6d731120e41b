package trusttest

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
)

// Path is what a validator is asked about: a leaf, what came with it, whom to
// trust, and when.
type Path struct {
	Leaf          *x509.Certificate
	Intermediates []*x509.Certificate
	Anchors       []trust.Anchor
	Now           time.Time
}

// Verify asks package trust, without revocation.
func (p Path) Verify(ctx context.Context, profile trust.Profile) (*trust.Chain, error) {
	policy := &trust.Policy{
		Anchors: p.Anchors, Profile: profile, Now: func() time.Time { return p.Now },
		Revocation: trust.NotChecked("the paths of package trusttest have no revocation lists"),
	}
	return policy.Verify(ctx, p.Leaf, p.Intermediates)
}

// PathCase is a certificate path with one fault, and its honest twin: the same
// path, with fresh keys, but for the fault. A validator that refuses the one
// and accepts the other sees the fault.
type PathCase struct {
	// Name is unique and does not change. It begins with the group: K01 to K08
	// for CAs, extensions, usages, policies, validity, generations, keys and
	// signatures; K13 for size, K14 for anchors.
	Name string
	// Profile is that under which the case is meant. Other validators have to
	// be set up to the same effect.
	Profile trust.Profile
	// Reason is what package trust says of Faulty.
	Reason trust.Reason
	// Faulty must be refused, Honest accepted.
	Faulty, Honest Path
}

// PathCases makes every case, for a validator whose clock says now; fractions
// of a second are dropped, and the paths are judged half a second later, since
// validity counts whole seconds, both ends included. The certificates are made
// anew every time, which takes a second or two: some have RSA keys.
//
// The paths run from a root over an intermediate to a leaf, on P-256 but where
// the fault is about keys.
func PathCases(now time.Time) ([]PathCase, error) {
	now = now.UTC().Truncate(time.Second)
	var cases []PathCase
	for _, group := range []func(time.Time) ([]pathFault, error){
		authorityFaults, extensionFaults, usageFaults, policyFaults, validityFaults, generationFaults, keyFaults, bundleFaults, anchorFaults,
	} {
		faults, err := group(now)
		if err != nil {
			return nil, err
		}
		for _, f := range faults {
			c := PathCase{Name: f.name, Profile: f.profile, Reason: f.reason}
			if c.Profile.Name == "" {
				c.Profile = trust.ProfileSDJWTIssuer
			}
			if c.Faulty, err = f.faulty.build(now); err != nil {
				return nil, fmt.Errorf("trusttest: %s: %w", f.name, err)
			}
			if c.Honest, err = f.honest.build(now); err != nil {
				return nil, fmt.Errorf("trusttest: honest twin of %s: %w", f.name, err)
			}
			cases = append(cases, c)
		}
	}
	return cases, nil
}

// pathFault describes a case. profile is ProfileSDJWTIssuer by default.
type pathFault struct {
	name           string
	profile        trust.Profile
	reason         trust.Reason
	faulty, honest pathSpec
}

// edit changes a certificate before it is signed.
type edit = func(*x509.Certificate)

// pathSpec says how a path differs from the ordinary. Signers are of the kind
// that the fields say; nil is P-256.
type pathSpec struct {
	root, sub, leaf                   edit
	rootSigner, subSigner, leafSigner crypto.Signer
	// arrange changes the path in the end.
	arrange func(p *Path, root, sub *CA) error
}

func (s pathSpec) build(now time.Time) (Path, error) {
	start := now.AddDate(0, -1, 0)
	root, err := NewCA(CAOptions{Name: "Path Root", NotBefore: start, CRLURL: "-", Signer: s.rootSigner, Edit: s.root})
	if err != nil {
		return Path{}, err
	}
	sub, err := root.NewIntermediate(CAOptions{Name: "Path Intermediate", NotBefore: start, CRLURL: "-", Signer: s.subSigner, Edit: s.sub})
	if err != nil {
		return Path{}, err
	}
	key, err := sub.IssueSDJWTSigner(LeafOptions{NotBefore: start, Signer: s.leafSigner, Edit: s.leaf})
	if err != nil {
		return Path{}, err
	}
	p := Path{
		Leaf: key.Leaf(), Intermediates: []*x509.Certificate{sub.Certificate},
		Anchors: []trust.Anchor{root.Anchor()}, Now: now.Add(time.Second / 2),
	}
	if s.arrange != nil {
		err = s.arrange(&p, root, sub)
	}
	return p, err
}
