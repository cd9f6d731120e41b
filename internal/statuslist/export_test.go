package statuslist

import "time"

// Permutation exposes the permutation of a list to the tests.
type Permutation struct{ p *permutation }

// NewPermutation makes the permutation of a list.
func NewPermutation(key []byte, tenant, listID string, size uint64) (Permutation, error) {
	p, err := newPermutation(key, tenant, listID, size)
	return Permutation{p}, err
}

// Index returns the place of n.
func (p Permutation) Index(n uint64) uint64 { return p.p.index(n) }

// Decoys returns the decoys that are INVALID at t.
func (p Permutation) Decoys(capacity uint64, created, t time.Time) map[uint64]bool {
	set := map[uint64]bool{}
	p.p.invalidDecoys(capacity, created, t, func(index uint64) { set[index] = true })
	return set
}
