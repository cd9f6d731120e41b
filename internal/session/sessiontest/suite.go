// Package sessiontest holds every session backend to the same promises, and
// starts a real redis-server for tests that need one.
package sessiontest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/session"
)

// Run holds the backends that newBackend makes to the promises of
// session.Backend and of the Store in front of it. Each call makes an empty
// backend that takes its time from now and is closed by the suite. The suite's
// clock advances without any real time passing, so a backend whose own expiry
// runs on another clock still has the objects that ended.
func Run(t *testing.T, newBackend func(t *testing.T, now func() time.Time) session.Backend) {
	cases := []struct {
		name string
		test func(t *testing.T, b session.Backend, clock *Clock)
	}{
		{"values", testValues},
		{"add", testAdd},
		{"swap", testSwap},
		{"take", testTake},
		{"count", testCount},
		{"expiry is data", testExpiry},
		{"clock steps back", testClockStepsBack},
		{"past expiry", testPastExpiry},
		{"R1 64 takers, one wins", testTakeRace},
		{"R1 64 adders, one wins", testAddRace},
		{"R1 64 adders over an ended object, one wins", testAddRaceExpired},
		{"R1 swaps, one per version", testSwapRace},
		{"counts in parallel", testCountRace},
		{"context", testContext},
		{"closed", testClosed},
		{"objects", testObjects},
		{"objects expire", testObjectsExpire},
		{"marks", testMarks},
		{"counters", testCounters},
		{"sealed", testSealed},
		{"tampered or moved", testTampered},
		{"rotation", testRotation},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clock := NewClock(time.Date(2030, 4, 1, 9, 0, 0, 0, time.UTC))
			b := newBackend(t, clock.Now)
			t.Cleanup(func() { _ = b.Close() }) // the case "closed" closes it twice
			c.test(t, b, clock)
		})
	}
}

// want fails the test unless err is target (nil: no error).
func want(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("%s: got error %v, want %v", what, err, target)
	}
}

// wantValue fails the test unless the key holds the value; it returns the version.
func wantValue(t *testing.T, b session.Backend, key, value string) uint64 {
	t.Helper()
	got, version, err := b.Get(t.Context(), key)
	want(t, "Get "+key, err, nil)
	if string(got) != value {
		t.Fatalf("Get %s: got %q, want %q", key, got, value)
	}
	return version
}

func testValues(t *testing.T, b session.Backend, clock *Clock) {
	ctx, end := t.Context(), clock.Now().Add(time.Minute)
	want(t, "Ping", b.Ping(ctx), nil)
	_, _, err := b.Get(ctx, "nothing")
	want(t, "Get nothing", err, session.ErrNotFound)

	for _, value := range []string{"", "text", "\x00\xff\r\n$-1\r\n", "1234"} {
		want(t, "Put", b.Put(ctx, "k", []byte(value), end), nil)
		wantValue(t, b, "k", value)
	}
	buf := []byte("mine")
	want(t, "Put", b.Put(ctx, "k", buf, end), nil)
	copy(buf, "gone")
	wantValue(t, b, "k", "mine")
	got, _, _ := b.Get(ctx, "k")
	copy(got, "gone")
	wantValue(t, b, "k", "mine")
}

func testAdd(t *testing.T, b session.Backend, clock *Clock) {
	ctx, end := t.Context(), clock.Now().Add(time.Minute)
	want(t, "first Add", b.Add(ctx, "k", []byte("one"), end), nil)
	want(t, "second Add", b.Add(ctx, "k", []byte("one"), end), session.ErrExists)
	wantValue(t, b, "k", "one")
	want(t, "Add elsewhere", b.Add(ctx, "l", []byte("two"), end), nil)
	_, err := b.Take(ctx, "k")
	want(t, "Take", err, nil)
	want(t, "Add after Take", b.Add(ctx, "k", []byte("three"), end), nil)
	wantValue(t, b, "k", "three")
}

func testSwap(t *testing.T, b session.Backend, clock *Clock) {
	ctx, end := t.Context(), clock.Now().Add(time.Minute)
	want(t, "Swap nothing", b.Swap(ctx, "k", 1, []byte("x")), session.ErrNotFound)
	want(t, "Put", b.Put(ctx, "k", []byte("one"), end), nil)
	v1 := wantValue(t, b, "k", "one")
	want(t, "Swap", b.Swap(ctx, "k", v1, []byte("two")), nil)
	v2 := wantValue(t, b, "k", "two")
	if v1 == v2 {
		t.Error("Swap left the version as it was")
	}
	want(t, "Swap with the old version", b.Swap(ctx, "k", v1, []byte("x")), session.ErrConflict)
	wantValue(t, b, "k", "two")

	want(t, "Put over", b.Put(ctx, "k", []byte("two"), end), nil)
	want(t, "Swap after Put", b.Swap(ctx, "k", v2, []byte("x")), session.ErrConflict)
	_, err := b.Take(ctx, "k")
	want(t, "Take", err, nil)
	want(t, "Swap after Take", b.Swap(ctx, "k", v2, []byte("x")), session.ErrNotFound)
	want(t, "Add anew", b.Add(ctx, "k", []byte("one"), end), nil)
	want(t, "Swap with the first life's version", b.Swap(ctx, "k", v1, []byte("x")), session.ErrConflict)
	wantValue(t, b, "k", "one")
}

