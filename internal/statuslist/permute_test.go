package statuslist_test

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tegata-id/tegata/internal/statuslist"
)

func TestPermutationIsABijection(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(1, 3000).Draw(t, "size")
		key := rapid.SliceOfN(rapid.Byte(), 32, 64).Draw(t, "key")
		p, err := statuslist.NewPermutation(key, "t", "l", size)
		if err != nil {
			t.Fatal(err)
		}
		seen := make([]bool, size)
		for n := range size {
			index := p.Index(n)
			if index >= size || seen[index] {
				t.Fatalf("%d goes to %d, which is out of range or taken", n, index)
			}
			seen[index] = true
		}
	})
}

func permutation(t testing.TB, fill byte, tenant, list string, size uint64) statuslist.Permutation {
	t.Helper()
	p, err := statuslist.NewPermutation(bytes.Repeat([]byte{fill}, 32), tenant, list, size)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The keys are fixed, so these statistics never fail by bad luck.
func TestPermutationLooksRandom(t *testing.T) {
	t.Parallel()
	const size, draws, buckets = 1 << 17, 1 << 14, 64
	p := permutation(t, 7, "tenant", "list", size)
	var count [buckets]int
	var neighbours, rising int
	for n := range uint64(draws) {
		a, b := p.Index(n), p.Index(n+1)
		count[a*buckets/size]++
		if a+1 == b || b+1 == a {
			neighbours++
		}
		if b > a {
			rising++
		}
	}
	var chi float64
	for _, c := range count {
		d := float64(c) - draws/buckets
		chi += d * d / (draws / buckets)
	}
	if chi > 103 { // 63 degrees of freedom, p = 0.001
		t.Errorf("chi-square %.1f", chi)
	}
	if neighbours > 5 || rising < draws*48/100 || rising > draws*52/100 {
		t.Errorf("%d neighbours, %d rising of %d", neighbours, rising, draws)
	}
	others := map[string]statuslist.Permutation{
		"key":    permutation(t, 8, "tenant", "list", size),
		"tenant": permutation(t, 7, "tenan", "tlist", size),
		"list":   permutation(t, 7, "tenant", "list2", size),
	}
	for name, other := range others {
		same := 0
		for n := range uint64(1000) {
			if p.Index(n) == other.Index(n) {
				same++
			}
		}
		if same > 3 {
			t.Errorf("%d of 1000 indexes do not depend on the %s", same, name)
		}
	}
}

func TestDecoysOnlyEverTurnInvalid(t *testing.T) {
	t.Parallel()
	const size, capacity = 12_000, 11_000
	p := permutation(t, 1, "t", "l", size)
	created := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	allocated := map[uint64]bool{}
	for n := range uint64(capacity) {
		allocated[p.Index(n)] = true
	}
	before := p.Decoys(capacity, created, created)
	if len(before) < 200 || len(before) > 300 { // half of the half that ever turns
		t.Errorf("%d at first", len(before))
	}
	for month := 1; month <= 15; month++ {
		after := p.Decoys(capacity, created, created.AddDate(0, month, 0))
		for index := range before {
			if !after[index] {
				t.Fatalf("%d was INVALID and is VALID", index)
			}
		}
		for index := range after {
			if allocated[index] {
				t.Fatalf("%d is no decoy", index)
			}
		}
		if month <= 12 && len(after) == len(before) {
			t.Errorf("month %d: nothing changed", month)
		}
		before = after
	}
	if len(before) < 430 || len(before) > 570 {
		t.Errorf("%d in the end", len(before))
	}
}

func BenchmarkDecoys(b *testing.B) {
	p := permutation(b, 1, "t", "l", 1<<17)
	now := time.Unix(1_800_000_000, 0)
	for b.Loop() {
		p.Decoys(1<<17-1<<13, now, now)
	}
}
