// Package ca is a small certification authority for development and for key
// ceremonies on a machine of their own: a folder with a key and a certificate,
// which issues the certificates that the service's configuration names. The
// service itself never uses it.
//
// What is issued is checked under the profile of package trust that relying
// parties apply, before it is written.
package ca

import (
	"bytes"
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
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
)

// The files of an authority.
const (
	KeyFile         = "ca.key.pem"
	CertificateFile = "ca.pem"
)

// backdated is how old certificates are when they are made: credentials round
// their times down, and must not be older than their signer. A certificate is
// never older than its CA.
const backdated = 48 * time.Hour

// Kind says what an authority may issue.
type Kind string

// The kinds of authorities.
const (
	// Generic issues everything but document signers.
	Generic Kind = "generic"
	// IACA is an issuing authority CA of ISO/IEC 18013-5 annex B and issues
	// document signers only.
	IACA Kind = "iaca"
)

// The longest life of an authority (ISO/IEC 18013-5 annex B.1.1), in years.
const maxYears = 20

// Options describe a new authority.
type Options struct {
	Kind Kind
	// Name is the common name. Organization may be empty. Country is two
	// upper-case letters.
	Name, Organization, Country string
	// Contact is a URL where the authority is reached and CRLURL where its
	// revocation list is. Both are written into all it issues. An IACA must
	// have them.
	Contact, CRLURL string
	// Years is how long the certificate is valid, at most 20.
	Years int
}

// Authority is an authority that was read from its folder.
type Authority struct {
	Certificate *x509.Certificate
	Kind        Kind

	signer crypto.Signer
}

var (
	oidIssuerAltName = asn1.ObjectIdentifier{2, 5, 29, 18}
	oidExtKeyUsage   = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// Init makes an authority in a folder, which it creates. The folder must not
// have one yet.
func Init(dir string, o Options, now time.Time) error {
	template, err := o.template(now)
	if err != nil {
		return err
	}
	key, err := keys.GenerateP256()
	if err != nil {
		return err
	}
	if template.SubjectKeyId, err = keyID(&key.PublicKey); err != nil {
		return err
	}
	certificate, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	pem, err := keys.EncodeKeyPEM(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// The key first: it is the file whose existence stops a second one.
	if err := write(filepath.Join(dir, KeyFile), pem, 0o600); err != nil {
		return err
	}
	return WriteCertificate(filepath.Join(dir, CertificateFile), certificate)
}

func (o *Options) template(now time.Time) (*x509.Certificate, error) {
	var faults []error
	if o.Kind != Generic && o.Kind != IACA {
		faults = append(faults, fmt.Errorf("the kind must be %s or %s", Generic, IACA))
	}
	if o.Name == "" || !upperLetters(o.Country) {
		faults = append(faults, errors.New("a name and a country of two upper-case letters are needed"))
	}
	if o.Years < 1 || o.Years > maxYears {
		faults = append(faults, fmt.Errorf("an authority lives from 1 to %d years", maxYears))
	}
	if o.Kind == IACA && (o.Contact == "" || o.CRLURL == "") {
		faults = append(faults, errors.New("an IACA needs a contact and the URL of its revocation list"))
	}
	for _, text := range []string{o.Contact, o.CRLURL} {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
			faults = append(faults, fmt.Errorf("%q is not a URL", text))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	subject := pkix.Name{Country: []string{o.Country}, CommonName: o.Name}
	if o.Organization != "" {
		subject.Organization = []string{o.Organization}
	}
	notBefore := now.Add(-backdated).Truncate(time.Second)
	template := &x509.Certificate{
		Subject: subject, SerialNumber: newSerial(),
		NotBefore: notBefore, NotAfter: notBefore.AddDate(o.Years, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	if o.CRLURL != "" {
		template.CRLDistributionPoints = []string{o.CRLURL}
	}
	if o.Contact != "" {
		uri := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(o.Contact)}
		value, err := asn1.Marshal([]asn1.RawValue{uri})
		if err != nil {
			return nil, err
		}
		template.ExtraExtensions = []pkix.Extension{{Id: oidIssuerAltName, Value: value}}
	}
	if o.Kind == Generic {
		// Room for an intermediate; Open tells the kinds apart by this.
		template.MaxPathLen, template.MaxPathLenZero = 1, false
	}
	return template, nil
}

// Open reads an authority from its folder and proves its key.
func Open(dir string, now time.Time) (*Authority, error) {
	key, err := keys.LoadFile(filepath.Join(dir, KeyFile), filepath.Join(dir, CertificateFile))
	if err != nil {
		return nil, err
	}
	if err := key.Prove(now); err != nil {
		return nil, err
	}
	certificate := key.Leaf()
	if !certificate.IsCA || len(key.Chain) != 1 {
		return nil, errors.New("ca: the folder does not hold an authority")
	}
	a := &Authority{Certificate: certificate, Kind: IACA, signer: key.Signer}
	if !certificate.MaxPathLenZero {
		a.Kind = Generic
	}
	return a, nil
}

// contact returns the extension that says where the authority is reached.
func (a *Authority) contact() []pkix.Extension {
	i := slices.IndexFunc(a.Certificate.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidIssuerAltName) })
	if i < 0 {
		return nil
	}
	return []pkix.Extension{{Id: oidIssuerAltName, Value: bytes.Clone(a.Certificate.Extensions[i].Value)}}
}

func sign(template, parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return x509.ParseCertificate(der)
}

// newSerial returns 19 random octets with the top bits set to 01, so that the
// number is positive and never shorter.
func newSerial() *big.Int {
	raw := make([]byte, 19)
	_, _ = rand.Read(raw)
	raw[0] = raw[0]&0x3f | 0x40
	return new(big.Int).SetBytes(raw)
}

// keyID is method 1 of RFC 5280 section 4.2.1.2, which ISO/IEC 18013-5
// demands.
func keyID(pub *ecdsa.PublicKey) ([]byte, error) {
	raw, err := pub.Bytes()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(raw)
	return sum[:], nil
}

func upperLetters(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}
