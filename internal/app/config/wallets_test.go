package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/app/config"
)

// publicKey returns a fresh public key as a JWK with a kid.
func publicKey(t *testing.T, curve elliptic.Curve, kid string) map[string]any {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk.Kid = kid
	data, err := json.Marshal(jwk)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(data, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

// TestNegClientKeys reads key sets that have a fault, inline and from a file.
func TestNegClientKeys(t *testing.T) {
	t.Parallel()
	good := publicKey(t, elliptic.P256(), "a")
	with := func(key map[string]any, name string, value any) map[string]any {
		out := map[string]any{name: value}
		for k, v := range key {
			if k != name {
				out[k] = v
			}
		}
		return out
	}
	for name, tc := range map[string]struct {
		keys []any
		want string
	}{
		"honest twin":             {[]any{good}, ""},
		"honest twin without kid": {[]any{with(good, "kid", "")}, ""},
		"honest twin of two":      {[]any{good, publicKey(t, elliptic.P256(), "b")}, ""},
		"none":                    {[]any{}, "keys"},
		"private":                 {[]any{with(good, "d", strings.Repeat("A", 43))}, "unusable"},
		"P-384":                   {[]any{publicKey(t, elliptic.P384(), "a")}, "P-256"},
		"RSA":                     {[]any{map[string]any{"kty": "RSA", "n": "AQAB", "e": "AQAB"}}, "unusable"},
		"for encryption":          {[]any{with(good, "use", "enc")}, "not for signatures"},
		"two of one kid":          {[]any{good, publicKey(t, elliptic.P256(), "a")}, "kid"},
		"two without kid":         {[]any{with(good, "kid", ""), publicKey(t, elliptic.P256(), "b")}, "kid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := map[string]any{"keys": tc.keys}
			data, err := json.Marshal(set)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "jwks.json")
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			for where, w := range map[string]*config.Wallet{"jwks": {JWKS: set}, "jwks_file": {JWKSFile: file}} {
				keys, err := config.LoadClientKeys("wallets[0]", w)
				switch {
				case tc.want == "" && (err != nil || len(keys) != len(tc.keys)):
					t.Errorf("%s: %v", where, err)
				case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
					t.Errorf("%s: error %v, want one with %q", where, err, tc.want)
				}
			}
		})
	}
}
