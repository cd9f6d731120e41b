package holder_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/wallet/holder"
)

// publisher serves the issuer's status list. It counts the fetches.
type publisher struct {
	*world
	key     *keys.Key
	trusted []trust.Anchor
	mu      sync.Mutex
	bad     map[uint64]status.Value
	fetches int
	away    error
}

// publish gives the wallet a way to look up what it holds.
func publish(t *testing.T, w *world) *publisher {
	t.Helper()
	key, err := w.ca.IssueStatusSigner(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{world: w, key: key, bad: map[uint64]status.Value{}, trusted: []trust.Anchor{w.ca.Anchor()}}
	w.wallet.Status = p
	return p
}

// Check implements [holder.StatusChecker] as a new process would, without a cache.
func (p *publisher) Check(ctx context.Context, ref credentials.StatusRef) (status.Result, error) {
	checker := &status.Checker{Fetch: p.fetch, Now: p.wallet.Now, Policy: &trust.Policy{
		Anchors: p.trusted, Profile: trust.ProfileStatusSigner, Revocation: trust.NotChecked("test"), Now: p.wallet.Now,
	}}
	return checker.Check(ctx, ref)
}

func (p *publisher) fetch(_ context.Context, uri string, _ ...string) ([]byte, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fetches++; p.away != nil {
		return nil, "", p.away
	}
	list, err := status.NewList(10_000, 2)
	if err != nil {
		return nil, "", err
	}
	for index, value := range p.bad {
		if err := list.Set(index, value); err != nil {
			return nil, "", err
		}
	}
	now := p.wallet.Now()
	token, err := status.Sign(status.TokenOptions{URI: uri, IssuedAt: now, Expires: now.Add(time.Hour)}, list, p.key)
	return []byte(token), status.MediaType, err
}

// TestUpkeepStatus finds out what the issuer has withdrawn, says so once, and
// keeps it; what is presented says it too, and leads nobody to a list.
func TestUpkeepStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := publish(t, w)
	gone, stays := w.hold("sd")[0].Batch, w.hold("doc")[0].Batch
	revoked := func() map[string]bool {
		out := map[string]bool{}
		for _, h := range w.vault() {
			out[h.Batch] = out[h.Batch] || h.Revoked()
			if h.LastStatus == nil {
				t.Errorf("nothing is known of a copy of %s", h.Type)
			}
		}
		return out
	}
	if done, err := w.wallet.Upkeep(t.Context()); err != nil || len(done.Revoked) > 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if diff := cmp.Diff(map[string]bool{gone: false, stays: false}, revoked()); diff != "" {
		t.Fatal(diff)
	}
	// Both batches were issued with the same entries.
	w.draft = func(_ int, d *credentials.Draft) { d.Status.Index += 500 }
	later := w.hold("sd")[0].Batch
	p.bad = map[uint64]status.Value{1000: status.Invalid, 1001: status.Invalid, 1002: status.Suspended}
	for n, want := range []int{2, 0} {
		done, err := w.wallet.Upkeep(t.Context())
		if err != nil || len(done.Revoked) != want {
			t.Errorf("time %d: %+v, %v", n+1, done, err)
		}
	}
	if diff := cmp.Diff(map[string]bool{gone: true, stays: true, later: false}, revoked()); diff != "" {
		t.Error(diff)
	}

	before := p.fetches
	shown := func() (batch string, revoked bool) {
		_, err := w.ask(querySD).present(func(_ context.Context, ask holder.Ask) holder.Decision {
			batch, revoked = ask.Items[0].Credential.Batch, ask.Items[0].Credential.Revoked()
			return holder.Decision{}
		})
		if !errors.Is(err, holder.ErrDeclined) {
			t.Fatal(err)
		}
		return batch, revoked
	}
	if batch, revoked := shown(); batch != later || revoked {
		t.Errorf("%s is asked for, revoked %v", batch, revoked)
	}
	if err := w.wallet.Vault.Remove(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	if batch, revoked := shown(); batch != gone || !revoked {
		t.Errorf("%s is asked for, revoked %v", batch, revoked)
	}
	if p.fetches != before {
		t.Error("a presentation led to a fetch")
	}
}

// TestNegUpkeepStatus has lists that say nothing; the honest twin is
// TestUpkeepStatus.
func TestNegUpkeepStatus(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, p *publisher){
		"away": func(_ *testing.T, p *publisher) { p.away = errors.New("no route") },
		"signed by nobody": func(t *testing.T, p *publisher) {
			p.key = foreignSigner(t)
		},
		"of another authority": func(t *testing.T, p *publisher) {
			ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: time.Now().Add(-time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			if p.key, err = ca.IssueStatusSigner(trusttest.LeafOptions{}); err != nil {
				t.Fatal(err)
			}
			foreign := ca.Anchor()
			foreign.Jurisdiction = "ZZ"
			p.trusted = append(p.trusted, foreign)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := publish(t, w)
			w.hold("sd")
			p.bad[1000] = status.Invalid
			spoil(t, p)
			if done, err := w.wallet.Upkeep(t.Context()); err == nil || len(done.Revoked) > 0 {
				t.Errorf("%+v, %v", done, err)
			}
			for _, h := range w.vault() {
				if h.LastStatus != nil {
					t.Errorf("it counts as %v", h.LastStatus.Value)
				}
			}
		})
	}
}

