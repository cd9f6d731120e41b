// Package trusttest makes certification authorities and signer certificates
// for tests, demonstrations and development. Its CAs keep their keys in memory
// and check nothing about whom they certify: never rely on them in production.
//
// The certificates have the shape that the profiles of package trust demand;
// [LeafOptions.Edit] spoils one of them for a negative test, and [PathCases]
// are such tests, ready for any validator of certificate paths.
package trusttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
)

// Profile is the kind of a CA.
type Profile int

// The kinds of CA.
const (
	// Generic CAs issue signers of SD-JWT VCs, status lists, attestations and
	// request objects, and TLS servers.
	Generic Profile = iota
	// IACA is an issuing authority CA of ISO/IEC 18013-5 annex B: self-signed,
	// pathLenConstraint 0, issues document signers only.
	IACA
)

// CAOptions describe a CA. NotBefore is the only mandatory field.
type CAOptions struct {
	// Name is the common name, "Tegata Test CA" by default.
	Name string
	// Country is "JP" by default.
	Country string
	// Organization is left out if empty.
	Organization string
	// NotBefore may lie in the past: credentials round their times down, so a
	// CA and its signers should be older than the first credential.
	NotBefore time.Time
	// Lifetime is 10 years by default.
	Lifetime time.Duration
	Profile  Profile
	// CRLURL is the distribution point written into what the CA issues, and
	// into an IACA itself. By default a URL under crl.test.invalid; "-" leaves
	// it out.
	CRLURL string
	// Signer is the key of the CA; nil generates one on P-256.
	Signer crypto.Signer
	// Edit changes the certificate of the CA before it is signed.
	Edit func(*x509.Certificate)
}

// CA issues certificates and revocation lists. It is safe for concurrent use.
type CA struct {
	// Certificate is the CA's own certificate.
	Certificate *x509.Certificate

	signer  crypto.Signer
	above   []*x509.Certificate // intermediates from this CA upwards, anchor excluded
	options CAOptions

	mu        sync.Mutex
	revoked   []x509.RevocationListEntry
	crlNumber int64
}

// NewCA makes a self-signed CA.
func NewCA(o CAOptions) (*CA, error) {
	if o.NotBefore.IsZero() {
		return nil, errors.New("trusttest: a CA needs NotBefore")
	}
	ca, template, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if o.Edit != nil {
		o.Edit(template)
	}
	ca.Certificate, err = sign(template, template, ca.signer.Public(), ca.signer)
	return ca, err
}

// NewIntermediate makes a CA certified by this one. Its validity is cut to
// that of the issuer. It fails for an IACA, which must issue directly.
func (ca *CA) NewIntermediate(o CAOptions) (*CA, error) {
	if ca.options.Profile == IACA || o.Profile == IACA {
		return nil, errors.New("trusttest: an IACA neither has nor is an intermediate")
	}
	if o.NotBefore.IsZero() {
		o.NotBefore = ca.Certificate.NotBefore
	}
	if o.Name == "" {
		o.Name = ca.options.Name + " Intermediate"
	}
	sub, template, err := prepare(o)
	if err != nil {
		return nil, err
	}
	template.CRLDistributionPoints = ca.distributionPoints()
	if template.NotAfter.After(ca.Certificate.NotAfter) {
		template.NotAfter = ca.Certificate.NotAfter
	}
	if o.Edit != nil {
		o.Edit(template)
	}
	if sub.Certificate, err = sign(template, ca.Certificate, sub.signer.Public(), ca.signer); err != nil {
		return nil, err
	}
	sub.above = append([]*x509.Certificate{sub.Certificate}, ca.above...)
	return sub, nil
}

// prepare fills in defaults and makes the key and the template.
func prepare(o CAOptions) (*CA, *x509.Certificate, error) {
	if o.Name == "" {
		o.Name = "Tegata Test CA"
	}
	if o.Country == "" {
		o.Country = "JP"
	}
	if o.Lifetime == 0 {
		o.Lifetime = 10 * 365 * 24 * time.Hour
	}
	if o.CRLURL == "" {
		o.CRLURL = "http://crl.test.invalid/" + strings.ReplaceAll(strings.ToLower(o.Name), " ", "-") + ".crl"
	}
	if o.Signer == nil {
		key, err := keys.GenerateP256()
		if err != nil {
			return nil, nil, err
		}
		o.Signer = key
	}
	ca := &CA{signer: o.Signer, options: o}
	subject := pkix.Name{Country: []string{o.Country}, CommonName: o.Name}
	if o.Organization != "" {
		subject.Organization = []string{o.Organization}
	}
	id, err := keyID(o.Signer.Public())
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               subject,
		NotBefore:             o.NotBefore,
		NotAfter:              o.NotBefore.Add(o.Lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            -1,
		SubjectKeyId:          id,
	}
	if o.Profile == IACA {
		template.MaxPathLen, template.MaxPathLenZero = 0, true
		template.ExtraExtensions = []pkix.Extension{issuerAltName()}
		template.CRLDistributionPoints = ca.distributionPoints()
	}
	return ca, template, nil
}

