package heartbeat_test

import (
	"context"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/session"
)

// noRun is a backend that tells no runs and can be set back: it keeps what it
// was given, in order to give it again.
type noRun struct {
	session.Backend
	log    []entry
	marked int
}

type entry struct {
	key     string
	value   []byte
	expires time.Time
}

func (b *noRun) Add(ctx context.Context, key string, value []byte, expires time.Time) error {
	err := b.Backend.Add(ctx, key, value, expires)
	if err == nil {
		b.log = append(b.log, entry{key, value, expires})
	}
	return err
}

func (b *noRun) Swap(ctx context.Context, key string, version uint64, value []byte) error {
	err := b.Backend.Swap(ctx, key, version, value)
	if err == nil {
		b.log = append(b.log, entry{key, value, time.Time{}})
	}
	return err
}

func (b *noRun) remember(*testing.T) { b.marked = len(b.log) }

// rollBack takes everything out and puts back what was there when it was told
// to remember.
func (b *noRun) rollBack(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	ends := map[string]time.Time{}
	for _, e := range b.log {
		_, _ = b.Backend.Take(ctx, e.key) // it may be gone already
	}
	for _, e := range b.log[:b.marked] {
		if !e.expires.IsZero() {
			ends[e.key] = e.expires
		}
		if err := b.Put(ctx, e.key, e.value, ends[e.key]); err != nil {
			t.Fatal(err)
		}
	}
	b.log = b.log[:b.marked]
}
