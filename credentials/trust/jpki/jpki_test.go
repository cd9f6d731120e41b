package jpki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

// start is a moment at which a day ends in Japan: 15:00:00Z.
var start = time.Date(2026, 4, 1, 15, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// shared is one JPKI of two generations for tests that revoke nothing, because
// RSA keys take long to make.
var shared = sync.OnceValues(func() (*jpkitest.JPKI, error) {
	return jpkitest.New(jpkitest.Options{Now: at(start), Generations: 2})
})

func testJPKI(t *testing.T) *jpkitest.JPKI {
	t.Helper()
	j, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func newCard(t *testing.T, j *jpkitest.JPKI, key string, o jpkitest.CardOptions) *jpkitest.Card {
	t.Helper()
	person, ok := jpkitest.PersonByKey(key)
	if !ok {
		t.Fatalf("no person %q", key)
	}
	card, err := j.NewCard(person, o)
	if err != nil {
		t.Fatal(err)
	}
	return card
}

func policy(t *testing.T, j *jpkitest.JPKI, f jpki.Family) *trust.Policy {
	t.Helper()
	p, err := j.Policy(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func want(t *testing.T, p *trust.Policy, cert *x509.Certificate, reason trust.Reason) {
	t.Helper()
	_, err := p.Verify(context.Background(), cert, nil)
	var got trust.Reason
	var e *trust.Error
	if errors.As(err, &e) {
		got = e.Reason
	}
	if got != reason || (err != nil && e == nil) {
		t.Errorf("got %q (%v), want %q", got, err, reason)
	}
}

func TestFamilies(t *testing.T) {
	t.Parallel()
	j := testJPKI(t)
	for generation := range 2 {
		card := newCard(t, j, "hanako", jpkitest.CardOptions{Generation: generation})
		signature, authentication := policy(t, j, jpki.Signature), policy(t, j, jpki.Authentication)
		want(t, signature, card.SignatureCertificate(), "")
		want(t, authentication, card.AuthenticationCertificate(), "")
		// K06 cross-family.
		want(t, signature, card.AuthenticationCertificate(), trust.ReasonUntrusted)
		want(t, authentication, card.SignatureCertificate(), trust.ReasonUntrusted)
		// K04 the other purpose, even if the anchors were mixed up.
		signature.Anchors, authentication.Anchors = authentication.Anchors, signature.Anchors
		want(t, signature, card.AuthenticationCertificate(), trust.ReasonProfile)
		want(t, authentication, card.SignatureCertificate(), trust.ReasonProfile)
	}
}

func TestNegGenerations(t *testing.T) {
	t.Parallel()
	j := testJPKI(t)
	anchors := j.Anchors(jpki.Signature)
	if !bytes.Equal(anchors[0].Certificate.RawSubject, anchors[1].Certificate.RawSubject) {
		t.Fatal("generations have different names")
	}
	old := newCard(t, j, "hanako", jpkitest.CardOptions{Generation: 1}).SignatureCertificate()
	p := policy(t, j, jpki.Signature)
	p.Anchors = anchors[1:]
	want(t, p, old, "")
	p.Anchors = anchors[:1]
	want(t, p, old, trust.ReasonUntrusted)
	if !bytes.Equal(jpki.IssuerKeyID(old), anchors[1].Certificate.SubjectKeyId) {
		t.Error("the issuer key is not that of the older generation")
	}
}

func TestNegPolicies(t *testing.T) {
	t.Parallel()
	j := testJPKI(t)
	without := func(oid ...int) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.ExtraExtensions = slices.DeleteFunc(c.ExtraExtensions, func(e pkix.Extension) bool { return e.Id.Equal(oid) })
		}
	}
	replace := func(e pkix.Extension) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			without(e.Id...)(c)
			c.ExtraExtensions = append(c.ExtraExtensions, e)
		}
	}
	t.Run("K04 test card in production", func(t *testing.T) {
		card := newCard(t, j, "hanako", jpkitest.CardOptions{})
		p := policy(t, j, jpki.Signature)
		want(t, p, card.SignatureCertificate(), "")
		production, err := jpki.SignatureProfile(jpki.Production)
		if err != nil {
			t.Fatal(err)
		}
		p.Profile = production
		want(t, p, card.SignatureCertificate(), trust.ReasonPolicy)
	})
	for name, edit := range map[string]func(*x509.Certificate){
		"K04 no policy":              without(2, 5, 29, 32),
		"K03 extended key usage":     func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
		"K01 CA":                     replace(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}),
		"no non-repudiation":         replace(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 7, 0x80}}),
		"key usage not critical":     replace(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{3, 2, 6, 0xc0}}),
		"further key usage":          replace(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 5, 0xe0}}),
		"K06 other authority key id": replace(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 35}, Value: []byte{0x30, 4, 0x80, 2, 1, 2}}),
	} {
		t.Run(name, func(t *testing.T) {
			card := newCard(t, j, "hanako", jpkitest.CardOptions{EditSignature: edit})
			reason := trust.ReasonProfile
			if name == "K04 no policy" {
				reason = trust.ReasonPolicy
			}
			want(t, policy(t, j, jpki.Signature), card.SignatureCertificate(), reason)
		})
	}
}

