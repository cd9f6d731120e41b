package trusttest_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

var start = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)

func TestSignersNameTheirLegalEntity(t *testing.T) {
	t.Parallel()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start, Profile: trusttest.IACA})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueMdocSigner(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Prove(start); err != nil {
		t.Error(err)
	}
	entity, ok := trust.LegalEntityOf(key.Leaf())
	if !ok || entity.Name != "手形市" || entity.Country != "JP" || entity.Certified {
		t.Errorf("legal entity %+v, %v", entity, ok)
	}
	if _, err := ca.IssueSDJWTSigner(trusttest.LeafOptions{}); err == nil {
		t.Error("an IACA issued an SD-JWT VC signer")
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	// TLS clients look at the real clock.
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueTLS(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{key.TLSCertificate()}})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}
	go server.Serve(listener)
	defer server.Close()
	get := func(pool *x509.CertPool) error {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
		response, err := client.Get("https://" + plain.Addr().String())
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	if err := get(ca.Pool()); err != nil {
		t.Error(err)
	}
	if err := get(x509.NewCertPool()); err == nil {
		t.Error("a client without the CA connected")
	}
}
