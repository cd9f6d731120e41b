package jpkitest_test

import (
	"crypto"
	"io"
	"math/big"

	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/credentials/trust/ocsp"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// cardSigner signs with a card, which hashes by itself.
type cardSigner struct {
	card *jpkitest.Card
}

func (s cardSigner) Public() crypto.PublicKey { return s.card.SignatureCertificate().PublicKey }

func (s cardSigner) SignMessage(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	return s.card.Sign(jpkitest.SignPIN, message)
}

func (s cardSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	panic("a card does not sign digests")
}

// forgeGood makes a responder sign with a card that the certificate is good.
func forgeGood(r *trusttest.Responder, card *jpkitest.Card) {
	r.Certificate, r.Signer = card.SignatureCertificate(), cardSigner{card}
	r.Status = func(*big.Int) ocsp.Single { return ocsp.Single{Status: ocsp.Good} }
}
