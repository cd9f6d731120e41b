package pkcs11_test

import (
	"testing"

	"github.com/tegata-id/tegata/credentials/keys/pkcs11"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	slot, negative := 0, -1
	for _, tt := range []struct {
		name   string
		config pkcs11.Config
		ok     bool
	}{
		{"by label", pkcs11.Config{Module: "/lib/hsm.so", TokenLabel: "tegata"}, true},
		{"by slot", pkcs11.Config{Module: "/lib/hsm.so", Slot: &slot}, true},
		{"by both", pkcs11.Config{Module: "/lib/hsm.so", TokenLabel: "tegata", Slot: &slot}, false},
		{"by neither", pkcs11.Config{Module: "/lib/hsm.so"}, false},
		{"negative slot", pkcs11.Config{Module: "/lib/hsm.so", Slot: &negative}, false},
		{"library on the search path", pkcs11.Config{Module: "hsm.so", TokenLabel: "tegata"}, false},
		{"no library", pkcs11.Config{TokenLabel: "tegata"}, false},
	} {
		if err := tt.config.Validate(); (err == nil) != tt.ok {
			t.Errorf("%s: %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}
