// Package e2e_test runs the built program as operators do and has others talk to
// it over the network.
package e2e_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// world is what the Node wallet is told about where it is. The wallet gets the
// tokens too, because it also plays the operator who makes an offer and the
// relying party who asks.
type world struct {
	Issuer     string            `json:"issuer"`
	Verifier   string            `json:"verifier"`
	Provider   string            `json:"provider"`
	AdminToken string            `json:"adminToken"`
	APIToken   string            `json:"apiToken"`
	Clear      clearVerifier     `json:"clear"`
	Anchors    map[string]string `json:"anchors"`
	Person     person            `json:"person"`
}

// clearVerifier is a verifier whose responses are not encrypted.
type clearVerifier struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

type person struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Birthdate string `json:"birthdate"`
	Address   string `json:"address"`
	Sex       int    `json:"sex"`
}

// steps are the lines in which the Node wallet says what held.
var steps = []string{
	"the wallet provider attests the instance",
	"@openid4vc/openid4vci receives two credentials in each format",
	"@sd-jwt/sd-jwt-vc verifies the SD-JWT VCs and their status",
	"@sd-jwt/sd-jwt-vc refuses one that was changed or has another anchor",
	"@owf/mdoc verifies the mdocs",
	"@owf/mdoc refuses one that was changed or has another anchor",
	"@openid4vc/openid4vci receives two credentials in each format, pre-authorized, for keys that the provider attests",
	"the verifier accepts the SD-JWT VC",
	"the verifier refuses it for another nonce",
	"the verifier accepts the mdoc",
	"the verifier refuses it for another session transcript",
	"the verifier that wants no encryption accepts both formats",
	"it refuses both for another nonce",
	"@openid4vc/openid4vci receives the other shipped types",
	"@openid4vc/openid4vci receives the other shipped types, pre-authorized, for keys that the provider attests",
	"@sd-jwt/sd-jwt-vc verifies the PID",
	"@owf/mdoc verifies the PID and the mDL",
}

// TestNodeWallet lets a wallet that is made of other people's libraries, in
// another language, receive credentials and present them. The three roles run in
// one process of the built program, with its sessions in a real Redis.
func TestNodeWallet(t *testing.T) {
	t.Parallel()
	node := findNode(t)
	redis := sessiontest.StartRedis(t)
	box, err := sandbox.New(t.TempDir(), sandbox.Options{Now: time.Now(), Redis: redis, RedisTimeout: 10 * time.Second, BatchSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	clear := addClearVerifier(t, box)
	everyType(t)(box)
	server := serve(t, box)
	input, err := json.Marshal(world{
		Issuer: box.Issuer, Verifier: box.Verifier, Provider: box.Provider,
		AdminToken: box.AdminToken, APIToken: box.APIToken, Clear: clearVerifier{clear.BaseURL, clear.Token},
		Anchors: map[string]string{
			"issuing": anchorPEM(box.IssuerAnchors[credentials.FormatSDJWTVC]),
			"iaca":    anchorPEM(box.IssuerAnchors[credentials.FormatMdoc]),
			"access":  anchorPEM(box.VerifierAnchor),
		},
		Person: person{ID: "hanako", Name: "山田　花子", Birthdate: "1985-04-01", Address: "東京都清瀬市中里五丁目８４２番地", Sex: 2},
	})
	if err != nil {
		t.Fatal(err)
	}

	out := runNode(t, node, "wallet.mjs", box.TLSRoot, input)
	wantSteps(t, out, steps)
	if n := keysIn(t, redis); n == 0 {
		t.Error("Redis is empty: the sessions were kept elsewhere")
	}
	server.stop(t)
}

// wantSteps expects a program to have printed its steps.
func wantSteps(t *testing.T, out, steps []string) {
	t.Helper()
	for i, want := range steps {
		if i >= len(out) || out[i] != "ok "+want {
			t.Errorf("step %d is missing: %s", i+1, want)
			continue
		}
		t.Log(out[i])
	}
}

func anchorPEM(a trust.Anchor) string {
	return string(keys.EncodeChainPEM([]*x509.Certificate{a.Certificate}))
}

const (
	// nodeDir is where the wallet and its packages are.
	nodeDir = "node"
	// oldestNode is the major version that the packages need.
	oldestNode = 20
)

// findNode returns a Node that is new enough: the one among the packages if it
// is there, because that of the system may be too old.
func findNode(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(nodeDir, "node_modules", "@openid4vc", "openid4vci", "package.json")); err != nil {
		t.Fatalf("the packages of the Node wallet are missing: run \"make deps\" (%v)", err)
	}
	node, err := filepath.Abs(filepath.Join(nodeDir, "node_modules", ".bin", "node"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(node); err != nil {
		if node, err = exec.LookPath("node"); err != nil {
			t.Fatalf("this test needs Node %d or newer: run \"make deps\" (%v)", oldestNode, err)
		}
	}
	out, err := exec.CommandContext(t.Context(), node, "-p", "process.versions.node").Output()
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(version, ".")
	if n, numberErr := strconv.Atoi(major); err != nil || numberErr != nil || n < oldestNode {
		t.Fatalf("%s is version %q, and this test needs %d or newer: run \"make deps\" (%v)", node, version, oldestNode, err)
	}
	return node
}

// runNode runs a program to its end and returns the lines that it printed.
func runNode(t *testing.T, node, program string, tls *x509.Certificate, input []byte) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, keys.EncodeChainPEM([]*x509.Certificate{tls}), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, node, program)
	cmd.Dir = nodeDir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NODE_EXTRA_CA_CERTS=" + root}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("%s ended with %v\n%s", program, errors.Join(err, ctx.Err()), stderr.Bytes())
	}
	return strings.Split(strings.TrimSpace(stdout.String()), "\n")
}
