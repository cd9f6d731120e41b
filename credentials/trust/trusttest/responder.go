package trusttest

import (
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/ocsp"
)

// Responder answers OCSP requests about the certificates of one CA. The fields
// may be changed between requests to make it lie.
type Responder struct {
	// Issuer is the CA.
	Issuer *x509.Certificate
	// Certificate is the responder's own, sent along; nil if Signer is the key
	// of the CA.
	Certificate *x509.Certificate
	Signer      crypto.Signer
	Now         func() time.Time
	// Validity is from thisUpdate to nextUpdate; zero leaves nextUpdate out.
	Validity time.Duration
	// Status says what is known of a serial number: Status, RevokedAt and
	// ReasonCode are read.
	Status func(serial *big.Int) ocsp.Single
	// Edit changes the response before it is signed.
	Edit func(*ocsp.Basic)
}

// Respond answers a request in DER with a response in DER. Requests that are
// malformed or about another CA are refused as the protocol has it.
func (r *Responder) Respond(request []byte) ([]byte, error) {
	parsed, err := ocsp.ParseRequest(request)
	if err != nil {
		return ocsp.Refusal(ocsp.MalformedRequest), nil //nolint:nilerr // the protocol says so in the response
	}
	now := r.Now().UTC().Truncate(time.Second)
	basic := ocsp.Basic{ProducedAt: now}
	if r.Certificate != nil {
		basic.ResponderName = r.Certificate.RawSubject
		basic.Certificates = [][]byte{r.Certificate.Raw}
	} else if basic.ResponderKeyHash, err = ocsp.KeyHash(crypto.SHA1, r.Issuer); err != nil {
		return nil, err
	}
	for _, id := range parsed.CertIDs {
		if !id.Names(r.Issuer, id.Serial) {
			return ocsp.Refusal(ocsp.Unauthorized), nil
		}
		single := r.Status(id.Serial)
		single.ID, single.ThisUpdate = id, now
		if r.Validity != 0 {
			single.NextUpdate = now.Add(r.Validity)
		}
		basic.Singles = append(basic.Singles, single)
	}
	if parsed.Nonce != nil {
		basic.Extensions = append(basic.Extensions, ocsp.NonceExtension(parsed.Nonce))
	}
	if r.Edit != nil {
		r.Edit(&basic)
	}
	return basic.Sign(r.Signer)
}

// ResponderTemplate returns what a delegated responder's certificate looks
// like, for [CA.Issue] or another CA of the caller's.
func ResponderTemplate(notBefore time.Time, pub crypto.PublicKey) (*x509.Certificate, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("trusttest: responder: %w", err)
	}
	id := sha1.Sum(der)
	return &x509.Certificate{
		SerialNumber: newSerial(), SubjectKeyId: id[:],
		Subject:   pkix.Name{Country: []string{"JP"}, CommonName: "Tegata Test OCSP Responder"},
		NotBefore: notBefore, NotAfter: notBefore.AddDate(0, 3, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		BasicConstraintsValid: true,
		ExtraExtensions:       []pkix.Extension{{Id: ocsp.OIDNoCheck, Value: asn1.NullBytes}},
	}, nil
}

// NewResponder makes a delegated responder for the CA, with a certificate that
// begins when that of the CA does. edit, if not nil, changes the certificate
// before it is signed. Certificates are good unless they were revoked with
// [CA.Revoke].
func (ca *CA) NewResponder(now func() time.Time, edit func(*x509.Certificate)) (*Responder, error) {
	key, err := keys.GenerateP256()
	if err != nil {
		return nil, err
	}
	template, err := ResponderTemplate(ca.Certificate.NotBefore, key.Public())
	if err != nil {
		return nil, err
	}
	if edit != nil {
		edit(template)
	}
	cert, err := ca.Issue(template, key.Public())
	if err != nil {
		return nil, err
	}
	return &Responder{
		Issuer: ca.Certificate, Certificate: cert, Signer: key, Now: now, Validity: time.Hour, Status: ca.status,
	}, nil
}

// SignDirectly makes the responder sign with the CA's own key.
func (ca *CA) SignDirectly(r *Responder) { r.Certificate, r.Signer = nil, ca.signer }

// status says what an OCSP responder of the CA knows.
func (ca *CA) status(serial *big.Int) ocsp.Single {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	i := slices.IndexFunc(ca.revoked, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(serial) == 0 })
	if i < 0 {
		return ocsp.Single{Status: ocsp.Good}
	}
	return ocsp.Single{Status: ocsp.Revoked, RevokedAt: ca.revoked[i].RevocationTime, ReasonCode: ca.revoked[i].ReasonCode}
}
