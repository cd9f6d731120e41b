// Package pkcs11test makes throwaway tokens of SoftHSM, a PKCS #11 library in
// software, for tests. It needs the program softhsm2-util and no cgo.
package pkcs11test

import (
	"context"
	"crypto"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tegata-id/tegata/credentials/keys"
)

// PIN is the user PIN of every token that is made here.
const PIN = "24680135"

// places are where distributions put the library.
var places = []string{
	"/usr/lib/softhsm/libsofthsm2.so",
	"/usr/lib/*/softhsm/libsofthsm2.so",
	"/usr/lib64/pkcs11/libsofthsm2.so",
	"/usr/local/lib/softhsm/libsofthsm2.so",
	"/opt/homebrew/lib/softhsm/libsofthsm2.so",
}

// HSM is a library with a folder for its tokens.
type HSM struct {
	// Module is the path of the library.
	Module string
	t      testing.TB
}

// New points the library at an empty folder, for this process and as long as
// the test runs; the test must not be parallel. It fails the test if SoftHSM is
// not installed.
func New(t testing.TB) *HSM {
	t.Helper()
	hsm := &HSM{t: t}
	for _, pattern := range places {
		if found, _ := filepath.Glob(pattern); len(found) > 0 && hsm.Module == "" {
			hsm.Module = found[0]
		}
	}
	if hsm.Module == "" {
		t.Fatal("SoftHSM is not installed (scripts/deps.sh installs it)")
	}
	dir := t.TempDir()
	tokens, config := filepath.Join(dir, "tokens"), filepath.Join(dir, "softhsm2.conf")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", tokens)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", config)
	return hsm
}

// Init makes a token with the given label and [PIN]. Do it before the process
// loads the library, which reads the list of tokens once.
func (h *HSM) Init(label string) {
	h.t.Helper()
	h.util("--init-token", "--free", "--label", label, "--so-pin", "97531086", "--pin", PIN)
}

// Import puts a key pair from memory into a token. id is in hexadecimal.
func (h *HSM) Import(token, label, id string, key crypto.Signer) {
	h.t.Helper()
	pem, err := keys.EncodeKeyPEM(key)
	if err != nil {
		h.t.Fatal(err)
	}
	file := filepath.Join(h.t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem, 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.util("--import", file, "--token", token, "--label", label, "--id", id, "--pin", PIN)
}

func (h *HSM) util(arguments ...string) {
	h.t.Helper()
	out, err := exec.CommandContext(context.Background(), "softhsm2-util", arguments...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("softhsm2-util %s: %v\n%s", arguments[0], err, out)
	}
}
