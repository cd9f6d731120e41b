// Package jpkitest is a throwaway JPKI for tests, demonstrations and
// development: CAs of both families, cards with PIN counters, revocation lists
// per municipality and OCSP responders, all in memory.
//
// Certificates have the shape of the real ones, but the CAs have names of
// their own and the policies are those of test cards, so nothing that is set
// up for production accepts them. The people are made up.
package jpkitest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// organization begins like that of the real system's test CAs.
const organization = "JPKI-TEST Tegata"

// listValidity is from one daily revocation list to the next, with an hour to
// spare.
const listValidity = 25 * time.Hour

// Options describe a JPKI. Now is mandatory.
type Options struct {
	Now func() time.Time
	// Generations is how many CAs each family has; 1 by default. All have the
	// same name. A card is issued by the newest unless its options say
	// otherwise.
	Generations int
}

// JPKI is a throwaway JPKI. It is safe for concurrent use.
type JPKI struct {
	now func() time.Time
	cas map[jpki.Family][]*authority // newest first
}

// authority is one generation of one family.
type authority struct {
	family jpki.Family
	cert   *x509.Certificate
	key    *rsa.PrivateKey

	mu         sync.Mutex
	serial     int64
	partitions map[string]*partition
	// ocspKey and ocspCert are of the OCSP responder, nil until it is needed.
	ocspKey  *rsa.PrivateKey
	ocspCert *x509.Certificate
}

// partition is the revocation list of one municipality.
type partition struct {
	name    []byte // DER
	number  int64
	revoked []x509.RevocationListEntry
	issued  map[string]bool // serial numbers
}

// New makes a JPKI. Making the keys takes a fraction of a second for every CA.
func New(o Options) (*JPKI, error) {
	if o.Now == nil {
		return nil, errors.New("jpkitest: no clock")
	}
	if o.Generations == 0 {
		o.Generations = 1
	}
	j := &JPKI{now: o.Now, cas: map[jpki.Family][]*authority{}}
	var wait sync.WaitGroup
	errs := make([]error, 2*o.Generations)
	for i, f := range []jpki.Family{jpki.Signature, jpki.Authentication} {
		cas := make([]*authority, o.Generations)
		j.cas[f] = cas
		for g := range cas {
			wait.Go(func() { cas[g], errs[i*o.Generations+g] = newAuthority(f, g, o.Now()) })
		}
	}
	wait.Wait()
	return j, errors.Join(errs...)
}

// newAuthority makes the CA that began age generations before the newest, four
// years apart.
func newAuthority(f jpki.Family, age int, now time.Time) (*authority, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	notBefore := now.AddDate(-1-4*age, 0, 0).UTC().Truncate(time.Second)
	subject := caName(f)
	template := &x509.Certificate{
		RawSubject: subject, SerialNumber: random31(),
		NotBefore: notBefore, NotAfter: endOfDay(notBefore.AddDate(10, 0, 0)),
		SignatureAlgorithm: x509.SHA256WithRSA,
		ExtraExtensions: []pkix.Extension{
			keyUsage(1, 0x06), altName(17, caNameJapanese(f)), basicConstraintsCA(), distributionPoint(subject), subjectKeyIdentifier(&key.PublicKey),
		},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("jpkitest: CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("jpkitest: CA: %w", err)
	}
	return &authority{family: f, cert: cert, key: key, serial: random31().Int64(), partitions: map[string]*partition{}}, nil
}

// Anchors returns the CAs of a family as trust anchors, newest first.
func (j *JPKI) Anchors(f jpki.Family) []trust.Anchor {
	var anchors []trust.Anchor
	for _, ca := range j.cas[f] {
		anchors = append(anchors, trust.Anchor{Certificate: ca.cert, Jurisdiction: "JP"})
	}
	return anchors
}

// Policy returns a policy that accepts certificates of the family and checks
// their revocation.
func (j *JPKI) Policy(f jpki.Family) (*trust.Policy, error) {
	profileOf := jpki.SignatureProfile
	if f == jpki.Authentication {
		profileOf = jpki.AuthenticationProfile
	}
	profile, err := profileOf(jpki.Test)
	return &trust.Policy{
		Anchors: j.Anchors(f), Profile: profile, Now: j.now,
		Revocation: trust.NewCRLChecker(j.CRLSource(), j.now),
	}, err
}

// Revoke puts a certificate on the list of its municipality from now on, with
// a reason code of RFC 5280 section 5.3.1. JPKI uses 1 keyCompromise, 2
// cACompromise, 3 affiliationChanged, 4 superseded, 5 cessationOfOperation and
// 6 certificateHold.
func (j *JPKI) Revoke(cert *x509.Certificate, reason int) error {
	for _, cas := range j.cas {
		for _, ca := range cas {
			if string(ca.cert.SubjectKeyId) == string(cert.AuthorityKeyId) {
				return ca.revoke(cert.SerialNumber, j.now(), reason)
			}
		}
	}
	return errors.New("jpkitest: the certificate is of another JPKI")
}

func (ca *authority) revoke(serial *big.Int, now time.Time, reason int) error {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	for _, p := range ca.partitions {
		if p.issued[serial.String()] {
			p.revoked = append(p.revoked, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: now.UTC().Truncate(time.Second), ReasonCode: reason})
			return nil
		}
	}
	return errors.New("jpkitest: the certificate was not issued here")
}

