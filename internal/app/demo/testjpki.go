package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/httpd/listen"
)

// crlServer publishes the revocation lists of a test JPKI, as a platform
// operator would, on an origin of its own.
type crlServer struct {
	listener net.Listener
	server   *http.Server
}

// newCRLServer listens; serve publishes.
func newCRLServer() (*crlServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &crlServer{listener: listener}, nil
}

func (s *crlServer) address() string { return s.listener.Addr().String() }
func (s *crlServer) url() string     { return "https://" + s.address() + "/crl" }

// serve publishes until ctx ends.
func (s *crlServer) serve(ctx context.Context, test *jpkitest.JPKI, authority *trusttest.CA) error {
	key, err := authority.IssueTLS(trusttest.LeafOptions{})
	if err != nil {
		return err
	}
	certificate := key.TLSCertificate()
	cas := map[string]*x509.Certificate{}
	for _, anchor := range test.Anchors(jpki.Signature) {
		cas[hex.EncodeToString(anchor.Certificate.SubjectKeyId)] = anchor.Certificate
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /crl/{ca}/{partition}", func(w http.ResponseWriter, r *http.Request) {
		list, err := test.CRL(cas[r.PathValue("ca")], r.PathValue("partition"))
		if cas[r.PathValue("ca")] == nil || err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/pkix-crl")
		_, _ = w.Write(list)
	})
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	config := listen.TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil })
	go func() {
		<-ctx.Done()
		_ = s.server.Close()
	}()
	if err := s.server.Serve(tls.NewListener(s.listener, config)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
