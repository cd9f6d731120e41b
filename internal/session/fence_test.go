package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// TestGetRun asks through what lies in front of Redis in a process.
func TestGetRun(t *testing.T) {
	t.Parallel()
	server := sessiontest.NewRedisServer(t)
	redis, err := session.NewRedis(session.Options{Addrs: []string{server.Addr}, Timeout: 10 * time.Second}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Close() })
	backend := session.Metered(redis, prometheus.NewRegistry(), time.Now)
	objects := session.NewObjects[string](session.New(backend, session.NewRandomKeys(), "t", time.Now), "word", time.Minute)
	_, _, first, err := objects.GetRun(t.Context(), "k")
	if !errors.Is(err, session.ErrNotFound) || first == "" {
		t.Fatalf("nothing there: run %q, %v", first, err)
	}
	if err := objects.Put(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	snapshot := server.Snapshot()
	if v, _, run, err := objects.GetRun(t.Context(), "k"); v != "v" || run != first || err != nil {
		t.Fatalf("%q, run %q, %v", v, run, err)
	}
	server.RollBack(snapshot)
	v, _, run, err := objects.GetRun(t.Context(), "k")
	for range 3 { // a connection of before may be tried first
		if err == nil {
			break
		}
		v, _, run, err = objects.GetRun(t.Context(), "k")
	}
	if v != "v" || run == first || run == "" || err != nil {
		t.Errorf("after a restart: %q, run %q as before, %v", v, run, err)
	}
}
