package vault_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/wallet/vault"
)

// crashFile names the environment variable that makes this test binary a
// process that works with the vault until it is killed.
const crashFile = "TEGATA_TEST_VAULT"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		writeForever(path)
	}
	os.Exit(m.Run())
}

// writeForever adds numbered entries to the log and prints the number of each
// that the vault has taken.
func writeForever(path string) {
	v, err := vault.Open(path, passphrase, time.Now)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	log, err := v.Log(context.Background())
	for n := len(log); err == nil; n++ {
		err = v.Record(context.Background(), vault.Entry{Action: vault.ActionPresented, Party: strconv.Itoa(n)})
		fmt.Println(n)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKill kills a writing process again and again: what it was told is stored
// is stored, at most one entry more, and the vault can always be opened.
func TestKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vault")
	const kills = 12
	total := 0
	for range kills {
		acknowledged := total - 1
		after := 1 + rand.IntN(12)
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), crashFile+"="+path)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if acknowledged, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
			if n == after {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the child ended by itself: %v", err)
		}
		v := open(t, path)
		log, err := v.Log(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if total = len(log); total < acknowledged+1 || total > acknowledged+2 {
			t.Fatalf("%d entries, %d were acknowledged", total, acknowledged+1)
		}
		for n, e := range log {
			if e.Party != strconv.Itoa(n) {
				t.Fatalf("entry %d is %q", n, e.Party)
			}
		}
	}
	t.Logf("%d kills, %d entries", kills, total)
}
