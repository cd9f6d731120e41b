package jpkitest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// The PINs of a new card.
const (
	SignPIN = "TEGATA123"
	AuthPIN = "1234"
)

// The policies of certificates on smartphones, formed like those of test cards.
const (
	PolicySmartphoneSignature      = "1.2.392.200149.8.5.1.0.40"
	PolicySmartphoneAuthentication = "1.2.392.200149.8.5.1.0.50"
)

// Errors of a card.
var (
	// ErrPINFormat: the PIN cannot be one. No try is lost.
	ErrPINFormat = errors.New("jpkitest: malformed PIN")
	// ErrWrongPIN: the PIN is wrong and a try is lost.
	ErrWrongPIN = errors.New("jpkitest: wrong PIN")
	// ErrBlocked: the PIN was wrong too often.
	ErrBlocked = errors.New("jpkitest: PIN is blocked")
	// ErrNoCertificate: the holder has no certificate of the kind.
	ErrNoCertificate = errors.New("jpkitest: the card has no such certificate")
)

// CardOptions change how a card is issued; the zero value is a card issued
// yesterday by the newest CAs.
type CardOptions struct {
	// Generation counts from the newest, 0, to older CAs.
	Generation int
	// IssuedAt is when the certificates begin.
	IssuedAt time.Time
	// Smartphone gives out certificates as they are on phones: with keys and
	// serial numbers of their own, under other policies. A verifier must be
	// told of those, see [jpki.SignatureProfile].
	Smartphone bool
	// EditSignature and EditAuthentication change a certificate before it is
	// signed. All extensions are in ExtraExtensions, in the order of real
	// certificates.
	EditSignature, EditAuthentication func(*x509.Certificate)
}

// Card is a card in software. It is safe for concurrent use.
type Card struct {
	// Person is the holder.
	Person Person

	signature, authentication slot
}

// slot is one key of a card and its PIN.
type slot struct {
	mu     sync.Mutex
	key    *rsa.PrivateKey
	cert   *x509.Certificate
	format *regexp.Regexp
	pin    string
	tries  int
	left   int
}

// NewCard issues a card. Making its keys takes a fraction of a second.
func (j *JPKI) NewCard(p Person, o CardOptions) (*Card, error) {
	p.fill()
	if o.IssuedAt.IsZero() {
		o.IssuedAt = j.now().AddDate(0, 0, -1)
	}
	o.IssuedAt = o.IssuedAt.UTC().Truncate(time.Second)
	if o.Generation < 0 || o.Generation >= len(j.cas[jpki.Signature]) {
		return nil, errors.New("jpkitest: no such generation")
	}
	c := &Card{Person: p}
	c.signature = slot{format: signPINFormat, pin: SignPIN, tries: 5, left: 5}
	c.authentication = slot{format: authPINFormat, pin: AuthPIN, tries: 3, left: 3}
	var wait sync.WaitGroup
	var errs [2]error
	if !p.NoSignature {
		wait.Go(func() { errs[0] = c.signature.fill(j.cas[jpki.Signature][o.Generation], p, o) })
	}
	wait.Go(func() { errs[1] = c.authentication.fill(j.cas[jpki.Authentication][o.Generation], p, o) })
	wait.Wait()
	return c, errors.Join(errs[:]...)
}

// fill makes the key and has it certified.
func (s *slot) fill(ca *authority, p Person, o CardOptions) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	signature, authentication := jpki.PolicyTestSignature, jpki.PolicyTestAuthentication
	if o.Smartphone {
		signature, authentication = PolicySmartphoneSignature, PolicySmartphoneAuthentication
	}
	template := authenticationTemplate(ca, p, &key.PublicKey, authentication)
	edit := o.EditAuthentication
	if ca.family == jpki.Signature {
		template = signatureTemplate(ca, p, &key.PublicKey, o.IssuedAt, signature)
		edit = o.EditSignature
	}
	template.NotBefore, template.NotAfter = o.IssuedAt, fifthBirthday(p.BirthDate, o.IssuedAt)
	if edit != nil {
		edit(template)
	}
	cert, err := ca.issue(template, &key.PublicKey, p.Municipality)
	if err != nil {
		return err
	}
	s.key, s.cert = key, cert
	return nil
}

