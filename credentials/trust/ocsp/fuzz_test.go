package ocsp_test

import (
	"crypto"
	"errors"
	"math/big"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/tegata-id/tegata/credentials/trust/ocsp"
)

// FuzzParseResponse: what is read has all its parts, and the other
// implementation reads no other serial number or status out of it.
func FuzzParseResponse(f *testing.F) {
	ca, key := newCA(f)
	for _, single := range []ocsp.Single{
		{Status: ocsp.Good}, {Status: ocsp.Unknown, NextUpdate: now.Add(time.Hour)}, {Status: ocsp.Revoked, RevokedAt: now, ReasonCode: 1},
	} {
		raw, err := responseOf(f, ca, single).Sign(key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	theirs, err := xocsp.CreateResponse(ca, ca, xocsp.Response{SerialNumber: big.NewInt(9), ThisUpdate: now, Certificate: ca}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(theirs)
	f.Add(ocsp.Refusal(ocsp.TryLater))
	f.Fuzz(func(t *testing.T, raw []byte) {
		response, err := ocsp.ParseResponse(raw)
		if err != nil {
			if !errors.Is(err, ocsp.ErrMalformed) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		if (response.Basic != nil) != (response.Status == ocsp.Successful) {
			t.Fatalf("status %v, content %v", response.Status, response.Basic)
		}
		if response.Basic == nil {
			return
		}
		if len(response.Basic.Singles) == 0 || (response.Basic.ResponderName == nil) == (response.Basic.ResponderKeyHash == nil) {
			t.Fatalf("incomplete: %+v", response.Basic)
		}
		for _, s := range response.Basic.Singles {
			if s.Status < ocsp.Good || s.Status > ocsp.Unknown || s.ThisUpdate.IsZero() || s.ID.Serial == nil {
				t.Fatalf("incomplete: %+v", s)
			}
		}
		other, err := xocsp.ParseResponse(raw, nil)
		if err != nil {
			return // more than one statement, or more is checked there
		}
		ours := response.Basic.Singles[0]
		status := map[ocsp.CertStatus]int{ocsp.Good: xocsp.Good, ocsp.Revoked: xocsp.Revoked, ocsp.Unknown: xocsp.Unknown}[ours.Status]
		if other.SerialNumber.Cmp(ours.ID.Serial) != 0 || other.Status != status || !other.ThisUpdate.Equal(ours.ThisUpdate) {
			t.Errorf("we read %+v, another %+v", ours, other)
		}
	})
}

// FuzzParseRequest: what is read is written again and read the same.
func FuzzParseRequest(f *testing.F) {
	ca, _ := newCA(f)
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		id, err := ocsp.NewCertID(hash, ca, big.NewInt(0x80))
		if err != nil {
			f.Fatal(err)
		}
		for _, r := range []ocsp.Request{{CertIDs: []ocsp.CertID{id}}, {CertIDs: []ocsp.CertID{id, id}, Nonce: make([]byte, 32)}} {
			raw, err := r.Marshal()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		first, err := ocsp.ParseRequest(raw)
		if err != nil {
			if !errors.Is(err, ocsp.ErrMalformed) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		again, err := first.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		second, err := ocsp.ParseRequest(again)
		if err != nil || len(second.CertIDs) != len(first.CertIDs) || string(second.Nonce) != string(first.Nonce) {
			t.Fatalf("%+v, %v, was %+v", second, err, first)
		}
		for i, id := range first.CertIDs {
			if !id.Equal(second.CertIDs[i]) {
				t.Errorf("%+v became %+v", id, second.CertIDs[i])
			}
		}
	})
}
