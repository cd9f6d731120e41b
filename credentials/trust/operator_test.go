package trust_test

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// operatorWorld is an operator that a test can make lie.
type operatorWorld struct {
	now     time.Time
	edit    func(*trust.OperatorAnswer)
	err     error
	asked   []trust.OperatorQuestion
	options trust.OperatorOptions
	ref     trust.CertRef
}

func newOperatorWorld(t *testing.T) *operatorWorld {
	t.Helper()
	w := &operatorWorld{now: start.Add(10 * day)}
	ca := newCA(t, trusttest.CAOptions{})
	cert := signer(t, ca.IssueSDJWTSigner, trusttest.LeafOptions{}).Leaf()
	w.ref = trust.CertRef{Issuer: ca.Certificate, Serial: cert.SerialNumber, Certificate: cert}
	w.options = trust.OperatorOptions{
		Now: func() time.Time { return w.now }, Cache: trust.CacheOptions{Unavailable: trust.UseFresh},
		Source: trust.OperatorSourceFunc(func(_ context.Context, q trust.OperatorQuestion) (trust.OperatorAnswer, error) {
			w.asked = append(w.asked, q)
			answer := trust.OperatorAnswer{
				Status: trust.OperatorGood, Handle: "handle-1", Nonce: q.Nonce, ThisUpdate: w.now, NextUpdate: w.now.Add(time.Hour),
			}
			if w.edit != nil {
				w.edit(&answer)
			}
			return answer, w.err
		}),
	}
	return w
}

func (w *operatorWorld) checker(t *testing.T) *trust.OperatorChecker {
	t.Helper()
	checker, err := trust.NewOperatorChecker(w.options)
	if err != nil {
		t.Fatal(err)
	}
	return checker
}