// TestUpkeepRenews gets new copies when the issuer's policy says so, and no more.
func TestUpkeepRenews(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refreshToken = "the-refresh-token"
	one := 1
	w.editIssuer = func(m *openid4vci.IssuerMetadata) {
		m.Configurations["sd"].Metadata = &openid4vci.CredentialMetadata{ReusePolicy: &openid4vci.ReusePolicy{
			ID: openid4vci.ReusePolicyARF, Options: []openid4vci.ReuseOption{{Details: []string{"once_only"}, BatchSize: 3, Unused: &one}},
		}}
	}
	batch := w.hold("sd")[0].Batch
	for use, due := range []bool{false, false, true} {
		if use > 0 {
			if _, err := w.wallet.Vault.Pick(t.Context(), batch, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		done, err := w.wallet.Upkeep(t.Context())
		if err != nil || due != (len(done.Renewed) == 1) {
			t.Fatalf("after %d uses: %+v, %v", use, done, err)
		}
	}
	for _, h := range w.vault() {
		if h.Batch == batch || h.Uses > 0 {
			t.Errorf("the old copies are still there: %+v", h)
		}
	}
	// The consent ends, so that the wallet asks once and never again.
	w.refreshToken = "another"
	for _, h := range w.vault() {
		if _, err := w.wallet.Vault.Pick(t.Context(), h.Batch, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 2 {
		before := maps.Clone(w.asked)
		done, err := w.wallet.Upkeep(t.Context())
		if err != nil || len(done.Renewed) > 0 || (w.asked["/token"] > before["/token"]) != (n == 0) {
			t.Errorf("time %d: %+v, %v, asked %v after %v", n+1, done, err, w.asked, before)
		}
	}
}

// TestDue is about when copies are renewed.
func TestDue(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	two := 2
	refresh := &holder.Refresh{}
	long := &openid4vci.ReuseOption{LifetimeLeft: int64((20 * 24 * time.Hour).Seconds())}
	for name, tc := range map[string]struct {
		held           holder.Held
		copies, unused int
		after          time.Duration
		want           bool
	}{
		"fresh":                      {holder.Held{Refresh: refresh}, 3, 3, 0, false},
		"one left":                   {holder.Held{Refresh: refresh}, 3, 1, 0, false},
		"none left":                  {holder.Held{Refresh: refresh}, 3, 0, 0, true},
		"none left, not renewable":   {holder.Held{}, 3, 0, 0, false},
		"none left, revoked":         {holder.Held{Refresh: refresh, LastStatus: &holder.LastStatus{Value: status.Invalid}}, 3, 0, 0, false},
		"the only one":               {holder.Held{Refresh: refresh}, 1, 0, 0, false},
		"two left of two":            {holder.Held{Refresh: refresh, Reuse: &openid4vci.ReuseOption{Unused: &two}}, 2, 2, 0, false},
		"one left of two":            {holder.Held{Refresh: refresh, Reuse: &openid4vci.ReuseOption{Unused: &two}}, 2, 1, 0, true},
		"a quarter left":             {holder.Held{Refresh: refresh}, 3, 3, 15 * 24 * time.Hour, true},
		"more than a quarter":        {holder.Held{Refresh: refresh}, 3, 3, 15*24*time.Hour - time.Second, false},
		"as the issuer says":         {holder.Held{Refresh: refresh, Reuse: &openid4vci.ReuseOption{LifetimeLeft: 3600}}, 3, 3, 20*24*time.Hour - time.Hour, true},
		"before the issuer says":     {holder.Held{Refresh: refresh, Reuse: &openid4vci.ReuseOption{LifetimeLeft: 3600}}, 3, 3, 15 * 24 * time.Hour, false},
		"at once, says the issuer":   {holder.Held{Refresh: refresh, Reuse: long}, 3, 3, 0, false},
		"but not more often than so": {holder.Held{Refresh: refresh, Reuse: long}, 3, 3, 5 * 24 * time.Hour, true},
	} {
		tc.held.ReceivedAt, tc.held.ValidUntil = start, start.Add(20*24*time.Hour)
		b := holder.Batch{Held: &tc.held, Copies: tc.copies, Unused: tc.unused}
		if got := b.Due(start.Add(tc.after)); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
