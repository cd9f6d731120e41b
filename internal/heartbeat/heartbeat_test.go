package heartbeat_test

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/heartbeat"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

const age = time.Minute // how old a proof may be

// world is a Redis, a database and a clock, and the processes on them.
type world struct {
	*sessiontest.RedisServer
	t     *testing.T
	db    *database.DB
	keys  session.Keys
	clock *sessiontest.Clock
}

func newWorld(t *testing.T, withDB bool, redis ...string) *world {
	w := &world{t: t, RedisServer: sessiontest.NewRedisServer(t, redis...), keys: session.NewRandomKeys()}
	w.clock = sessiontest.NewClock(time.Date(2026, 11, 23, 9, 0, 0, 500_000_000, time.UTC))
	if !withDB {
		return w
	}
	var err error
	if w.db, err = database.Open(t.Context(), database.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close() })
	if err := w.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// process starts a process: its memory is empty.
func (w *world) process(tenant string) *session.Store {
	w.t.Helper()
	backend, err := session.NewRedis(session.Options{Addrs: []string{w.Addr}, Timeout: 10 * time.Second}, w.clock.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = backend.Close() })
	store := session.New(backend, w.keys, tenant, w.clock.Now)
	return store.Fenced(heartbeat.New(heartbeat.Config{
		Sessions: store, DB: w.db, Tenant: tenant, Name: "issuer", Log: slog.New(slog.DiscardHandler), Now: w.clock.Now,
	}))
}

// once asks until the store is not away: a connection of before a restart is
// noticed only when it is used.
func (w *world) once(s *session.Store, jti string, issued time.Time) bool {
	w.t.Helper()
	for range 4 {
		first, err := s.Once(w.t.Context(), "jti", jti, issued, age)
		if err == nil {
			return first
		}
		if !errors.Is(err, session.ErrUnavailable) {
			w.t.Fatal(err)
		}
		w.clock.Advance(time.Second)
	}
	w.t.Fatal("the store stays away")
	return false
}

// faults are the ways in which a Redis loses what it was told. Each is given
// the state of some time ago.
var faults = map[string]func(r *sessiontest.RedisServer, old []byte){
	"restarted empty": func(r *sessiontest.RedisServer, _ []byte) { r.RollBack(nil) },
	"flushed":         func(r *sessiontest.RedisServer, _ []byte) { r.FlushAll() },
	"rolled back":     func(r *sessiontest.RedisServer, old []byte) { r.RollBack(old) },
}

func TestLoss(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		for _, withDB := range []bool{true, false} {
			if !withDB && name != "rolled back" {
				continue // without a database nothing outlives an empty store but the processes
			}
			t.Run(fmt.Sprintf("R7 %s, database %t", name, withDB), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, withDB)
				a, b := w.process("t"), w.process("t")
				if !w.once(a, "before", w.clock.Now()) || !w.once(b, "more", w.clock.Now()) {
					t.Fatal("honest twin: refused at first")
				}
				old := w.Snapshot()
				now, ahead := w.clock.Now(), w.clock.Now()
				if withDB {
					ahead = ahead.Add(20 * time.Second)
				}
				if !w.once(a, "x", now) || w.once(b, "x", now) || !w.once(b, "y", ahead) {
					t.Fatal("not once before the fault")
				}
				fault(w.RedisServer, old)
				c := w.process("t") // knows nothing of its own
				for i, p := range []*session.Store{c, a, b} {
					if w.once(p, "x", now) {
						t.Errorf("process %d takes again what was taken", i)
					}
				}
				w.clock.Advance(25 * time.Second) // until after what was ahead
				for i, p := range []*session.Store{b, c, a} {
					if w.once(p, "y", ahead) {
						t.Errorf("process %d takes again what was taken ahead of time", i)
					}
					fresh := fmt.Sprint("fresh", i)
					if now := w.clock.Now(); !w.once(p, fresh, now) || w.once(a, fresh, now) {
						t.Errorf("process %d: what is fresh is not taken once", i)
					}
				}
			})
		}
	}
}

// TestNoLoss shows what does not begin a new epoch: another process, time, and
// another tenant's store.
func TestNoLoss(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	a := w.process("t")
	early := w.clock.Now()
	if !w.once(a, "x", early) {
		t.Fatal("refused at first")
	}
	for i := range 5 {
		w.clock.Advance(5 * time.Second)
		p := w.process("t")
		if !w.once(p, fmt.Sprint("now", i), w.clock.Now()) || !w.once(p, fmt.Sprint("then", i), early) {
			t.Errorf("process %d refuses what was not used", i)
		}
		if !w.once(w.process("other"), fmt.Sprint("then", i), early) {
			t.Error("another tenant refuses what was not used")
		}
		if w.once(p, "x", early) {
			t.Error("taken twice")
		}
	}
}

