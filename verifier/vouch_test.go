package verifier_test

import (
	"context"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/verifier"
)

// TestNegStatusOfAnotherAuthority lets an authority that the verifier trusts
// for credentials of its own country sign a list that says that a revoked
// credential of another country's authority is valid. Whoever controls the
// address of the list could do that.
func TestNegStatusOfAnotherAuthority(t *testing.T) {
	t.Parallel()
	old := start.AddDate(0, -1, 0)
	tests := []struct {
		name, country string
		formats       []credentials.Format
		types         []string
		ok            bool
	}{
		{"honest twin, another authority of the country", "JP", nil, nil, true},
		{"honest twin, limited to the type", "JP", nil, []string{vct}, true},
		{"honest twin, limited to types of the other format", "JP", []credentials.Format{credentials.FormatMdoc}, []string{doctype}, true},
		{"T03 authority of another country", "FR", nil, nil, false},
		{"T03 authority for other types", "JP", nil, []string{"urn:other"}, false},
		{"T03 authority for other types of the format", "JP", []credentials.Format{credentials.FormatSDJWTVC}, []string{"urn:other"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ca := must(trusttest.NewCA(trusttest.CAOptions{Name: "Status CA", Country: tt.country, NotBefore: old}))(t)
			foreign := ca.Anchor()
			foreign.Formats, foreign.Types = tt.formats, tt.types
			key := must(ca.IssueStatusSigner(trusttest.LeafOptions{}))(t)
			cfg := w.config("city")
			cfg.Status = &status.Checker{
				Policy: w.policy(trust.ProfileStatusSigner, w.ca.Anchor(), foreign), Now: w.clock,
				Fetch: func(context.Context, string, ...string) ([]byte, string, error) { return allValid(w, key) },
			}
			w.v = must(verifier.New(cfg))(t)
			d := w.draft(credentials.FormatSDJWTVC)
			d.Status.Index = revokedIndex // by the issuer's own list
			tr := w.start(querySDJWT)
			r := w.fetch(tr)
			form := w.encrypted(r, w.presentDraft(d, w.sdjwtKey, r.binding()))
			if tt.ok {
				w.accepted(tr, r, form)
			} else {
				w.refusedFor(tr, r, form, verifier.ReasonStatusUnavailable)
			}
		})
	}
}

func allValid(w *world, key *keys.Key) ([]byte, string, error) {
	list, err := status.NewList(64, 1)
	if err != nil {
		return nil, "", err
	}
	now := w.clock()
	token, err := status.Sign(status.TokenOptions{URI: listURI, IssuedAt: now, Expires: now.Add(time.Hour)}, list, key)
	return []byte(token), status.MediaType, err
}
