package database_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
)

// together makes all functions wait in the queue while another write blocks
// it, so that they share a transaction, and returns what Write said to each.
func together(t *testing.T, db *database.DB, fns ...func(*sql.Tx) error) []error {
	t.Helper()
	blocked, release := make(chan struct{}), make(chan struct{})
	errs := make([]error, len(fns))
	var wg sync.WaitGroup
	wg.Go(func() {
		once := sync.OnceFunc(func() { close(blocked) })
		if err := db.Write(context.Background(), func(*sql.Tx) error { once(); <-release; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-blocked
	for i, fn := range fns {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			errs[i] = db.Write(context.Background(), fn)
		})
		time.Sleep(5 * time.Millisecond) // keeps their order
	}
	close(release)
	wg.Wait()
	return errs
}

// each is databasetest.Each with one writer, which can be blocked.
func each(t *testing.T, name string, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		databasetest.EachConfig(t, func(t *testing.T, c database.Config) {
			c.Writers = 1
			test(t, databasetest.Open(t, c))
		})
	})
}

func TestOnlyTheFailingWriteIsUndone(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	ctx := context.Background()
	failing := func(name string, end func() error) func(*sql.Tx) error {
		return func(tx *sql.Tx) error {
			if err := beat(ctx, name)(tx); err != nil {
				return err
			}
			return end()
		}
	}
	interrupted := func() func(*sql.Tx) error {
		gone, cancel := context.WithCancel(ctx)
		return func(tx *sql.Tx) error {
			if err := beat(ctx, "interrupted")(tx); err != nil {
				return err
			}
			time.AfterFunc(20*time.Millisecond, cancel)
			return exec(gone, `INSERT INTO heartbeat (tenant, name, epoch, beat_at)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000)
				SELECT 'other', 'n' || i, '', 1 FROM n`)(tx)
		}
	}
	for name, test := range map[string]struct {
		fn   func(*sql.Tx) error
		want func(error) bool
	}{
		"error":       {failing("bad", func() error { return boom }), func(err error) bool { return errors.Is(err, boom) }},
		"panic":       {failing("bad", func() error { panic("ouch") }), func(err error) bool { return err.Error() == "panic: ouch" }},
		"constraint":  {failing("bad", func() error { return nil }), func(err error) bool { return err != nil }},
		"interrupted": {nil, func(err error) bool { return err != nil }},
	} {
		each(t, name, func(t *testing.T, db *database.DB) {
			fn := test.fn
			if name == "constraint" {
				fn = func(tx *sql.Tx) error { return errors.Join(beat(ctx, "bad")(tx), beat(ctx, "bad")(tx)) }
			}
			if name == "interrupted" {
				fn = interrupted()
			}
			errs := together(t, db, beat(ctx, "first"), fn, beat(ctx, "last"))
			if errs[0] != nil || errs[1] == nil || errs[2] != nil || !test.want(errs[1]) {
				t.Errorf("got %v", errs)
			}
			if diff := cmp.Diff([]string{"first", "last"}, beats(t, db)); diff != "" {
				t.Error(diff)
			}
			if err := db.Write(ctx, beat(ctx, "later")); err != nil {
				t.Errorf("the loop is broken: %v", err)
			}
		})
	}
}

func TestAWriteThatEndsTheTransactionIsNotRepeatedForOthers(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	each(t, "commit", func(t *testing.T, db *database.DB) {
		runs := 0
		counted := func(tx *sql.Tx) error { runs++; return beat(ctx, "first")(tx) }
		errs := together(t, db, counted, func(tx *sql.Tx) error { return tx.Commit() }, beat(ctx, "last"))
		if !errors.Is(errs[0], database.ErrUnavailable) || !errors.Is(errs[1], database.ErrUnavailable) || errs[2] != nil || runs != 1 {
			t.Errorf("%d runs, %v", runs, errs)
		}
	})
}

func TestContext(t *testing.T) {
	t.Parallel()
	each(t, "over", func(t *testing.T, db *database.DB) {
		over, cancel := context.WithCancel(t.Context())
		cancel()
		never := func(*sql.Tx) error { t.Error("ran"); return nil }
		if err := db.Write(over, never); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}

		// A caller that leaves the queue is not run; one that has begun is waited for.
		waiting, leave := context.WithCancel(t.Context())
		begun, cancelBegun := context.WithCancel(t.Context())
		left := make(chan error)
		err := db.Write(begun, func(tx *sql.Tx) error {
			go func() { left <- db.Write(waiting, never) }()
			time.Sleep(10 * time.Millisecond)
			leave()
			cancelBegun()
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			return beat(context.Background(), "x")(tx)
		})
		if err != nil {
			t.Errorf("committed, but got %v", err)
		}
		if diff := cmp.Diff([]string{"x"}, beats(t, db)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCloseLetsWaitingWritesFinish(t *testing.T) {
	t.Parallel()
	databasetest.EachConfig(t, testCloseLetsWaitingWritesFinish)
}

func testCloseLetsWaitingWritesFinish(t *testing.T, c database.Config) {
	db, err := database.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	acked := make(chan string, 100)
	for i := range 100 {
		wg.Go(func() {
			name := fmt.Sprintf("%03d", i)
			err := db.Write(context.Background(), beat(context.Background(), name))
			if err == nil {
				acked <- name
			} else if !errors.Is(err, database.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	time.Sleep(2 * time.Millisecond)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	close(acked)
	again := databasetest.Open(t, c)
	have := map[string]bool{}
	for _, name := range beats(t, again) {
		have[name] = true
	}
	for name := range acked {
		if !have[name] {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
}

// BenchmarkWrite compares one commit per write with commits that concurrent
// writers share.
func BenchmarkWrite(b *testing.B) {
	databasetest.EachBenchmark(b, func(b *testing.B, c database.Config) {
		for name, batch := range map[string]int{"alone": 1, "shared": 0} {
			b.Run(name, func(b *testing.B) {
				c.MaxBatch = batch
				db := databasetest.Open(b, c)
				run := rand.Text()
				var n atomic.Int64
				b.SetParallelism(64)
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						name := fmt.Sprint(run, n.Add(1))
						if err := db.Write(context.Background(), beat(context.Background(), name)); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	})
}
