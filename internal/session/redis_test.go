package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

func newRedis(t *testing.T, now func() time.Time, o session.Options) *session.Redis {
	t.Helper()
	r, err := session.NewRedis(o, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() }) // some tests close it themselves
	return r
}

func TestRedis(t *testing.T) {
	t.Parallel()
	addr := sessiontest.StartRedis(t)
	var n atomic.Int64
	sessiontest.Run(t, func(t *testing.T, now func() time.Time) session.Backend {
		return newRedis(t, now, session.Options{
			Addrs: []string{addr}, Prefix: fmt.Sprintf("test%d:", n.Add(1)),
			Timeout: 10 * time.Second, // a busy machine is no fault of the backend
		})
	})
}

// TestRedisDump looks at what Redis itself holds.
func TestRedisDump(t *testing.T) {
	t.Parallel()
	ctx, clock := t.Context(), start()
	addr := sessiontest.StartRedis(t)
	r := newRedis(t, clock.Now, session.Options{Addrs: []string{addr}, Prefix: "tegata:"})
	store := session.New(r, session.NewRandomKeys(), "kyoto", clock.Now)
	codes := session.NewObjects[map[string]string](store, "code", time.Minute)
	if err := codes.Put(ctx, "CANARY-CODE", map[string]string{"name": "CANARY 太郎"}); err != nil {
		t.Fatal(err)
	}
	_, version, err := codes.Get(ctx, "CANARY-CODE")
	if err != nil {
		t.Fatal(err)
	}
	if err := codes.Swap(ctx, "CANARY-CODE", version, map[string]string{"name": "CANARY 花子"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := store.Count(ctx, "try", "CANARY-CODE", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if first, err := store.Seen(ctx, "jti", "CANARY-JTI", time.Minute); err != nil || !first {
		t.Fatal(first, err)
	}

	raw := redis.NewClient(&redis.Options{Addr: addr})
	defer raw.Close()
	keys, err := raw.Keys(ctx, "*").Result()
	if err != nil || len(keys) != 3 {
		t.Fatalf("keys %q, %v", keys, err)
	}
	for _, key := range keys {
		value, err := raw.Get(ctx, key).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(key, "tegata:") || strings.Contains(key, "CANARY") || bytes.Contains(value, []byte("CANARY")) || bytes.Contains(value, []byte("name")) {
			t.Errorf("Redis holds %q = %q", key, value)
		}
		// The TTL is the minute and what the clean-up may be late.
		ttl, err := raw.PTTL(ctx, key).Result()
		if err != nil || ttl <= 10*time.Minute || ttl > 11*time.Minute {
			t.Errorf("TTL of %s is %v, %v", key, ttl, err)
		}
	}

	// What a newer program may have written is neither read nor overwritten.
	for _, key := range keys {
		if err := raw.Set(ctx, key, "2 something else that is long enough to be one of ours", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := codes.Get(ctx, "CANARY-CODE"); !errors.Is(err, session.ErrSealed) {
		t.Errorf("Get of an unknown header: %v", err)
	}
	if err := codes.Add(ctx, "CANARY-CODE", nil); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Add over an unknown header: %v", err)
	}
	if first, err := store.Seen(ctx, "jti", "CANARY-JTI", time.Minute); first || !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Seen over an unknown header: %v", err)
	}
}

func TestRedisEviction(t *testing.T) {
	t.Parallel()
	addr := sessiontest.StartRedis(t)
	raw := redis.NewClient(&redis.Options{Addr: addr})
	defer raw.Close()
	ctx, clock := t.Context(), start()
	check := func(o session.Options, policy string, target error) {
		t.Helper()
		o.Addrs = []string{addr}
		got, err := newRedis(t, clock.Now, o).CheckEviction(ctx)
		if got != policy || !errors.Is(err, target) {
			t.Errorf("got %q and %v, want %q and %v", got, err, policy, target)
		}
	}
	check(session.Options{}, "noeviction", nil)
	for _, acl := range [][]any{
		{"ACL", "SETUSER", "noconfig", "on", ">pw", "~*", "+@all", "-config"},
		{"ACL", "SETUSER", "noinfo", "on", ">pw", "~*", "+@all", "-info"},
		{"ACL", "SETUSER", "neither", "on", ">pw", "~*", "+@all", "-info", "-config"},
	} {
		if err := raw.Do(ctx, acl...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	check(session.Options{Username: "noconfig", Password: "pw"}, "noeviction", nil)
	check(session.Options{Username: "noinfo", Password: "pw"}, "noeviction", nil)
	check(session.Options{Username: "neither", Password: "pw"}, session.EvictionUnknown, nil)
	check(session.Options{Username: "neither", Password: "wrong"}, session.EvictionUnknown, session.ErrUnavailable)
	if err := raw.ConfigSet(ctx, "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	check(session.Options{}, "allkeys-lru", session.ErrEviction)
	check(session.Options{Username: "noconfig", Password: "pw"}, "allkeys-lru", session.ErrEviction)
	check(session.Options{Username: "neither", Password: "pw"}, session.EvictionUnknown, nil)
}

func TestNewRedisRefuses(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]session.Options{
		"no address":      {},
		"both":            {Addrs: []string{"127.0.0.1:1"}, MasterName: "m", Cluster: true},
		"cluster with DB": {Addrs: []string{"127.0.0.1:1", "127.0.0.1:2"}, DB: 1},
	} {
		if _, err := session.NewRedis(o, start().Now); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestRedisFaults takes Redis away in several ways. Whatever happens, every
// operation says so within a second, and things work again soon after. It
// measures time and goroutines and so runs alone.
func TestRedisFaults(t *testing.T) {
	server := sessiontest.NewRedisServer(t)
	clock := start()
	r := newRedis(t, clock.Now, session.Options{Addrs: []string{server.Addr}})
	raw := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: 5})
	defer raw.Close()
	command := func(args ...any) {
		t.Helper()
		if err := raw.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(args, err)
		}
	}
	works := func() error { return r.Put(t.Context(), "k", []byte("one"), clock.Now().Add(time.Minute)) }
	if err := works(); err != nil {
		t.Fatal(err)
	}
	goroutines := runtime.NumGoroutine()
	for _, fault := range []struct {
		name        string
		begin, end  func()
		readsAnswer bool
	}{
		{"R6 killed", server.Kill, server.Restart, false},
		{"R6 frozen", server.Freeze, server.Thaw, false},
		{"R6 out of memory", func() { command("CONFIG", "SET", "maxmemory", "1") }, func() { command("CONFIG", "SET", "maxmemory", "0") }, true},
		{"R6 read-only", func() { command("REPLICAOF", "127.0.0.1", "1") }, func() { command("REPLICAOF", "NO", "ONE") }, true},
	} {
		t.Run(fault.name, func(t *testing.T) {
			fault.begin()
			for range 3 {
				took := stopwatch()
				errs := writes(t.Context(), r, clock.Now().Add(time.Minute))
				if d := took() / time.Duration(len(errs)); d > time.Second {
					t.Errorf("an operation took %v", d)
				}
				for what, err := range errs {
					if !errors.Is(err, session.ErrUnavailable) {
						t.Errorf("%s: %v", what, err)
					}
				}
			}
			if _, _, err := r.Get(t.Context(), "k"); !fault.readsAnswer && !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Get: %v", err)
			}
			fault.end()
			took := stopwatch()
			for works() != nil {
				if took() > 2*time.Second {
					t.Fatalf("it does not recover: %v", works())
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	if got := runtime.NumGoroutine(); got > goroutines+20 {
		t.Errorf("%d goroutines became %d", goroutines, got)
	}
}

// writes tries everything that changes state.
func writes(ctx context.Context, r *session.Redis, end time.Time) map[string]error {
	_, count := r.Count(ctx, "c", end)
	return map[string]error{
		"Put": r.Put(ctx, "k", []byte("x"), end), "Add": r.Add(ctx, "new", []byte("x"), end), "Count": count,
	}
}

func stopwatch() func() time.Duration {
	begin := time.Now()
	return func() time.Duration { return time.Since(begin) }
}

// TestRedisDeadline asks a server that does not answer, under a deadline of
// the caller's that is shorter than the backend's own.
func TestRedisDeadline(t *testing.T) {
	t.Parallel()
	server := sessiontest.NewRedisServer(t)
	clock := start()
	r := newRedis(t, clock.Now, session.Options{Addrs: []string{server.Addr}})
	if err := r.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	took := stopwatch()
	_, err := r.Take(ctx, "k")
	if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if d := took(); d > 400*time.Millisecond {
		t.Errorf("the caller's deadline of 50ms was kept after %v", d)
	}
}
