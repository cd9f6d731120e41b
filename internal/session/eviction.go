package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// EvictionUnknown is what CheckEviction returns when Redis won't say.
const EvictionUnknown = "unknown"

const noEviction = "noeviction"

// CheckEviction asks Redis (every master of a cluster) for its
// maxmemory-policy. It returns the policy; ErrEviction with it if living
// objects could be evicted, since a forgotten replay mark lets a proof in
// twice; and EvictionUnknown without an error if the account may not ask, which
// the operator should be told. ErrUnavailable as everywhere.
func (r *Redis) CheckEviction(ctx context.Context) (string, error) {
	if err := r.Ping(ctx); err != nil {
		return EvictionUnknown, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	policy, err := r.evictionPolicy(ctx)
	if err != nil {
		return EvictionUnknown, mapError(ctx, err)
	}
	if policy != noEviction && policy != EvictionUnknown {
		return policy, fmt.Errorf("%w, not %s", ErrEviction, policy)
	}
	return policy, nil
}

// evictionPolicy returns the worst policy of all masters.
func (r *Redis) evictionPolicy(ctx context.Context) (string, error) {
	cluster, ok := r.client.(*redis.ClusterClient)
	if !ok {
		return nodePolicy(ctx, r.client)
	}
	var mu sync.Mutex
	worst := noEviction
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		policy, err := nodePolicy(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && policy != noEviction && (worst == noEviction || worst == EvictionUnknown) {
			worst = policy
		}
		return err
	})
	return worst, err
}

// nodePolicy asks one server, by INFO because hosted ones often forbid CONFIG,
// then by CONFIG.
func nodePolicy(ctx context.Context, node redis.Cmdable) (string, error) {
	info, err := node.Info(ctx, "memory").Result()
	if err != nil && !refused(err) {
		return "", err
	}
	for line := range strings.Lines(info) {
		if policy, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); ok {
			return policy, nil
		}
	}
	config, err := node.ConfigGet(ctx, "maxmemory-policy").Result()
	if err != nil && !refused(err) {
		return "", err
	}
	if policy := config["maxmemory-policy"]; policy != "" {
		return policy, nil
	}
	return EvictionUnknown, nil
}

// refused tells an answer of Redis from having none.
func refused(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}
