// Package session keeps what a user may repeat: pushed requests, codes,
// offers, nonces that were used, pages in progress, attempt counters. What
// must never be lost belongs in SQL.
//
// A [Backend] holds raw bytes: [Memory] inside the process, or [Redis]
// (single, Sentinel or Cluster). A [Store] puts one tenant's keys in front of
// it: what a caller knows as a code or a session id never reaches the backend,
// only an HMAC of it does, and values are sealed. [Objects] is a Store's typed
// face and what most callers use.
//
// Expiry is data: every object carries the time at which it ends under the
// injected clock, and an object whose time has come is gone whether or not the
// backend has removed it. A backend's own expiry only cleans up, and does so
// late, so that a clock that steps back by less than ten minutes forgets no
// replay mark.
//
// Nothing here survives a backend that loses data: a rolled back Redis serves
// codes again that were taken. Whatever a credential comes out of is therefore
// counted in SQL as well, and what tells when it was issued is held against a
// [Fence].
package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The errors of this package. Compare with errors.Is.
var (
	// ErrNotFound: there is no such object, or its time is over.
	ErrNotFound = errors.New("session: not found")
	// ErrExists: Add found a living object under the key.
	ErrExists = errors.New("session: exists already")
	// ErrConflict: Swap found another version than the caller read.
	ErrConflict = errors.New("session: changed meanwhile")
	// ErrUnavailable: the backend did not answer, is full, refused, or the
	// context ended first; the cause is wrapped. Whether a change took place is
	// not known. An endpoint answers 503 with Retry-After.
	ErrUnavailable = errors.New("session: store unavailable")
	// ErrSealed: there is an object, but it can't be opened: changed in the
	// backend, moved from another key, kind or tenant, sealed under a key that
	// is not configured, or of an unknown format. It is kept apart from
	// ErrNotFound because it never happens in a sound deployment: answer it as a
	// server error and look into it.
	ErrSealed = errors.New("session: value can't be opened")
	// ErrEviction: Redis may throw away living objects when memory runs out.
	ErrEviction = errors.New("session: Redis must run with maxmemory-policy noeviction")
)

// cleanupSlack is how long after its end an object may stay in a backend.
const cleanupSlack = 10 * time.Minute

// maxMillis is the latest expiry, in the year 5138: fourteen decimal digits.
const maxMillis = 99_999_999_999_999

// Backend holds raw bytes under keys. Every operation is atomic and touches
// one key. All of them return ErrUnavailable with its cause wrapped when the
// backend can't do its work or ctx ends. A key is used either for values or
// for a counter, never for both.
//
// expires has millisecond precision and must lie in the future. An object
// whose expiry has come is treated as absent by every method.
type Backend interface {
	// Put stores a value, over whatever is there.
	Put(ctx context.Context, key string, value []byte, expires time.Time) error
	// Add stores a value if the key is free, and returns ErrExists if not.
	Add(ctx context.Context, key string, value []byte, expires time.Time) error
	// Get returns the value and its version, or ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, uint64, error)
	// Swap replaces the value if its version is still the one given, and keeps
	// its expiry. It returns ErrConflict or ErrNotFound if it did nothing.
	// Versions never come back, so a value that was removed and stored anew is
	// a conflict.
	Swap(ctx context.Context, key string, version uint64, value []byte) error
	// Take returns the value and removes it, for one caller only; all others
	// get ErrNotFound.
	Take(ctx context.Context, key string) ([]byte, error)
	// Count adds one to the counter and returns its new value. The first touch
	// sets the expiry, later ones leave it alone.
	Count(ctx context.Context, key string, expires time.Time) (int64, error)
	// Ping tells whether the backend works.
	Ping(ctx context.Context) error
	// Close releases the backend; afterwards everything is ErrUnavailable.
	Close() error
}

// unavailable wraps a cause so that both it and ErrUnavailable are found.
func unavailable(cause error) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}

// expiryMillis returns expires in Unix milliseconds. A time that is not in the
// future is an error rather than a silent nothing: a replay mark that ends at
// once would call every replay the first.
func expiryMillis(now, expires time.Time) (int64, error) {
	ms := expires.UnixMilli()
	if ms <= now.UnixMilli() {
		return 0, errors.New("session: expiry is not in the future")
	}
	if ms > maxMillis {
		return 0, errors.New("session: expiry is too far away")
	}
	return ms, nil
}
