package session

import (
	"context"
	"errors"
	"time"
)

// Fence knows when a backend has forgotten something that it was told.
type Fence interface {
	// Trusts reports whether everything that the backend was told about what was
	// issued at that time is still there. It asks the backend, so it is
	// called after the operation it is to vouch for. It returns ErrUnavailable
	// while that can't be known.
	Trusts(ctx context.Context, issued time.Time) (bool, error)
}

// Fenced returns the same store with a fence, which [Store.Once] and
// [Store.Trusts] ask. A store without one trusts its backend.
func (s *Store) Fenced(f Fence) *Store {
	fenced := *s
	fenced.fence = f
	return &fenced
}

// Trusts asks the store's fence about what was issued at that time.
func (s *Store) Trusts(ctx context.Context, issued time.Time) (bool, error) {
	if s.fence == nil {
		return true, nil
	}
	return s.fence.Trusts(ctx, issued)
}

// Once is [Store.Seen] for a secret that tells when it was issued. It reports
// whether this is certainly the first time: it is not if the backend has lost
// data since. On an error first is false, and the caller must refuse.
func (s *Store) Once(ctx context.Context, kind, secret string, issued time.Time, lifetime time.Duration) (first bool, err error) {
	first, err = s.Seen(ctx, kind, secret, lifetime)
	if err != nil || !first {
		return false, err
	}
	// Only now: what the backend loses from here on, the next caller sees.
	return s.Trusts(ctx, issued)
}

// runner is a Backend that knows which run of its server has answered. The
// value is there with the run, or both are as of the same moment; the run is
// empty if the server does not tell.
type runner interface {
	GetRun(ctx context.Context, key string) (value []byte, version uint64, run string, err error)
}

func getRun(ctx context.Context, b Backend, key string) (value []byte, version uint64, run string, err error) {
	if r, ok := b.(runner); ok {
		return r.GetRun(ctx, key)
	}
	value, version, err = b.Get(ctx, key)
	return value, version, "", err
}

// GetRun is Get together with a name for the run of the server that answered: a
// server that was started again, or another one, has another name. The run
// comes with ErrNotFound too. It is empty where it is not known. With ErrSealed,
// run and version let the caller put another object in the place of what can't
// be opened.
func (o *Objects[T]) GetRun(ctx context.Context, secret string) (v T, version Version, run string, err error) {
	var none T
	name, err := o.lookup(secret)
	if err != nil {
		return none, Version{}, "", err
	}
	sealed, number, run, err := getRun(ctx, o.store.backend, name)
	if err != nil {
		return none, Version{}, run, err
	}
	v, expires, err := o.open(name, sealed)
	if errors.Is(err, ErrSealed) {
		return none, Version{number: number, expires: o.store.now().Add(o.lifetime).UnixMilli()}, run, err
	}
	if err != nil {
		return none, Version{}, run, err
	}
	return v, Version{number: number, expires: expires.UnixMilli()}, run, nil
}

// GetRun implements runner.
func (r *Redis) GetRun(ctx context.Context, key string) (value []byte, version uint64, run string, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	both, err := getRunScript.Run(ctx, r.client, []string{r.prefix + key}).StringSlice()
	if err != nil {
		return nil, 0, "", mapError(ctx, err)
	}
	if len(both) != 2 {
		return nil, 0, "", unavailable(errors.New("an answer of another form"))
	}
	if both[0] == "" {
		return nil, 0, both[1], ErrNotFound
	}
	value, version, err = r.parse([]byte(both[0]))
	return value, version, both[1], err
}
