package issuer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/records"
)

// The lists of the provider that tests play.
const (
	walletList = "https://provider.example/status-lists/wallets"
	keysList   = "https://provider.example/status-lists/keys"
)

// walletProvider publishes status lists.
type walletProvider struct {
	mu      sync.Mutex
	signer  *keys.Key
	now     func() time.Time
	invalid map[string]map[uint64]status.Value
	fetched map[string]int
	size    uint64 // of the lists, 1024 at least
	// publish, if set, takes the place of an honest publication.
	publish func(o status.TokenOptions, list *status.List) (string, error)
}

func (p *walletProvider) set(uri string, index uint64, value status.Value) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.invalid[uri][index] = value
}

func (p *walletProvider) fetch(_ context.Context, uri string, _ ...string) ([]byte, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetched[uri]++
	list, err := status.NewList(int(max(p.size, 1024)), 2)
	if err != nil {
		return nil, "", err
	}
	for index, value := range p.invalid[uri] {
		if err := list.Set(index, value); err != nil {
			return nil, "", err
		}
	}
	publish := p.publish
	if publish == nil {
		publish = func(o status.TokenOptions, list *status.List) (string, error) { return status.Sign(o, list, p.signer) }
	}
	now := p.now()
	token, err := publish(status.TokenOptions{URI: uri, IssuedAt: now, Expires: now.Add(12 * time.Hour), TTL: 5 * time.Minute}, list)
	return []byte(token), status.MediaType, err
}

// newAttested returns an issuer that trusts a wallet provider.
func newAttested(t testing.TB, db *database.DB) (*importer, *walletProvider) {
	t.Helper()
	w := newImporter(t, db, importCA(t).Certificate)
	ca := importCA(t)
	p := &walletProvider{
		now: w.cfg.Now, fetched: map[string]int{},
		invalid: map[string]map[uint64]status.Value{walletList: {}, keysList: {}},
	}
	var err error
	if p.signer, err = ca.IssueStatusSigner(trusttest.LeafOptions{NotBefore: importStart.AddDate(0, 0, -1)}); err != nil {
		t.Fatal(err)
	}
	w.trust(p, ca.Anchor())
	return w, p
}

// trust has the issuer ask the provider, with a memory of its own.
func (w *importer) trust(p *walletProvider, anchor trust.Anchor) {
	w.cfg.KeyAttesters = &KeyAttesters{Status: &status.Checker{
		Now: w.cfg.Now, Fetch: p.fetch,
		Policy: &trust.Policy{
			Anchors: []trust.Anchor{anchor}, Profile: trust.ProfileStatusSigner, Now: w.cfg.Now, Revocation: trust.NotChecked("a test"),
		},
	}}
}

// giveTo issues a batch to a wallet instance and keys with these entries, of a
// type with a rule.
func (w *importer) giveTo(ctx context.Context, tenant, credentialType string, rule CascadeRule, instance, attestedKeys uint64, n int) ([]records.Issued, error) {
	attested, err := w.attested(&Configuration{Cascade: rule},
		&oauth.Access{Statuses: []credentials.StatusRef{{URI: walletList, Index: instance}}}, []credentials.StatusRef{{URI: keysList, Index: attestedKeys}})
	if err != nil {
		return nil, err
	}
	err = w.cfg.Records.StartGrant(ctx, tenant, records.Grant{
		ID: "g", EvidenceKind: "back-office", Expires: w.now.Add(48 * time.Hour), Limits: map[string]int{"c": 1 << 30},
	})
	if err != nil && !errors.Is(err, records.ErrGrantExists) {
		return nil, err
	}
	return w.cfg.Records.AllocateCredentials(ctx, tenant, records.Allocation{
		GrantID: "g", ConfigID: "c", Type: credentialType, Format: "dc+sd-jwt", Count: n, Attestations: attested,
		IssuedAt: w.now, ValidUntil: w.now.Add(48 * time.Hour),
	})
}

