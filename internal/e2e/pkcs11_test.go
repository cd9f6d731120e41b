//go:build pkcs11 && cgo

package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/keys/pkcs11"
	"github.com/tegata-id/tegata/credentials/keys/pkcs11/pkcs11test"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/ca"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/verifier"
)

// moduleKeys are all keys of a sandbox: the file, where the configuration names
// it, and the id in the token.
var moduleKeys = []struct{ file, path, id string }{
	{"sd-jwt", "issuer.keys.sd_jwt", "01"},
	{"mdoc", "issuer.keys.mdoc", "02"},
	{"status", "issuer.keys.status", "03"},
	{"request", "verifier.keys.request", "04"},
	{"attestation", "wallet_provider.keys.attestation", "05"},
	{"tls-issuer", "issuer.tls", "06"},
	{"tls-verifier", "verifier.tls", "07"},
	{"tls-provider", "wallet_provider.tls", "08"},
	{"metadata", "issuer.keys.metadata", "09"},
}

// intoModule moves every key of the sandbox from its file into one token, and
// writes the configuration anew. edit may change what is written.
func intoModule(t *testing.T, hsm *pkcs11test.HSM, box *sandbox.Sandbox, edit func(tree)) {
	t.Helper()
	hsm.Init("tegata")
	pin := filepath.Join(box.Dir, "hsm.pin")
	if err := os.WriteFile(pin, []byte(pkcs11test.PIN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := read(t, box)
	for _, k := range moduleKeys {
		file := filepath.Join(box.Dir, k.file+".key.pem")
		key, err := keys.LoadFile(file, "")
		if err != nil {
			t.Fatal(err)
		}
		hsm.Import("tegata", k.file, k.id, key.Signer)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		c.set(k.path+".key_file", nil)
		c.set(k.path+".pkcs11", map[string]any{"module": hsm.Module, "token_label": "tegata", "pin_file": pin, "key_label": k.file})
	}
	// One key by its id, so that both ways are walked.
	c.set("issuer.keys.sd_jwt.pkcs11.key_label", nil)
	c.set("issuer.keys.sd_jwt.pkcs11.key_id", "01")
	if edit != nil {
		edit(c)
	}
	c.write(t, box)
}

// TestPKCS11 walks from the card to the verified presentation with no private
// key in a file, those of the TLS servers included.
func TestPKCS11(t *testing.T) {
	hsm := pkcs11test.New(t)
	d := deploy(t, deployOptions{prepare: func(box *sandbox.Sandbox) { intoModule(t, hsm, box, nil) }})
	left, _ := filepath.Glob(filepath.Join(d.box.Dir, "*.key.pem"))
	left = slices.DeleteFunc(left, func(file string) bool { return filepath.Base(file) == "tls-wallet.key.pem" }) // of another process
	if len(left) > 0 {
		t.Fatalf("keys in files: %v", left)
	}
	w := d.receive(t, cardOf(t, "taro"))
	for format, query := range queries {
		if r := d.present(t, w, query); r.State != verifier.StateVerified {
			t.Errorf("%s: %s %v", format, r.State, r.Refusal)
		}
	}
	if n := d.invalid(t, w); n != 0 {
		t.Errorf("the status lists end %d credentials", n)
	}
}

// TestPKCS11Start makes single mistakes in the configuration of the token.
func TestPKCS11Start(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(t *testing.T, dir string, c tree)
		want error
	}{
		"honest twin": {nil, nil},
		"wrong PIN": {func(t *testing.T, dir string, _ tree) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, "hsm.pin"), []byte("13572468"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, pkcs11.ErrPIN},
		"missing key":                {func(_ *testing.T, _ string, c tree) { c.set("issuer.keys.mdoc.pkcs11.key_label", "nobody") }, pkcs11.ErrKeyNotFound},
		"certificate of another key": {func(_ *testing.T, _ string, c tree) { c.set("issuer.keys.mdoc.pkcs11.key_label", "status") }, errAny},
		"no such token":              {func(_ *testing.T, _ string, c tree) { c.set("issuer.keys.mdoc.pkcs11.token_label", "another") }, errAny},
		"PIN that others can read": {func(t *testing.T, dir string, _ tree) {
			t.Helper()
			if err := os.Chmod(filepath.Join(dir, "hsm.pin"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, errAny},
		"two PINs": {func(t *testing.T, dir string, c tree) {
			t.Helper()
			other := filepath.Join(dir, "other.pin")
			if err := os.WriteFile(other, []byte("13572468"), 0o600); err != nil {
				t.Fatal(err)
			}
			c.set("issuer.keys.status.pkcs11.pin_file", other)
		}, errAny},
	} {
		t.Run(name, func(t *testing.T) {
			box := plainSandbox(t)
			intoModule(t, pkcs11test.New(t), box, func(c tree) {
				if tc.edit != nil {
					tc.edit(t, box.Dir, c)
				}
			})
			err := starts(t, box)
			switch {
			case tc.want == nil && err != nil, tc.want != nil && err == nil:
				t.Errorf("starts: %v", err)
			case !errors.Is(tc.want, errAny) && !errors.Is(err, tc.want):
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

// TestPKCS11Request asks for a certificate of a key that never leaves its
// token, and has the authority issue it.
func TestPKCS11Request(t *testing.T) {
	box, hsm := plainSandbox(t), pkcs11test.New(t)
	intoModule(t, hsm, box, nil)
	subject := ca.Subject{OrganizationIdentifier: trusttest.CorporateNumber()}
	request, err := ca.Request(box.ConfigFile, "issuer.keys.sd_jwt", subject, false)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ca")
	if err := ca.Init(dir, ca.Options{Kind: ca.Generic, Name: "Test", Country: "JP", Years: 1}, time.Now()); err != nil {
		t.Fatal(err)
	}
	authority, err := ca.Open(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Issue(request, "sd-jwt", 30, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	chain := filepath.Join(box.Dir, "sd-jwt.chain.pem")
	if err := os.Remove(chain); err != nil {
		t.Fatal(err)
	}
	if err := ca.WriteCertificate(chain, certificate); err != nil {
		t.Fatal(err)
	}
	if err := starts(t, box); err != nil {
		t.Error(err)
	}
}

// errAny stands for an error whose text is for people only.
var errAny = errors.New("any")
