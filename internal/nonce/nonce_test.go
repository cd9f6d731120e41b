package nonce_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/nonce"
	"github.com/tegata-id/tegata/internal/session"
)

var start = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)

func open(t *testing.T, key byte, purpose, tenant string, now *time.Time) *nonce.Nonces {
	t.Helper()
	n, err := nonce.New(bytes.Repeat([]byte{key}, 32), purpose, tenant, func() time.Time { return *now })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNonces makes nonces and takes those of others.
func TestNonces(t *testing.T) {
	t.Parallel()
	now := start
	n := open(t, 1, "p", "a", &now)
	value := n.Fresh()
	if value == n.Fresh() {
		t.Error("two nonces are equal")
	}
	changed := "A" + value[1:]
	if changed == value {
		changed = "B" + value[1:]
	}
	for name, bad := range map[string]string{
		"I11 absent": "", "I11 truncated": value[:len(value)-2], "I11 trailing bytes": value + "AA", "I11 no base64": value + "=", "I11 changed": changed,
		"I11 other key": open(t, 2, "p", "a", &now).Fresh(), "I11 other tenant": open(t, 1, "p", "b", &now).Fresh(), "I11 other purpose": open(t, 1, "q", "a", &now).Fresh(),
	} {
		if _, err := n.Issued(bad); !errors.Is(err, nonce.ErrUnknown) || !nonce.Invalid(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tt := range map[string]struct {
		at   time.Duration
		want error
	}{
		"at once": {0, nil}, "at the end": {nonce.Lifetime - time.Second, nil}, "after it": {nonce.Lifetime, nonce.ErrExpired},
		"by a clock that is ahead": {-5 * time.Second, nil}, "from the future": {-6 * time.Second, nonce.ErrExpired},
	} {
		now = start.Add(tt.at)
		if issued, err := open(t, 1, "p", "a", &now).Issued(value); !errors.Is(err, tt.want) || err == nil && !issued.Equal(start) {
			t.Errorf("%s: %v, %v", name, issued, err)
		}
		if err := n.Check()(value); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := nonce.New(make([]byte, 16), "p", "a", time.Now); err == nil {
		t.Error("a short key")
	}
	if check := (*nonce.Nonces)(nil).Check(); check != nil {
		t.Error("no nonces check something")
	}
}

// TestConsume uses nonces up, each once, by whichever replica made it.
func TestConsume(t *testing.T) {
	t.Parallel()
	now := start
	clock := func() time.Time { return now }
	n := open(t, 1, "p", "a", &now)
	sessions := session.New(session.NewMemory(clock, 100), session.NewRandomKeys(), "a", clock)
	consume := func(name, value string, want error) {
		t.Helper()
		if err := n.Consume(t.Context(), sessions, "kind", value); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	value := n.Fresh()
	consume("honest twin", value, nil)
	consume("used twice", value, nonce.ErrUsed)
	consume("other tenant", open(t, 1, "p", "b", &now).Fresh(), nonce.ErrUnknown)
	ahead := start.Add(5 * time.Second)
	value = open(t, 1, "p", "a", &ahead).Fresh()
	consume("of a replica whose clock is ahead", value, nil)
	// It is remembered for as long as it may be used.
	now = start.Add(nonce.Lifetime + 4*time.Second)
	consume("used twice at its end", value, nonce.ErrUsed)
	now = start.Add(nonce.Lifetime + 5*time.Second)
	consume("after its end", value, nonce.ErrExpired)
}