func signatureTemplate(ca *authority, p Person, key *rsa.PublicKey, issued time.Time, policy string) *x509.Certificate {
	m := p.Municipality
	cn := issued.In(tokyo).Format("20060102150405") + strconv.FormatInt(random31().Int64()%90000+10000, 10) + m.Code + "003A"
	return &x509.Certificate{
		RawSubject: name(attribute{oidC, "JP"}, attribute{oidL, m.Prefecture}, attribute{oidL, m.City}, attribute{oidCN, cn}),
		ExtraExtensions: []pkix.Extension{
			keyUsage(6, 0xc0), personalData(p), certificatePolicies(policyOID(policy)),
			altName(18, caNameJapanese(ca.family)), distributionPoint(partitionName(ca.family, m)),
			authorityKeyIdentifier(ca.cert), subjectKeyIdentifier(key),
		},
	}
}

func authenticationTemplate(ca *authority, p Person, key *rsa.PublicKey, policy string) *x509.Certificate {
	m := p.Municipality
	cn := rand.Text()[:14] + m.Code + "003A"
	return &x509.Certificate{
		RawSubject: name(attribute{oidC, "JP"}, attribute{oidCN, cn}),
		ExtraExtensions: []pkix.Extension{
			keyUsage(7, 0x80), clientAuth(), certificatePolicies(policyOID(policy)),
			altName(18, caNameJapanese(ca.family)), distributionPoint(partitionName(ca.family, m)),
			ocspLocation(), authorityKeyIdentifier(ca.cert), subjectKeyIdentifier(key),
		},
	}
}

// fifthBirthday returns when a certificate ends: with the holder's fifth
// birthday after it was issued, or after five years if that is not known.
func fifthBirthday(birthDate string, issued time.Time) time.Time {
	// The first digit is the era.
	birth, err := time.Parse("20060102", birthDate[min(1, len(birthDate)):])
	if err != nil {
		return endOfDay(issued.AddDate(5, 0, 0))
	}
	next := time.Date(issued.In(tokyo).Year(), birth.Month(), birth.Day(), 0, 0, 0, 0, tokyo)
	if !next.After(issued) {
		next = next.AddDate(1, 0, 0)
	}
	return endOfDay(next.AddDate(4, 0, 0))
}

func policyOID(dotted string) asn1.ObjectIdentifier {
	var oid asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(dotted, ".") {
		n, err := strconv.Atoi(arc)
		if err != nil {
			panic("jpkitest: policy " + dotted)
		}
		oid = append(oid, n)
	}
	return oid
}

// SignatureCertificate returns the certificate for digital signature, nil if
// the holder has none. (A real card shows it only after its PIN.)
func (c *Card) SignatureCertificate() *x509.Certificate { return c.signature.cert }

// AuthenticationCertificate returns the certificate for user authentication.
func (c *Card) AuthenticationCertificate() *x509.Certificate { return c.authentication.cert }

// Sign signs data with the key for digital signature: RSASSA-PKCS1-v1_5 with
// SHA-256. The PIN has 6 to 16 digits and upper-case letters and 5 tries.
func (c *Card) Sign(pin string, data []byte) ([]byte, error) { return c.signature.sign(pin, data) }

// Authenticate signs data with the key for user authentication, in the same
// way. The PIN has 4 digits and 3 tries.
func (c *Card) Authenticate(pin string, data []byte) ([]byte, error) {
	return c.authentication.sign(pin, data)
}

// TriesLeft returns how often each PIN may still be wrong.
func (c *Card) TriesLeft() (sign, authenticate int) {
	return c.signature.triesLeft(), c.authentication.triesLeft()
}

func (s *slot) triesLeft() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

func (s *slot) sign(pin string, data []byte) ([]byte, error) {
	if s.key == nil {
		return nil, ErrNoCertificate
	}
	if !s.format.MatchString(pin) {
		return nil, ErrPINFormat
	}
	if err := s.unlock(pin); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(data)
	return rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, digest[:])
}

func (s *slot) unlock(pin string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		return ErrBlocked
	}
	if subtle.ConstantTimeCompare([]byte(pin), []byte(s.pin)) == 1 {
		s.left = s.tries
		return nil
	}
	if s.left--; s.left == 0 {
		return ErrBlocked
	}
	return fmt.Errorf("%w, %d tries left", ErrWrongPIN, s.left)
}
