package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tegata-id/tegata/internal/app/config"
)

// FuzzConfig reads any file as a configuration.
func FuzzConfig(f *testing.F) {
	data, err := os.ReadFile(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("mode: test\nverifier: {}\n"))
	f.Add([]byte("a: &a [*a]"))
	path := filepath.Join(f.TempDir(), "tegata.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path)
		if err == nil && c.Issuer == nil && c.Verifier == nil && c.Provider == nil {
			t.Errorf("accepted a configuration of nothing: %q", data)
		}
	})
}