func TestNegOperator(t *testing.T) {
	t.Parallel()
	edit := func(edit func(*trust.OperatorAnswer)) func(*operatorWorld) {
		return func(w *operatorWorld) { w.edit = edit }
	}
	revoked := func(a *trust.OperatorAnswer) {
		a.Status, a.Revocation = trust.OperatorRevoked, trust.Revoked{At: start, ReasonCode: 3}
	}
	byHandle := func(w *operatorWorld) { w.ref = trust.CertRef{OperatorHandle: "handle-1"} }
	for _, tt := range []struct {
		name  string
		spoil func(*operatorWorld)
		want  trust.Reason
	}{
		{name: "honest twin"},
		{name: "honest twin by handle", spoil: byHandle},
		{name: "revoked", spoil: edit(revoked), want: trust.ReasonRevoked},
		{name: "revoked, by handle", spoil: func(w *operatorWorld) { byHandle(w); w.edit = revoked }, want: trust.ReasonRevoked},
		{name: "unknown", spoil: edit(func(a *trust.OperatorAnswer) {
			*a = trust.OperatorAnswer{Status: trust.OperatorUnknown, Nonce: a.Nonce}
		}), want: trust.ReasonRevocationUnknown},
		{name: "no status", spoil: edit(func(a *trust.OperatorAnswer) { a.Status = 0 }), want: trust.ReasonRevocationInvalid},
		{name: "other status", spoil: edit(func(a *trust.OperatorAnswer) { a.Status = 4 }), want: trust.ReasonRevocationInvalid},
		{name: "another nonce", spoil: edit(func(a *trust.OperatorAnswer) { a.Nonce += "x" }), want: trust.ReasonRevocationMismatch},
		{name: "no nonce", spoil: edit(func(a *trust.OperatorAnswer) { a.Nonce = "" }), want: trust.ReasonRevocationMismatch},
		{name: "no nonce where it may be missing", spoil: func(w *operatorWorld) {
			w.options.NonceOptional = true
			w.edit = func(a *trust.OperatorAnswer) { a.Nonce = "" }
		}},
		{name: "another nonce where it may be missing", spoil: func(w *operatorWorld) {
			w.options.NonceOptional = true
			w.edit = func(a *trust.OperatorAnswer) { a.Nonce += "x" }
		}, want: trust.ReasonRevocationMismatch},
		{name: "another handle", spoil: func(w *operatorWorld) {
			byHandle(w)
			w.edit = func(a *trust.OperatorAnswer) { a.Handle = "handle-2" }
		}, want: trust.ReasonRevocationMismatch},
		{name: "no handle in answer to one", spoil: func(w *operatorWorld) {
			byHandle(w)
			w.edit = func(a *trust.OperatorAnswer) { a.Handle = "" }
		}, want: trust.ReasonRevocationMismatch},
		{name: "no handle in answer to a certificate", spoil: edit(func(a *trust.OperatorAnswer) { a.Handle = "" })},
		{name: "long handle", spoil: edit(func(a *trust.OperatorAnswer) { a.Handle = strings.Repeat("h", 257) }), want: trust.ReasonRevocationInvalid},
		{name: "future", spoil: edit(func(a *trust.OperatorAnswer) { a.ThisUpdate = a.ThisUpdate.Add(time.Second) }), want: trust.ReasonRevocationInvalid},
		{name: "future within the skew", spoil: func(w *operatorWorld) {
			w.options.ClockSkew = time.Second
			w.edit = func(a *trust.OperatorAnswer) { a.ThisUpdate = a.ThisUpdate.Add(time.Second) }
		}},
		{name: "K12 ended", spoil: edit(func(a *trust.OperatorAnswer) { a.ThisUpdate, a.NextUpdate = a.ThisUpdate.Add(-time.Hour), a.ThisUpdate }), want: trust.ReasonRevocationStale},
		{name: "K12 older than allowed", spoil: edit(func(a *trust.OperatorAnswer) { a.ThisUpdate, a.NextUpdate = a.ThisUpdate.Add(-day), time.Time{} }), want: trust.ReasonRevocationStale},
		{name: "no end", spoil: edit(func(a *trust.OperatorAnswer) { a.NextUpdate = time.Time{} })},
		{name: "no time", spoil: edit(func(a *trust.OperatorAnswer) { a.ThisUpdate, a.NextUpdate = time.Time{}, time.Time{} }), want: trust.ReasonRevocationStale},
		{name: "ends before it begins", spoil: edit(func(a *trust.OperatorAnswer) { a.NextUpdate = a.ThisUpdate.Add(-time.Second) }), want: trust.ReasonRevocationInvalid},
		{name: "out of reach", spoil: func(w *operatorWorld) { w.err = errors.New("down") }, want: trust.ReasonRevocationUnavailable},
		{name: "malformed", spoil: func(w *operatorWorld) { w.err = &trust.Error{Reason: trust.ReasonRevocationInvalid} }, want: trust.ReasonRevocationInvalid},
		{name: "neither certificate nor handle", spoil: func(w *operatorWorld) { w.ref.Certificate = nil }, want: trust.ReasonRevocationUnavailable},
		{name: "no serial number", spoil: func(w *operatorWorld) { w.ref.Serial = new(big.Int) }, want: trust.ReasonConfiguration},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newOperatorWorld(t)
			if tt.spoil != nil {
				tt.spoil(w)
			}
			if got := look(t, w.checker(t), w.ref); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestOperatorOverTime: the handle stays, questions have nonces of their own,
// and a revocation is final.
func TestOperatorOverTime(t *testing.T) {
	t.Parallel()
	w := newOperatorWorld(t)
	checker := w.checker(t)
	status, err := checker.Status(t.Context(), w.ref)
	if err != nil || status.OperatorHandle != "handle-1" {
		t.Fatalf("%+v, %v", status, err)
	}
	kept := trust.CertRef{OperatorHandle: status.OperatorHandle}
	for range 2 {
		if got := look(t, checker, kept); got != "" {
			t.Error(got)
		}
	}
	if len(w.asked) != 2 || w.asked[0].Certificate == nil || w.asked[0].Handle != "" || w.asked[1].Certificate != nil || w.asked[1].Handle != "handle-1" {
		t.Fatalf("asked %+v", w.asked)
	}
	if a, b := w.asked[0].Nonce, w.asked[1].Nonce; a == b || len(a) < 22 {
		t.Errorf("nonces %q and %q", a, b)
	}
	w.now = w.now.Add(15 * time.Minute)
	w.edit = func(a *trust.OperatorAnswer) { a.Status = trust.OperatorRevoked }
	if got := look(t, checker, kept); got != trust.ReasonRevoked {
		t.Error(got)
	}
	w.now, w.edit = w.now.Add(time.Hour), nil
	if got := look(t, checker, kept); got != trust.ReasonRevoked {
		t.Errorf("K12 said to be good again: %q", got)
	}
}

func TestOperatorOptions(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*trust.OperatorOptions){
		"honest twin":                 nil,
		"no source":                   func(o *trust.OperatorOptions) { o.Source = nil },
		"no clock":                    func(o *trust.OperatorOptions) { o.Now = nil },
		"no stance on unavailability": func(o *trust.OperatorOptions) { o.Cache.Unavailable = 0 },
		"much clock skew":             func(o *trust.OperatorOptions) { o.ClockSkew = time.Hour },
	} {
		w := newOperatorWorld(t)
		if spoil != nil {
			spoil(&w.options)
		}
		if _, err := trust.NewOperatorChecker(w.options); (err != nil) != (spoil != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := look(t, new(trust.OperatorChecker), trust.CertRef{OperatorHandle: "h"}); got != trust.ReasonConfiguration {
		t.Errorf("zero checker: %q", got)
	}
}
