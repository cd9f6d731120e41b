package trust

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// flight lets those who want the same thing at the same time share one attempt
// to get it. The attempt belongs to none of them: who gives up leaves the
// others alone, and only when all have given up is it cancelled.
type flight[K comparable, V any] struct {
	// places bounds how many attempts run at once; more wait for their turn.
	places chan struct{}

	mu       sync.Mutex
	attempts map[K]*attempt[V]
}

type attempt[V any] struct {
	done    chan struct{}
	value   V
	err     error
	panic   any
	waiting int
	cancel  context.CancelFunc
}

func newFlight[K comparable, V any](places int) *flight[K, V] {
	return &flight[K, V]{places: make(chan struct{}, places), attempts: map[K]*attempt[V]{}}
}

// do returns what work returns, or the context's error. timeout bounds an
// attempt, waiting for a place included.
func (f *flight[K, V]) do(ctx context.Context, key K, timeout time.Duration, work func(context.Context) (V, error)) (V, error) {
	var none V
	if err := ctx.Err(); err != nil {
		return none, err
	}
	a := f.join(ctx, key, timeout, work)
	select {
	case <-a.done:
		if a.panic != nil {
			panic(a.panic)
		}
		return a.value, a.err
	case <-ctx.Done():
		f.leave(key, a)
		return none, ctx.Err()
	}
}

// join returns the attempt that is under way, or begins one.
func (f *flight[K, V]) join(ctx context.Context, key K, timeout time.Duration, work func(context.Context) (V, error)) *attempt[V] {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.attempts[key]
	if a == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		a = &attempt[V]{done: make(chan struct{}), cancel: cancel}
		f.attempts[key] = a
		go f.run(ctx, key, a, work)
	}
	a.waiting++
	return a
}

func (f *flight[K, V]) run(ctx context.Context, key K, a *attempt[V], work func(context.Context) (V, error)) {
	defer a.cancel()
	defer func() {
		if p := recover(); p != nil {
			// Raised again where somebody waits, who may be prepared for it.
			a.panic = fmt.Sprintf("trust: looking up revocation: %v", p)
		}
		f.mu.Lock()
		f.forget(key, a)
		f.mu.Unlock()
		close(a.done)
	}()
	select {
	case f.places <- struct{}{}:
		defer func() { <-f.places }()
		a.value, a.err = work(ctx)
	case <-ctx.Done():
		a.err = fail(ReasonRevocationUnavailable, "too many certificates are being looked up")
	}
}

// leave gives up waiting. Whoever comes after the last has left begins anew.
func (f *flight[K, V]) leave(key K, a *attempt[V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.waiting--; a.waiting == 0 {
		f.forget(key, a)
		a.cancel()
	}
}

func (f *flight[K, V]) forget(key K, a *attempt[V]) {
	if f.attempts[key] == a {
		delete(f.attempts, key)
	}
}

// abandoned reports whether everybody who waited for an attempt gave up, so
// that its failure says nothing about the source.
func abandoned(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }
