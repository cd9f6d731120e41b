package vault_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/vault"
)

func TestInstances(t *testing.T) {
	t.Parallel()
	const server, other = "https://a.example", "https://b.example"
	path := filepath.Join(t.TempDir(), "vault")
	v := open(t, path)
	reopen := func() {
		t.Helper()
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		v = open(t, path)
	}
	in := holder.Instance{Key: newKey(t, v)}
	if err := v.SaveInstance(t.Context(), server, in); err != nil {
		t.Fatal(err)
	}
	in.ID, in.Attestation, in.Expires = "i-1", "attestation", time.Now().UTC().Truncate(time.Second)
	if err := v.SaveInstance(t.Context(), server, in); err != nil {
		t.Fatal(err)
	}
	reopen()
	got, err := v.LoadInstance(t.Context(), server)
	if diff := cmp.Diff(&in, got, sameHeld); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if got, err := v.LoadInstance(t.Context(), other); err != nil || got != nil {
		t.Errorf("instance of another server: %v, %v", got, err)
	}
	free, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.SaveInstance(t.Context(), other, holder.Instance{Key: free}); err == nil {
		t.Error("a key that is not the vault's was taken")
	}
	for range 2 {
		if err := v.DeleteInstance(t.Context(), server); err != nil {
			t.Fatal(err)
		}
	}
	reopen()
	if got, err := v.LoadInstance(t.Context(), server); err != nil || got != nil {
		t.Errorf("after deletion: %v, %v", got, err)
	}
}

// TestInstanceKeyStays keeps the key of an instance as long as the instance.
func TestInstanceKeyStays(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v, err := vault.Open(filepath.Join(t.TempDir(), "vault"), passphrase, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	if err := v.SaveInstance(t.Context(), "https://a.example", holder.Instance{Key: newKey(t, v)}); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(1, 0, 0)
	newKey(t, v)
	if in, err := v.LoadInstance(t.Context(), "https://a.example"); err != nil || in == nil {
		t.Errorf("after a year: %v, %v", in, err)
	}
}
