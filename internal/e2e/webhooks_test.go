package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/loopback"
	"github.com/tegata-id/tegata/verifier/client"
	"github.com/tegata-id/tegata/wallet/holder"
)

// program returns the path of a program that the examples need.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(nodeDir, "node_modules", ".bin", name))
	if _, statErr := os.Stat(path); err != nil || statErr != nil {
		path, err = exec.LookPath(name) // the packages' own Node is not there
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWebhooks has a relying party told of presentations: the examples in Go, in
// JavaScript and for the shell verify the same messages, and none that was
// tampered with.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	const party, key = "shop", "api-key-of-the-shop-that-is-told-0123456789"
	node, err := loopback.Address()
	if err != nil {
		t.Fatal(err)
	}
	bodies := make(chan []byte, 10)
	proxy := httptest.NewUnstartedServer(nil)
	var root string
	d := deploy(t, deployOptions{prepare: func(box *sandbox.Sandbox) {
		root = filepath.Join(box.Dir, "root-for-examples.pem")
		if err := os.WriteFile(root, keys.EncodeChainPEM([]*x509.Certificate{box.TLSRoot}), 0o600); err != nil {
			t.Fatal(err)
		}
		certificate, err := box.TLS.IssueTLS(trusttest.LeafOptions{})
		if err != nil {
			t.Fatal(err)
		}
		proxy.TLS = &tls.Config{Certificates: []tls.Certificate{certificate.TLSCertificate()}, MinVersion: tls.VersionTLS12}
		sum := sha256.Sum256([]byte(key))
		if err := box.Push(config.RelyingParty{
			ID: party, NameJA: "店", NameEN: "Shop", APIKeys: []string{hex.EncodeToString(sum[:])}, Flows: []string{"cross_device"},
			Allowed: []config.AllowedClaims{
				{Format: "dc+sd-jwt", Type: "urn:tegata:identity:jp:1", Claims: [][]any{{"age_equal_or_over"}}},
				{Format: "mso_mdoc", Type: "id.tegata.identity.jp.1", Claims: [][]any{{"id.tegata.identity.jp.1"}, {"org.iso.23220.1"}}},
			},
			Webhook: &config.Webhook{URL: "https://" + proxy.Listener.Addr().String() + "/tegata"},
		}); err != nil {
			t.Fatal(err)
		}
	}})
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: node})
	proxy.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies <- body
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(w, r)
	})
	proxy.StartTLS()
	t.Cleanup(proxy.Close)

	const folder = "../../verifier/client/examples/"
	environment := []string{"PATH=" + os.Getenv("PATH"), "VERIFIER=" + d.box.Verifier, "PARTY=" + party, "NODE_EXTRA_CA_CERTS=" + root, "CURL_CA_BUNDLE=" + root}
	javascript := exec.CommandContext(t.Context(), program(t, "node"), folder+"webhook.mjs")
	_, port, _ := net.SplitHostPort(node)
	javascript.Env = append(environment, "PORT="+port)
	javascript.Stderr = d.log
	output, err := javascript.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := javascript.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = javascript.Process.Kill(); _ = javascript.Wait() })
	lines := bufio.NewReader(output)

	bank := &client.Client{HTTP: d.http, BaseURL: d.box.Verifier, APIKey: key}
	wallet := d.receive(t, cardOf(t, "hanako"))
	var body []byte
	for _, want := range []string{client.Verified, client.Refused} {
		transaction, err := bank.Create(t.Context(), client.Request{Preset: "age_check", Flow: client.CrossDevice})
		if err != nil {
			t.Fatal(err)
		}
		decision := func(context.Context, holder.Ask) holder.Decision {
			return holder.Decision{Allow: want == client.Verified}
		}
		if _, err := wallet.Present(t.Context(), transaction.Link, decision); err != nil && want == client.Verified {
			t.Fatal(err)
		}
		if line, err := lines.ReadString('\n'); err != nil || line != transaction.ID+" "+want+"\n" {
			t.Fatalf("%q %v: %s", line, err, d.log)
		}
		// An attempt that Node did not answer yet came before.
		for body = <-bodies; len(bodies) > 0; body = <-bodies {
		}
		if notice, err := d.readNotice(party, body); err != nil || notice.Transaction != transaction.ID || notice.State != want {
			t.Errorf("Go: %+v %v", notice, err)
		}
		d.sayNothing(t, body)
	}

	parts := strings.Split(string(body), ".")
	payload, err := jose.DecodeBase64(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	forged := parts[0] + "." + jose.EncodeBase64(bytes.Replace(payload, []byte("refused"), []byte("expired"), 1)) + "." + parts[2]
	if _, err := d.readNotice(party, []byte(forged)); !errors.Is(err, client.ErrNotice) {
		t.Errorf("Go took a forgery: %v", err)
	}
	for token, want := range map[string]int{string(body): http.StatusAccepted, forged: http.StatusBadRequest, "hello": http.StatusBadRequest} {
		response, err := http.Post("http://"+node, "application/secevent+jwt", strings.NewReader(token))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("JavaScript answers %d, want %d", response.StatusCode, want)
		}
		shell := exec.CommandContext(t.Context(), program(t, "sh"), folder+"webhook.sh")
		shell.Env, shell.Stdin = environment, strings.NewReader(token)
		claims, err := shell.Output()
		if (err == nil) != (want == http.StatusAccepted) || err == nil && !bytes.Equal(claims, payload) {
			t.Errorf("the shell says %q, %v", claims, err)
		}
	}
}

// readNotice reads a body as the example in Go does.
func (d *deployment) readNotice(party string, body []byte) (*client.Notice, error) {
	r := httptest.NewRequest(http.MethodPost, "/tegata", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/secevent+jwt")
	return (&client.Webhook{HTTP: d.http, BaseURL: d.box.Verifier, Party: party, Now: time.Now}).Read(r)
}

// sayNothing demands that a message has these members and no others.
func (d *deployment) sayNothing(t *testing.T, body []byte) {
	t.Helper()
	payload, err := jose.DecodeBase64(strings.Split(string(body), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	var members struct {
		Iss, Aud, Jti string
		Iat           int64
		Events        map[string]struct{ Transaction, State string }
	}
	if err := decoder.Decode(&members); err != nil || len(members.Events) != 1 {
		t.Errorf("%v: %s", err, payload)
	}
}
