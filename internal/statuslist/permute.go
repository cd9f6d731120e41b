package statuslist

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"
)

// rounds is what NIST SP 800-38G takes for its Feistel network FF1.
const rounds = 10

// permutation is a bijection of [0, size) that cannot be told from a random
// one without the key: a Feistel network over the next even number of bits,
// applied until the result falls into the range. On average that takes fewer
// than four applications.
type permutation struct {
	block cipher.Block
	size  uint64
	half  uint // bits in each half
}

func newPermutation(key []byte, tenant, listID string, size uint64) (*permutation, error) {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "tegata status list permutation 1\x00%d:%s%d:%s", len(tenant), tenant, len(listID), listID)
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("statuslist: %w", err)
	}
	half := uint(bits.Len64(size-1)+1) / 2
	return &permutation{block: block, size: size, half: max(half, 1)}, nil
}

// prf is a pseudorandom function of what and its two arguments.
func (p *permutation) prf(what byte, a, b uint64) uint64 {
	var block [aes.BlockSize]byte
	block[0] = what
	block[1] = byte(a)
	binary.BigEndian.PutUint64(block[8:], b)
	p.block.Encrypt(block[:], block[:])
	return binary.BigEndian.Uint64(block[:])
}

// index returns the place of n, which must be below size.
func (p *permutation) index(n uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	for {
		left, right := n>>p.half, n&mask
		for round := range uint64(rounds) {
			left, right = right, left^p.prf('R', round, right)&mask
		}
		if n = left<<p.half | right; n < p.size {
			return n
		}
	}
}

// decoySpan is the time over which the decoys of a list turn INVALID, half of
// it before the list was created, so that it starts with some.
const decoySpan = 2 * 365 * 24 * time.Hour

// invalidDecoys calls set for every decoy of the list that is INVALID at t. A
// decoy that has turned INVALID stays so; half of them never do.
func (p *permutation) invalidDecoys(capacity uint64, created, t time.Time, set func(index uint64)) {
	start, span := created.Add(-decoySpan/2).Unix(), uint64(decoySpan/time.Second)
	for n := capacity; n < p.size; n++ {
		draw := p.prf('D', 0, n)
		if draw&1 == 1 && start+int64(draw>>1%span) <= t.Unix() {
			set(p.index(n))
		}
	}
}
