package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/telemetry"
)

// tree is a configuration file as a tree, to be edited.
type tree map[string]any

// set sets the value at a dotted path.
func (c tree) set(path string, value any) {
	names := strings.Split(path, ".")
	at := map[string]any(c)
	for _, name := range names[:len(names)-1] {
		next, ok := at[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[name] = next
		}
		at = next
	}
	if value == nil {
		delete(at, names[len(names)-1])
		return
	}
	at[names[len(names)-1]] = value
}

// read returns the configuration of a sandbox.
func read(t *testing.T, box *sandbox.Sandbox) tree {
	t.Helper()
	return readTree(t, box.ConfigFile)
}

func readTree(t *testing.T, file string) tree {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c tree) write(t *testing.T, box *sandbox.Sandbox) {
	t.Helper()
	data, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(box.ConfigFile, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// starts tells whether a process comes up on the sandbox, and its error if not.
func starts(t *testing.T, box *sandbox.Sandbox) error {
	t.Helper()
	cfg, err := config.Load(box.ConfigFile)
	if err != nil {
		return err
	}
	process, err := app.New(context.Background(), cfg, app.Options{Log: telemetry.DiscardLogger(), Now: time.Now})
	if err != nil {
		return err
	}
	return process.Close()
}

func plainSandbox(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	box, err := sandbox.New(t.TempDir(), sandbox.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// roleKeys are all keys of a sandbox by their file names.
var roleKeys = map[string]string{
	"sd-jwt": "keys.sd_jwt", "mdoc": "keys.mdoc", "status": "keys.status", "metadata": "keys.metadata", "request": "keys.request",
	"attestation": "keys.attestation", "tls-issuer": "tls", "tls-verifier": "tls", "tls-provider": "tls",
}

// TestStartProvesKeys changes one key file at a time. The process must refuse to
// start, and say which key it is.
func TestStartProvesKeys(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, path string, data []byte, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	strangerPEM := func(t *testing.T) []byte {
		t.Helper()
		pem, err := keys.EncodeKeyPEM(newKey(t))
		if err != nil {
			t.Fatal(err)
		}
		return pem
	}
	faults := map[string]func(t *testing.T, key, chain string){
		"the certificate is for another key": func(t *testing.T, key, _ string) { t.Helper(); write(t, key, strangerPEM(t), 0o600) },
		"others can read the key":            func(t *testing.T, key, _ string) { t.Helper(); write(t, key, []byte(secret(t, key)+"\n"), 0o644) },
		"the group can read the key":         func(t *testing.T, key, _ string) { t.Helper(); write(t, key, []byte(secret(t, key)+"\n"), 0o640) },
		"the key is missing": func(t *testing.T, key, _ string) {
			t.Helper()
			if err := os.Remove(key); err != nil {
				t.Fatal(err)
			}
		},
		"the key is no key":         func(t *testing.T, key, _ string) { t.Helper(); write(t, key, []byte("no key"), 0o600) },
		"the chain is empty":        func(t *testing.T, _, chain string) { t.Helper(); write(t, chain, nil, 0o600) },
		"the certificate has ended": func(t *testing.T, key, chain string) { t.Helper(); expire(t, write, key, chain) },
	}
	for fault, breakIt := range faults {
		for file, name := range roleKeys {
			t.Run(fault+"/"+file, func(t *testing.T) {
				t.Parallel()
				box := plainSandbox(t)
				breakIt(t, filepath.Join(box.Dir, file+".key.pem"), filepath.Join(box.Dir, file+".chain.pem"))
				err := starts(t, box)
				if err == nil {
					t.Fatal("it starts")
				}
				if !strings.Contains(err.Error(), name) {
					t.Errorf("the error does not name %s: %v", name, err)
				}
			})
		}
	}
	t.Run("honest twin", func(t *testing.T) {
		t.Parallel()
		if err := starts(t, plainSandbox(t)); err != nil {
			t.Error(err)
		}
	})
}

// expire replaces a key and its chain by ones whose certificate has ended.
func expire(t *testing.T, write func(*testing.T, string, []byte, os.FileMode), keyFile, chainFile string) {
	t.Helper()
	past := time.Now().Add(-365 * 24 * time.Hour)
	ca, err := trusttest.NewCA(trusttest.CAOptions{Name: "Past", Profile: trusttest.Generic, NotBefore: past})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueStatusSigner(trusttest.LeafOptions{NotBefore: past, Lifetime: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := keys.EncodeKeyPEM(key.Signer)
	if err != nil {
		t.Fatal(err)
	}
	write(t, keyFile, pem, 0o600)
	write(t, chainFile, keys.EncodeChainPEM(key.Chain), 0o600)
}

// TestStartChecksConfiguration makes single mistakes in the file.
func TestStartChecksConfiguration(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		path  string
		value any
		want  string
	}{
		"unknown key":             {"colour", "red", "colour"},
		"unknown key of a role":   {"issuer.jpki.croll_url", "x", "croll_url"},
		"mode missing":            {"mode", nil, "mode"},
		"mode unknown":            {"mode", "staging", "mode"},
		"origin is http":          {"issuer.origin", "http://issuer.example", "issuer.origin"},
		"origin has a path":       {"verifier.origin", "https://verifier.example/x", "verifier.origin"},
		"tenant missing":          {"issuer.tenant", nil, "issuer.tenant"},
		"batch of one":            {"issuer.batch_size", 1, "batch_size"},
		"duration without unit":   {"issuer.max_validity", "31", "duration"},
		"no database":             {"database.path", nil, "database.path"},
		"database unknown":        {"database.driver", "oracle", "database.driver"},
		"no admin token":          {"issuer.admin_token_file", nil, "admin_token_file"},
		"no secret":               {"issuer.secret_file", nil, "secret_file"},
		"no wallet provider":      {"issuer.wallet_providers", nil, "wallet_providers"},
		"no key":                  {"issuer.keys.status", nil, "keys.status"},
		"no JPKI":                 {"issuer.jpki", nil, "signature_anchors"},
		"redis without keys":      {"redis.addresses", []string{"127.0.0.1:1"}, "session_keys_file"},
		"log level unknown":       {"log.level", "loud", "log.level"},
		"two sources of truth":    {"issuer.jpki.crl_url", "https://crl.example", "throwaway"},
		"issuers of the verifier": {"verifier.issuers", nil, "issuers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := plainSandbox(t)
			c := read(t, box)
			c.set(tc.path, tc.value)
			c.write(t, box)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := app.Serve(ctx, box.ConfigFile, t.Output(), nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one about %s", err, tc.want)
			}
		})
	}
	t.Run("two documents", func(t *testing.T) {
		t.Parallel()
		box := plainSandbox(t)
		data := secret(t, box.ConfigFile) + "\n---\nmode: production\n"
		if err := os.WriteFile(box.ConfigFile, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := starts(t, box); err == nil {
			t.Error("it starts")
		}
	})
	for _, file := range []string{"issuer-admin.token", "issuer.secret", "verifier-api.token", "provider-admin.token", "provider.secret"} {
		t.Run("others can read "+file, func(t *testing.T) {
			t.Parallel()
			box := plainSandbox(t)
			if err := os.Chmod(filepath.Join(box.Dir, file), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := starts(t, box); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("error %v, want one about %s", err, file)
			}
		})
	}
}

// TestProductionRefuses turns a sandbox into mode production, step by step.
func TestProductionRefuses(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(t.TempDir(), sandbox.Options{
		Now: time.Now(), SignatureAnchors: nation(t).Anchors(jpki.Signature),
		JPKI: config.JPKI{CRLURL: "https://crl.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := read(t, box)
	c.set("mode", "production")
	c.write(t, box)
	// All faults are reported at once.
	err = starts(t, box)
	for _, want := range []string{
		"issuer.origin: loopback", "verifier.origin: loopback", "wallet_provider.origin: loopback",
		"outbound.allow_loopback", "wallet_provider.software_platform", "issuer.wallets",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one about %s", err, want)
		}
	}
	c.set("issuer.origin", "https://issuer.example")
	c.set("verifier.origin", "https://verifier.example")
	c.set("wallet_provider.origin", "https://provider.example")
	c.set("outbound.allow_loopback", nil)
	c.set("wallet_provider.software_platform", nil)
	c.set("issuer.wallets", []any{map[string]any{"client_id": "wallet", "redirect_uris": []string{"https://wallet.example/callback"}}})
	c.write(t, box)
	if err := starts(t, box); err == nil || !strings.Contains(err.Error(), "jpki") {
		t.Errorf("anchors of a test JPKI: error %v", err)
	}
	c.set("issuer.jpki", map[string]any{"throwaway": true})
	c.write(t, box)
	if err := starts(t, box); err == nil || !strings.Contains(err.Error(), "throwaway") {
		t.Errorf("throwaway JPKI: error %v", err)
	}
	// Honest twin: the two roles without JPKI start.
	c.set("issuer", nil)
	c.write(t, box)
	if err := starts(t, box); err != nil {
		t.Errorf("honest twin: %v", err)
	}
}
