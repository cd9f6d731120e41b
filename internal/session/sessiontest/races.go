package sessiontest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/session"
)

// parallel is how many goroutines race for one object.
const parallel = 64

// race runs do in many goroutines at once and returns how many were without
// error; every error must be other.
func race(t *testing.T, other error, do func(i int) error) int64 {
	t.Helper()
	var wins atomic.Int64
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range parallel {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			switch err := do(i); {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, other):
				t.Errorf("a loser got %v, want %v", err, other)
			}
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return wins.Load()
}

func testTakeRace(t *testing.T, b session.Backend, clock *Clock) {
	for round := range 5 {
		key := fmt.Sprint(round)
		want(t, "Put", b.Put(t.Context(), key, []byte(key), clock.Now().Add(time.Minute)), nil)
		wins := race(t, session.ErrNotFound, func(int) error {
			got, err := b.Take(t.Context(), key)
			if err == nil && string(got) != key {
				return fmt.Errorf("took %q", got)
			}
			return err
		})
		if wins != 1 {
			t.Fatalf("%d of %d took the object", wins, parallel)
		}
	}
}

func testAddRace(t *testing.T, b session.Backend, clock *Clock) {
	for round := range 5 {
		addRace(t, b, clock, fmt.Sprint(round))
	}
}

func testAddRaceExpired(t *testing.T, b session.Backend, clock *Clock) {
	for range 5 {
		addRace(t, b, clock, "k")
		clock.Advance(time.Minute)
	}
}

func addRace(t *testing.T, b session.Backend, clock *Clock, key string) {
	t.Helper()
	wins := race(t, session.ErrExists, func(i int) error {
		return b.Add(t.Context(), key, fmt.Append(nil, i), clock.Now().Add(time.Minute))
	})
	if wins != 1 {
		t.Fatalf("%d of %d added the object", wins, parallel)
	}
}

func testSwapRace(t *testing.T, b session.Backend, clock *Clock) {
	ctx := t.Context()
	want(t, "Put", b.Put(ctx, "k", []byte("start"), clock.Now().Add(time.Minute)), nil)
	for range 5 {
		_, version, err := b.Get(ctx, "k")
		want(t, "Get", err, nil)
		wins := race(t, session.ErrConflict, func(i int) error {
			return b.Swap(ctx, "k", version, fmt.Append(nil, i))
		})
		if wins != 1 {
			t.Fatalf("%d of %d swapped one version", wins, parallel)
		}
	}
}

func testCountRace(t *testing.T, b session.Backend, clock *Clock) {
	seen := make([]atomic.Int64, parallel+1)
	race(t, nil, func(int) error {
		n, err := b.Count(t.Context(), "k", clock.Now().Add(time.Minute))
		if err != nil || n < 1 || n > parallel {
			return fmt.Errorf("count %d: %w", n, err)
		}
		seen[n].Add(1)
		return nil
	})
	for n := 1; n <= parallel; n++ {
		if got := seen[n].Load(); got != 1 {
			t.Errorf("%d callers were told %d", got, n)
		}
	}
}
