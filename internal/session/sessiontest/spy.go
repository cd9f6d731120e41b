package sessiontest

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/tegata-id/tegata/internal/session"
)

// spy remembers all that a backend is given.
type spy struct {
	session.Backend
	mu        sync.Mutex
	keys      map[string]bool
	values    [][]byte
	lastKey   string
	lastValue []byte
}

func newSpy(b session.Backend) *spy { return &spy{Backend: b, keys: make(map[string]bool)} }

func (s *spy) note(key string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key] = true
	if value != nil {
		s.lastKey, s.lastValue = key, bytes.Clone(value)
		s.values = append(s.values, s.lastValue)
	}
}

func (s *spy) dump() (keys []string, values [][]byte) {
	for key := range s.keys {
		keys = append(keys, key)
	}
	return keys, s.values
}

func (s *spy) Put(ctx context.Context, key string, value []byte, end time.Time) error {
	s.note(key, value)
	return s.Backend.Put(ctx, key, value, end)
}

func (s *spy) Add(ctx context.Context, key string, value []byte, end time.Time) error {
	s.note(key, value)
	return s.Backend.Add(ctx, key, value, end)
}

func (s *spy) Swap(ctx context.Context, key string, version uint64, value []byte) error {
	s.note(key, value)
	return s.Backend.Swap(ctx, key, version, value)
}

func (s *spy) Count(ctx context.Context, key string, end time.Time) (int64, error) {
	s.note(key, nil)
	return s.Backend.Count(ctx, key, end)
}