func testTake(t *testing.T, b session.Backend, clock *Clock) {
	ctx, end := t.Context(), clock.Now().Add(time.Minute)
	_, err := b.Take(ctx, "k")
	want(t, "Take nothing", err, session.ErrNotFound)
	want(t, "Put", b.Put(ctx, "k", []byte("one"), end), nil)
	got, err := b.Take(ctx, "k")
	want(t, "Take", err, nil)
	if string(got) != "one" {
		t.Errorf("Take: got %q", got)
	}
	_, err = b.Take(ctx, "k")
	want(t, "second Take", err, session.ErrNotFound)
	_, _, err = b.Get(ctx, "k")
	want(t, "Get after Take", err, session.ErrNotFound)
}

func testCount(t *testing.T, b session.Backend, clock *Clock) {
	wantCount(t, b, clock, "k", 1)
	clock.Advance(40 * time.Second)
	wantCount(t, b, clock, "k", 2)
	wantCount(t, b, clock, "k", 3)
	wantCount(t, b, clock, "l", 1)
	clock.Advance(20 * time.Second) // a minute after the first count
	wantCount(t, b, clock, "k", 1)
	clock.Advance(59 * time.Second)
	wantCount(t, b, clock, "k", 2)
	for n := int64(3); n < 15; n++ {
		clock.Advance(time.Millisecond)
		wantCount(t, b, clock, "k", n)
	}
}

func wantCount(t *testing.T, b session.Backend, clock *Clock, key string, n int64) {
	t.Helper()
	got, err := b.Count(t.Context(), key, clock.Now().Add(time.Minute))
	want(t, "Count", err, nil)
	if got != n {
		t.Fatalf("Count %s: got %d, want %d", key, got, n)
	}
}

func testExpiry(t *testing.T, b session.Backend, clock *Clock) {
	ctx, end := t.Context(), clock.Now().Add(time.Minute)
	for _, key := range []string{"get", "take", "swap", "add", "put"} {
		want(t, "Put", b.Put(ctx, key, []byte("one"), end), nil)
	}
	_, version, err := b.Get(ctx, "swap")
	want(t, "Get", err, nil)
	want(t, "Swap", b.Swap(ctx, "swap", version, []byte("two")), nil)
	version = wantValue(t, b, "swap", "two")

	clock.Advance(time.Minute - time.Millisecond)
	wantValue(t, b, "get", "one")
	want(t, "Add over a living object", b.Add(ctx, "add", nil, end), session.ErrExists)

	clock.Advance(time.Millisecond)
	_, _, err = b.Get(ctx, "get")
	want(t, "Get", err, session.ErrNotFound)
	_, err = b.Take(ctx, "take")
	want(t, "Take", err, session.ErrNotFound)
	want(t, "Swap", b.Swap(ctx, "swap", version, nil), session.ErrNotFound)
	end = clock.Now().Add(time.Minute)
	want(t, "Add", b.Add(ctx, "add", []byte("three"), end), nil)
	wantValue(t, b, "add", "three")
	want(t, "Put", b.Put(ctx, "put", []byte("four"), end), nil)
	wantValue(t, b, "put", "four")
}

func testClockStepsBack(t *testing.T, b session.Backend, clock *Clock) {
	ctx := t.Context()
	want(t, "Add", b.Add(ctx, "mark", nil, clock.Now().Add(time.Minute)), nil)
	clock.Advance(5 * time.Minute)
	want(t, "Put", b.Put(ctx, "other", nil, clock.Now().Add(time.Minute)), nil)
	clock.Advance(-5 * time.Minute)
	want(t, "R11 Add", b.Add(ctx, "mark", nil, clock.Now().Add(time.Minute)), session.ErrExists)
}

func testPastExpiry(t *testing.T, b session.Backend, clock *Clock) {
	ctx := t.Context()
	for _, end := range []time.Time{{}, clock.Now(), clock.Now().Add(-time.Hour), clock.Now().AddDate(9000, 0, 0)} {
		if err := b.Put(ctx, "k", nil, end); err == nil {
			t.Errorf("Put until %v went through", end)
		}
		if err := b.Add(ctx, "k", nil, end); err == nil {
			t.Errorf("Add until %v went through", end)
		}
		if _, err := b.Count(ctx, "k", end); err == nil {
			t.Errorf("Count until %v went through", end)
		}
	}
	want(t, "Add for years", b.Add(ctx, "k", nil, clock.Now().AddDate(20, 0, 0)), nil)
}

func testContext(t *testing.T, b session.Backend, clock *Clock) {
	end := clock.Now().Add(time.Minute)
	want(t, "Put", b.Put(t.Context(), "k", []byte("one"), end), nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range everything(ended, b, end) {
		want(t, what, err, session.ErrUnavailable)
		want(t, what, err, context.Canceled)
	}
	wantValue(t, b, "k", "one")
	_, _, err := b.Get(t.Context(), "new")
	want(t, "Get what was added too late", err, session.ErrNotFound)
}

func testClosed(t *testing.T, b session.Backend, clock *Clock) {
	end := clock.Now().Add(time.Minute)
	want(t, "Put", b.Put(t.Context(), "k", []byte("one"), end), nil)
	want(t, "Close", b.Close(), nil)
	for what, err := range everything(t.Context(), b, end) {
		want(t, what, err, session.ErrUnavailable)
	}
}

// everything calls all methods and returns their errors.
func everything(ctx context.Context, b session.Backend, end time.Time) map[string]error {
	_, _, get := b.Get(ctx, "k")
	_, take := b.Take(ctx, "k")
	_, count := b.Count(ctx, "c", end)
	return map[string]error{
		"Put": b.Put(ctx, "k", []byte("x"), end), "Add": b.Add(ctx, "new", []byte("x"), end),
		"Get": get, "Swap": b.Swap(ctx, "k", 1, []byte("x")), "Take": take, "Count": count, "Ping": b.Ping(ctx),
	}
}
