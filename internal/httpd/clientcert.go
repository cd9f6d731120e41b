package httpd

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

// maxClientChain is how many certificates a proxy may hand on beside the
// client's own.
const maxClientChain = 5

// ErrClientCert says that a request has a certificate in its header that can't be
// believed or read.
var ErrClientCert = errors.New("httpd: the client certificate in the header is not that of a trusted proxy, or malformed")

// ClientCertificates returns the certificates of a client that has proven to have
// the key of the first, nothing else of which was checked: in TLS with this
// process or, under Options.ClientCertHeader, with a trusted proxy, which hands
// them on as Client-Cert and Client-Cert-Chain (RFC 9440). It is nil if there are
// none. The error is [ErrClientCert].
func (s *Server) ClientCertificates(r *http.Request) ([]*x509.Certificate, error) {
	if s.options.ClientCertHeader {
		return s.handedOn(r)
	}
	if r.TLS == nil {
		return nil, nil
	}
	return r.TLS.PeerCertificates, nil
}

// handedOn reads the fields of RFC 9440 section 2.
func (s *Server) handedOn(r *http.Request) ([]*x509.Certificate, error) {
	own, chain := r.Header.Values("Client-Cert"), r.Header.Values("Client-Cert-Chain")
	if len(own) == 0 && len(chain) == 0 {
		return nil, nil
	}
	// Who speaks counts, and not for whom.
	addr, ok := remoteAddress(r.RemoteAddr)
	if !ok || !within(s.options.TrustedProxies, addr) || len(own) != 1 {
		return nil, ErrClientCert
	}
	items := own
	if len(chain) > 0 {
		items = append(items, strings.Split(strings.Join(chain, ","), ",")...)
	}
	if len(items) > 1+maxClientChain {
		return nil, ErrClientCert
	}
	var certificates []*x509.Certificate
	for _, item := range items {
		certificate, err := parseByteSequence(item)
		if err != nil {
			return nil, ErrClientCert
		}
		certificates = append(certificates, certificate)
	}
	return certificates, nil
}

// parseByteSequence reads a certificate as a byte sequence of RFC 8941 section
// 3.3.5.
func parseByteSequence(item string) (*x509.Certificate, error) {
	text, begins := strings.CutPrefix(strings.Trim(item, " \t"), ":")
	text, ends := strings.CutSuffix(text, ":")
	if !begins || !ends {
		return nil, ErrClientCert
	}
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