// Anchor returns the CA as a trust anchor without limits, or limited to the
// given formats.
func (ca *CA) Anchor(formats ...credentials.Format) trust.Anchor {
	return trust.Anchor{Certificate: ca.Certificate, Jurisdiction: ca.options.Country, Formats: formats}
}

// Pool returns a pool with the CA alone, for TLS clients.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate)
	return pool
}

// Issue signs any template with the CA's key. SubjectKeyId and SerialNumber
// are filled in if they are missing. Most callers want one of the other Issue
// methods.
func (ca *CA) Issue(template *x509.Certificate, pub crypto.PublicKey) (*x509.Certificate, error) {
	if template.SubjectKeyId == nil {
		id, err := keyID(pub)
		if err != nil {
			return nil, err
		}
		template.SubjectKeyId = id
	}
	if template.SerialNumber == nil {
		template.SerialNumber = newSerial()
	}
	return sign(template, ca.Certificate, pub, ca.signer)
}

// Revoke puts a certificate on the CA's next list with a reason code of RFC
// 5280 section 5.3.1.
func (ca *CA) Revoke(cert *x509.Certificate, at time.Time, reason int) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.revoked = append(ca.revoked, x509.RevocationListEntry{
		SerialNumber: cert.SerialNumber, RevocationTime: at, ReasonCode: reason,
	})
}

// CRL returns a complete revocation list in DER with the next CRL number.
func (ca *CA) CRL(thisUpdate, nextUpdate time.Time) ([]byte, error) {
	return ca.EditedCRL(thisUpdate, nextUpdate, nil)
}

// EditedCRL is like CRL and lets a test change the list before it is signed.
func (ca *CA) EditedCRL(thisUpdate, nextUpdate time.Time, edit func(*x509.RevocationList)) ([]byte, error) {
	ca.mu.Lock()
	ca.crlNumber++
	list := &x509.RevocationList{
		Number: big.NewInt(ca.crlNumber), ThisUpdate: thisUpdate, NextUpdate: nextUpdate,
		RevokedCertificateEntries: slices.Clone(ca.revoked),
	}
	ca.mu.Unlock()
	if edit != nil {
		edit(list)
	}
	return x509.CreateRevocationList(rand.Reader, list, ca.Certificate, ca.signer)
}

// SpoiledCRL is like EditedCRL and lets a test change the signed part in DER,
// into what the standard library would not write.
func (ca *CA) SpoiledCRL(thisUpdate, nextUpdate time.Time, edit func(*x509.RevocationList), spoil func(tbs []byte) []byte) ([]byte, error) {
	raw, err := ca.EditedCRL(thisUpdate, nextUpdate, edit)
	if err != nil {
		return nil, err
	}
	var list struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if _, err := asn1.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	list.TBS.FullBytes = spoil(list.TBS.FullBytes)
	signature, err := crypto.SignMessage(ca.signer, rand.Reader, list.TBS.FullBytes, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	list.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	return asn1.Marshal(list)
}

func (ca *CA) distributionPoints() []string {
	if ca.options.CRLURL == "-" {
		return nil
	}
	return []string{ca.options.CRLURL}
}

func sign(template, parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
	if err != nil {
		return nil, fmt.Errorf("trusttest: issue: %w", err)
	}
	return x509.ParseCertificate(der)
}

// newSerial returns 19 random octets with the top bits set to 01, so that the
// number is positive and never shorter (ISO/IEC 18013-5 annex B).
func newSerial() *big.Int {
	raw := make([]byte, 19)
	rand.Read(raw)
	raw[0] = raw[0]&0x3f | 0x40
	return new(big.Int).SetBytes(raw)
}

// keyID is method 1 of RFC 5280 section 4.2.1.2, which ISO/IEC 18013-5
// demands: the SHA-1 hash of the public key's bits.
func keyID(pub crypto.PublicKey) ([]byte, error) {
	if ec, ok := pub.(*ecdsa.PublicKey); ok {
		raw, err := ec.Bytes()
		if err != nil {
			return nil, err
		}
		sum := sha1.Sum(raw)
		return sum[:], nil
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		PublicKey asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &spki); err != nil {
		return nil, err
	}
	sum := sha1.Sum(spki.PublicKey.Bytes)
	return sum[:], nil
}

// issuerAltName is the extension that ISO/IEC 18013-5 demands of IACA and
// document signer: how to reach the authority.
func issuerAltName() pkix.Extension {
	uri := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte("https://issuer.test.invalid/")}
	value, err := asn1.Marshal([]asn1.RawValue{uri})
	if err != nil {
		panic("trusttest: constant extension does not marshal")
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 18}, Value: value}
}
