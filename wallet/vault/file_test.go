package vault_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/vault"
)

func TestNegOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vault")
	v := open(t, path)
	if _, err := vault.Open(path, passphrase, time.Now); !errors.Is(err, vault.ErrInUse) {
		t.Errorf("open twice: %v", err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Index(good, []byte("}\n")) + 2 // what follows is random
	spoiled := func(at int) []byte {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		return bad
	}
	for name, tc := range map[string]struct {
		data       []byte
		passphrase string
		want       error
	}{
		"wrong passphrase":    {good, "another", vault.ErrPassphrase},
		"changed content":     {spoiled(len(good) - 1), "", vault.ErrPassphrase},
		"changed nonce":       {spoiled(content), "", vault.ErrPassphrase},
		"cut off":             {good[:len(good)-1], "", vault.ErrPassphrase},
		"cut off in nonce":    {good[:content+3], "", vault.ErrFile},
		"no content":          {good[:20], "", vault.ErrFile},
		"empty":               {[]byte{}, "", vault.ErrFile},
		"another version":     {spoiled(len("tegata-vault ")), "", vault.ErrFile},
		"cost beyond measure": {bytes.Replace(good, []byte(`"n":32768`), []byte(`"n":2097152`), 1), "", vault.ErrFile},
		"cost of nothing":     {bytes.Replace(good, []byte(`"n":32768`), []byte(`"n":0`), 1), "", vault.ErrFile},
		"cheaper":             {bytes.Replace(good, []byte(`"n":32768`), []byte(`"n":16384`), 1), "", vault.ErrPassphrase},
		"no salt":             {bytes.Replace(good, []byte(`"salt":`), []byte(`"tlas":`), 1), "", vault.ErrFile},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n, data := range [][]byte{good, tc.data} {
				path := filepath.Join(t.TempDir(), "vault")
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
				secret := passphrase
				if n == 1 && tc.passphrase != "" {
					secret = []byte(tc.passphrase)
				}
				v, err := vault.Open(path, secret, time.Now)
				if n == 0 && err != nil {
					t.Fatalf("honest twin: %v", err)
				}
				if n == 1 && !errors.Is(err, tc.want) {
					t.Errorf("error = %v, want %v", err, tc.want)
				}
				if err == nil {
					_ = v.Close()
				}
			}
		})
	}
	if _, err := vault.Open(path, nil, time.Now); err == nil {
		t.Error("opened without a passphrase")
	}
}

// TestSecret looks for what a copy of the file, and an export, must not show.
func TestSecret(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vault")
	v, i := open(t, path), newIssuer(t)
	key, err := v.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := i.held(t, credentials.FormatSDJWTVC, "1", "a", key)
	if err := v.Add(t.Context(), []*holder.Held{h}); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil || bytes.Contains(file, []byte("issuer.example")) || bytes.Contains(file, []byte(h.Raw[:40])) {
		t.Errorf("the file is readable: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file: %v, %v", info.Mode(), err)
	}
	var export bytes.Buffer
	if err := v.Export(t.Context(), &export); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"pkcs8", "PRIVATE", `"d"`, "the-refresh-token"} {
		if bytes.Contains(export.Bytes(), []byte(secret)) {
			t.Errorf("the export has %s", secret)
		}
	}
	if _, private := key.(*ecdsa.PrivateKey); private {
		t.Error("the private key came out")
	}
	if _, err := x509.MarshalPKCS8PrivateKey(key); err == nil {
		t.Error("the private key can be encoded")
	}
}

