package session_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

func start() *sessiontest.Clock {
	return sessiontest.NewClock(time.Date(2030, 4, 1, 9, 0, 0, 0, time.UTC))
}

func TestMemory(t *testing.T) {
	t.Parallel()
	sessiontest.Run(t, func(_ *testing.T, now func() time.Time) session.Backend {
		return session.NewMemory(now, 0)
	})
}

func TestMemoryFull(t *testing.T) {
	t.Parallel()
	ctx, clock := t.Context(), start()
	m := session.NewMemory(clock.Now, 3)
	end := clock.Now().Add(time.Minute)
	for i := range 3 {
		if err := m.Put(ctx, fmt.Sprint(i), nil, end.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	for what, err := range map[string]error{
		"Put": m.Put(ctx, "new", nil, end),
		"Add": m.Add(ctx, "new", nil, end),
	} {
		if !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s into a full store: %v", what, err)
		}
	}
	if _, err := m.Count(ctx, "new", end); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Count in a full store: %v", err)
	}
	if err := m.Put(ctx, "0", []byte("x"), end); err != nil {
		t.Errorf("Put over an object of a full store: %v", err)
	}
	for i := range 3 {
		if _, _, err := m.Get(ctx, fmt.Sprint(i)); err != nil {
			t.Errorf("object %d was evicted: %v", i, err)
		}
	}
	if _, err := m.Take(ctx, "1"); err != nil {
		t.Fatal(err)
	}
	if err := m.Add(ctx, "new", nil, end); err != nil {
		t.Errorf("Add after Take made room: %v", err)
	}
	clock.Advance(time.Minute)
	if err := m.Add(ctx, "newer", nil, end.Add(time.Hour)); err != nil {
		t.Errorf("Add after others ended: %v", err)
	}
}

func TestMemoryCleansUp(t *testing.T) {
	t.Parallel()
	ctx, clock := t.Context(), start()
	m := session.NewMemory(clock.Now, 0)
	for i := range 500 {
		if err := m.Put(ctx, fmt.Sprint(i), nil, clock.Now().Add(time.Duration(500-i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(time.Hour)
	for i := range 20 {
		if _, err := m.Count(ctx, fmt.Sprint("c", i), clock.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Len(); got != 20 {
		t.Errorf("%d objects are held, want the 20 living ones", got)
	}
}
