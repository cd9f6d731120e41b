package e2e_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/verifier"
)

// switched is a server that can be turned off and counts what it is asked.
type switched struct {
	http.Handler
	off   atomic.Bool
	asked atomic.Int32
}

func (s *switched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	if s.off.Load() {
		http.Error(w, "off", http.StatusServiceUnavailable)
		return
	}
	s.Handler.ServeHTTP(w, r)
}

// jpkiSettings sets members of the issuer's section jpki, in place of the address
// of revocation lists.
func jpkiSettings(t *testing.T, box *sandbox.Sandbox, settings map[string]string) {
	t.Helper()
	data, err := os.ReadFile(box.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	settings["crl_url"] = `""`
	for key, value := range settings {
		line := regexp.MustCompile(`(?m)^( +` + key + `:) .*$`)
		if len(line.FindAll(data, -1)) != 1 {
			t.Fatalf("the configuration has no %s, or several", key)
		}
		data = line.ReplaceAll(data, []byte("${1} "+value))
	}
	if err := os.WriteFile(box.ConfigFile, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// ended waits until the credentials of a wallet are INVALID.
func (d *deployment) ended(t *testing.T, count func() int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for count() < 4 {
		if time.Now().After(deadline) {
			t.Fatal("the revocation is not published")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestOCSPInPlaceOfLists issues and revokes on the word of an OCSP responder
// alone.
func TestOCSPInPlaceOfLists(t *testing.T) {
	t.Parallel()
	responder := &switched{Handler: nation(t).OCSPHandler()}
	server := httptest.NewServer(responder)
	t.Cleanup(server.Close)
	d := deploy(t, deployOptions{recheck: time.Second, window: time.Second, prepare: func(box *sandbox.Sandbox) {
		jpkiSettings(t, box, map[string]string{"ocsp_url": server.URL, "status_refresh": "1s", "on_unavailable": "hard_fail"})
	}})
	gone, stays := newCard(t, "hanako"), newCard(t, "taro")
	moved, other := d.receive(t, gone), d.receive(t, stays)
	if r := d.present(t, moved, queries[credentials.FormatSDJWTVC]); r.State != verifier.StateVerified {
		t.Fatalf("before: %s %v", r.State, r.Refusal)
	}
	if err := nation(t).Revoke(gone.SignatureCertificate(), 3); err != nil {
		t.Fatal(err)
	}
	d.ended(t, func() int { return d.invalid(t, moved) })
	if n := d.invalid(t, other); n != 0 {
		t.Errorf("%d credentials of somebody else are INVALID", n)
	}
	prove := func() *page {
		c, b := d.newClient(t), d.newBrowser(t)
		p := b.open(t, c.request(t))
		return b.submit(t, p, "sign-form", sign(t, p, newCard(t, "foreign")))
	}
	if p := prove(); p.status != http.StatusOK {
		t.Errorf("honest twin: %d %s", p.status, p.text("oauth-error"))
	}
	responder.off.Store(true)
	if p := prove(); p.status != http.StatusServiceUnavailable {
		t.Errorf("K12 the responder is away: %d %s", p.status, p.text("oauth-error"))
	}
	if n := d.invalid(t, other); n != 0 {
		t.Errorf("%d credentials of somebody else are INVALID while the responder is away", n)
	}
}

// TestOperatorAlone issues and revokes on the word of a platform operator alone,
// who is asked with the certificate at first and then with the handle it gave.
func TestOperatorAlone(t *testing.T) {
	t.Parallel()
	operator := nation(t).NewOperator()
	asked := &switched{Handler: operator}
	server := httptest.NewUnstartedServer(asked)
	t.Cleanup(server.Close)
	d := deploy(t, deployOptions{recheck: time.Second, window: time.Second, prepare: func(box *sandbox.Sandbox) {
		key, err := box.TLS.IssueTLS(trusttest.LeafOptions{})
		if err != nil {
			t.Fatal(err)
		}
		server.TLS = &tls.Config{Certificates: []tls.Certificate{key.TLSCertificate()}, MinVersion: tls.VersionTLS12}
		server.StartTLS()
		token := filepath.Join(filepath.Dir(box.ConfigFile), "operator.token")
		if err := os.WriteFile(token, []byte(operator.Token), 0o600); err != nil {
			t.Fatal(err)
		}
		jpkiSettings(t, box, map[string]string{"operator_url": server.URL, "operator_token_file": token, "status_refresh": "1s"})
	}})
	gone, stays := newCard(t, "hanako"), newCard(t, "taro")
	moved, other := d.receive(t, gone), d.receive(t, stays)
	if asked.asked.Load() == 0 {
		t.Error("the operator was not asked")
	}
	if err := nation(t).Revoke(gone.SignatureCertificate(), 3); err != nil {
		t.Fatal(err)
	}
	d.ended(t, func() int { return d.invalid(t, moved) })
	if n := d.invalid(t, other); n != 0 {
		t.Errorf("%d credentials of somebody else are INVALID", n)
	}
}

// TestListsInAFolder revokes on lists that somebody else puts into a folder.
func TestListsInAFolder(t *testing.T) {
	t.Parallel()
	gone := newCard(t, "hanako")
	issuer := nation(t).Anchors(jpki.Signature)[0].Certificate
	partitions, err := trust.Partitions(gone.SignatureCertificate())
	if err != nil {
		t.Fatal(err)
	}
	lists := t.TempDir()
	publish := func() {
		raw, err := nation(t).CRL(issuer, partitions[0])
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(lists, filepath.FromSlash(trust.CRLPath(issuer, partitions[0])+".crl"))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name+".new", raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	d := deploy(t, deployOptions{lists: time.Second, recheck: time.Second, window: time.Second, prepare: func(box *sandbox.Sandbox) {
		jpkiSettings(t, box, map[string]string{"crl_folder": lists})
	}})
	moved := d.receive(t, gone)
	if err := nation(t).Revoke(gone.SignatureCertificate(), 3); err != nil {
		t.Fatal(err)
	}
	publish()
	d.ended(t, func() int { return d.invalid(t, moved) })
}