func (w *importer) give(t testing.TB, instance, attestedKeys uint64, n int) []records.Issued {
	t.Helper()
	issued, err := w.giveTo(t.Context(), importTenant, importType, CascadeRule{}, instance, attestedKeys, n)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func (w *importer) rechecks(t testing.TB, want int) {
	t.Helper()
	if n, err := w.Recheck(t.Context()); err != nil || n != want {
		t.Errorf("%d credentials fell, want %d; %v", n, want, err)
	}
}

func (w *importer) fell(t testing.TB, want bool, list ...records.Issued) {
	t.Helper()
	for _, c := range list {
		if fell := w.count(t, isRevoked, c.ID) == 1; fell != want {
			t.Errorf("fell %t", fell)
		}
	}
}

// EU-PP-12, EU-PP-22: what was given to a wallet instance falls when the instance
// is revoked later, or the keys are, and what others have stands.
func TestRevokedWallet(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w, p := newAttested(t, db)
		gone, again, lost, stays := w.give(t, 1, 1, 3), w.give(t, 1, 2, 2), w.give(t, 2, 3, 2), w.give(t, 3, 4, 2)
		w.rechecks(t, 0)
		if len(p.fetched) != 0 {
			t.Errorf("looked up before it is due: %v", p.fetched)
		}
		w.now = w.now.Add(time.Hour)
		w.rechecks(t, 0)
		w.rechecks(t, 0) // nothing is due
		if p.fetched[walletList] != 1 || p.fetched[keysList] != 1 {
			t.Errorf("fetched %v, want each list once", p.fetched)
		}
		p.set(walletList, 1, status.Invalid)
		p.set(keysList, 3, status.Invalid)
		w.now = w.now.Add(time.Hour)
		w.rechecks(t, 7)
		w.fell(t, true, append(append(gone, again...), lost...)...)
		w.fell(t, false, stays...)
		if n := w.count(t, `SELECT COUNT(*) FROM issued_credentials WHERE revoke_reason = 'wallet_revoked'`); n != 5 {
			t.Errorf("%d have the reason", n)
		}
		if n := w.count(t, `SELECT COUNT(*) FROM audit_events WHERE kind = 'credential.revoked' AND outcome = 'attestation'`); n != 7 {
			t.Errorf("%d events", n)
		}
		// What is left of them, and of those who never come back, goes.
		if n := w.count(t, `SELECT COUNT(*) FROM accepted_attestations WHERE revoked_at > 0`); n != 0 {
			t.Errorf("%d revoked attestations are kept", n)
		}
		w.now = w.now.Add(48 * time.Hour)
		if n, err := w.cfg.Records.ForgetAttestations(t.Context(), importTenant); err != nil || n == 0 {
			t.Errorf("%d, %v", n, err)
		}
		for _, table := range []string{"attested_batches", "accepted_attestations", "attestation_lists"} {
			if n := w.count(t, `SELECT COUNT(*) FROM `+table); n != 0 {
				t.Errorf("%d rows of %s are kept", n, table)
			}
		}
	})
}

// What the database has of a wallet instance is a pseudonym, which is another at
// each issuer.
func TestAttestationsAreSealed(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w, _ := newAttested(t, db)
		w.give(t, 77, 78, 1)
		elsewhere, _ := newAttested(t, db)
		elsewhere.pseudonymKey = bytes.Repeat([]byte{8}, 32)
		if _, err := elsewhere.giveTo(t.Context(), "other", importType, CascadeRule{}, 77, 78, 1); err != nil {
			t.Fatal(err)
		}
		if n := w.count(t, `SELECT COUNT(*) FROM accepted_attestations a JOIN accepted_attestations b
			ON a.pseudonym = b.pseudonym OR a.list_id = b.list_id WHERE a.tenant <> b.tenant`); n != 0 {
			t.Errorf("%d attestations are known to two issuers by one name", n)
		}
		page, err := w.cfg.Records.Attestations(t.Context(), importTenant, w.pseudonym("tegata attestation list v1\x00", walletList), "", 10)
		if err != nil || len(page) != 1 || bytes.Contains(page[0].SealedIndex, []byte("77")) {
			t.Fatalf("%+v, %v", page, err)
		}
		var index uint64
		if err := w.sealer.Open(importTenant, page[0].Pseudonym, page[0].SealedIndex, &index); err != nil || index != 77 {
			t.Errorf("%d, %v", index, err)
		}
		if err := w.sealer.Open("other", page[0].Pseudonym, page[0].SealedIndex, &index); err == nil {
			t.Error("it opens for another tenant")
		}
	})
}

