package jpkitest_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/credentials/trust/ocsp"
)

// post sends a body to a server of the test.
func post(ctx context.Context, server *httptest.Server, token, mediaType string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", mediaType)
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := server.Client().Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	return io.ReadAll(response.Body)
}

// TestOperator asks the simulator over HTTP: with the certificate once, with
// the handle from then on.
func TestOperator(t *testing.T) {
	t.Parallel()
	now := start
	clock := func() time.Time { return now }
	j, err := jpkitest.New(jpkitest.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	stranger := newJPKI(t)
	operator := j.NewOperator()
	server := httptest.NewServer(operator)
	defer server.Close()
	checker := func(token string) *trust.OperatorChecker {
		c, err := trust.NewOperatorChecker(trust.OperatorOptions{
			Source: jpki.OperatorOverJSON(func(ctx context.Context, question []byte) ([]byte, error) {
				return post(ctx, server, token, "application/json", question)
			}),
			Now: clock, Cache: trust.CacheOptions{Unavailable: trust.HardFail},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	cardOf := func(j *jpkitest.JPKI) trust.CertRef {
		card, err := j.NewCard(jpkitest.People()[0], jpkitest.CardOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return trust.NewCertRef(card.SignatureCertificate(), j.Anchors(jpki.Signature)[0].Certificate)
	}
	ref := cardOf(j)
	asking := checker(operator.Token)
	status, err := asking.Status(t.Context(), ref)
	if err != nil || status.Revoked || status.OperatorHandle == "" {
		t.Fatalf("%+v, %v", status, err)
	}
	again, err := checker(operator.Token).Status(t.Context(), ref)
	if err != nil || again.OperatorHandle != status.OperatorHandle {
		t.Errorf("another handle for the same certificate: %v", err)
	}
	kept := trust.CertRef{OperatorHandle: status.OperatorHandle}
	expect(t, asking, kept, false, "")
	now = now.Add(15 * time.Minute)
	if err := j.Revoke(ref.Certificate, 3); err != nil {
		t.Fatal(err)
	}
	expect(t, asking, kept, true, "")
	expect(t, asking, ref, true, "")

	expect(t, checker("wrong"), ref, false, trust.ReasonRevocationUnavailable)
	expect(t, asking, cardOf(stranger), false, trust.ReasonRevocationUnknown)
	expect(t, asking, trust.CertRef{OperatorHandle: "nobody"}, false, trust.ReasonRevocationUnknown)
	for _, question := range []string{``, `{}`, `{"nonce":"n"}`, `{"nonce":"n","certificate":"AA"}`, `{"nonce":"n","certificate":"!","handle":""}`, `{"nonce":"n","certificate":"AA","handle":"h"}`} {
		if _, err := post(t.Context(), server, operator.Token, "application/json", []byte(question)); err == nil {
			t.Errorf("answered %s", question)
		}
	}
}

// TestOCSPHandler asks the responders of both families over HTTP.
func TestOCSPHandler(t *testing.T) {
	t.Parallel()
	j := newJPKI(t)
	server := httptest.NewServer(j.OCSPHandler())
	defer server.Close()
	source := trust.OCSPSourceFunc(func(ctx context.Context, _ *x509.Certificate, request []byte) ([]byte, error) {
		return post(ctx, server, "", "application/ocsp-request", request)
	})
	checker, err := trust.NewOCSPChecker(trust.OCSPOptions{
		Source: source, Now: func() time.Time { return start }, Nonce: trust.NonceRequired,
		Cache: trust.CacheOptions{Unavailable: trust.HardFail},
	})
	if err != nil {
		t.Fatal(err)
	}
	card, err := j.NewCard(jpkitest.People()[0], jpkitest.CardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, checker, trust.CertRef{Issuer: j.Anchors(jpki.Signature)[0].Certificate, Serial: card.SignatureCertificate().SerialNumber}, false, "")
	expect(t, checker, trust.CertRef{Issuer: j.Anchors(jpki.Authentication)[0].Certificate, Serial: card.AuthenticationCertificate().SerialNumber}, false, "")
	stranger := newJPKI(t)
	expect(t, checker, trust.CertRef{Issuer: stranger.Anchors(jpki.Signature)[0].Certificate, Serial: card.SignatureCertificate().SerialNumber}, false, trust.ReasonRevocationUnavailable)
	raw, err := post(t.Context(), server, "", "application/ocsp-request", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if response, err := ocsp.ParseResponse(raw); err != nil || response.Status != ocsp.MalformedRequest {
		t.Errorf("%+v, %v", response, err)
	}
	if _, err := post(t.Context(), server, "", "application/ocsp-request", make([]byte, ocsp.MaxSize+1)); err == nil {
		t.Error("a request of any size is read")
	}
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if response.Body.Close(); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", response.StatusCode)
	}
}
