package oauth_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/tegata-id/tegata/issuer/oauth"
)

// TestNonces makes nonces and takes those of others.
func TestNonces(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	open := func(key byte, purpose, tenant string) *oauth.Nonces {
		n, err := oauth.NewNonces(bytes.Repeat([]byte{key}, 32), purpose, tenant, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := open(1, "p", "a")
	nonce := n.Fresh()
	if nonce == n.Fresh() {
		t.Error("two nonces are equal")
	}
	for name, bad := range map[string]string{
		"absent": "", "truncated": nonce[:len(nonce)-2], "trailing bytes": nonce + "AA", "no base64": nonce + "=",
		"other key": open(2, "p", "a").Fresh(), "other tenant": open(1, "p", "b").Fresh(), "other purpose": open(1, "q", "a").Fresh(),
	} {
		if _, err := n.Issued(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	made := now
	for name, tt := range map[string]struct {
		at time.Duration
		ok bool
	}{
		"at once": {0, true}, "at the end": {oauth.NonceLifetime - time.Second, true}, "after it": {oauth.NonceLifetime, false},
		"by a clock that is ahead": {-5 * time.Second, true}, "from the future": {-6 * time.Second, false},
	} {
		now = made.Add(tt.at)
		if issued, err := open(1, "p", "a").Issued(nonce); (err == nil) != tt.ok || tt.ok && !issued.Equal(made) {
			t.Errorf("%s: %v, %v", name, issued, err)
		}
	}
	if _, err := oauth.NewNonces(make([]byte, 16), "p", "a", time.Now); err == nil {
		t.Error("a short key")
	}
}
