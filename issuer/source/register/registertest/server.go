package registertest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// Server is a register on loopback that demands client certificates of its own
// authority.
type Server struct {
	*Register
	// URL is its address.
	URL string
	// CA has issued its certificate and issues those of clients.
	CA *trusttest.CA

	server *httptest.Server
}

// backdated is how old certificates are, for clocks that differ.
const backdated = time.Hour

// Serve starts a register with an authority of its own. wrap, if set, goes
// around its handler. Close it.
func Serve(r *Register, wrap func(http.Handler) http.Handler) (*Server, error) {
	ca, err := NewCA(r.now())
	if err != nil {
		return nil, err
	}
	key, err := ca.IssueTLS(trusttest.LeafOptions{})
	if err != nil {
		return nil, err
	}
	var handler http.Handler = r
	if wrap != nil {
		handler = wrap(handler)
	}
	s := &Server{Register: r, CA: ca, server: httptest.NewUnstartedServer(handler)}
	s.server.TLS = TLSConfig(ca, key, r.now)
	s.server.EnableHTTP2 = true
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.server.StartTLS()
	s.URL = s.server.URL
	return s, nil
}

// Close ends the server.
func (s *Server) Close() { s.server.Close() }

// NewCA makes an authority for servers and clients.
func NewCA(now time.Time) (*trusttest.CA, error) {
	return trusttest.NewCA(trusttest.CAOptions{Name: "Tegata Simulated Register CA", NotBefore: now.Add(-backdated)})
}

// TLSConfig is that of a server which admits the clients of the authority.
func TLSConfig(ca *trusttest.CA, key *keys.Key, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Time: now, Certificates: []tls.Certificate{key.TLSCertificate()},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
	}
}

// IssueClient issues a client certificate of the authority that ends after the
// lifetime, which may be negative.
func IssueClient(ca *trusttest.CA, lifetime time.Duration) (*keys.Key, error) {
	key, err := ca.IssueTLS(trusttest.LeafOptions{
		Name: "Tegata Issuer", Lifetime: backdated + lifetime,
		Edit: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
	})
	if err != nil {
		return nil, fmt.Errorf("registertest: client certificate: %w", err)
	}
	return key, nil
}
