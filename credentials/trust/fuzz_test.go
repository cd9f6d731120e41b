package trust_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/ocsp"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// FuzzCRL: the key that signs the lists is new in every process, so that only
// the seeds verify; everything else fails with a reason.
func FuzzCRL(f *testing.F) {
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		f.Fatal(err)
	}
	key, err := ca.IssueSDJWTSigner(trusttest.LeafOptions{})
	if err != nil {
		f.Fatal(err)
	}
	ca.Revoke(key.Leaf(), start.Add(time.Hour), 1)
	list, err := ca.CRL(start.Add(2*time.Hour), start.Add(3*time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	partition, err := ca.EditedCRL(start.Add(2*time.Hour), start.Add(3*time.Hour), with(idpURI("http://a.invalid/crl")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(list)
	f.Add(partition)
	f.Fuzz(func(t *testing.T, raw []byte) {
		crl, err := trust.ParseCRL(raw, ca.Certificate, start.Add(150*time.Minute))
		var e *trust.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("untyped error %v", err)
		}
		if err == nil {
			if _, revoked := crl.Revoked(key.Leaf().SerialNumber); !revoked {
				t.Errorf("accepted without the revocation: %x", raw)
			}
		}
	})
}

// FuzzCertificate: whatever a certificate says of itself, it is not trusted.
func FuzzCertificate(f *testing.F) {
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		f.Fatal(err)
	}
	stranger, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stranger.Certificate.Raw)
	for _, issue := range []issue{stranger.IssueSDJWTSigner, stranger.IssueStatusSigner, stranger.IssueWalletProvider, stranger.IssueVerifierAccess} {
		key, err := issue(trusttest.LeafOptions{})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(key.Leaf().Raw)
	}
	p := policy(trust.ProfileSDJWTIssuer, start.Add(time.Hour), ca)
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		if entity, ok := trust.LegalEntityOf(cert); ok && (entity.Name == "" || entity.OrganizationIdentifier == "") {
			t.Errorf("%+v", entity)
		}
		if names, err := trust.Partitions(cert); err == nil {
			for _, name := range names {
				if name == "" {
					t.Error("a partition without a name")
				}
			}
		}
		_, err = p.Verify(context.Background(), cert, []*x509.Certificate{cert})
		var e *trust.Error
		if !errors.As(err, &e) {
			t.Errorf("trusted, or refused without a reason: %v", err)
		}
	})
}

// FuzzOCSP: the key that signs is new in every process, so that only the seeds
// verify, and they say revoked.
func FuzzOCSP(f *testing.F) {
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		f.Fatal(err)
	}
	key, err := ca.IssueSDJWTSigner(trusttest.LeafOptions{})
	if err != nil {
		f.Fatal(err)
	}
	responder, err := ca.NewResponder(at(start), nil)
	if err != nil {
		f.Fatal(err)
	}
	ca.Revoke(key.Leaf(), start, 1)
	var raw []byte
	o := trust.OCSPOptions{
		Source: trust.OCSPSourceFunc(func(context.Context, *x509.Certificate, []byte) ([]byte, error) { return raw, nil }),
		Now:    at(start), Nonce: trust.NonceNone, Cache: trust.CacheOptions{Unavailable: trust.HardFail},
	}
	id, err := ocsp.NewCertID(crypto.SHA256, ca.Certificate, key.Leaf().SerialNumber)
	if err != nil {
		f.Fatal(err)
	}
	request, err := ocsp.Request{CertIDs: []ocsp.CertID{id}}.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	for range 2 {
		seed, err := responder.Respond(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
		ca.SignDirectly(responder)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		raw = input
		checker, err := trust.NewOCSPChecker(o)
		if err != nil {
			t.Fatal(err)
		}
		status, err := checker.Status(t.Context(), trust.CertRef{Issuer: ca.Certificate, Serial: key.Leaf().SerialNumber})
		if err == nil && !status.Revoked {
			t.Errorf("found good: %x", input)
		}
		reasonOf(t, status, err)
	})
}

// FuzzSignedCRL signs whatever it is given, so that what stands behind the
// signature is read, too. The standard library has to read the same entries.
func FuzzSignedCRL(f *testing.F) {
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		f.Fatal(err)
	}
	seed := func(edit func(*x509.RevocationList)) {
		_, err := ca.SpoiledCRL(start, start.Add(day), edit, func(tbs []byte) []byte {
			f.Add(tbs)
			return tbs
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	seed(nil)
	seed(with(idpURI("http://a.invalid/crl")))
	for _, reason := range []int{0, 1, 6} {
		seed(func(l *x509.RevocationList) {
			for i := range 3 {
				l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{
					SerialNumber: big.NewInt(int64(100 * i)), RevocationTime: start.AddDate(25*i, 0, 0), ReasonCode: reason,
				})
			}
		})
	}
	f.Fuzz(func(t *testing.T, tbs []byte) {
		raw, err := ca.SpoiledCRL(start, start.Add(day), nil, func([]byte) []byte { return tbs })
		if err != nil {
			return // not even TLV
		}
		crl, err := trust.ParseCRL(raw, ca.Certificate, start.Add(time.Hour))
		if err != nil {
			var e *trust.Error
			if !errors.As(err, &e) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		theirs, err := x509.ParseRevocationList(raw)
		if err != nil {
			t.Fatalf("another refuses it: %v", err)
		}
		known := map[string]bool{}
		for _, entry := range theirs.RevokedCertificateEntries {
			r, ok := crl.Revoked(entry.SerialNumber)
			if ok != (entry.SerialNumber.Sign() > 0) {
				t.Errorf("revoked %v, serial number %v", ok, entry.SerialNumber)
			}
			if ok && !known[entry.SerialNumber.String()] && (!r.At.Equal(entry.RevocationTime) || r.ReasonCode != entry.ReasonCode) {
				t.Errorf("we read %+v, another %v %d", r, entry.RevocationTime, entry.ReasonCode)
			}
			known[entry.SerialNumber.String()] = true
		}
		for serial := range crl.All() {
			if !known[serial.String()] {
				t.Errorf("another does not read %v", serial)
			}
		}
	})
}