// Undetermined is not revoked: a list that can't be had, or that is not the
// provider's word, ends nothing, and is told.
func TestNegAttestationLists(t *testing.T) {
	t.Parallel()
	stranger, err := importCA(t).IssueStatusSigner(trusttest.LeafOptions{NotBefore: importStart.AddDate(0, 0, -1)})
	if err != nil {
		t.Fatal(err)
	}
	for name, publish := range map[string]func(p *walletProvider, o status.TokenOptions, list *status.List) (string, error){
		"unreachable": func(*walletProvider, status.TokenOptions, *status.List) (string, error) {
			return "", errors.New("away")
		},
		"forged": func(_ *walletProvider, o status.TokenOptions, list *status.List) (string, error) {
			return status.Sign(o, list, stranger)
		},
		"of another list": func(p *walletProvider, o status.TokenOptions, list *status.List) (string, error) {
			o.URI += "/other"
			return status.Sign(o, list, p.signer)
		},
		"expired": func(p *walletProvider, o status.TokenOptions, list *status.List) (string, error) {
			o.IssuedAt, o.Expires = o.IssuedAt.Add(-2*time.Hour), o.IssuedAt.Add(-time.Hour)
			return status.Sign(o, list, p.signer)
		},
		"changed": func(p *walletProvider, o status.TokenOptions, list *status.List) (string, error) {
			token, err := status.Sign(o, list, p.signer)
			return strings.Replace(token, ".", ".e", 1), err
		},
		"too short": func(p *walletProvider, o status.TokenOptions, _ *status.List) (string, error) {
			short, err := status.NewList(4, 2)
			if err != nil {
				return "", err
			}
			return status.Sign(o, short, p.signer)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databasetest.Each(t, func(t *testing.T, db *database.DB) {
				w, p := newAttested(t, db)
				w.cfg.Metrics = NewMetrics(prometheus.NewRegistry())
				c := w.give(t, 500, 501, 2)
				p.set(walletList, 500, status.Invalid)
				p.publish = func(o status.TokenOptions, list *status.List) (string, error) { return publish(p, o, list) }
				w.now = w.now.Add(3 * time.Hour)
				if n, err := w.Recheck(t.Context()); err == nil || n != 0 {
					t.Errorf("%d fell, %v", n, err)
				}
				w.fell(t, false, c...)
				w.now = w.now.Add(w.retryInterval())
				recheckAndMeasure(t.Context(), w.Issuer, w.attestationLists())
				if n := testutil.ToFloat64(w.cfg.Metrics.failures.WithLabelValues(importTenant, "attestation")); n != 1 {
					t.Errorf("%v failures", n)
				}
				if age := testutil.ToFloat64(w.cfg.Metrics.age.WithLabelValues(importTenant, "attestation")); age != (3*time.Hour + w.retryInterval()).Seconds() {
					t.Errorf("age %v", age)
				}
				// The honest twin: the provider is back.
				p.mu.Lock()
				p.publish = nil
				p.mu.Unlock()
				w.now = w.now.Add(w.retryInterval())
				w.rechecks(t, 2)
				w.fell(t, true, c...)
				recheckAndMeasure(t.Context(), w.Issuer, w.attestationLists())
				if age := testutil.ToFloat64(w.cfg.Metrics.age.WithLabelValues(importTenant, "attestation")); age != 0 {
					t.Errorf("age %v", age)
				}
			})
		})
	}
}

// A suspended instance may come back: nothing falls, and nothing is wrong.
func TestSuspendedWallet(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w, p := newAttested(t, db)
		c := w.give(t, 1, 1, 1)
		p.set(walletList, 1, status.Suspended)
		w.now = w.now.Add(time.Hour)
		w.rechecks(t, 0)
		w.fell(t, false, c...)
	})
}

