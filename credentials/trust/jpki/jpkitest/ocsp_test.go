package jpkitest_test

import (
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

// TestOCSP asks the responders about both certificates of a card, of two
// generations of CAs that share their name.
func TestOCSP(t *testing.T) {
	t.Parallel()
	now := start
	j, err := jpkitest.New(jpkitest.Options{Now: func() time.Time { return now }, Generations: 2})
	if err != nil {
		t.Fatal(err)
	}
	checker, err := trust.NewOCSPChecker(trust.OCSPOptions{
		Source: j.OCSPSource(), Now: func() time.Time { return now }, Nonce: trust.NonceRequired,
		Cache: trust.CacheOptions{Unavailable: trust.HardFail},
	})
	if err != nil {
		t.Fatal(err)
	}
	for generation := range 2 {
		card, err := j.NewCard(jpkitest.People()[0], jpkitest.CardOptions{Generation: generation})
		if err != nil {
			t.Fatal(err)
		}
		for family, cert := range map[jpki.Family]*x509.Certificate{
			jpki.Signature: card.SignatureCertificate(), jpki.Authentication: card.AuthenticationCertificate(),
		} {
			anchors := j.Anchors(family)
			issuer, other := anchors[generation].Certificate, anchors[1-generation].Certificate
			ref := trust.CertRef{Issuer: issuer, Serial: cert.SerialNumber}
			expect(t, checker, ref, false, "")
			now = now.Add(15 * time.Minute)
			if err := j.Revoke(cert, 3); err != nil {
				t.Fatal(err)
			}
			expect(t, checker, ref, true, "")
			ref.Issuer = other
			expect(t, checker, ref, false, trust.ReasonRevocationUnknown)
			ref.Issuer, ref.Serial = issuer, big.NewInt(1)
			expect(t, checker, ref, false, trust.ReasonRevocationUnknown)
		}
	}
}

// TestNegForgedGood: every cardholder can sign whatever he likes, and so could
// sign that a revoked certificate is good, if a certificate of the CA were
// enough.
func TestNegForgedGood(t *testing.T) {
	t.Parallel()
	j := newJPKI(t)
	card, err := j.NewCard(jpkitest.People()[0], jpkitest.CardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	issuer := j.Anchors(jpki.Signature)[0].Certificate
	if err := j.Revoke(card.SignatureCertificate(), 1); err != nil {
		t.Fatal(err)
	}
	for name, forge := range map[string]bool{"honest twin": false, "K11 signed by a card": true} {
		t.Run(name, func(t *testing.T) {
			responder, err := j.Responder(issuer)
			if err != nil {
				t.Fatal(err)
			}
			var want trust.Reason
			if forge {
				forgeGood(responder, card)
				want = trust.ReasonRevocationInvalid
			}
			source := trust.OCSPSourceFunc(func(_ context.Context, _ *x509.Certificate, request []byte) ([]byte, error) {
				return responder.Respond(request)
			})
			checker, err := trust.NewOCSPChecker(trust.OCSPOptions{
				Source: source, Now: func() time.Time { return start }, Nonce: trust.NonceRequired,
				Cache: trust.CacheOptions{Unavailable: trust.HardFail},
			})
			if err != nil {
				t.Fatal(err)
			}
			ref := trust.CertRef{Issuer: issuer, Serial: card.SignatureCertificate().SerialNumber}
			expect(t, checker, ref, !forge, want)
		})
	}
}

func expect(t *testing.T, checker trust.StatusChecker, ref trust.CertRef, revoked bool, reason trust.Reason) {
	t.Helper()
	status, err := checker.Status(t.Context(), ref)
	var e *trust.Error
	errors.As(err, &e)
	if status.Revoked != revoked || (err == nil) != (reason == "") || (e != nil && e.Reason != reason) {
		t.Errorf("got revoked %v, %v; want %v, %q", status.Revoked, err, revoked, reason)
	}
}
