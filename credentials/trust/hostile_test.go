package trust_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// hugeRSA is a modulus of that many bits whose factors nobody knows, with the
// exponent that takes longest. Go spends most of a second on one signature
// under a modulus of 100,000 bits.
func hugeRSA(bits int) *rsa.PublicKey {
	raw := make([]byte, bits/8)
	rand.Read(raw)
	raw[0] |= 0x80
	raw[len(raw)-1] |= 1
	return &rsa.PublicKey{N: new(big.Int).SetBytes(raw), E: 1<<31 - 1}
}

// claimRSA turns the signature of a certificate into random bytes that claim
// to be RSA with SHA-256 of the given size.
func claimRSA(t *testing.T, cert *x509.Certificate, bits int) *x509.Certificate {
	t.Helper()
	algorithm, err := asn1.Marshal(pkix.AlgorithmIdentifier{
		Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue,
	})
	if err != nil {
		t.Fatal(err)
	}
	var parts []asn1.RawValue
	if _, err := asn1.Unmarshal(cert.RawTBSCertificate, &parts); err != nil {
		t.Fatal(err)
	}
	parts[2] = asn1.RawValue{FullBytes: algorithm}
	tbs, err := asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, bits/8)
	rand.Read(signature)
	signature[0] = 0
	der, err := asn1.Marshal(struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, asn1.RawValue{FullBytes: algorithm}, asn1.BitString{Bytes: signature, BitLength: bits}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestNegHugeKeys hands over certificates that nobody trusts and whose keys
// are expensive to check signatures with. They must be turned away before any
// signature is checked.
func TestNegHugeKeys(t *testing.T) {
	t.Parallel()
	const bits = 100_000
	caKey, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	ca := newCA(t, trusttest.CAOptions{Signer: caKey})
	sub := newIntermediate(t, ca, trusttest.CAOptions{Name: "Sub"})
	honest := signer(t, sub.IssueSDJWTSigner, trusttest.LeafOptions{})
	p := policy(trust.ProfileSDJWTIssuer, start.Add(day), ca)

	template := *sub.Certificate
	template.SubjectKeyId = nil
	template.PublicKey, template.PublicKeyAlgorithm, template.SignatureAlgorithm = nil, 0, 0
	der, err := x509.CreateCertificate(rand.Reader, &template, ca.Certificate, hugeRSA(bits), caKey)
	if err != nil {
		t.Fatal(err)
	}
	huge, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	leaf := claimRSA(t, honest.Leaf(), bits)

	t.Run("honest twin", func(t *testing.T) { want(t, verify(p, honest.Chain), "") })
	t.Run("K07 K13 intermediate", func(t *testing.T) {
		begin := time.Now()
		want(t, verify(p, []*x509.Certificate{leaf, huge}), trust.ReasonWeak)
		t.Logf("took %v", time.Since(begin))
	})
	t.Run("K07 K13 intermediate where RSA is allowed", func(t *testing.T) {
		jpki := *p
		jpki.Profile.AllowRSA = true
		want(t, verify(&jpki, []*x509.Certificate{leaf, huge}), trust.ReasonWeak)
	})
	t.Run("K07 K13 leaf that claims to be self-signed", func(t *testing.T) {
		own := template
		own.Subject, own.RawSubject, own.IsCA, own.KeyUsage = ca.Certificate.Subject, ca.Certificate.RawSubject, false, x509.KeyUsageDigitalSignature
		own.BasicConstraintsValid, own.MaxPathLenZero, own.MaxPathLen = false, false, 0
		der, err := x509.CreateCertificate(rand.Reader, &own, ca.Certificate, hugeRSA(bits/2), caKey)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		cert = claimRSA(t, cert, bits/2)
		if !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
			t.Fatal("the forged certificate does not name itself")
		}
		want(t, verify(p, []*x509.Certificate{cert}), trust.ReasonWeak)
	})
}
