package ocsp_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	xocsp "golang.org/x/crypto/ocsp"

	"github.com/tegata-id/tegata/credentials/trust/ocsp"
)

var now = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)

// newCA makes a CA certificate and its key.
func newCA(t testing.TB) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: now, NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// responseOf is an ordinary response of the CA itself.
func responseOf(t testing.TB, ca *x509.Certificate, singles ...ocsp.Single) ocsp.Basic {
	t.Helper()
	hash, err := ocsp.KeyHash(crypto.SHA1, ca)
	if err != nil {
		t.Fatal(err)
	}
	for i := range singles {
		if singles[i].ID, err = ocsp.NewCertID(crypto.SHA256, ca, big.NewInt(int64(0x80+i))); err != nil {
			t.Fatal(err)
		}
		singles[i].ThisUpdate = now
	}
	return ocsp.Basic{
		ResponderKeyHash: hash, ProducedAt: now, Singles: singles, Extensions: []pkix.Extension{ocsp.NonceExtension([]byte("nonce"))},
		Certificates: [][]byte{ca.Raw}, SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
}

// TestRequestAgainstAnother holds requests against another implementation, both
// ways.
func TestRequestAgainstAnother(t *testing.T) {
	t.Parallel()
	ca, _ := newCA(t)
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		leaf := &x509.Certificate{SerialNumber: big.NewInt(0xff)}
		theirs, err := xocsp.CreateRequest(leaf, ca, &xocsp.RequestOptions{Hash: hash})
		if err != nil {
			t.Fatal(err)
		}
		id, err := ocsp.NewCertID(hash, ca, leaf.SerialNumber)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := ocsp.Request{CertIDs: []ocsp.CertID{id}}.Marshal()
		if err != nil || !bytes.Equal(ours, theirs) {
			t.Errorf("%v: %x, %v, want %x", hash, ours, err, theirs)
		}
		read, err := ocsp.ParseRequest(theirs)
		if err != nil || len(read.CertIDs) != 1 || !read.CertIDs[0].Equal(id) || !read.CertIDs[0].Names(ca, leaf.SerialNumber) || read.Nonce != nil {
			t.Errorf("%v: read %+v, %v", hash, read, err)
		}
	}
	id, err := ocsp.NewCertID(crypto.SHA1, ca, big.NewInt(5))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ocsp.Request{CertIDs: []ocsp.CertID{id, id}, Nonce: []byte("nonce")}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err := xocsp.ParseRequest(raw); err != nil || theirs.SerialNumber.Int64() != 5 {
		t.Errorf("they read %+v, %v", theirs, err)
	}
	if ours, err := ocsp.ParseRequest(raw); err != nil || string(ours.Nonce) != "nonce" || len(ours.CertIDs) != 2 {
		t.Errorf("we read %+v, %v", ours, err)
	}
	if _, err := ocsp.NewCertID(crypto.MD5, ca, big.NewInt(5)); err == nil {
		t.Error("a CertID of MD5 was made")
	}
}

// TestResponseAgainstAnother reads responses of another implementation, and has
// ours read by it.
func TestResponseAgainstAnother(t *testing.T) {
	t.Parallel()
	ca, key := newCA(t)
	for status, want := range map[int]ocsp.CertStatus{xocsp.Good: ocsp.Good, xocsp.Revoked: ocsp.Revoked, xocsp.Unknown: ocsp.Unknown} {
		raw, err := xocsp.CreateResponse(ca, ca, xocsp.Response{
			Status: status, SerialNumber: big.NewInt(9), ThisUpdate: now, NextUpdate: now.Add(time.Hour),
			RevokedAt: now.Add(-time.Hour), RevocationReason: xocsp.Superseded, Certificate: ca,
		}, key)
		if err != nil {
			t.Fatal(err)
		}
		response, err := ocsp.ParseResponse(raw)
		if err != nil || response.Basic == nil || len(response.Basic.Singles) != 1 {
			t.Fatalf("%+v, %v", response, err)
		}
		got := response.Basic.Singles[0]
		if got.Status != want || !got.ThisUpdate.Equal(now) || !got.NextUpdate.Equal(now.Add(time.Hour)) || !got.ID.Names(ca, big.NewInt(9)) {
			t.Errorf("read %+v", got)
		}
		if want == ocsp.Revoked && (got.ReasonCode != xocsp.Superseded || !got.RevokedAt.Equal(now.Add(-time.Hour))) {
			t.Errorf("read %+v", got)
		}
		if err := ca.CheckSignature(response.Basic.SignatureAlgorithm, response.Basic.TBS, response.Basic.Signature); err != nil {
			t.Error(err)
		}
	}
	for _, single := range []ocsp.Single{
		{Status: ocsp.Good}, {Status: ocsp.Unknown, NextUpdate: now.Add(time.Hour)}, {Status: ocsp.Revoked, RevokedAt: now, ReasonCode: 1},
	} {
		raw, err := responseOf(t, ca, single).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := xocsp.ParseResponse(raw, ca)
		if err != nil {
			t.Fatal(err)
		}
		if theirs.Status != int(single.Status)-1 && single.Status != ocsp.Unknown || theirs.SerialNumber.Int64() != 0x80 || theirs.RevocationReason != single.ReasonCode {
			t.Errorf("they read %+v of %+v", theirs, single)
		}
	}
}

