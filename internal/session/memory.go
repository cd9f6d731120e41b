package session

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// DefaultMaxEntries bounds a Memory whose maker names no bound.
const DefaultMaxEntries = 100_000

// sweepBatch is the most objects that one write cleans up, so that no write
// pays for a long silence of everybody else.
const sweepBatch = 64

var (
	errMemoryFull   = errors.New("memory store is full")
	errMemoryClosed = errors.New("memory store is closed")
	errNotCounter   = errors.New("object is not a counter")
)

// Memory is a Backend inside the process, for one replica: everything is gone
// when the process ends. It has no goroutine; writes clean up what has ended.
// It is safe for concurrent use.
type Memory struct {
	now func() time.Time
	max int

	mu      sync.Mutex
	entries map[string]*entry // nil once closed
	ends    endHeap
	version uint64
}

type entry struct {
	key     string
	value   []byte
	version uint64
	expires int64 // Unix milliseconds
	index   int   // in the heap
}

// NewMemory makes an empty store of at most maxEntries objects and counters
// (DefaultMaxEntries if that is not positive). When it is full of living ones,
// new ones are refused with ErrUnavailable; nothing is ever evicted.
func NewMemory(now func() time.Time, maxEntries int) *Memory {
	if maxEntries <= 0 {
		maxEntries = DefaultMaxEntries
	}
	return &Memory{now: now, max: maxEntries, entries: make(map[string]*entry)}
}

// Put implements Backend.
func (m *Memory) Put(ctx context.Context, key string, value []byte, expires time.Time) error {
	return m.write(ctx, func(now time.Time) error {
		return m.store(now, key, value, expires)
	})
}

// Add implements Backend.
func (m *Memory) Add(ctx context.Context, key string, value []byte, expires time.Time) error {
	return m.write(ctx, func(now time.Time) error {
		if m.living(now, key) != nil {
			return ErrExists
		}
		return m.store(now, key, value, expires)
	})
}

// Get implements Backend.
func (m *Memory) Get(ctx context.Context, key string) (value []byte, version uint64, err error) {
	err = m.locked(ctx, func(now time.Time) error {
		e := m.living(now, key)
		if e == nil {
			return ErrNotFound
		}
		value, version = clone(e.value), e.version
		return nil
	})
	return value, version, err
}

// Swap implements Backend.
func (m *Memory) Swap(ctx context.Context, key string, version uint64, value []byte) error {
	return m.write(ctx, func(now time.Time) error {
		e := m.living(now, key)
		if e == nil {
			return ErrNotFound
		}
		if e.version != version {
			return ErrConflict
		}
		m.version++
		e.value, e.version = clone(value), m.version
		return nil
	})
}

// Take implements Backend.
func (m *Memory) Take(ctx context.Context, key string) (value []byte, err error) {
	err = m.write(ctx, func(now time.Time) error {
		e := m.living(now, key)
		if e == nil {
			return ErrNotFound
		}
		m.remove(e)
		value = e.value
		return nil
	})
	return value, err
}

// Count implements Backend.
func (m *Memory) Count(ctx context.Context, key string, expires time.Time) (n int64, err error) {
	err = m.write(ctx, func(now time.Time) error {
		e := m.living(now, key)
		if e == nil {
			n = 1
			return m.store(now, key, []byte("1"), expires)
		}
		if n, err = strconv.ParseInt(string(e.value), 10, 64); err != nil {
			return unavailable(errNotCounter)
		}
		n++
		e.value = strconv.AppendInt(nil, n, 10)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Ping implements Backend.
func (m *Memory) Ping(ctx context.Context) error {
	return m.locked(ctx, func(time.Time) error { return nil })
}

// Close implements Backend. It forgets everything.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries, m.ends = nil, nil
	return nil
}

// Len returns how many objects and counters are held, ended ones that were not
// cleaned up yet included.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries)
}

func (m *Memory) locked(ctx context.Context, do func(now time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		return unavailable(errMemoryClosed)
	}
	return do(m.now())
}

func (m *Memory) write(ctx context.Context, do func(now time.Time) error) error {
	return m.locked(ctx, func(now time.Time) error {
		m.sweep(now.Add(-cleanupSlack), sweepBatch)
		return do(now)
	})
}

// living returns the object under key if its time is not over.
func (m *Memory) living(now time.Time, key string) *entry {
	e := m.entries[key]
	if e == nil || e.expires <= now.UnixMilli() {
		return nil
	}
	return e
}

func (m *Memory) store(now time.Time, key string, value []byte, expires time.Time) error {
	ms, err := expiryMillis(now, expires)
	if err != nil {
		return err
	}
	m.version++
	if e := m.entries[key]; e != nil {
		e.value, e.version, e.expires = clone(value), m.version, ms
		heap.Fix(&m.ends, e.index)
		return nil
	}
	if len(m.entries) >= m.max {
		m.sweep(now, sweepBatch) // what has ended gives up its slack first
	}
	if len(m.entries) >= m.max {
		return fmt.Errorf("%w: %w", ErrUnavailable, errMemoryFull)
	}
	e := &entry{key: key, value: clone(value), version: m.version, expires: ms}
	m.entries[key] = e
	heap.Push(&m.ends, e)
	return nil
}

func (m *Memory) remove(e *entry) {
	heap.Remove(&m.ends, e.index)
	delete(m.entries, e.key)
}

// sweep removes at most limit objects that ended by then.
func (m *Memory) sweep(then time.Time, limit int) {
	for ; limit > 0 && len(m.ends) > 0 && m.ends[0].expires <= then.UnixMilli(); limit-- {
		m.remove(m.ends[0])
	}
}

// clone copies a value; callers may reuse their slices.
func clone(b []byte) []byte { return append([]byte{}, b...) }

// endHeap has the object that ends first on top.
type endHeap []*entry

func (h endHeap) Len() int           { return len(h) }
func (h endHeap) Less(i, j int) bool { return h[i].expires < h[j].expires }
func (h endHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *endHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *endHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
