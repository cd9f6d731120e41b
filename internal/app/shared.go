package app

import (
	"sync"

	"golang.org/x/sync/singleflight"
)

// shared holds what tenants with the same configuration have in common, so that
// thousands of them keep one copy of a revocation list and of a status list.
type shared struct {
	flights singleflight.Group

	mu     sync.Mutex
	values map[string]any
}

// share returns the value of a name, which it makes if it is the first to ask.
// The name says all that the value depends on.
func share[T any](s *shared, t *tenant, name string, build func() (T, error)) (T, error) {
	t.shares = append(t.shares, name)
	value, err, _ := s.flights.Do(name, func() (any, error) {
		s.mu.Lock()
		value, ok := s.values[name]
		s.mu.Unlock()
		if ok {
			return value, nil
		}
		built, err := build()
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.values == nil {
			s.values = map[string]any{}
		}
		s.values[name] = built
		return built, nil
	})
	if err != nil {
		var none T
		return none, err
	}
	return value.(T), nil
}

// keep forgets what none of the tenants has.
func (s *shared) keep(tenants map[string]*tenant) {
	used := map[string]bool{}
	for _, t := range tenants {
		for _, name := range t.shares {
			used[name] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.values {
		if !used[name] {
			delete(s.values, name)
		}
	}
}
