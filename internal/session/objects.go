package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Version is what Get saw and Swap insists on. It is opaque, comparable, and
// of use only for the object it was read from.
type Version struct {
	number  uint64
	expires int64 // Unix milliseconds; Swap keeps it
}

// Objects are a Store's objects of one kind, each a T in JSON under the secret
// that names it (a code, a request_uri, a session id). T's own members decide
// what old and new binaries understand of each other: add members, don't
// change them. An empty secret names nothing: it is never found, and storing
// under it is an error. It is safe for concurrent use.
type Objects[T any] struct {
	store    *Store
	kind     string
	lifetime time.Duration
}

// NewObjects returns the objects of a kind, which is a short constant word and
// appears in clear in the backend's keys. Two uses of one kind in a store
// share their objects. The lifetime must be positive, or nothing can be stored.
func NewObjects[T any](store *Store, kind string, lifetime time.Duration) *Objects[T] {
	return &Objects[T]{store: store, kind: kind, lifetime: lifetime}
}

// Lifetime returns how long an object lives from Put or Add.
func (o *Objects[T]) Lifetime() time.Duration { return o.lifetime }

// Put stores v for the kind's lifetime, over whatever is there.
func (o *Objects[T]) Put(ctx context.Context, secret string, v T) error {
	return o.PutUntil(ctx, secret, v, o.store.now().Add(o.lifetime))
}

// PutUntil is Put with an end of its own. An end that is not in the future is
// an error.
func (o *Objects[T]) PutUntil(ctx context.Context, secret string, v T, expires time.Time) error {
	name, sealed, err := o.seal(secret, v, expires)
	if err != nil {
		return err
	}
	return o.store.backend.Put(ctx, name, sealed, expires)
}

// Add stores v for the kind's lifetime if nothing lives under the secret, and
// returns ErrExists otherwise.
func (o *Objects[T]) Add(ctx context.Context, secret string, v T) error {
	expires := o.store.now().Add(o.lifetime)
	name, sealed, err := o.seal(secret, v, expires)
	if err != nil {
		return err
	}
	return o.store.backend.Add(ctx, name, sealed, expires)
}

// Get returns the object and its version, or ErrNotFound.
func (o *Objects[T]) Get(ctx context.Context, secret string) (T, Version, error) {
	var none T
	name, err := o.lookup(secret)
	if err != nil {
		return none, Version{}, err
	}
	sealed, number, err := o.store.backend.Get(ctx, name)
	if err != nil {
		return none, Version{}, err
	}
	v, expires, err := o.open(name, sealed)
	if err != nil {
		return none, Version{}, err
	}
	return v, Version{number: number, expires: expires.UnixMilli()}, nil
}

// Swap replaces the object that Get returned with this version, and keeps its
// end. It returns ErrConflict if somebody was faster, ErrNotFound if the object
// is gone.
func (o *Objects[T]) Swap(ctx context.Context, secret string, version Version, v T) error {
	name, err := o.lookup(secret)
	if err != nil {
		return err
	}
	content, err := o.encode(v)
	if err != nil {
		return err
	}
	sealed, err := o.store.sealValue(o.kind, name, time.UnixMilli(version.expires), content)
	if err != nil {
		return err
	}
	return o.store.backend.Swap(ctx, name, version.number, sealed)
}

// Take returns the object and removes it. Of many callers one gets it, all
// others get ErrNotFound. After ErrUnavailable the object may be gone.
func (o *Objects[T]) Take(ctx context.Context, secret string) (T, error) {
	var none T
	name, err := o.lookup(secret)
	if err != nil {
		return none, err
	}
	sealed, err := o.store.backend.Take(ctx, name)
	if err != nil {
		return none, err
	}
	v, _, err := o.open(name, sealed)
	return v, err
}

// lookup is name for reading: an empty secret is simply not found.
func (o *Objects[T]) lookup(secret string) (string, error) {
	name, err := o.store.name(useObject, o.kind, secret)
	if errors.Is(err, errNoSecret) {
		return "", ErrNotFound
	}
	return name, err
}

func (o *Objects[T]) seal(secret string, v T, expires time.Time) (name string, sealed []byte, err error) {
	name, err = o.store.name(useObject, o.kind, secret)
	if err != nil {
		return "", nil, err
	}
	content, err := o.encode(v)
	if err != nil {
		return "", nil, err
	}
	sealed, err = o.store.sealValue(o.kind, name, expires, content)
	return name, sealed, err
}

func (o *Objects[T]) open(name string, sealed []byte) (v T, expires time.Time, err error) {
	var none T
	content, expires, err := o.store.openValue(o.kind, name, sealed)
	if err != nil {
		return none, time.Time{}, err
	}
	if err := json.Unmarshal(content, &v); err != nil {
		// encoding/json quotes numbers out of the value; they stay out of logs.
		return none, time.Time{}, fmt.Errorf("%w (kind %s): not a %T", ErrSealed, o.kind, none)
	}
	return v, expires, nil
}

func (o *Objects[T]) encode(v T) ([]byte, error) {
	content, err := json.Marshal(v)
	if err != nil {
		// The error may quote the value.
		return nil, fmt.Errorf("session: object of kind %s has no JSON form: %T", o.kind, err)
	}
	return content, nil
}