// TestSmartphone has certificates of a phone, under policies that only those
// accept who were told of them.
func TestSmartphone(t *testing.T) {
	t.Parallel()
	j := testJPKI(t)
	card := newCard(t, j, "hanako", jpkitest.CardOptions{})
	phone := newCard(t, j, "hanako", jpkitest.CardOptions{Smartphone: true})
	for _, tt := range []struct {
		family      jpki.Family
		profile     func(jpki.Mode, ...string) (trust.Profile, error)
		policy      string
		card, phone *x509.Certificate
	}{
		{jpki.Signature, jpki.SignatureProfile, jpkitest.PolicySmartphoneSignature, card.SignatureCertificate(), phone.SignatureCertificate()},
		{jpki.Authentication, jpki.AuthenticationProfile, jpkitest.PolicySmartphoneAuthentication, card.AuthenticationCertificate(), phone.AuthenticationCertificate()},
	} {
		p := policy(t, j, tt.family)
		want(t, p, tt.card, "")
		want(t, p, tt.phone, trust.ReasonPolicy)
		told, err := tt.profile(jpki.Test, tt.policy)
		if err != nil {
			t.Fatal(err)
		}
		p.Profile = told
		want(t, p, tt.card, "")
		want(t, p, tt.phone, "")
		if tt.card.SerialNumber.Cmp(tt.phone.SerialNumber) == 0 || bytes.Equal(tt.card.SubjectKeyId, tt.phone.SubjectKeyId) {
			t.Error("card and phone share a key or a number")
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	for _, profile := range []func(jpki.Mode, ...string) (trust.Profile, error){jpki.SignatureProfile, jpki.AuthenticationProfile} {
		if _, err := profile(0); err == nil {
			t.Error("no mode was accepted")
		}
		if p, err := profile(jpki.Production, jpki.PolicyTestSignature); err == nil || slices.Contains(p.Policies, jpki.PolicyTestSignature) {
			t.Error("production accepted the policy of test cards")
		}
		if p, err := profile(jpki.Production, "1.2.392.200149.8.5.1.1.40"); err != nil || len(p.Policies) != 2 {
			t.Errorf("production with a further policy: %v, %v", p.Policies, err)
		}
	}
	j := testJPKI(t)
	ca := j.Anchors(jpki.Signature)[0].Certificate
	if err := jpki.CheckAnchor(jpki.Test, jpki.Signature, ca); err != nil {
		t.Error(err)
	}
	if jpki.CheckAnchor(jpki.Production, jpki.Signature, ca) == nil || jpki.CheckAnchor(jpki.Test, jpki.Authentication, ca) == nil {
		t.Error("a test CA in production or the CA of the other family was accepted")
	}
}

func TestNegValidity(t *testing.T) {
	t.Parallel()
	j := testJPKI(t)
	// The certificate ends at the end of the fifth birthday in Japan.
	cert := newCard(t, j, "hanako", jpkitest.CardOptions{}).SignatureCertificate()
	end := time.Date(2031, 4, 1, 14, 59, 59, 0, time.UTC)
	if !cert.NotAfter.Equal(end) {
		t.Fatalf("certificate ends at %s", cert.NotAfter)
	}
	for now, reason := range map[time.Time]trust.Reason{
		cert.NotBefore.Add(-time.Second): trust.ReasonNotYetValid,
		cert.NotBefore:                   "",
		end.Add(999 * time.Millisecond):  "",
		end.Add(time.Second):/* 15:00:00Z */ trust.ReasonExpired,
	} {
		p := policy(t, j, jpki.Signature)
		p.Now, p.Revocation = at(now), trust.NotChecked("the time is the point")
		want(t, p, cert, reason)
	}
}

func TestNegRevocation(t *testing.T) {
	t.Parallel()
	j, err := jpkitest.New(jpkitest.Options{Now: at(start), Generations: 2})
	if err != nil {
		t.Fatal(err)
	}
	card := newCard(t, j, "hanako", jpkitest.CardOptions{})
	neighbour := newCard(t, j, "foreign", jpkitest.CardOptions{})
	elsewhere := newCard(t, j, "taro", jpkitest.CardOptions{})
	older := newCard(t, j, "hanako", jpkitest.CardOptions{Generation: 1})
	cert := card.SignatureCertificate()
	want(t, policy(t, j, jpki.Signature), cert, "")
	if err := j.Revoke(cert, 3); err != nil {
		t.Fatal(err)
	}
	t.Run("K09 revoked", func(t *testing.T) {
		want(t, policy(t, j, jpki.Signature), cert, trust.ReasonRevoked)
		want(t, policy(t, j, jpki.Signature), neighbour.SignatureCertificate(), "")
		want(t, policy(t, j, jpki.Authentication), card.AuthenticationCertificate(), "")
	})
	issuer := j.Anchors(jpki.Signature)[0].Certificate
	with := func(issuer *x509.Certificate, of *x509.Certificate) *trust.Policy {
		partitions, err := trust.Partitions(of)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := j.CRL(issuer, partitions[0])
		if err != nil {
			t.Fatal(err)
		}
		p := policy(t, j, jpki.Signature)
		p.Revocation = trust.NewCRLChecker(trust.CRLSourceFunc(func(context.Context, *x509.Certificate, string) ([]byte, error) { return raw, nil }), p.Now)
		return p
	}
	t.Run("K10 list of another municipality", func(t *testing.T) {
		want(t, with(issuer, elsewhere.SignatureCertificate()), cert, trust.ReasonRevocationMismatch)
		want(t, with(issuer, elsewhere.SignatureCertificate()), elsewhere.SignatureCertificate(), "")
		want(t, with(issuer, cert), cert, trust.ReasonRevoked)
	})
	t.Run("K10 list of the same partition by another generation", func(t *testing.T) {
		p := with(j.Anchors(jpki.Signature)[1].Certificate, older.SignatureCertificate())
		want(t, p, neighbour.SignatureCertificate(), trust.ReasonRevocationMismatch)
		want(t, p, older.SignatureCertificate(), "")
	})
	t.Run("cascade by handle", func(t *testing.T) {
		handle, err := jpki.HandleOf(cert)
		if err != nil {
			t.Fatal(err)
		}
		ca := handle.Issuer(j.Anchors(jpki.Signature))
		checker := trust.NewCRLChecker(j.CRLSource(), at(start))
		r, found, err := checker.Lookup(context.Background(), ca, handle.Partition, handle.SerialNumber())
		if err != nil || !found || r.ReasonCode != 3 {
			t.Errorf("Lookup: %+v, %v, %v", r, found, err)
		}
		key := bytes.Repeat([]byte{7}, 32)
		stored, err := jpki.Pseudonym(key, handle.IssuerKeyID, handle.SerialNumber())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := j.CRL(ca, handle.Partition)
		if err != nil {
			t.Fatal(err)
		}
		crl, err := trust.ParseCRL(raw, ca, start)
		if err != nil {
			t.Fatal(err)
		}
		matched := false
		for serial := range crl.All() {
			pseudonym, err := jpki.Pseudonym(key, crl.IssuerKeyID(), serial)
			matched = matched || err == nil && pseudonym == stored
		}
		if !matched {
			t.Error("no entry of the list has the stored pseudonym")
		}
	})
}

func TestPseudonym(t *testing.T) {
	t.Parallel()
	key, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	seen := map[string]bool{}
	for _, in := range []struct {
		key, issuer []byte
		serial      int64
	}{{key, []byte("ca"), 1}, {other, []byte("ca"), 1}, {key, []byte("cb"), 1}, {key, []byte("ca"), 2}, {key, []byte("c"), 'a'<<8 | 1}} {
		p, err := jpki.Pseudonym(in.key, in.issuer, big.NewInt(in.serial))
		if err != nil || seen[p] {
			t.Errorf("%q of %v: repeated or %v", p, in, err)
		}
		seen[p] = true
	}
	if _, err := jpki.Pseudonym(key[:31], []byte("ca"), big.NewInt(1)); err == nil {
		t.Error("a short key was accepted")
	}
	if _, err := jpki.Pseudonym(key, nil, big.NewInt(1)); err == nil {
		t.Error("no issuer was accepted")
	}
}

func TestNegSignature(t *testing.T) {
	t.Parallel()
	j := testJPKI(t)
	card := newCard(t, j, "hanako", jpkitest.CardOptions{})
	cert := card.SignatureCertificate()
	message := []byte("発行の申請")
	good, err := card.Sign(jpkitest.SignPIN, message)
	if err != nil {
		t.Fatal(err)
	}
	authentication, err := card.Authenticate(jpkitest.AuthPIN, message)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		message, signature []byte
		ok                 bool
	}{
		"honest twin":                  {message, good, true},
		"other message":                {[]byte("別の文"), good, false},
		"authentication key":           {message, authentication, false},
		"leading zero":                 {message, append([]byte{0}, good...), false},
		"cut off":                      {message, good[:255], false},
		"empty":                        {message, nil, false},
		"all zero":                     {message, make([]byte, 256), false},
		"signature plus modulus":       {message, new(big.Int).Add(new(big.Int).SetBytes(good), cert.PublicKey.(*rsa.PublicKey).N).Bytes(), false},
		"signature over a prehash":     {sum(message), good, false},
		"message is its own signature": {message, message, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := jpki.VerifySignature(cert, tt.message, tt.signature); (err == nil) != tt.ok {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
		})
	}
}

// TestNegSignedData has answers in the Cryptographic Message Syntax. What is
// lax about the syntax itself is tested in package cms.
func TestNegSignedData(t *testing.T) {
	t.Parallel()
	j := testJPKI(t)
	card := newCard(t, j, "hanako", jpkitest.CardOptions{})
	message, other := []byte("発行の申請"), []byte("別の文")
	sign := func(data []byte, attached bool) []byte {
		t.Helper()
		der, err := card.SignData(jpkitest.SignPIN, data, attached)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	good := sign(message, false)
	broken := bytes.Clone(good)
	broken[len(broken)-1] ^= 1
	for name, tt := range map[string]struct {
		der []byte
		ok  bool
	}{
		"honest twin":               {good, true},
		"attached":                  {sign(message, true), true},
		"K08 over another message":  {sign(other, false), false},
		"K08 another attached":      {sign(other, true), false},
		"K08 the signature changed": {broken, false},
		"K08 trailing octet":        {append(bytes.Clone(good), 0), false},
	} {
		cert, err := jpki.VerifySignedData(tt.der, message)
		if (err == nil) != tt.ok || tt.ok && !cert.Equal(card.SignatureCertificate()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAuthenticationTellsNothing holds that the certificate for authentication
// has no attributes to read.
func TestAuthenticationTellsNothing(t *testing.T) {
	t.Parallel()
	card := newCard(t, testJPKI(t), "hanako", jpkitest.CardOptions{})
	if a, err := jpki.ParseSignatureCertificate(card.AuthenticationCertificate()); !errors.Is(err, jpki.ErrAttributes) {
		t.Errorf("read %v, %v", a != nil, err)
	}
	if _, err := jpki.ParseSignatureCertificate(card.SignatureCertificate()); err != nil {
		t.Errorf("honest twin: %v", err)
	}
}

func sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

// TestNegPadding signs with a key whose private half is known, so that every
// encoded message can be made (Bleichenbacher's forgery and its relatives).
func TestNegPadding(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{PublicKey: &key.PublicKey}
	message := []byte("発行の申請")
	digest := sum(message)
	withNull := append([]byte{0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20}, digest...)
	noNull := append([]byte{0x30, 0x2f, 0x30, 0x0b, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 4, 0x20}, digest...)
	encode := func(padding int, info, garbage []byte) []byte {
		em := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, padding)...)
		em = append(append(append(em, 0), info...), garbage...)
		return append(em, make([]byte, 256-len(em))...)
	}
	full := 256 - 3 - len(withNull)
	wrongFiller := encode(full, withNull, nil)
	wrongFiller[100] = 0xfe
	type2 := encode(full, withNull, nil)
	type2[1] = 2
	for name, tt := range map[string]struct {
		em []byte
		ok bool
	}{
		"honest twin":              {encode(full, withNull, nil), true},
		"K08 short padding":        {encode(8, withNull, bytes.Repeat([]byte{0xaa}, full-8)), false},
		"K08 garbage at the end":   {encode(full-1, withNull, []byte{0xaa}), false},
		"K08 NULL missing":         {encode(256-3-len(noNull), noNull, nil), false},
		"K08 filler not all ones":  {wrongFiller, false},
		"K08 block of type 2":      {type2, false},
		"K08 digest without shell": {encode(256-3-len(digest), digest, nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			signature := new(big.Int).Exp(new(big.Int).SetBytes(tt.em), key.D, key.N).FillBytes(make([]byte, 256))
			if err := jpki.VerifySignature(cert, message, signature); (err == nil) != tt.ok {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
		})
	}
	t.Run("K07 short modulus", func(t *testing.T) {
		short, err := rsa.GenerateKey(rand.Reader, 1536)
		if err != nil {
			t.Fatal(err)
		}
		for bits, key := range map[int]*rsa.PrivateKey{1536: short, 2048: key} {
			signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest)
			if err != nil {
				t.Fatal(err)
			}
			if err := jpki.VerifySignature(&x509.Certificate{PublicKey: &key.PublicKey}, message, signature); (err == nil) != (bits >= 2048) {
				t.Errorf("%d bits: %v", bits, err)
			}
		}
	})
}