// TestStrangeKey refuses credentials that nobody could present.
func TestStrangeKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v, other, i := open(t, filepath.Join(dir, "a")), open(t, filepath.Join(dir, "b")), newIssuer(t)
	free, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]*holder.Held{
		"key in memory":        i.held(t, credentials.FormatSDJWTVC, "1", "a", free),
		"key of another vault": i.held(t, credentials.FormatSDJWTVC, "1", "a", newKey(t, other)),
		"unreadable":           {ID: "1", Batch: "a", Format: credentials.FormatSDJWTVC, Raw: "x"},
		"unknown format":       {ID: "1", Batch: "a", Format: "jwt_vc_json", Raw: "x"},
	} {
		good := i.held(t, credentials.FormatSDJWTVC, "2", "b", newKey(t, v))
		if err := v.Add(t.Context(), []*holder.Held{good, bad}); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if held, err := v.List(t.Context()); err != nil || len(held) != 0 {
			t.Errorf("%s: %d credentials are left behind, %v", name, len(held), err)
		}
		if err := v.Add(t.Context(), []*holder.Held{good}); err != nil {
			t.Errorf("%s: honest twin: %v", name, err)
		}
		if err := v.Remove(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUnusedKeys forgets keys that led to nothing, and no others.
func TestUnusedKeys(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v, err := vault.Open(filepath.Join(t.TempDir(), "vault"), passphrase, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	i := newIssuer(t)
	used, unused := newKey(t, v), newKey(t, v)
	if err := v.Add(t.Context(), []*holder.Held{i.held(t, credentials.FormatMdoc, "1", "a", used)}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(44 * 24 * time.Hour)
	newKey(t, v)
	late := i.held(t, credentials.FormatMdoc, "2", "b", unused)
	if err := v.Add(t.Context(), []*holder.Held{late}); err != nil {
		t.Fatalf("a key of 44 days: %v", err)
	}
	if err := v.Remove(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := v.Add(t.Context(), []*holder.Held{late}); err == nil {
		t.Error("the key outlived its credential")
	}
	idle := newKey(t, v)
	now = now.Add(46 * 24 * time.Hour)
	newKey(t, v)
	if err := v.Add(t.Context(), []*holder.Held{i.held(t, credentials.FormatMdoc, "3", "c", idle)}); err == nil {
		t.Error("a key of 46 days is still there")
	}
	if held, err := v.List(t.Context()); err != nil || len(held) != 1 || held[0].Key == nil {
		t.Errorf("the credential lost its key: %v", err)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vault")
	v := open(t, path)
	for _, party := range []string{"one", "two", "three"} {
		if err := v.Record(t.Context(), vault.Entry{Action: vault.ActionPresented, Party: party, Claims: []string{"age"}}); err != nil {
			t.Fatal(err)
		}
	}
	log, err := v.Log(t.Context())
	if err != nil || len(log) != 3 || log[0].Party != "one" || log[0].At.IsZero() {
		t.Fatalf("%+v, %v", log, err)
	}
	if err := v.DeleteLog(t.Context(), log[1].ID); err != nil {
		t.Fatal(err)
	}
	rest, err := v.Log(t.Context())
	if diff := cmp.Diff([]vault.Entry{log[0], log[2]}, rest); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if err := v.DeleteLog(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rest, err := v.Log(t.Context()); err != nil || len(rest) != 0 {
		t.Errorf("%d entries, %v", len(rest), err)
	}
}

// TestMove takes what one vault exports into another.
func TestMove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to, i := open(t, filepath.Join(dir, "a")), open(t, filepath.Join(dir, "b")), newIssuer(t)
	first := i.held(t, credentials.FormatSDJWTVC, "1", "a", newKey(t, from))
	err := from.Add(t.Context(), []*holder.Held{
		first, i.held(t, credentials.FormatSDJWTVC, "2", "a", newKey(t, from)), i.held(t, credentials.FormatMdoc, "3", "b", newKey(t, from)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Record(t.Context(), vault.Entry{Action: vault.ActionReceived, Party: first.Issuer}); err != nil {
		t.Fatal(err)
	}
	var export bytes.Buffer
	if err := from.Export(t.Context(), &export); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if err := to.Import(t.Context(), bytes.NewReader(export.Bytes())); err != nil {
			t.Fatal(err)
		}
	}
	imported, err := to.Imported(t.Context())
	want := vault.Exported{
		Issuer: first.Issuer, ConfigurationID: "c", Format: first.Format, Type: first.Type, Credential: first.Raw, ReceivedAt: first.ReceivedAt,
	}
	if err != nil || len(imported) != 2 {
		t.Fatalf("%d credentials, %v", len(imported), err)
	}
	if diff := cmp.Diff(want, imported[0], cmpopts.EquateApproxTime(0)); diff != "" {
		t.Error(diff)
	}
	if held, err := to.List(t.Context()); err != nil || len(held) != 0 {
		t.Errorf("%d credentials can be presented without their keys, %v", len(held), err)
	}
	if log, err := to.Log(t.Context()); err != nil || len(log) != 1 {
		t.Errorf("%d entries, %v", len(log), err)
	}
	var again bytes.Buffer
	if err := to.Export(t.Context(), &again); err != nil || again.Len() != export.Len() {
		t.Errorf("exporting what was imported: %d bytes of %d, %v", again.Len(), export.Len(), err)
	}
	for name, bad := range map[string]string{
		"no JSON":            "x",
		"another version":    `{"version":2,"credentials":[],"log":[]}`,
		"member twice":       `{"version":1,"version":1,"credentials":[],"log":[]}`,
		"unreadable content": `{"version":1,"credentials":[{"format":"dc+sd-jwt","credential":"x"}],"log":[]}`,
	} {
		if err := to.Import(t.Context(), bytes.NewReader([]byte(bad))); err == nil {
			t.Errorf("%s: imported", name)
		}
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	v := open(t, filepath.Join(t.TempDir(), "vault"))
	if err := errors.Join(v.Close(), v.Close()); err != nil {
		t.Fatal(err)
	}
	for name, use := range map[string]func() error{
		"list":   func() error { _, err := v.List(t.Context()); return err },
		"pick":   func() error { _, err := v.Pick(t.Context(), "a", time.Now()); return err },
		"record": func() error { return v.Record(t.Context(), vault.Entry{}) },
		"key":    func() error { _, err := v.NewKey(context.Background()); return err },
	} {
		if use() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
