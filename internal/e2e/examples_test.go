package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/verifier/client"
	"github.com/tegata-id/tegata/wallet/holder"
)

// TestExamples runs the examples for programs of relying parties against the
// sandbox, while a wallet opens the link that they print.
func TestExamples(t *testing.T) {
	t.Parallel()
	var root string
	d := deploy(t, deployOptions{prepare: func(box *sandbox.Sandbox) {
		root = filepath.Join(box.Dir, "root-for-examples.pem")
		if err := os.WriteFile(root, keys.EncodeChainPEM([]*x509.Certificate{box.TLSRoot}), 0o600); err != nil {
			t.Fatal(err)
		}
	}})
	wallet := d.receive(t, cardOf(t, "hanako"))
	agree := func(context.Context, holder.Ask) holder.Decision { return holder.Decision{Allow: true} }
	const folder = "../../verifier/client/examples/"
	for _, example := range []struct{ program, file string }{{"node", "agecheck.mjs"}, {"sh", "agecheck.sh"}} {
		program, err := filepath.Abs(filepath.Join(nodeDir, "node_modules", ".bin", example.program))
		if _, statErr := os.Stat(program); err != nil || statErr != nil {
			program, err = exec.LookPath(example.program) // the packages' own Node is not there
		}
		if err == nil && example.program == "sh" {
			_, err = exec.LookPath("curl")
		}
		if err != nil {
			t.Fatalf("%s: %v", example.file, err)
		}
		command := exec.CommandContext(t.Context(), program, folder+example.file)
		command.Env = []string{
			"PATH=" + os.Getenv("PATH"), "VERIFIER=" + d.box.Verifier, "API_KEY=" + d.box.APIToken,
			"NODE_EXTRA_CA_CERTS=" + root, "CURL_CA_BUNDLE=" + root,
		}
		var errs bytes.Buffer
		command.Stderr = &errs
		output, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(output)
		link, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v: %s", example.file, err, errs.String())
		}
		if _, err := wallet.Present(t.Context(), strings.TrimSpace(link), agree); err != nil {
			t.Fatalf("%s: %v", example.file, err)
		}
		result, err := io.ReadAll(lines)
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err != nil || !strings.Contains(string(result), `{"20":true}`) && !strings.Contains(string(result), `"age_over_20":true`) {
			t.Errorf("%s: %v: %s %s", example.file, err, result, errs.String())
		}
	}
	t.Run("Go", func(t *testing.T) { d.exampleInGo(t, wallet, agree) })
}

// exampleInGo does what the example of the package does.
func (d *deployment) exampleInGo(t *testing.T, wallet *holder.Wallet, agree holder.Consent) {
	t.Helper()
	party := &client.Client{HTTP: d.http, BaseURL: d.box.Verifier, APIKey: d.box.APIToken}
	transaction, err := party.Create(t.Context(), client.Request{Preset: "age_check", Flow: client.CrossDevice, Acknowledge: true, IdempotencyKey: "example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wallet.Present(t.Context(), transaction.Link, agree); err != nil {
		t.Fatal(err)
	}
	state, err := party.Wait(t.Context(), transaction.ID)
	if err != nil || state != client.Verified {
		t.Fatalf("%s %v", state, err)
	}
	for range 2 {
		result, err := party.Result(t.Context(), transaction.ID, "")
		if err != nil || result.State != client.Verified || !strings.Contains(string(result.Credentials[0].Claims), "20") {
			t.Fatalf("%+v %v", result, err)
		}
	}
	if err := party.Delete(t.Context(), transaction.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := party.Result(t.Context(), transaction.ID, ""); err == nil {
		t.Error("acknowledged, and still there")
	}
}
