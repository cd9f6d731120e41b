package e2e_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServeDrains tells the program to end while a request is half sent. The
// request is answered, new connections are not taken, and the exit code is 0.
func TestServeDrains(t *testing.T) {
	t.Parallel()
	box := plainSandbox(t)
	p := serve(t, box)
	address := strings.TrimPrefix(box.Issuer, "https://")
	pool := x509.NewCertPool()
	pool.AddCert(box.TLSRoot)
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	connection, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	const body = "grant_type=authorization_code&code=abc"
	fmt.Fprintf(connection, "POST /token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		address, len(body), body[:10])
	time.Sleep(200 * time.Millisecond) // it is being read
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	refused := false
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline) && !refused; time.Sleep(50 * time.Millisecond) {
		other, err := net.DialTimeout("tcp", address, time.Second)
		if refused = err != nil; !refused {
			other.Close()
		}
	}
	if !refused {
		t.Error("new connections are still taken")
	}
	select {
	case <-p.done:
		t.Fatal("it ended with a request in flight")
	default:
	}
	fmt.Fprint(connection, body[10:])
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("answered %d", response.StatusCode)
	}
	select {
	case <-p.done:
		if p.err != nil {
			t.Errorf("it ended with %v", p.err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it did not end")
	}
}

// TestTestPersons compares a login page with test persons and one without.
func TestTestPersons(t *testing.T) {
	t.Parallel()
	login := func(t *testing.T, o deployOptions) (*deployment, *browser, *page) {
		t.Helper()
		d := deploy(t, o)
		b := d.newBrowser(t)
		return d, b, b.open(t, d.newClient(t).request(t))
	}
	hanako := url.Values{"person": {"hanako"}}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		d, b, p := login(t, deployOptions{noTestPersons: true})
		if p.attribute("challenge", "value") == "" || strings.Contains(p.body, "test-form") || strings.Contains(p.body, `name="person"`) {
			t.Errorf("login page %s", p.body)
		}
		if p := b.post(t, d.endpoint("/login/test"), hanako); p.status != http.StatusNotFound && p.status != http.StatusMethodNotAllowed {
			t.Errorf("POST /login/test: %d", p.status)
		}
	})
	t.Run("honest twin", func(t *testing.T) {
		t.Parallel()
		_, b, p := login(t, deployOptions{})
		if p.attribute("test-mode", "class") == "" {
			t.Error("the page does not say that it is for tests")
		}
		if p := b.submit(t, p, "test-form", hanako); p.text("person-name") == "" {
			t.Errorf("%d %s", p.status, p.text("oauth-error"))
		}
		nobody := b.submit(t, p, "test-form", url.Values{"person": {"nobody"}})
		nobody.want(t, http.StatusBadRequest, "invalid_request")
	})
}