// TestSameRun rolls back a store with the run of its server, as restoring the
// memory of a virtual machine does: the beat alone tells.
func TestSameRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	backend := &noRun{Backend: session.NewMemory(w.clock.Now, 0)}
	open := func() *session.Store {
		store := session.New(backend, w.keys, "t", w.clock.Now)
		return store.Fenced(heartbeat.New(heartbeat.Config{
			Sessions: store, DB: w.db, Tenant: "t", Name: "issuer", Log: slog.New(slog.DiscardHandler), Now: w.clock.Now,
		}))
	}
	a := open()
	if !w.once(a, "x", w.clock.Now()) {
		t.Fatal("refused at first")
	}
	backend.remember(t)
	issued := w.clock.Now() // before the snapshot, and used after it
	w.clock.Advance(5 * time.Second)
	if !w.once(a, "y", issued) {
		t.Fatal("refused")
	}
	backend.rollBack(t)
	if w.once(open(), "y", issued) || w.once(a, "y", issued) {
		t.Error("taken twice")
	}
}

// TestManyProcesses has processes fight for the new epoch under load.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	processes := []*session.Store{w.process("t"), w.process("t"), w.process("t")}
	for round := range 4 {
		issued := w.clock.Now()
		if round > 0 {
			if !w.once(processes[0], fmt.Sprint("last", round), issued) {
				t.Error("honest twin: refused before the store is flushed")
			}
			w.FlushAll()
		}
		for n := range 8 {
			var accepted atomic.Int64
			var group sync.WaitGroup
			for i := range 48 {
				group.Go(func() {
					first, err := processes[i%3].Once(t.Context(), "jti", fmt.Sprint(n), issued, age)
					if err != nil && !errors.Is(err, session.ErrUnavailable) {
						t.Error(err)
					}
					if first {
						accepted.Add(1)
					}
				})
			}
			group.Wait()
			if got := accepted.Load(); round == 0 && got != 1 || round > 0 && got != 0 {
				t.Errorf("round %d: accepted %d times", round, got)
			}
		}
		w.clock.Advance(3 * time.Second)
		if !w.once(processes[round%3], fmt.Sprint("fresh", round), w.clock.Now()) {
			t.Errorf("round %d: what is fresh is refused", round)
		}
	}
}

// TestSessionKeysRotate takes the key away that the beat of an idle store was
// sealed with. It begins a new epoch, as after a loss, and goes on; a store that
// was in use after the new key became current notices nothing.
func TestSessionKeysRotate(t *testing.T) {
	t.Parallel()
	for _, withDB := range []bool{true, false} {
		t.Run(fmt.Sprintf("database %v", withDB), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withDB)
			name, one, two := session.NewSecret(), session.NewSecret(), session.NewSecret()
			rotate := func(current session.KeyID, seal map[session.KeyID]session.Secret) {
				t.Helper()
				var err error
				if w.keys, err = session.NewKeys(name, current, seal); err != nil {
					t.Fatal(err)
				}
			}
			rotate(1, map[session.KeyID]session.Secret{1: one, 2: two})
			idle, busy := w.process("idle"), w.process("busy")
			before := w.clock.Now()
			for _, s := range []*session.Store{idle, busy} {
				if !w.once(s, "first", before) {
					t.Fatal("the honest first use was refused")
				}
			}
			rotate(2, map[session.KeyID]session.Secret{1: one, 2: two})
			w.clock.Advance(5 * time.Second)
			if !w.once(w.process("busy"), "second", w.clock.Now()) || w.once(w.process("busy"), "first", before) {
				t.Error("the overlap lost something")
			}

			rotate(2, map[session.KeyID]session.Secret{2: two})
			w.clock.Advance(time.Second)
			if !w.once(w.process("busy"), "third", before) {
				t.Error("a store in use began a new epoch")
			}
			var wg sync.WaitGroup
			after := w.clock.Now().Add(3 * time.Second)
			for range 8 {
				s := w.process("idle")
				wg.Go(func() {
					if _, err := s.Once(t.Context(), "jti", "unseen", before, age); err != nil && !errors.Is(err, session.ErrUnavailable) {
						t.Errorf("without the old key: %v", err)
					}
				})
			}
			wg.Wait()
			w.clock.Advance(3 * time.Second)
			next := w.process("idle")
			if w.once(next, "first", before) || w.once(next, "other", before) {
				t.Error("what was issued before the new epoch was accepted")
			}
			if !w.once(next, "fresh", after) || w.once(w.process("idle"), "fresh", after) {
				t.Error("the store does not go on")
			}
		})
	}
}
