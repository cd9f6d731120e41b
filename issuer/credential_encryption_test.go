package issuer

import (
	"bytes"
	"testing"
)

// TestRequestKey holds that the replicas of a tenant have one key for encrypted
// requests, and that tenants have none in common, though they share the secret.
func TestRequestKey(t *testing.T) {
	t.Parallel()
	key := func(secret byte, tenant string) *encryption {
		e, err := newEncryption(bytes.Repeat([]byte{secret}, 32), tenant, false)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	kid := func(e *encryption) string { return e.request.Keys.Keys[0].Kid }
	one := key(1, "a")
	if again := key(1, "a"); !one.key.Equal(again.key) || kid(one) != kid(again) {
		t.Error("replicas disagree")
	}
	for name, other := range map[string]*encryption{"tenant": key(1, "b"), "secret": key(2, "a")} {
		if one.key.Equal(other.key) || kid(one) == kid(other) {
			t.Errorf("another %s has the same key", name)
		}
	}
	if _, err := newEncryption(make([]byte, 31), "a", false); err == nil {
		t.Error("a short secret is taken")
	}
}
