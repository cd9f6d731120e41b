package sandbox_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/sandbox"
)

// TestServe runs a process on a sandbox and stops it.
func TestServe(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(t.TempDir(), sandbox.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Serve(ctx, box.ConfigFile, t.Output(), nil) }()

	pool := x509.NewCertPool()
	pool.AddCert(box.TLSRoot)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: 10 * time.Second}
	for _, url := range []string{box.Issuer + "/.well-known/openid-credential-issuer", box.Issuer + "/.well-known/oauth-authorization-server", box.Verifier + "/"} {
		var response *http.Response
		for range 100 {
			if response, err = client.Get(url); err == nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", url, response.StatusCode, body)
		}
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the process did not end")
	}
}
