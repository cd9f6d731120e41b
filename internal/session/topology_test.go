package session_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tegata-id/tegata/internal/loopback"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// TestRedisCluster runs the suite on two masters that share the slots.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	var addrs []string
	for _, slots := range [][]any{{0, 8191}, {8192, 16383}} {
		addr := sessiontest.StartRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "5000",
			"--cluster-port", freePort(t))
		node := redis.NewClient(&redis.Options{Addr: addr})
		defer node.Close()
		if err := node.Do(t.Context(), append([]any{"CLUSTER", "ADDSLOTSRANGE"}, slots...)...).Err(); err != nil {
			t.Fatal(err)
		}
		if len(addrs) > 0 {
			meet(t, node, addrs[0])
		}
		addrs = append(addrs, addr)
	}
	wait(t, "the cluster", func() error {
		for _, addr := range addrs {
			node := redis.NewClient(&redis.Options{Addr: addr})
			info, err := node.ClusterInfo(t.Context()).Result()
			_ = node.Close()
			if err != nil || info[:len("cluster_state:ok")] != "cluster_state:ok" {
				return fmt.Errorf("%s %w", info, err)
			}
		}
		return nil
	})
	var n atomic.Int64
	sessiontest.Run(t, func(t *testing.T, now func() time.Time) session.Backend {
		r := newRedis(t, now, session.Options{
			Addrs: addrs[:1], Cluster: true, Prefix: fmt.Sprintf("test%d:", n.Add(1)), Timeout: 10 * time.Second,
		})
		if policy, err := r.CheckEviction(t.Context()); err != nil || policy != "noeviction" {
			t.Errorf("eviction: %q, %v", policy, err)
		}
		return r
	})
}

// meet introduces a node to a cluster by the bus address of another.
func meet(t *testing.T, node *redis.Client, other string) {
	t.Helper()
	host, port, err := net.SplitHostPort(other)
	if err != nil {
		t.Fatal(err)
	}
	first := redis.NewClient(&redis.Options{Addr: other})
	defer first.Close()
	bus, err := first.ConfigGet(t.Context(), "cluster-port").Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Do(t.Context(), "CLUSTER", "MEET", host, port, bus["cluster-port"]).Err(); err != nil {
		t.Fatal(err)
	}
}

// TestRedisSentinel finds the master through a Sentinel.
func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	host, port, err := net.SplitHostPort(sessiontest.StartRedis(t))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, "sentinel monitor permits %s %s 1\n", host, port), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := sessiontest.StartRedis(t, config, "--sentinel")
	clock := start()
	r := newRedis(t, clock.Now, session.Options{Addrs: []string{sentinel}, MasterName: "permits", Timeout: 10 * time.Second})
	if policy, err := r.CheckEviction(t.Context()); err != nil || policy != "noeviction" {
		t.Fatalf("eviction: %q, %v", policy, err)
	}
	if n, err := r.Count(t.Context(), "k", clock.Now().Add(time.Minute)); err != nil || n != 1 {
		t.Fatalf("Count: %d, %v", n, err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	address, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func wait(t *testing.T, what string, ready func() error) {
	t.Helper()
	took := stopwatch()
	for err := ready(); err != nil; err = ready() {
		if took() > 30*time.Second {
			t.Fatalf("%s is not ready: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
