package evidence_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// TestNegAnswer answers one challenge in both forms, and wrongly.
func TestNegAnswer(t *testing.T) {
	t.Parallel()
	now := challenge().Expires.Add(-time.Minute)
	clock := func() time.Time { return now }
	j, err := jpkitest.New(jpkitest.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	newCard := func(key string) *jpkitest.Card {
		person, _ := jpkitest.PersonByKey(key)
		card, err := j.NewCard(person, jpkitest.CardOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return card
	}
	hanako, taro := newCard("hanako"), newCard("taro")
	policy, err := j.Policy(jpki.Signature)
	if err != nil {
		t.Fatal(err)
	}
	prover := &evidence.JPKI{Policy: policy, PseudonymKey: bytes.Repeat([]byte{1}, 32), Now: clock}
	text := challenge().Bytes()
	must := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	signature := must(hanako.Sign(jpkitest.SignPIN, text))
	detached := must(hanako.SignData(jpkitest.SignPIN, text, false))
	cert := hanako.SignatureCertificate().Raw
	other := challenge()
	other.Nonce = "n-2"
	for name, tt := range map[string]struct {
		answer evidence.Answer
		ok     bool
	}{
		"raw":                          {evidence.Answer{Certificate: cert, Signature: signature}, true},
		"CMS, detached":                {evidence.Answer{SignedData: detached}, true},
		"CMS, attached":                {evidence.Answer{SignedData: must(hanako.SignData(jpkitest.SignPIN, text, true))}, true},
		"nothing":                      {evidence.Answer{}, false},
		"no signature":                 {evidence.Answer{Certificate: cert}, false},
		"no certificate":               {evidence.Answer{Signature: signature}, false},
		"both forms":                   {evidence.Answer{Certificate: cert, Signature: signature, SignedData: detached}, false},
		"CMS and a certificate":        {evidence.Answer{Certificate: cert, SignedData: detached}, false},
		"certificate of another":       {evidence.Answer{Certificate: taro.SignatureCertificate().Raw, Signature: signature}, false},
		"other challenge":              {evidence.Answer{Certificate: cert, Signature: must(hanako.Sign(jpkitest.SignPIN, other.Bytes()))}, false},
		"CMS, other challenge":         {evidence.Answer{SignedData: must(hanako.SignData(jpkitest.SignPIN, other.Bytes(), false))}, false},
		"CMS, other challenge in it":   {evidence.Answer{SignedData: must(hanako.SignData(jpkitest.SignPIN, other.Bytes(), true))}, false},
		"authentication certificate":   {evidence.Answer{Certificate: hanako.AuthenticationCertificate().Raw, Signature: must(hanako.Authenticate(jpkitest.AuthPIN, text))}, false},
		"CMS as signature":             {evidence.Answer{Certificate: cert, Signature: detached}, false},
		"certificate and more":         {evidence.Answer{Certificate: append(bytes.Clone(cert), 0), Signature: signature}, false},
		"signature over its own shell": {evidence.Answer{Certificate: cert, Signature: must(hanako.Sign(jpkitest.SignPIN, detached))}, false},
	} {
		got, err := prover.Verify(t.Context(), challenge(), tt.answer)
		switch {
		case !tt.ok && !errors.Is(err, evidence.ErrRefused):
			t.Errorf("%s: %v, want refused", name, err)
		case tt.ok && (err != nil || got.Kind != evidence.KindJPKISignature || got.Certificate.Attributes.Name != hanako.Person.Name):
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Run("O16 where it was signed", func(t *testing.T) {
		elsewhere, nowhere := challenge(), challenge()
		elsewhere.Device, nowhere.Device = evidence.OtherDevice, ""
		signedElsewhere := evidence.Answer{Certificate: cert, Signature: must(hanako.Sign(jpkitest.SignPIN, elsewhere.Bytes()))}
		got, err := prover.Verify(t.Context(), elsewhere, signedElsewhere)
		if err != nil || got.Kind != evidence.KindJPKIOtherDevice {
			t.Errorf("honest twin: %v, %v", got, err)
		}
		// A signature made elsewhere never passes for one made here, nor the
		// reverse, and one of the two it must be.
		for name, tt := range map[string]struct {
			c      evidence.Challenge
			answer evidence.Answer
		}{
			"elsewhere for here": {challenge(), signedElsewhere},
			"here for elsewhere": {elsewhere, evidence.Answer{SignedData: detached}},
			"nowhere":            {nowhere, evidence.Answer{Certificate: cert, Signature: must(hanako.Sign(jpkitest.SignPIN, nowhere.Bytes()))}},
		} {
			if _, err := prover.Verify(t.Context(), tt.c, tt.answer); !errors.Is(err, evidence.ErrRefused) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("expired to the second", func(t *testing.T) {
		for left, ok := range map[time.Duration]bool{time.Second: true, 0: false} {
			late := *prover
			late.Now = func() time.Time { return challenge().Expires.Add(-left) }
			late.Policy = &trust.Policy{Anchors: policy.Anchors, Profile: policy.Profile, Revocation: policy.Revocation, Now: clock}
			if _, err := late.Verify(t.Context(), challenge(), evidence.Answer{SignedData: detached}); (err == nil) != ok {
				t.Errorf("%s before the end: %v", left, err)
			}
		}
	})
}

// TestOperatorHandle: what a platform operator named the certificate is kept
// with the rest of the handle, and handles from before there were any open.
func TestOperatorHandle(t *testing.T) {
	t.Parallel()
	now := challenge().Expires.Add(-time.Minute)
	clock := func() time.Time { return now }
	j, err := jpkitest.New(jpkitest.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	person, _ := jpkitest.PersonByKey("hanako")
	card, err := j.NewCard(person, jpkitest.CardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := j.Policy(jpki.Signature)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	source := j.NewOperator().Source()
	checker, err := trust.NewOperatorChecker(trust.OperatorOptions{
		Source: trust.OperatorSourceFunc(func(ctx context.Context, q trust.OperatorQuestion) (trust.OperatorAnswer, error) {
			asked++
			return source.Operator(ctx, q)
		}),
		Now: clock, Cache: trust.CacheOptions{Unavailable: trust.HardFail},
	})
	if err != nil {
		t.Fatal(err)
	}
	policy.Revocation = checker
	prover := &evidence.JPKI{Policy: policy, Status: checker, PseudonymKey: bytes.Repeat([]byte{1}, 32), Now: clock}
	signature, err := card.Sign(jpkitest.SignPIN, challenge().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	answer := evidence.Answer{Certificate: card.SignatureCertificate().Raw, Signature: signature}
	got, err := prover.Verify(t.Context(), challenge(), answer)
	if err != nil {
		t.Fatal(err)
	}
	handle := got.Certificate.Handle
	if handle.Operator == "" || asked != 1 {
		t.Errorf("handle %q, asked %d times", handle.Operator, asked)
	}
	sealer, err := evidence.NewSealer(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]jpki.Handle{
		"with an operator": handle, "without": {IssuerKeyID: handle.IssuerKeyID, Partition: handle.Partition, Serial: handle.Serial},
	} {
		sealed, err := sealer.Seal("minato", "p", h)
		if err != nil {
			t.Fatal(err)
		}
		var opened jpki.Handle
		if err := sealer.Open("minato", "p", sealed, &opened); err != nil || !reflect.DeepEqual(opened, h) {
			t.Errorf("%s: %+v, %v", name, opened, err)
		}
	}
	issuer := handle.Issuer(policy.Anchors)
	if status, err := checker.Status(t.Context(), handle.CertRef(issuer)); err != nil || status.Revoked {
		t.Errorf("by handle: %+v, %v", status, err)
	}
	if err := j.Revoke(card.SignatureCertificate(), 3); err != nil {
		t.Fatal(err)
	}
	now = now.Add(15 * time.Minute)
	if status, err := checker.Status(t.Context(), handle.CertRef(issuer)); err != nil || !status.Revoked {
		t.Errorf("K12 revoked, by handle: %+v, %v", status, err)
	}
}
