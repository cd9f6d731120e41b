package fetch_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/fetch"
)

// TestMutualTLS: a client shows its certificate where it is asked for it, and
// with roots of its own trusts no others.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	newCA := func() *trusttest.CA {
		ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: time.Now().Add(-time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return ca
	}
	issue := func(ca *trusttest.CA, usage x509.ExtKeyUsage) *tls.Certificate {
		key, err := ca.IssueTLS(trusttest.LeafOptions{Edit: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{usage} }})
		if err != nil {
			t.Fatal(err)
		}
		certificate := key.TLSCertificate()
		return &certificate
	}
	own, other := newCA(), newCA()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Issuer.CommonName)
	}))
	server.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*issue(own, x509.ExtKeyUsageServerAuth)},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: own.Pool(),
	}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	shows := func(certificate *tls.Certificate, err error) func() (*tls.Certificate, error) {
		return func() (*tls.Certificate, error) { return certificate, err }
	}
	honest, foreign := issue(own, x509.ExtKeyUsageClientAuth), issue(other, x509.ExtKeyUsageClientAuth)
	for name, tt := range map[string]struct {
		options fetch.Options
		ok      bool
	}{
		"honest twin":          {fetch.Options{OnlyRoots: []*x509.Certificate{own.Certificate}, ClientCertificate: shows(honest, nil)}, true},
		"no certificate":       {fetch.Options{OnlyRoots: []*x509.Certificate{own.Certificate}}, false},
		"certificate of other": {fetch.Options{OnlyRoots: []*x509.Certificate{own.Certificate}, ClientCertificate: shows(foreign, nil)}, false},
		"certificate is over":  {fetch.Options{OnlyRoots: []*x509.Certificate{own.Certificate}, ClientCertificate: shows(nil, errors.New("over"))}, false},
		"X02 only other roots": {fetch.Options{OnlyRoots: []*x509.Certificate{other.Certificate}, ExtraRoots: []*x509.Certificate{own.Certificate}, ClientCertificate: shows(honest, nil)}, false},
	} {
		tt.options.AllowLoopback = []string{strings.TrimPrefix(server.URL, "https://")}
		if _, err := newClient(t, tt.options).Get(t.Context(), server.URL); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
