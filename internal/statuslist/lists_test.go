package statuslist_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/statuslist"
)

var start = time.Date(2026, 11, 23, 12, 0, 10, 0, time.UTC)

func key(fill byte) []byte { return bytes.Repeat([]byte{fill}, 32) }

func newLists(t testing.TB, c statuslist.Config) *statuslist.Lists {
	t.Helper()
	if c.Owner == "" {
		c.Owner = "issuer"
	}
	if c.Keys == nil {
		c.Keys = [][]byte{key(1)}
	}
	if c.Size == 0 {
		c.Size = statuslist.MinSize
	}
	lists, err := statuslist.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return lists
}

func allocate(t testing.TB, db *database.DB, lists *statuslist.Lists, tenant, kind string, n int) []statuslist.Entry {
	t.Helper()
	var entries []statuslist.Entry
	err := db.Write(context.Background(), func(tx *sql.Tx) (err error) {
		entries, err = lists.Allocate(context.Background(), tx, tenant, kind, n, start)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return entries
}

func revoke(db *database.DB, lists *statuslist.Lists, tenant string, entries ...statuslist.Entry) (n int, err error) {
	err = db.Write(context.Background(), func(tx *sql.Tx) (err error) {
		n, err = lists.Revoke(context.Background(), tx, tenant, start, entries...)
		return err
	})
	return n, err
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		c  statuslist.Config
		ok bool
	}{
		"honest":         {statuslist.Config{Owner: "o", Keys: [][]byte{key(1)}}, true},
		"no owner":       {statuslist.Config{Keys: [][]byte{key(1)}}, false},
		"no key":         {statuslist.Config{Owner: "o"}, false},
		"short key":      {statuslist.Config{Owner: "o", Keys: [][]byte{key(1)[:31]}}, false},
		"small":          {statuslist.Config{Owner: "o", Keys: [][]byte{key(1)}, Size: 9999}, false},
		"mostly decoys":  {statuslist.Config{Owner: "o", Keys: [][]byte{key(1)}, Size: 10_000, Decoys: 5001}, false},
		"negative decoy": {statuslist.Config{Owner: "o", Keys: [][]byte{key(1)}, Decoys: -1}, false},
	} {
		if _, err := statuslist.New(test.c); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllocateNeverTwice(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists := newLists(t, statuslist.Config{Decoys: 5000})
		var mu sync.Mutex
		seen := map[statuslist.Entry]bool{}
		perList := map[string]int{}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 10 {
					entries := allocate(t, db, lists, "t", "identity|dc+sd-jwt", 37)
					mu.Lock()
					for _, e := range entries {
						if seen[e] || e.Index >= statuslist.MinSize {
							t.Errorf("%v is taken or out of range", e)
						}
						if e.ListID != entries[0].ListID {
							t.Error("a batch is spread over two lists")
						}
						seen[e] = true
						perList[e.ListID]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(seen) != 16*10*37 || len(perList) != 2 {
			t.Errorf("%d entries in %v", len(seen), perList)
		}
		for id, n := range perList {
			if n > 5000 {
				t.Errorf("list %s: %d entries, decoys were handed out", id, n)
			}
		}
	})
}

func TestRollbackHandsOutNothingCommitBurns(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists := newLists(t, statuslist.Config{})
		allocate(t, db, lists, "t", "k", 1)
		var lost []statuslist.Entry
		boom := errors.New("boom")
		err := db.Write(t.Context(), func(tx *sql.Tx) (err error) {
			lost, err = lists.Allocate(t.Context(), tx, "t", "k", 3, start)
			return errors.Join(err, boom)
		})
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if _, err := revoke(db, lists, "t", lost...); !errors.Is(err, statuslist.ErrUnknownIndex) {
			t.Errorf("rolled back, yet known: %v", err)
		}
		// I30: a crash after the commit leaves these without a token, for ever.
		burnt := allocate(t, db, lists, "t", "k", 3)
		for i, e := range allocate(t, db, lists, "t", "k", 3) {
			for _, b := range burnt {
				if e == b {
					t.Errorf("entry %d comes again", i)
				}
			}
		}
	})
}

func TestListsAreApart(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		issuer := newLists(t, statuslist.Config{})
		wallet := newLists(t, statuslist.Config{Owner: "wallet"})
		rotated := newLists(t, statuslist.Config{Keys: [][]byte{key(2), key(1)}})
		entries := map[string]statuslist.Entry{
			"first":        allocate(t, db, issuer, "t", "k", 1)[0],
			"other tenant": allocate(t, db, issuer, "u", "k", 1)[0],
			"other kind":   allocate(t, db, issuer, "t", "l", 1)[0],
			"other owner":  allocate(t, db, wallet, "t", "k", 1)[0],
			"other key":    allocate(t, db, rotated, "t", "k", 1)[0],
		}
		if err := db.Write(t.Context(), func(tx *sql.Tx) error { _, err := issuer.Retire(t.Context(), tx, "t"); return err }); err != nil {
			t.Fatal(err)
		}
		entries["after a restore"] = allocate(t, db, issuer, "t", "k", 1)[0]
		ids := map[string]string{}
		for name, e := range entries {
			if other := ids[e.ListID]; other != "" {
				t.Errorf("%s and %s share a list", name, other)
			}
			ids[e.ListID] = name
		}
		if _, err := revoke(db, issuer, "u", entries["first"]); !errors.Is(err, statuslist.ErrUnknownIndex) {
			t.Errorf("revoked by another tenant: %v", err)
		}
		if _, err := revoke(db, wallet, "t", entries["first"]); !errors.Is(err, statuslist.ErrUnknownIndex) {
			t.Errorf("revoked by another owner: %v", err)
		}
		if n, err := revoke(db, issuer, "t", entries["first"]); n != 1 || err != nil {
			t.Errorf("honest: %d, %v", n, err)
		}
		err := db.Read(t.Context(), func(tx *sql.Tx) error {
			ids, err := wallet.IDs(t.Context(), tx, "t")
			if len(ids) != 1 || ids[0] != entries["other owner"].ListID {
				return fmt.Errorf("got %v, %w", ids, err)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestRevokeIsIdempotent(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists := newLists(t, statuslist.Config{})
		entries := allocate(t, db, lists, "t", "k", 3)
		for _, want := range []int{2, 0} {
			if n, err := revoke(db, lists, "t", entries[0], entries[1]); n != want || err != nil {
				t.Errorf("got %d, %v, want %d", n, err, want)
			}
		}
		if n, err := revoke(db, lists, "t", entries...); n != 1 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		unknown := statuslist.Entry{ListID: entries[0].ListID, Index: (entries[0].Index + 1) % 10000}
		for unknown == entries[1] || unknown == entries[2] {
			unknown.Index++
		}
		if _, err := revoke(db, lists, "t", unknown); !errors.Is(err, statuslist.ErrUnknownIndex) {
			t.Errorf("got %v", err)
		}
	})
}

func BenchmarkAllocate(b *testing.B) {
	databasetest.EachBenchmark(b, func(b *testing.B, c database.Config) {
		db, lists := databasetest.Open(b, c), newLists(b, statuslist.Config{Size: 1 << 20})
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				allocate(b, db, lists, "t", "k", 1)
			}
		})
	})
}
