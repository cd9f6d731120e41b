package jpkitest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/ocsp"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// answerValidity is how long a response of the OCSP responders is good. The
// real ones have news every 15 minutes.
const answerValidity = time.Hour

// Responder returns the OCSP responder of a CA, of a key of its own that the CA
// certified for nothing else. It knows what the CA issued and revoked and takes
// nonces. Its fields may be changed to make it lie, before it is used by others.
func (j *JPKI) Responder(issuer *x509.Certificate) (*trusttest.Responder, error) {
	ca, err := j.authority(issuer)
	if err != nil {
		return nil, err
	}
	return ca.responder(j.now)
}

// OCSPSource returns the way to the OCSP responders of this JPKI.
func (j *JPKI) OCSPSource() trust.OCSPSource {
	return trust.OCSPSourceFunc(func(_ context.Context, issuer *x509.Certificate, request []byte) ([]byte, error) {
		responder, err := j.Responder(issuer)
		if err != nil {
			return nil, err
		}
		return responder.Respond(request)
	})
}

// authority finds a CA by its key: the name is that of every generation.
func (j *JPKI) authority(issuer *x509.Certificate) (*authority, error) {
	key := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	for _, cas := range j.cas {
		for _, ca := range cas {
			if sha256.Sum256(ca.cert.RawSubjectPublicKeyInfo) == key {
				return ca, nil
			}
		}
	}
	return nil, errors.New("jpkitest: no such CA")
}

// responder makes the key of the CA's responder when it is first needed.
func (ca *authority) responder(now func() time.Time) (*trusttest.Responder, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if ca.ocspKey == nil {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		template, err := trusttest.ResponderTemplate(ca.cert.NotBefore, key.Public())
		if err != nil {
			return nil, err
		}
		template.NotAfter, template.SignatureAlgorithm = ca.cert.NotAfter, x509.SHA256WithRSA
		der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
		if err != nil {
			return nil, fmt.Errorf("jpkitest: OCSP responder: %w", err)
		}
		if ca.ocspCert, err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("jpkitest: OCSP responder: %w", err)
		}
		ca.ocspKey = key
	}
	return &trusttest.Responder{
		Issuer: ca.cert, Certificate: ca.ocspCert, Signer: ca.ocspKey, Now: now, Validity: answerValidity, Status: ca.status,
	}, nil
}

// status says what the CA knows of a serial number.
func (ca *authority) status(serial *big.Int) ocsp.Single {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	for _, p := range ca.partitions {
		if !p.issued[serial.String()] {
			continue
		}
		for _, e := range p.revoked {
			if bytes.Equal(e.SerialNumber.Bytes(), serial.Bytes()) {
				return ocsp.Single{Status: ocsp.Revoked, RevokedAt: e.RevocationTime, ReasonCode: e.ReasonCode}
			}
		}
		return ocsp.Single{Status: ocsp.Good}
	}
	return ocsp.Single{Status: ocsp.Unknown}
}