// TestRoundTrip reads what was written, with everything that may be there.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	ca, key := newCA(t)
	extension := pkix.Extension{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	want := responseOf(t, ca,
		ocsp.Single{Status: ocsp.Revoked, RevokedAt: now, ReasonCode: 6, NextUpdate: now.Add(time.Hour), Extensions: []pkix.Extension{extension}},
		ocsp.Single{Status: ocsp.Good},
	)
	want.ResponderName, want.ResponderKeyHash = ca.RawSubject, nil
	raw, err := want.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	response, err := ocsp.ParseResponse(raw)
	if err != nil {
		t.Fatal(err)
	}
	got := *response.Basic
	if len(got.TBS) == 0 || len(got.Signature) == 0 {
		t.Error("no signature")
	}
	got.TBS, got.Signature = nil, nil
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
		t.Error(diff)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	for _, status := range []ocsp.ResponseStatus{
		ocsp.MalformedRequest, ocsp.InternalError, ocsp.TryLater, ocsp.SignatureRequired, ocsp.Unauthorized, 17,
	} {
		response, err := ocsp.ParseResponse(ocsp.Refusal(status))
		if err != nil || response.Status != status || response.Basic != nil || response.Status.String() == "" {
			t.Errorf("%v: %+v, %v", status, response, err)
		}
	}
}

// TestNegMalformed changes single octets or pieces of good values.
func TestNegMalformed(t *testing.T) {
	t.Parallel()
	ca, key := newCA(t)
	raw, err := responseOf(t, ca, ocsp.Single{Status: ocsp.Good, NextUpdate: now.Add(time.Hour)}).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) []byte { return bytes.Replace(raw, []byte(old), []byte(new), 1) }
	for name, der := range map[string][]byte{
		"empty":                nil,
		"trailing octet":       append(bytes.Clone(raw), 0),
		"truncated":            raw[:len(raw)-1],
		"too large":            make([]byte, ocsp.MaxSize+1),
		"not OCSP":             []byte("<!DOCTYPE html>"),
		"content of a refusal": replace("\x0a\x01\x00", "\x0a\x01\x03"),
		"another type":         replace("\x2b\x06\x01\x05\x05\x07\x30\x01\x01", "\x2b\x06\x01\x05\x05\x07\x30\x01\x03"),
		"time with an offset":  replace("20260401000000Z", "2026040100+0000"),
		"impossible time":      replace("20260401000000Z", "20260431000000Z"),
		"neither good nor bad": replace("\x80\x00\x18", "\x83\x00\x18"),
		"padded number":        replace("\x02\x02\x00\x80", "\x02\x02\x00\x08"),
		"algorithm parameters": replace("\x2a\x86\x48\xce\x3d\x04\x03\x02\x03", "\x2a\x86\x48\xce\x3d\x04\x03\x02\x05"),
	} {
		if bytes.Equal(der, raw) {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := ocsp.ParseResponse(der); !errors.Is(err, ocsp.ErrMalformed) {
			t.Errorf("response, %s: %v", name, err)
		}
		if _, err := ocsp.ParseRequest(der); !errors.Is(err, ocsp.ErrMalformed) {
			t.Errorf("request, %s: %v", name, err)
		}
	}
	if _, err := ocsp.ParseResponse(raw); err != nil {
		t.Errorf("honest twin: %v", err)
	}
	many := make([]ocsp.Single, 33)
	for i := range many {
		many[i].Status = ocsp.Good
	}
	for count, malformed := range map[int]bool{0: true, 1: false, 32: false, 33: true} {
		raw, err := responseOf(t, ca, many[:count]...).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ocsp.ParseResponse(raw); errors.Is(err, ocsp.ErrMalformed) != malformed {
			t.Errorf("%d statements: %v", count, err)
		}
	}
}