// An old list that is still good tells of revocations, but not that there are no
// others.
func TestStaleAttestationList(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w, p := newAttested(t, db)
		w.cfg.RecheckInterval = 10 * time.Minute
		gone, stays := w.give(t, 1, 1, 1), w.give(t, 2, 2, 1)
		w.now = w.now.Add(10 * time.Minute)
		p.set(walletList, 1, status.Invalid)
		// Somebody else has read it, and then the provider is away.
		if _, err := w.cfg.KeyAttesters.Status.Check(t.Context(), credentials.StatusRef{URI: walletList, Index: 1}); err != nil {
			t.Fatal(err)
		}
		p.publish = func(status.TokenOptions, *status.List) (string, error) { return "", errors.New("away") }
		w.now = w.now.Add(10 * time.Minute)
		if n, err := w.Recheck(t.Context()); n != 1 || !errors.Is(err, errStaleList) {
			t.Errorf("%d, %v", n, err)
		}
		w.fell(t, true, gone...)
		w.fell(t, false, stays...)
	})
}

// Types that stand for a reason stand, and of them nothing is kept.
func TestCascadeRulesOfWallets(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w, p := newAttested(t, db)
		rules := map[string]CascadeRule{
			"urn:falls": {}, "urn:stands:wallet": {Stand: []string{reasonWallet}}, "urn:stands:keys": {Stand: []string{reasonKeys}},
			"urn:stands": {Stand: []string{reasonWallet, reasonKeys}}, "urn:none": {None: true},
		}
		w.cfg.Records.Cascade = func(credentialType, reason string) bool { return rules[credentialType].falls(reason) }
		issued := map[string][]records.Issued{}
		for name, rule := range rules {
			for _, entries := range [][2]uint64{{1, 1}, {2, 2}} { // the wallet of the first is revoked, the keys of the second
				c, err := w.giveTo(t.Context(), importTenant, name, rule, entries[0], entries[1], 1)
				if err != nil {
					t.Fatal(err)
				}
				issued[name] = append(issued[name], c...)
			}
		}
		if n := w.count(t, `SELECT COUNT(*) FROM attested_batches`); n != 8 {
			t.Errorf("%d references are kept", n)
		}
		p.set(walletList, 1, status.Invalid)
		p.set(keysList, 2, status.Invalid)
		w.now = w.now.Add(time.Hour)
		w.rechecks(t, 4)
		for name, fall := range map[string][2]bool{
			"urn:falls": {true, true}, "urn:stands:wallet": {false, true}, "urn:stands:keys": {true, false}, "urn:stands": {}, "urn:none": {},
		} {
			for n := range 2 {
				if fell := w.count(t, isRevoked, issued[name][n].ID) == 1; fell != fall[n] {
					t.Errorf("%s %d: fell %t", name, n, fell)
				}
			}
		}
	})
}

