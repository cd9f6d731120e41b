package jpki_test

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

const goodAnswer = `{"nonce":"n","handle":"h","status":"good","this_update":1775000000,"next_update":1775000900}`

func TestNegOperatorAnswer(t *testing.T) {
	t.Parallel()
	begin := time.Unix(1775000000, 0).UTC()
	good := trust.OperatorAnswer{Status: trust.OperatorGood, Nonce: "n", Handle: "h", ThisUpdate: begin, NextUpdate: begin.Add(15 * time.Minute)}
	edited := func(edit func(*trust.OperatorAnswer)) *trust.OperatorAnswer {
		a := good
		edit(&a)
		return &a
	}
	for name, tt := range map[string]struct {
		raw  string
		want *trust.OperatorAnswer // nil if it is refused
	}{
		"good":           {goodAnswer, &good},
		"no end":         {`{"nonce":"n","handle":"h","status":"good","this_update":1775000000}`, edited(func(a *trust.OperatorAnswer) { a.NextUpdate = time.Time{} })},
		"unknown member": {strings.Replace(goodAnswer, `{`, `{"version":2,`, 1), &good},
		"no handle":      {strings.Replace(goodAnswer, `"handle":"h",`, ``, 1), edited(func(a *trust.OperatorAnswer) { a.Handle = "" })},
		"unknown":        {`{"nonce":"n","status":"unknown"}`, &trust.OperatorAnswer{Status: trust.OperatorUnknown, Nonce: "n"}},
		"revoked": {strings.Replace(goodAnswer, `"good"`, `"revoked","revoked_at":1774999999,"reason":3`, 1), edited(func(a *trust.OperatorAnswer) {
			a.Status, a.Revocation = trust.OperatorRevoked, trust.Revoked{At: begin.Add(-time.Second), ReasonCode: 3}
		})},
		"revoked for no reason": {strings.Replace(goodAnswer, `"good"`, `"revoked","revoked_at":1774999999`, 1), edited(func(a *trust.OperatorAnswer) {
			a.Status, a.Revocation = trust.OperatorRevoked, trust.Revoked{At: begin.Add(-time.Second)}
		})},
		"empty":                   {``, nil},
		"HTML":                    {`<!DOCTYPE html>`, nil},
		"array":                   {`[` + goodAnswer + `]`, nil},
		"and more":                {goodAnswer + goodAnswer, nil},
		"too large":               {goodAnswer + strings.Repeat(" ", 16<<10), nil},
		"no status":               {`{"nonce":"n","handle":"h","this_update":1775000000}`, nil},
		"other status":            {strings.Replace(goodAnswer, "good", "Good", 1), nil},
		"status twice":            {strings.Replace(goodAnswer, `{`, `{"status":"revoked",`, 1), nil},
		"status in other letters": {strings.Replace(goodAnswer, `"status"`, `"Status"`, 1), nil},
		"no time":                 {`{"nonce":"n","handle":"h","status":"good"}`, nil},
		"time is text":            {strings.Replace(goodAnswer, `1775000000`, `"2026-03-31"`, 1), nil},
		"time is no whole number": {strings.Replace(goodAnswer, `1775000000`, `1775000000.5`, 1), nil},
		"good but revoked":        {strings.Replace(goodAnswer, `"good"`, `"good","revoked_at":1774999999`, 1), nil},
		"good for a reason":       {strings.Replace(goodAnswer, `"good"`, `"good","reason":1`, 1), nil},
		"revoked at no time":      {strings.Replace(goodAnswer, `"good"`, `"revoked"`, 1), nil},
		"reason that is none":     {strings.Replace(goodAnswer, `"good"`, `"revoked","revoked_at":1774999999,"reason":11`, 1), nil},
	} {
		got, err := jpki.ParseOperatorAnswer([]byte(tt.raw))
		if tt.want == nil {
			var e *trust.Error
			if !errors.As(err, &e) || e.Reason != trust.ReasonRevocationInvalid {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			continue
		}
		if diff := cmp.Diff(*tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// TestOperatorQuestion holds what is sent to the documented form.
func TestOperatorQuestion(t *testing.T) {
	t.Parallel()
	var sent string
	source := jpki.OperatorOverJSON(func(_ context.Context, question []byte) ([]byte, error) {
		sent = string(question)
		return []byte(goodAnswer), nil
	})
	for want, q := range map[string]trust.OperatorQuestion{
		`{"nonce":"n","handle":"h"}`:         {Nonce: "n", Handle: "h"},
		`{"nonce":"n","certificate":"-_8A"}`: {Nonce: "n", Certificate: &x509.Certificate{Raw: []byte{0xfb, 0xff, 0}}},
	} {
		if _, err := source.Operator(t.Context(), q); err != nil || sent != want {
			t.Errorf("sent %s, %v, want %s", sent, err, want)
		}
	}
	down := errors.New("down")
	source = jpki.OperatorOverJSON(func(context.Context, []byte) ([]byte, error) { return nil, down })
	if _, err := source.Operator(t.Context(), trust.OperatorQuestion{}); !errors.Is(err, down) {
		t.Error(err)
	}
}

// FuzzOperatorAnswer: whatever is read says when it was so, and revoked when it
// says when.
func FuzzOperatorAnswer(f *testing.F) {
	f.Add([]byte(goodAnswer))
	f.Add([]byte(strings.Replace(goodAnswer, `"good"`, `"revoked","revoked_at":1774999999,"reason":3`, 1)))
	f.Add([]byte(`{"nonce":"n","status":"unknown"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		answer, err := jpki.ParseOperatorAnswer(raw)
		if err != nil {
			var e *trust.Error
			if !errors.As(err, &e) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		switch answer.Status {
		case trust.OperatorUnknown:
		case trust.OperatorGood, trust.OperatorRevoked:
			if answer.ThisUpdate.IsZero() || (answer.Status == trust.OperatorRevoked) == answer.Revocation.At.IsZero() {
				t.Errorf("%+v", answer)
			}
		default:
			t.Errorf("%+v", answer)
		}
	})
}
