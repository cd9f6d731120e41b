package trust_test

import (
	"context"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// BenchmarkOCSPChecker judges a response, without making it: one of a delegated
// responder on P-256, so that two signatures are checked.
func BenchmarkOCSPChecker(b *testing.B) {
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		b.Fatal(err)
	}
	responder, err := ca.NewResponder(at(start), nil)
	if err != nil {
		b.Fatal(err)
	}
	ref := trust.CertRef{Issuer: ca.Certificate, Serial: big.NewInt(7)}
	var response []byte
	checker := func() *trust.OCSPChecker {
		c, err := trust.NewOCSPChecker(trust.OCSPOptions{
			Source: trust.OCSPSourceFunc(func(_ context.Context, _ *x509.Certificate, request []byte) ([]byte, error) {
				if response == nil {
					var err error
					if response, err = responder.Respond(request); err != nil {
						return nil, err
					}
				}
				return response, nil
			}),
			Now: at(start), Nonce: trust.NonceNone, Cache: trust.CacheOptions{Unavailable: trust.UseFresh},
		})
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	b.Run("judge", func(b *testing.B) {
		for b.Loop() {
			if _, err := checker().Status(b.Context(), ref); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("remembered", func(b *testing.B) {
		c := checker()
		for b.Loop() {
			if _, err := c.Status(b.Context(), ref); err != nil {
				b.Fatal(err)
			}
		}
	})
}
