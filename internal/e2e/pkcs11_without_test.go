//go:build !pkcs11 || !cgo

package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tegata-id/tegata/credentials/keys/pkcs11"
)

// TestStartWithoutModules configures a key in a module for a binary that can't
// load any.
func TestStartWithoutModules(t *testing.T) {
	t.Parallel()
	box := plainSandbox(t)
	pin := filepath.Join(box.Dir, "hsm.pin")
	if err := os.WriteFile(pin, []byte("123456"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := read(t, box)
	c.set("issuer.keys.sd_jwt.key_file", nil)
	c.set("issuer.keys.sd_jwt.pkcs11", map[string]any{"module": "/lib/hsm.so", "token_label": "tegata", "pin_file": pin, "key_label": "sd-jwt"})
	c.write(t, box)
	if err := starts(t, box); !errors.Is(err, pkcs11.ErrNotBuilt) {
		t.Errorf("starts: %v, want %v", err, pkcs11.ErrNotBuilt)
	}
}