// One entry may stand for all wallets of a kind: what rests on it falls in pieces.
// Two processes do it at once, and each credential falls once.
func TestSharedAttestation(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w, p := newAttested(t, db)
		const batches = 230
		for n := range uint64(batches) {
			w.give(t, 1+n, 900, 2)
		}
		if n := w.count(t, `SELECT COUNT(*) FROM accepted_attestations`); n != batches+1 {
			t.Errorf("%d attestations", n)
		}
		p.set(keysList, 900, status.Invalid)
		w.now = w.now.Add(time.Hour)
		var group sync.WaitGroup
		var mu sync.Mutex
		fell := 0
		for range 2 {
			group.Go(func() {
				n, err := w.Recheck(t.Context())
				mu.Lock()
				defer mu.Unlock()
				if fell += n; err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if fell != 2*batches || w.count(t, `SELECT COUNT(*) FROM audit_events`) != fell {
			t.Errorf("%d fell", fell)
		}
		if _, err := w.giveTo(t.Context(), importTenant, importType, CascadeRule{}, 1, 900, 1); err != nil {
			// Its row is gone: at issuing the status itself says no.
			t.Error(err)
		}
	})
}

// Whoever comes while an attestation is about to fall gets nothing.
func TestNegIssueOnRevokedAttestation(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w, _ := newAttested(t, db)
		w.give(t, 1, 1, 1)
		a, err := w.accepted(reasonWallet, credentials.StatusRef{URI: walletList, Index: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.cfg.Records.RevokeByAttestations(t.Context(), importTenant, []string{a.Pseudonym, "unknown"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.giveTo(t.Context(), importTenant, importType, CascadeRule{}, 1, 2, 1); !errors.Is(err, records.ErrEvidenceRevoked) {
			t.Errorf("got %v", err)
		}
		if _, err := w.giveTo(t.Context(), "other", importType, CascadeRule{}, 1, 2, 1); err != nil {
			t.Errorf("another tenant: %v", err)
		}
		w.give(t, 2, 2, 1) // and so does another wallet
		// What a process has left that was killed falls with the next look.
		w.now = w.now.Add(time.Hour)
		w.rechecks(t, 1)
		if n := w.count(t, `SELECT COUNT(*) FROM issued_credentials WHERE tenant = 'other' AND revoked_at > 0`); n != 0 {
			t.Errorf("%d credentials of another tenant fell", n)
		}
	})
}

// killAttested is how many wallets there are; every second is revoked.
const killAttested = 700

// attestedInTurn returns an issuer whose provider has revoked every second wallet.
func attestedInTurn(t testing.TB, db *database.DB) *importer {
	t.Helper()
	w, p := newAttested(t, db)
	for n := uint64(0); n < killAttested; n += 2 {
		p.set(walletList, n, status.Invalid)
	}
	return w
}

// killRecheck looks attestations up in the process that is killed.
func killRecheck(t *testing.T, s killSettings) {
	db, err := database.Open(t.Context(), s.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := attestedInTurn(t, db)
	w.now = w.now.Add(time.Hour)
	w.cfg.Records.Revoked = func(_, _ string, n int) { fmt.Printf("\nrevoked %d\n", n) }
	if _, err := w.Recheck(t.Context()); err != nil {
		t.Error(err)
	}
	fmt.Print("\nfinished\n")
}

// TestAttestationKill kills the look at attestations between and within its
// transactions: whoever comes next goes on, and each credential falls once.
func TestAttestationKill(t *testing.T) {
	t.Parallel()
	databasetest.EachConfig(t, func(t *testing.T, c database.Config) {
		w := attestedInTurn(t, databasetest.Open(t, c))
		var group sync.WaitGroup
		for part := range uint64(20) {
			group.Go(func() {
				for n := part; n < killAttested; n += 20 {
					if _, err := w.giveTo(context.Background(), importTenant, importType, CascadeRule{}, n, n, 2); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		kills, left := 0, killAttested
		for round := range 3 {
			_, killed := runAndKill(t, killSettings{Database: c, Attestations: true}, 1, time.Duration(round)*700*time.Microsecond)
			if killed {
				kills++
			}
			n := w.count(t, `SELECT COUNT(*) FROM issued_credentials WHERE revoked_at = 0`)
			if n > 2*left {
				t.Errorf("%d credentials stand, more than before", n)
			}
			left = n
		}
		if kills == 0 {
			t.Error("no process was killed before it had finished")
		}
		if lines, killed := runAndKill(t, killSettings{Database: c, Attestations: true}, 1<<30, 0); killed {
			t.Errorf("the last process did not finish: %q", lines)
		}
		for what, query := range map[string]string{
			"fell":        `SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0`,
			"events":      `SELECT COUNT(*) FROM audit_events`,
			"entries":     `SELECT COUNT(*) FROM status_entries WHERE invalid_at > 0`,
			"of the list": `SELECT SUM(version) FROM status_lists`,
		} {
			if n := w.count(t, query); n != killAttested {
				t.Errorf("%s: %d, want %d", what, n, killAttested)
			}
		}
		if n := w.count(t, `SELECT COUNT(*) FROM accepted_attestations WHERE revoked_at > 0`); n != 0 {
			t.Errorf("%d have not fallen", n)
		}
		t.Logf("%d kills", kills)
	})
}

// BenchmarkRecheckWallets looks at the status of as many wallets as
// TEGATA_CASCADE_ENTRIES says, first when nothing has happened and then when one
// in ten was revoked.
func BenchmarkRecheckWallets(b *testing.B) {
	wallets := uint64(1000)
	if text := os.Getenv(entriesVariable); text != "" {
		var err error
		if wallets, err = strconv.ParseUint(text, 10, 64); err != nil {
			b.Fatal(err)
		}
	}
	databasetest.EachBenchmark(b, func(b *testing.B, c database.Config) {
		w, p := newAttested(b, databasetest.Open(b, c))
		p.size = wallets
		var group sync.WaitGroup
		for part := range uint64(50) {
			group.Go(func() {
				for n := part; n < wallets; n += 50 {
					if _, err := w.giveTo(context.Background(), importTenant, importType, CascadeRule{}, n, n, 1); err != nil {
						b.Error(err)
					}
				}
			})
		}
		group.Wait()
		look := func() (revoked int, took time.Duration) {
			w.now = w.now.Add(time.Hour)
			began := time.Now()
			revoked, err := w.Recheck(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			return revoked, time.Since(began)
		}
		for b.Loop() {
			if n, _ := look(); n != 0 {
				b.Fatal(n)
			}
		}
		b.ReportMetric(float64(2*wallets)*float64(b.N)/b.Elapsed().Seconds(), "attestations/s")
		for n := uint64(0); n < wallets; n += 10 {
			p.set(walletList, n, status.Invalid)
		}
		revoked, took := look()
		b.ReportMetric(float64(revoked)/took.Seconds(), "revocations/s")
	})
}

// Wallet providers may be taken out of the configuration while tokens and
// credentials of their wallets are out.
func TestNoProviderAnyMore(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w, _ := newAttested(t, db)
		c := w.give(t, 1, 1, 1)
		access := &oauth.Access{Statuses: []credentials.StatusRef{{URI: walletList, Index: 1}}}
		if err := w.stillAWallet(t.Context(), access); err != nil {
			t.Errorf("honest twin: %v", err)
		}
		w.cfg.KeyAttesters = nil
		if err := w.stillAWallet(t.Context(), access); !errors.Is(err, ErrAttestationStatus) {
			t.Errorf("got %v", err)
		}
		if err := w.stillAWallet(t.Context(), &oauth.Access{}); err != nil {
			t.Errorf("a wallet without a status: %v", err)
		}
		w.now = w.now.Add(time.Hour)
		if n, err := w.Recheck(t.Context()); n != 0 || !errors.Is(err, errNoProvider) {
			t.Errorf("%d fell, %v", n, err)
		}
		w.fell(t, false, c...)
	})
}

// EU-PP-13: credentials end before the status of the wallet they fall with.
func TestAttestedUntil(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return importStart.AddDate(0, 0, n) }
	i := &Issuer{cfg: Config{MaxValidity: 31 * 24 * time.Hour, Now: func() time.Time { return importStart }}}
	for name, tc := range map[string]struct {
		rule               CascadeRule
		wallet, keys, want time.Time
	}{
		"nobody says":           {},
		"the wallet":            {wallet: day(20), want: day(20)},
		"the keys":              {keys: day(20), want: day(20)},
		"the wallet first":      {wallet: day(15), keys: day(20), want: day(15)},
		"the keys first":        {wallet: day(20), keys: day(15), want: day(15)},
		"stands":                {rule: CascadeRule{Stand: []string{reasonWallet}}, wallet: day(15), keys: day(20), want: day(20)},
		"the wallet, far ahead": {wallet: day(400), want: day(400)},
	} {
		c := &Configuration{Cascade: tc.rule}
		until := attestedUntil(c, &oauth.Access{StatusesEnd: tc.wallet}, tc.keys)
		s := &batchSigner{ends: day(28)}
		if err := s.within(i, c, until); err != nil || !until.Equal(tc.want) || !until.IsZero() && s.ends.After(until) {
			t.Errorf("%s: until %v, ends %v, %v", name, until, s.ends, err)
		}
	}
	if err := (&batchSigner{ends: day(28)}).within(i, &Configuration{}, importStart.Add(time.Hour)); err == nil {
		t.Error("a status that is kept up for an hour is good enough")
	}
}
