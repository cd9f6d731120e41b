package issuer

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/oauth"
)

func TestNonce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	make32 := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	open := func(t *testing.T, key []byte, tenant string) *nonces {
		store := session.New(session.NewMemory(clock, 100), session.NewRandomKeys(), tenant, clock)
		n, err := newNonces(key, tenant, store, clock)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := open(t, make32(1), "a")
	nonce := n.fresh()
	if n.fresh() == nonce {
		t.Error("two nonces are equal")
	}
	changed := "A" + nonce[1:]
	if changed == nonce {
		changed = "B" + nonce[1:]
	}
	for name, bad := range map[string]string{
		"I11 absent":              "",
		"I11 truncated":           nonce[:len(nonce)-2],
		"I11 changed":             changed,
		"I11 other issuer's key":  open(t, make32(2), "a").fresh(),
		"I11 other tenant's":      open(t, make32(1), "b").fresh(),
		"I11 with trailing bytes": nonce + "AA",
	} {
		if err := n.consume(t.Context(), bad); !errors.Is(err, errNonce) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := n.consume(t.Context(), nonce); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	if err := n.consume(t.Context(), nonce); !errors.Is(err, errNonce) {
		t.Errorf("used twice: error %v", err)
	}
	now = now.Add(nonceSkew)
	ahead := n.fresh()
	now = now.Add(-nonceSkew)
	if err := n.consume(t.Context(), ahead); err != nil {
		t.Errorf("of a replica whose clock is ahead: %v", err)
	}
	now = now.Add(nonceSkew + time.Second)
	ahead = n.fresh()
	now = now.Add(-nonceSkew - time.Second)
	if err := n.consume(t.Context(), ahead); !errors.Is(err, errNonce) {
		t.Errorf("of the future: error %v", err)
	}
	last, expired := n.fresh(), n.fresh()
	now = now.Add(oauth.NonceLifetime - time.Second)
	if err := n.consume(t.Context(), last); err != nil {
		t.Errorf("last second: %v", err)
	}
	now = now.Add(time.Second)
	if err := n.consume(t.Context(), expired); !errors.Is(err, errNonce) {
		t.Errorf("expired: error %v", err)
	}
}
