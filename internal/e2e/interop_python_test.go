package e2e_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/verifier"
)

// pythonDir is where the Python wallet and its packages are.
const pythonDir = "python"

// pythonWorld is what the Python wallet is told: one request and one credential.
type pythonWorld struct {
	Link       string            `json:"link"`
	Credential string            `json:"credential"`
	Key        map[string]string `json:"key"`
	Anchors    map[string]string `json:"anchors"`
	// Nonce is signed instead of that of the request, unless it is empty.
	Nonce string `json:"nonce,omitempty"`
}

// pythonAnswer is what the wallet prints.
type pythonAnswer struct {
	Mode   openid4vp.ResponseMode `json:"mode"`
	Status int                    `json:"status"`
	Body   string                 `json:"body"`
}

// asker is a relying party at one of the verifiers.
type asker struct{ verifier, token string }

// TestPythonWallet has a wallet of Python libraries, which shares no code with
// the Node wallet or with this program, present both formats in both response
// modes, and in each case once for another nonce.
func TestPythonWallet(t *testing.T) {
	t.Parallel()
	python := findPython(t)
	var clear *sandbox.Tenant
	d := deploy(t, deployOptions{direct: true, prepare: func(box *sandbox.Sandbox) { clear = addClearVerifier(t, box) }})
	askers := map[openid4vp.ResponseMode]asker{
		openid4vp.DirectPostJWT: {d.box.Verifier, d.box.APIToken},
		openid4vp.DirectPost:    {clear.BaseURL, clear.Token},
	}
	key := newKey(t)
	held := d.receiveFor(t, key)
	want := map[credentials.Format]string{
		credentials.FormatSDJWTVC: `{"name":"山田　花子"}`,
		credentials.FormatMdoc:    `{"id.tegata.identity.jp.1":{"name":"山田　花子"}}`,
	}
	for mode, by := range askers {
		for format, query := range queries {
			t.Run(string(mode)+" "+string(format), func(t *testing.T) {
				t.Parallel()
				world := pythonWorld{
					Credential: held[format], Key: privateJWK(t, key),
					Anchors: map[string]string{"access": anchorPEM(d.box.VerifierAnchor), "issuer": anchorPEM(d.box.IssuerAnchors[format])},
				}
				answer, result := d.askPython(t, python, by, query, world)
				if answer.Mode != mode || answer.Status != http.StatusOK || result.State != verifier.StateVerified {
					t.Fatalf("asked by %s, answered %d %s, state %s %+v", answer.Mode, answer.Status, answer.Body, result.State, result.Refusal)
				}
				if len(result.Credentials) != 1 || result.Credentials[0].Format != format {
					t.Fatalf("credentials: %+v", result.Credentials)
				}
				if diff := cmp.Diff(want[format], string(result.Credentials[0].Claims)); diff != "" {
					t.Error(diff)
				}

				world.Nonce = "another-nonce-than-the-verifier-s"
				answer, result = d.askPython(t, python, by, query, world)
				if answer.Status/100 != 4 || result.State != verifier.StateRefused || result.Refusal.Reason != verifier.ReasonHolderBinding {
					t.Errorf("for another nonce: answered %d %s, state %s %+v", answer.Status, answer.Body, result.State, result.Refusal)
				}
			})
		}
	}
}

// addClearVerifier adds a verifier whose responses are not encrypted.
func addClearVerifier(t *testing.T, box *sandbox.Sandbox) *sandbox.Tenant {
	t.Helper()
	tenant, err := box.AddTenant(config.RoleVerifier, "clear")
	if err != nil {
		t.Fatal(err)
	}
	setVerifier(t, tenant.File, "request", map[string]string{"response_mode": string(openid4vp.DirectPost)})
	return tenant
}

// receiveFor has credentials in both formats issued for a key.
func (d *deployment) receiveFor(t *testing.T, key *ecdsa.PrivateKey) map[credentials.Format]string {
	t.Helper()
	c := d.newClient(t)
	form := c.parForm()
	form.Set("scope", "identity_sd_jwt identity_mdoc")
	callback := d.newBrowser(t).authorize(t, c.visit(t, c.push(t, form, nil)), newCard(t, "hanako"))
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(callback.Query().Get("code")), nil).read(t, &token)
	held := map[credentials.Format]string{}
	for format, id := range map[credentials.Format]string{
		credentials.FormatSDJWTVC: "identity_sd_jwt", credentials.FormatMdoc: "identity_mdoc",
	} {
		request := &openid4vci.CredentialRequest{ConfigurationID: id, Proofs: &openid4vci.Proofs{
			JWT: []string{c.keyProof(t, d.nonce(t), key)},
		}}
		held[format] = c.credential(t, token.AccessToken, request, nil).credentials(t)[0]
	}
	return held
}

// askPython runs a transaction that the Python wallet answers.
func (d *deployment) askPython(t *testing.T, python string, by asker, query string, world pythonWorld) (*pythonAnswer, *verifier.Result) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"dcql_query": json.RawMessage(query), "flow": verifier.CrossDevice})
	if err != nil {
		t.Fatal(err)
	}
	var transaction struct{ ID, Link string }
	d.send(t, http.MethodPost, by.verifier+"/api/transactions", bearer(by.token, body), body).read(t, &transaction)
	world.Link = transaction.Link
	answer := runPython(t, python, d.box.TLSRoot, world)
	var result verifier.Result
	d.send(t, http.MethodGet, by.verifier+"/api/transactions/"+transaction.ID, bearer(by.token, nil), nil).read(t, &result)
	return answer, &result
}

func runPython(t *testing.T, python string, root *x509.Certificate, world pythonWorld) *pythonAnswer {
	t.Helper()
	out := runPythonProgram(t, python, "wallet.py", root, world)
	answer := &pythonAnswer{}
	if err := json.Unmarshal(out, answer); err != nil {
		t.Fatalf("the wallet printed %q: %v", out, err)
	}
	return answer
}

// runPythonProgram runs a program, which gets JSON, to its end and returns what it
// printed.
func runPythonProgram(t *testing.T, python, program string, root *x509.Certificate, world any) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	input, err := json.Marshal(world)
	if err != nil {
		t.Fatal(err)
	}
	roots := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(roots, keys.EncodeChainPEM([]*x509.Certificate{root}), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, python, "-B", program)
	cmd.Dir = pythonDir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SSL_CERT_FILE=" + roots}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s ended with %v\n%s%s", program, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.Bytes()
}

// findPython returns the Python that has the packages of the wallet.
func findPython(t *testing.T) string {
	t.Helper()
	python, err := filepath.Abs(filepath.Join(pythonDir, ".venv", "bin", "python"))
	if err == nil {
		err = exec.CommandContext(t.Context(), python, "-c", "import jwcrypto, pycose, pymdoccbor, sd_jwt").Run()
	}
	if err != nil {
		t.Fatalf("the packages of the Python wallet are missing: run \"make deps\" (%v)", err)
	}
	return python
}

// privateJWK encodes a P-256 key with its private part.
func privateJWK(t *testing.T, key *ecdsa.PrivateKey) map[string]string {
	t.Helper()
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]string{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:]), "d": encode(d)}
}
