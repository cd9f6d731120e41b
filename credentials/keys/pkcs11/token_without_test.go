//go:build !pkcs11 || !cgo

package pkcs11_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/keys/pkcs11"
)

func TestNotBuilt(t *testing.T) {
	t.Parallel()
	_, err := pkcs11.Open(pkcs11.Config{Module: "/lib/hsm.so", TokenLabel: "tegata", PIN: "1234"})
	if !errors.Is(err, pkcs11.ErrNotBuilt) || !strings.Contains(err.Error(), "built without -tags pkcs11") {
		t.Errorf("Open: %v", err)
	}
}