// CRL returns a fresh revocation list in DER for a partition of a CA, as named
// by [trust.Partitions]. A list begins at the current second.
func (j *JPKI) CRL(issuer *x509.Certificate, partition string) ([]byte, error) {
	ca, err := j.authority(issuer)
	if err != nil {
		return nil, err
	}
	return ca.crl(partition, j.now())
}

func (ca *authority) crl(name string, now time.Time) ([]byte, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	p := ca.partitions[name]
	if p == nil {
		return nil, errors.New("jpkitest: no card was issued in that partition")
	}
	p.number++
	now = now.UTC().Truncate(time.Second)
	return x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(p.number), ThisUpdate: now, NextUpdate: now.Add(listValidity),
		RevokedCertificateEntries: p.revoked,
		ExtraExtensions:           []pkix.Extension{issuingDistributionPoint(p.name)},
		SignatureAlgorithm:        x509.SHA256WithRSA,
	}, ca.cert, ca.key)
}

// CRLSource returns the source of this JPKI's revocation lists.
func (j *JPKI) CRLSource() trust.CRLSource {
	return trust.CRLSourceFunc(func(_ context.Context, issuer *x509.Certificate, partition string) ([]byte, error) {
		return j.CRL(issuer, partition)
	})
}

// issue signs an end-entity certificate and enters it into its partition.
func (ca *authority) issue(template *x509.Certificate, pub *rsa.PublicKey, m Municipality) (*x509.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.serial++
	template.SerialNumber = big.NewInt(ca.serial)
	template.SignatureAlgorithm = x509.SHA256WithRSA
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, pub, ca.key)
	if err != nil {
		return nil, fmt.Errorf("jpkitest: issue: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("jpkitest: issue: %w", err)
	}
	directory := partitionName(ca.family, m)
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(directory, &rdns); err != nil {
		return nil, err
	}
	key := "dn:" + rdns.String()
	if ca.partitions[key] == nil {
		ca.partitions[key] = &partition{name: directory, issued: map[string]bool{}}
	}
	ca.partitions[key].issued[cert.SerialNumber.String()] = true
	return cert, nil
}

// random31 returns a number that takes exactly four octets.
func random31() *big.Int {
	raw := make([]byte, 4)
	rand.Read(raw)
	raw[0] = raw[0]&0x3f | 0x10
	return new(big.Int).SetBytes(raw)
}

var tokyo = time.FixedZone("JST", 9*60*60)

// endOfDay returns the last second of the day in Japan, when certificates end.
func endOfDay(t time.Time) time.Time {
	y, m, d := t.In(tokyo).Date()
	return time.Date(y, m, d, 23, 59, 59, 0, tokyo).UTC()
}
