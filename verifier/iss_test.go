package verifier_test

import (
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/verifier"
)

// TestNegIssuerOfAnother lets a trusted issuer name another one as iss, which
// its certificate does not bear out.
func TestNegIssuerOfAnother(t *testing.T) {
	t.Parallel()
	const named = "https://issuer.city.example"
	asksIss := `{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["urn:tegata:identity:jp:1"]},` +
		`"claims":[{"path":["name"]},{"path":["iss"],"values":["` + named + `"]}]}]}`
	for _, tt := range []struct {
		name, host, query, identifier string
		ok                            bool
	}{
		{"honest twin, asked for", "issuer.city.example", asksIss, named, true},
		{"honest twin", "issuer.city.example", querySDJWT, named, true},
		{"P16 asked for by iss", "other.example", asksIss, "", false},
		{"P16 not shown to the relying party", "other.example", querySDJWT, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key := must(w.ca.IssueSDJWTSigner(trusttest.LeafOptions{DNSNames: []string{tt.host}}))(t)
			d := w.draft(credentials.FormatSDJWTVC)
			d.Issuer = named
			tr := w.start(tt.query)
			r := w.fetch(tr)
			form := w.encrypted(r, w.presentDraft(d, key, r.binding()))
			if !tt.ok {
				w.refusedFor(tr, r, form, verifier.ReasonQuery)
				return
			}
			if got := w.accepted(tr, r, form)[0].Issuer.Identifier; got != tt.identifier {
				t.Errorf("identifier %q, want %q", got, tt.identifier)
			}
		})
	}
}
