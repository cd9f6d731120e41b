package keys

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrNoSigner says that no key of a ring may sign now: every chain has ended,
// or has not begun. It passes when time or the operator brings a key.
var ErrNoSigner = errors.New("keys: no key may sign now")

// Entry is a key of a [Ring].
type Entry struct {
	Key *Key
	// From is when the key begins to sign, if its certificates are valid by
	// then; zero means at once. Until then it is only published, so that
	// everybody knows it before its first use.
	From time.Time
}

// Ring holds the keys of one use that follow one another. Of several that may
// sign, the one that began last does; the others are still published, for what
// they have signed. A ring never changes and may be used concurrently.
type Ring struct{ entries []Entry }

// NewRing returns a ring of the entries. Each needs a key with a certificate of
// its own; no two may have the same key. Nothing else is proven, see
// [Ring.Prove].
func NewRing(entries ...Entry) (*Ring, error) {
	if len(entries) == 0 {
		return nil, errors.New("keys: a ring needs a key")
	}
	var seen []*ecdsa.PublicKey
	for i, e := range entries {
		if e.Key == nil || e.Key.Leaf() == nil {
			return nil, fmt.Errorf("keys: key %d of the ring needs a certificate", i+1)
		}
		pub, err := e.Key.Public()
		if err != nil {
			return nil, fmt.Errorf("keys: key %d of the ring: %w", i+1, err)
		}
		if slices.ContainsFunc(seen, func(other *ecdsa.PublicKey) bool { return pub.Equal(other) }) {
			return nil, fmt.Errorf("keys: key %d of the ring is in it twice", i+1)
		}
		seen = append(seen, pub)
	}
	return &Ring{slices.Clone(entries)}, nil
}

// All returns every entry in the order they were given: those that will sign,
// the one that does, and those that did.
func (r *Ring) All() []Entry { return slices.Clone(r.entries) }

// At returns the key that signs at now. Its whole chain is valid then. The
// error is [ErrNoSigner] if there is none.
func (r *Ring) At(now time.Time) (*Key, error) {
	var found *Key
	var began time.Time
	for _, e := range r.entries {
		if !e.mayBegin(now) || !e.Key.ValidAt(now) {
			continue
		}
		// Of two that begin at the same time the first in the list signs.
		if start := e.start(); found == nil || start.After(began) {
			found, began = e.Key, start
		}
	}
	if found == nil {
		return nil, ErrNoSigner
	}
	return found, nil
}

// Until returns when the ring can't sign any more if nothing is added to it: the
// first moment from now on that no key covers. If that is now already, it
// returns the last moment, up to now, that a key covered, or now if none did.
func (r *Ring) Until(now time.Time) time.Time {
	until := now
	if _, err := r.At(now); err != nil {
		return r.ended(now)
	}
	for extended := true; extended; {
		extended = false
		for _, e := range r.entries {
			if _, end := e.Key.Validity(); !e.start().After(until) && end.After(until) {
				until, extended = end, true
			}
		}
	}
	return until
}

// ended returns the last end before now of a key that has signed.
func (r *Ring) ended(now time.Time) time.Time {
	var last time.Time
	for _, e := range r.entries {
		if _, end := e.Key.Validity(); e.mayBegin(now) && end.Before(now) && end.After(last) && e.start().Before(end) {
			last = end
		}
	}
	if last.IsZero() {
		return now
	}
	return last
}

// Prove lets every key prove itself as in [Key.Prove], each at a time when it is
// valid: now, or its beginning if that lies ahead. Keys whose chain has ended
// sign nothing and are left out. It is [ErrNoSigner] if no key may sign now.
func (r *Ring) Prove(now time.Time) error {
	for i, e := range r.entries {
		begins, ends := e.Key.Validity()
		at := now
		if begins.After(at) {
			at = begins
		}
		if now.After(ends) {
			continue
		}
		if err := e.Key.Prove(at); err != nil {
			return fmt.Errorf("key %d of the ring: %w", i+1, err)
		}
	}
	_, err := r.At(now)
	return err
}

func (e Entry) mayBegin(now time.Time) bool { return !e.From.After(now) }

// start is when the entry can sign first.
func (e Entry) start() time.Time {
	begins, _ := e.Key.Validity()
	if e.From.After(begins) {
		return e.From
	}
	return begins
}

// Validity returns the time during which every certificate of the chain is
// valid, both ends included. Both are zero for a key without certificates.
func (k *Key) Validity() (begins, ends time.Time) {
	for i, cert := range k.Chain {
		if i == 0 || cert.NotBefore.After(begins) {
			begins = cert.NotBefore
		}
		if i == 0 || cert.NotAfter.Before(ends) {
			ends = cert.NotAfter
		}
	}
	return begins, ends
}

// ValidAt reports whether every certificate of the chain is valid at now. A key
// without certificates is not.
func (k *Key) ValidAt(now time.Time) bool {
	begins, ends := k.Validity()
	return len(k.Chain) > 0 && !now.Before(begins) && !now.After(ends)
}
