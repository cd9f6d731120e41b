package trust_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// presented parses a chain anew, as what comes with a credential is.
func presented(t *testing.T, chain []*x509.Certificate) []*x509.Certificate {
	t.Helper()
	out := make([]*x509.Certificate, len(chain))
	for i, c := range chain {
		var err error
		if out[i], err = x509.ParseCertificate(bytes.Clone(c.Raw)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// knows reports whether the policy remembers the path of a chain: it then
// answers with the certificates that it met first.
func knows(t *testing.T, p *trust.Policy, chain []*x509.Certificate) bool {
	t.Helper()
	again := presented(t, chain)
	found, err := p.Verify(t.Context(), again[0], again[1:])
	if err != nil {
		t.Fatal(err)
	}
	return found.Certificates[0] != again[0]
}

func TestKnownPaths(t *testing.T) {
	t.Parallel()
	root := newCA(t, trusttest.CAOptions{})
	key := signer(t, newIntermediate(t, root, trusttest.CAOptions{}).IssueSDJWTSigner, trusttest.LeafOptions{})
	p := policy(trust.ProfileSDJWTIssuer, start, root)
	p.Anchors[0].CertifiedSeal = true
	cold, err := p.Verify(t.Context(), key.Chain[0], key.Chain[1:])
	if err != nil {
		t.Fatal(err)
	}
	if knows(t, p, key.Chain) {
		t.Error("a path is remembered that nobody asked to remember")
	}
	p.Known = &trust.KnownPaths{}
	if knows(t, p, key.Chain) || !knows(t, p, key.Chain) {
		t.Error("the path is not remembered, or was before it was met")
	}
	again := presented(t, key.Chain)
	warm, err := p.Verify(t.Context(), again[0], again[1:])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cold, warm); diff != "" {
		t.Errorf("the remembered path says something else:\n%s", diff)
	}
	entity, ok := warm.LegalEntity()
	if coldEntity, coldOK := cold.LegalEntity(); !ok || !coldOK || entity != coldEntity || !entity.Certified {
		t.Errorf("legal entity %+v, %v", entity, ok)
	}
}

// TestNegKnownPathsCold holds that every faulty path is refused, with the same
// words, by a policy that remembers its honest twin, and that the twin is
// accepted again after it.
func TestNegKnownPathsCold(t *testing.T) {
	t.Parallel()
	cases, err := trusttest.PathCases(start.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range cases {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			now := tc.Honest.Now
			warm := &trust.Policy{
				Anchors: slices.Concat(tc.Honest.Anchors, tc.Faulty.Anchors), Profile: tc.Profile, Revocation: trust.NotChecked("test"),
				Now: func() time.Time { return now }, Known: &trust.KnownPaths{},
			}
			cold := *warm
			cold.Known = nil
			for _, path := range []trusttest.Path{tc.Honest, tc.Faulty, tc.Honest, tc.Faulty} {
				now = path.Now
				want, wantErr := cold.Verify(t.Context(), path.Leaf, path.Intermediates)
				got, err := warm.Verify(t.Context(), path.Leaf, path.Intermediates)
				if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
					t.Errorf("error %v, want %v\n%s", err, wantErr, diff)
				}
			}
		})
	}
}

// TestNegKnownPaths has what makes a remembered path bad, or another one.
func TestNegKnownPaths(t *testing.T) {
	t.Parallel()
	root, stranger := newCA(t, trusttest.CAOptions{}), newCA(t, trusttest.CAOptions{})
	sub := newIntermediate(t, root, trusttest.CAOptions{Lifetime: 100 * day})
	other := newIntermediate(t, root, trusttest.CAOptions{Lifetime: 100 * day})
	key := signer(t, sub.IssueSDJWTSigner, trusttest.LeafOptions{Lifetime: 50 * day})
	forged := bytes.Clone(key.Chain[0].Raw)
	forged[len(forged)-1] ^= 1
	spoilt, err := x509.ParseCertificate(forged)
	if err != nil {
		t.Fatal(err)
	}
	brief := signer(t, newIntermediate(t, root, trusttest.CAOptions{Lifetime: 10 * day}).IssueSDJWTSigner, trusttest.LeafOptions{
		Edit: func(c *x509.Certificate) { c.NotAfter = start.Add(20 * day) },
	})
	brief.Chain = brief.Chain[:2]
	later := func(d time.Duration) func(*trust.Policy, *time.Time) *trust.Policy {
		return func(p *trust.Policy, now *time.Time) *trust.Policy { *now = now.Add(d); return p }
	}
	for name, tt := range map[string]struct {
		met    time.Time           // when the path is met first, a day after start by default
		known  []*x509.Certificate // key.Chain by default
		change func(p *trust.Policy, now *time.Time) *trust.Policy
		chain  []*x509.Certificate // known by default
		want   trust.Reason
	}{
		"honest twin":                     {},
		"honest twin, a minute later":     {change: later(time.Minute)},
		"honest twin, in the last second": {met: key.Chain[0].NotAfter.Add(-time.Minute), change: later(time.Minute)},
		"signer has expired":              {met: key.Chain[0].NotAfter, change: later(time.Second), want: trust.ReasonExpired},
		"intermediate has expired":        {known: brief.Chain, met: brief.Chain[1].NotAfter, change: later(time.Second), want: trust.ReasonExpired},
		"honest twin of the intermediate": {known: brief.Chain, met: brief.Chain[1].NotAfter.Add(-time.Second), change: later(time.Second)},
		"clock goes forward":              {change: later(1000 * day), want: trust.ReasonExpired},
		"clock before the signer":         {met: key.Chain[0].NotBefore, change: later(-time.Second), want: trust.ReasonNotYetValid},
		"anchor removed": {change: func(p *trust.Policy, _ *time.Time) *trust.Policy {
			p.Anchors = []trust.Anchor{stranger.Anchor()}
			return p
		}, want: trust.ReasonUntrusted},
		"another policy without the anchor": {change: func(p *trust.Policy, _ *time.Time) *trust.Policy {
			q := *p
			q.Anchors = []trust.Anchor{stranger.Anchor()}
			return &q
		}, want: trust.ReasonUntrusted},
		"another policy of the same kind": {change: func(p *trust.Policy, _ *time.Time) *trust.Policy { q := *p; return &q }},
		"another profile": {change: func(p *trust.Policy, _ *time.Time) *trust.Policy {
			q := *p
			q.Profile = trust.ProfileMdocSigner
			return &q
		}, want: trust.ReasonPath},
		"no intermediate":      {chain: key.Chain[:1], want: trust.ReasonUntrusted},
		"another intermediate": {chain: []*x509.Certificate{key.Chain[0], other.Certificate}, want: trust.ReasonUntrusted},
		"one more intermediate": {
			chain: []*x509.Certificate{key.Chain[0], key.Chain[1], other.Certificate},
		},
		"leaf with another signature": {chain: []*x509.Certificate{spoilt, key.Chain[1]}, want: trust.ReasonUntrusted},
		"anchor presented":            {chain: append(slices.Clone(key.Chain), root.Certificate), want: trust.ReasonPath},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, known := tt.met, tt.known
			if now.IsZero() {
				now = start.Add(day)
			}
			if known == nil {
				known = key.Chain
			}
			p := policy(trust.ProfileSDJWTIssuer, now, root)
			p.Now, p.Known = func() time.Time { return now }, &trust.KnownPaths{}
			if knows(t, p, known) || !knows(t, p, known) {
				t.Fatal("the path is not remembered")
			}
			if tt.change != nil {
				p = tt.change(p, &now)
			}
			if tt.chain == nil {
				tt.chain = known
			}
			want(t, verify(p, presented(t, tt.chain)), tt.want)
		})
	}
}

// TestNegKnownPathRevoked revokes a signer, and then its CA, between two
// presentations.
func TestNegKnownPathRevoked(t *testing.T) {
	t.Parallel()
	root := newCA(t, trusttest.CAOptions{})
	sub := newIntermediate(t, root, trusttest.CAOptions{})
	key := signer(t, sub.IssueSDJWTSigner, trusttest.LeafOptions{})
	twin := signer(t, sub.IssueSDJWTSigner, trusttest.LeafOptions{})
	now := start.Add(day)
	checker := trust.NewCRLChecker(trust.CRLSourceFunc(func(_ context.Context, issuer *x509.Certificate, _ string) ([]byte, error) {
		for _, ca := range []*trusttest.CA{root, sub} {
			if issuer.Equal(ca.Certificate) {
				return ca.CRL(now, now.Add(time.Hour))
			}
		}
		return nil, context.DeadlineExceeded
	}), func() time.Time { return now })
	checker.RefreshAfter = time.Minute
	p := &trust.Policy{
		Anchors: []trust.Anchor{root.Anchor()}, Profile: trust.ProfileSDJWTIssuer, Revocation: checker,
		Now: func() time.Time { return now }, Known: &trust.KnownPaths{},
	}
	for _, k := range [][]*x509.Certificate{key.Chain, twin.Chain} {
		if knows(t, p, k) || !knows(t, p, k) {
			t.Fatal("the path is not remembered")
		}
	}
	sub.Revoke(key.Chain[0], now, 1)
	now = now.Add(time.Minute)
	want(t, verify(p, presented(t, key.Chain)), trust.ReasonRevoked)
	want(t, verify(p, presented(t, twin.Chain)), "")
	root.Revoke(sub.Certificate, now, 2)
	now = now.Add(time.Minute)
	want(t, verify(p, presented(t, twin.Chain)), trust.ReasonRevoked)
}

// TestKnownPathsEnd holds that a path is looked for again after a while, and
// when the clock goes back.
func TestKnownPathsEnd(t *testing.T) {
	t.Parallel()
	root := newCA(t, trusttest.CAOptions{})
	key := signer(t, root.IssueSDJWTSigner, trusttest.LeafOptions{})
	now := start.Add(day)
	p := policy(trust.ProfileSDJWTIssuer, now, root)
	p.Now, p.Known = func() time.Time { return now }, &trust.KnownPaths{}
	for _, step := range []struct {
		after time.Duration
		known bool
	}{{0, false}, {9 * time.Minute, true}, {time.Minute, false}, {-time.Minute, false}, {0, true}} {
		now = now.Add(step.after)
		if knows(t, p, key.Chain) != step.known {
			t.Errorf("%v later: known is %v", step.after, !step.known)
		}
	}
}

// TestKnownPathsAreBounded meets many signers: what is remembered does not grow
// without end, and everything is accepted as before.
func TestKnownPathsAreBounded(t *testing.T) {
	t.Parallel()
	root := newCA(t, trusttest.CAOptions{})
	p := policy(trust.ProfileSDJWTIssuer, start, root)
	p.Known = &trust.KnownPaths{}
	var chains [][]*x509.Certificate
	for range 257 {
		chains = append(chains, signer(t, root.IssueSDJWTSigner, trusttest.LeafOptions{}).Chain)
		want(t, verify(p, chains[len(chains)-1]), "")
	}
	if knows(t, p, chains[0]) || !knows(t, p, chains[256]) {
		t.Error("the first of 257 is still known, or the last is not")
	}
}
