package records_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/issuer/records"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	vct    = "urn:tegata:identity:jp:1"
	config = "identity_sd_jwt"
	tenant = "minato"
)

// world is a database with records over it, under a clock that stands still.
type world struct {
	*records.Records
	now atomic.Int64
}

func (w *world) advance(d time.Duration) { w.now.Add(int64(d / time.Second)) }

// each runs a test on every database.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	databasetest.Each(t, func(t *testing.T, db *database.DB) { test(t, worldOn(t, db)) })
}

func newWorld(t testing.TB, c database.Config) *world {
	t.Helper()
	db, err := database.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return worldOn(t, db)
}

func worldOn(t testing.TB, db *database.DB) *world {
	t.Helper()
	lists, err := statuslist.New(statuslist.Config{Owner: "issuer", Keys: [][]byte{bytes.Repeat([]byte{1}, 32)}, Size: statuslist.MinSize})
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.New("issuer", bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{}
	w.now.Store(start.Unix())
	w.Records = &records.Records{DB: db, Lists: lists, Audit: log, Now: func() time.Time { return time.Unix(w.now.Load(), 0) }}
	return w
}

func evidence(pseudonym string) *records.Evidence {
	return &records.Evidence{
		Pseudonym: pseudonym, Kind: "jpki-signature", IssuerKeyID: "ca1",
		SealedHandle: []byte("sealed"), NextCheck: start.Add(time.Hour),
	}
}

// grant starts a grant of limit credentials on evidence of the given name.
func (w *world) grant(t testing.TB, tenant, id, pseudonym string, limit int) {
	t.Helper()
	g := records.Grant{
		ID: id, EvidenceKind: "jpki-signature", Evidence: evidence(pseudonym),
		Expires: start.Add(24 * time.Hour), Limits: map[string]int{config: limit},
	}
	if pseudonym == "" {
		g.EvidenceKind, g.Evidence = "back-office", nil
	}
	if err := w.StartGrant(context.Background(), tenant, g); err != nil {
		t.Fatal(err)
	}
}

func allocation(grant string, n int) records.Allocation {
	return records.Allocation{
		GrantID: grant, ConfigID: config, Type: vct, Format: "dc+sd-jwt", Count: n,
		IssuedAt: start, ValidUntil: start.Add(14 * 24 * time.Hour),
	}
}

func (w *world) allocate(t testing.TB, tenant, grant string, n int) []records.Issued {
	t.Helper()
	issued, err := w.AllocateCredentials(context.Background(), tenant, allocation(grant, n))
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

// bits publishes the list of a credential and returns its bits.
func (w *world) invalid(t testing.TB, tenant string, c records.Issued) bool {
	t.Helper()
	var bits []byte
	p, err := statuslist.NewPublisher(statuslist.PublisherConfig{
		DB: w.DB, Lists: w.Lists, Now: w.Now, Log: slog.New(slog.DiscardHandler),
		Ahead: -1, Signer: signerFunc(func(list statuslist.Unsigned) { bits = list.Bits }),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(context.Background(), tenant, c.ListID); err != nil {
		t.Fatal(err)
	}
	return bits[c.Index/8]>>(c.Index%8)&1 == 1
}

type signerFunc func(statuslist.Unsigned)

func (f signerFunc) SignStatusList(_ context.Context, list statuslist.Unsigned) (statuslist.Signed, error) {
	f(list)
	return statuslist.Signed{JWT: "token", CWT: "token", Expires: list.Expires}, nil
}

func TestAGrantYieldsWhatItSaysAndNoMore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "g", "p", 40)
		var mu sync.Mutex
		seen := map[string]bool{}
		var refused int
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				issued, err := w.AllocateCredentials(context.Background(), tenant, allocation("g", 1))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					if refused++; !errors.Is(err, records.ErrGrantExhausted) {
						t.Error(err)
					}
					return
				}
				seen[fmt.Sprint(issued[0].ListID, issued[0].Index)] = true
				seen[issued[0].ID] = true
			})
		}
		wg.Wait()
		if len(seen) != 2*40 || refused != 24 {
			t.Errorf("%d names, %d refused", len(seen), refused)
		}
	})
}

func TestABatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "g", "p", 10)
		w.allocate(t, tenant, "g", 6)
		if _, err := w.AllocateCredentials(t.Context(), tenant, allocation("g", 5)); !errors.Is(err, records.ErrGrantExhausted) {
			t.Errorf("got %v", err)
		}
		w.allocate(t, tenant, "g", 4)
	})
}

func TestIndexesAreUniqueInTheSchema(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "g", "p", 2)
		issued := w.allocate(t, tenant, "g", 2)
		err := w.DB.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(`UPDATE issued_credentials SET idx = $1 WHERE tenant = $2 AND id = $3`,
				int64(issued[0].Index), tenant, issued[1].ID)
			return err
		})
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), "unique") {
			t.Errorf("got %v", err)
		}
	})
}

func TestGrantRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(t *testing.T, w *world)
		a      func(a *records.Allocation)
		want   error
	}{
		"honest":        {},
		"unknown":       {a: func(a *records.Allocation) { a.GrantID = "x" }, want: records.ErrGrantUnknown},
		"not covered":   {a: func(a *records.Allocation) { a.ConfigID = "x" }, want: records.ErrConfigNotGranted},
		"expired":       {before: func(_ *testing.T, w *world) { w.advance(24 * time.Hour) }, want: records.ErrGrantExpired},
		"still running": {before: func(_ *testing.T, w *world) { w.advance(24*time.Hour - time.Second) }},
		"revoked": {before: func(t *testing.T, w *world) {
			if _, err := w.RevokeGrant(t.Context(), tenant, "g", "code reuse"); err != nil {
				t.Fatal(err)
			}
		}, want: records.ErrGrantRevoked},
		"evidence revoked": {before: func(t *testing.T, w *world) {
			if _, err := w.RevokeByEvidence(t.Context(), tenant, "p", "keyCompromise"); err != nil {
				t.Fatal(err)
			}
		}, want: records.ErrEvidenceRevoked},
		"of another tenant": {before: func(t *testing.T, w *world) {
			w.grant(t, "shibuya", "theirs", "p", 1)
		}, a: func(a *records.Allocation) { a.GrantID = "theirs" }, want: records.ErrGrantUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, w *world) {
				w.grant(t, tenant, "g", "p", 1)
				a := allocation("g", 1)
				if test.before != nil {
					test.before(t, w)
				}
				if test.a != nil {
					test.a(&a)
				}
				issued, err := w.AllocateCredentials(t.Context(), tenant, a)
				if !errors.Is(err, test.want) || (err == nil) != (len(issued) == 1) {
					t.Errorf("got %v, %v, want %v", issued, err, test.want)
				}
			})
		})
	}
}

// I30: whatever happens after the commit, the index is burnt; whatever happens
// before it, nothing was counted.
func TestCrashBetweenAllocationAndSigning(t *testing.T) {
	t.Parallel()
	databasetest.EachConfig(t, func(t *testing.T, c database.Config) {
		w := newWorld(t, c)
		w.grant(t, tenant, "g", "p", 3)
		w.Lists, w.Audit = nil, nil // a crash within the transaction
		func() {
			defer func() { _ = recover() }()
			_, err := w.AllocateCredentials(t.Context(), tenant, allocation("g", 1))
			t.Errorf("survived: %v", err)
		}()
		if err := w.DB.Close(); err != nil {
			t.Fatal(err)
		}
		w = newWorld(t, c)
		burnt := w.allocate(t, tenant, "g", 2)
		if err := w.DB.Close(); err != nil { // a crash before signing
			t.Fatal(err)
		}
		w = newWorld(t, c)
		next := w.allocate(t, tenant, "g", 1)
		for _, c := range burnt {
			if c.ListID != next[0].ListID || c.Index == next[0].Index {
				t.Errorf("%v after %v", next[0], c)
			}
		}
		if _, err := w.AllocateCredentials(t.Context(), tenant, allocation("g", 1)); !errors.Is(err, records.ErrGrantExhausted) {
			t.Errorf("got %v", err)
		}
	})
}

func TestStartGrant(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "g", "p", 1)
		w.grant(t, tenant, "back-office", "", 1)
		honest := func() records.Grant {
			return records.Grant{ID: "h", EvidenceKind: "k", Evidence: evidence("p"), Expires: start.Add(time.Hour), Limits: map[string]int{config: 1}}
		}
		for name, test := range map[string]struct {
			change func(*records.Grant)
			want   error // nil: any
		}{
			"second use of a code": {func(g *records.Grant) { g.ID = "g" }, records.ErrGrantExists},
			"no limit":             {func(g *records.Grant) { g.Limits = nil }, nil},
			"limit of zero":        {func(g *records.Grant) { g.Limits[config] = 0 }, nil},
			"no id":                {func(g *records.Grant) { g.ID = "" }, nil},
			"no pseudonym":         {func(g *records.Grant) { g.Evidence.Pseudonym = "" }, nil},
			"no serial":            {func(g *records.Grant) { g.Evidence.SealedHandle = nil }, nil},
			"nothing sealed":       {func(g *records.Grant) { g.Refresh = &records.Refresh{MAC: "m"} }, nil},
			"no refresh token":     {func(g *records.Grant) { g.Refresh = &records.Refresh{Sealed: []byte("s")} }, nil},
		} {
			g := honest()
			test.change(&g)
			if err := w.StartGrant(t.Context(), tenant, g); err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := w.StartGrant(t.Context(), tenant, honest()); err != nil {
			t.Error(err)
		}
		w.allocate(t, tenant, "back-office", 1)
		if _, err := w.RevokeByEvidence(t.Context(), tenant, "p", "r"); err != nil {
			t.Fatal(err)
		}
		again := honest()
		again.ID = "i"
		if err := w.StartGrant(t.Context(), tenant, again); !errors.Is(err, records.ErrEvidenceRevoked) {
			t.Errorf("revoked evidence came back: %v", err)
		}
	})
}

func BenchmarkAllocateCredentials(b *testing.B) {
	databasetest.EachBenchmark(b, func(b *testing.B, c database.Config) {
		w := newWorld(b, c)
		w.grant(b, tenant, "g", "p", 1<<40)
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				w.allocate(b, tenant, "g", 1)
			}
		})
	})
}
