package verifier_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/verifier"
)

const (
	payment  = `{"type":"urn:test:payment","credential_ids":["pid"],"amount":"1200 JPY"}`
	contract = `{"type":"urn:test:contract","credential_ids":["pid"],"transaction_data_hashes_alg":["sha-512","sha-256"]}`
)

func (w *world) startWith(query string, data ...string) (*verifier.Transaction, error) {
	var objects []json.RawMessage
	for _, d := range data {
		objects = append(objects, json.RawMessage(d))
	}
	return w.v.Start(w.t.Context(), verifier.StartRequest{
		DCQL: json.RawMessage(query), RedirectURI: redirect, Flow: verifier.SameDevice, TransactionData: objects,
	})
}

// TestTransactionData has the holder authorize two elements, and less and other
// than that.
func TestTransactionData(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(b *credentials.Binding)
		want  verifier.Reason
	}{
		"honest":               {func(*credentials.Binding) {}, ""},
		"TestNeg/P19 none":     {func(b *credentials.Binding) { b.TransactionData = nil }, verifier.ReasonTransactionData},
		"TestNeg/P19 one":      {func(b *credentials.Binding) { b.TransactionData = b.TransactionData[:1] }, verifier.ReasonTransactionData},
		"TestNeg/P19 reversed": {func(b *credentials.Binding) { slices.Reverse(b.TransactionData) }, verifier.ReasonTransactionData},
		"TestNeg/P19 twice":    {func(b *credentials.Binding) { b.TransactionData = append(b.TransactionData, b.TransactionData[1]) }, verifier.ReasonTransactionData},
		"TestNeg/P19 another amount": {func(b *credentials.Binding) {
			b.TransactionData[0].Encoded = strings.Replace(b.TransactionData[0].Encoded, "IxMjAw", "IxMjAx", 1)
		}, verifier.ReasonTransactionData},
		"TestNeg/P19 algorithm that is not allowed": {func(b *credentials.Binding) {
			for i := range b.TransactionData {
				b.TransactionData[i].HashAlgorithms = []string{"sha-384"}
			}
		}, verifier.ReasonTransactionData},
		"TestNeg/P19 algorithm not named": {func(b *credentials.Binding) { b.TransactionData[1].HashAlgorithms = nil }, verifier.ReasonTransactionData},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tx := must(w.startWith(querySDJWT, payment, contract))(t)
			r := w.follow(tx)
			b := r.binding()
			for _, d := range r.TransactionData {
				b.TransactionData = append(b.TransactionData, credentials.TransactionData{Encoded: d.Encoded, HashAlgorithms: d.HashAlgorithms})
			}
			tt.spoil(&b)
			form := w.encrypted(r, w.presentSDJWT(b))
			if tt.want != "" {
				w.refusedFor(tx, r, form, tt.want)
				return
			}
			got := w.accepted(tx, r, form)[0]
			if !slices.ContainsFunc(got.Checks, func(c verifier.Check) bool { return c.Name == "transaction_data" }) {
				t.Errorf("checks: %+v", got.Checks)
			}
		})
	}
	t.Run("TestNeg/P19 nobody asked", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		tx := w.start(querySDJWT)
		r := w.fetch(tx)
		b := r.binding()
		b.TransactionData = []credentials.TransactionData{{Encoded: "e30"}}
		w.refusedFor(tx, r, w.encrypted(r, w.presentSDJWT(b)), verifier.ReasonTransactionData)
	})
}

// TestNegStartTransactionData holds what can't be authorized or must not be
// sent.
func TestNegStartTransactionData(t *testing.T) {
	t.Parallel()
	unbound := strings.Replace(querySDJWT, `"meta"`, `"require_cryptographic_holder_binding":false,"meta"`, 1)
	for name, tt := range map[string]struct {
		query, data string
		want        verifier.Code
	}{
		"honest":            {querySDJWT, payment, ""},
		"no object":         {querySDJWT, `"x"`, verifier.CodeInvalidTransactionData},
		"no type":           {querySDJWT, `{"credential_ids":["pid"]}`, verifier.CodeInvalidTransactionData},
		"no credentials":    {querySDJWT, `{"type":"t","credential_ids":[]}`, verifier.CodeInvalidTransactionData},
		"other credential":  {querySDJWT, `{"type":"t","credential_ids":["other"]}`, verifier.CodeInvalidTransactionData},
		"TXD-05 unbound":    {unbound, payment, verifier.CodeInvalidTransactionData},
		"TXD-06 mdoc":       {queryMdoc, payment, verifier.CodeInvalidTransactionData},
		"unknown hash":      {querySDJWT, `{"type":"t","credential_ids":["pid"],"transaction_data_hashes_alg":["md5"]}`, verifier.CodeInvalidTransactionData},
		"individual number": {querySDJWT, `{"type":"t","credential_ids":["pid"],"note":"123456789018"}`, verifier.CodeIndividualNumber},
		"too large":         {querySDJWT, `{"type":"t","credential_ids":["pid"],"x":"` + strings.Repeat("x", 16<<10) + `"}`, verifier.CodeInvalidTransactionData},
	} {
		if _, err := newWorld(t).startWith(tt.query, tt.data); codeOf(err) != tt.want {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
