package verifier_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/verifier"
)

// TestStatement holds that a seal counts as certified only where the anchor's
// list says so.
func TestStatement(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(w *world, a *trust.Anchor)
		want verifier.Statement
	}{
		{"named", func(*world, *trust.Anchor) {}, verifier.StatementNames},
		{"certified", func(_ *world, a *trust.Anchor) { a.CertifiedSeal = true }, verifier.StatementCertified},
		{"no legal entity", func(w *world, _ *trust.Anchor) {
			w.sdjwtKey = must(w.ca.IssueSDJWTSigner(trusttest.LeafOptions{OrganizationIdentifier: "unknown"}))(w.t)
		}, verifier.StatementNone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c := w.config("city")
			format := c.Formats[credentials.FormatSDJWTVC]
			tt.edit(w, &format.Anchors[0])
			c.Formats[credentials.FormatSDJWTVC] = format
			w.v = must(verifier.New(c))(t)
			tx := w.start(querySDJWT)
			r := w.fetch(tx)
			got := w.accepted(tx, r, w.encrypted(r, w.presentSDJWT(r.binding())))
			if got[0].Issuer.Statement != tt.want || (got[0].Issuer.LegalEntity == nil) != (tt.want == verifier.StatementNone) {
				t.Errorf("issuer: %+v", got[0].Issuer)
			}
		})
	}
}

// TestAnchorLimits holds that the role asks again what the format's verifier
// should have asked.
func TestAnchorLimits(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(a *trust.Anchor){
		"other type":   func(a *trust.Anchor) { a.Types = []string{"urn:other"} },
		"other format": func(a *trust.Anchor) { a.Formats = []credentials.Format{credentials.FormatMdoc} },
	} {
		t.Run("TestNeg/P17 "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c := w.config("city")
			edit(&c.Formats[credentials.FormatSDJWTVC].Anchors[0])
			w.v = must(verifier.New(c))(t)
			tx := w.start(querySDJWT)
			r := w.fetch(tx)
			w.refusedFor(tx, r, w.encrypted(r, w.presentSDJWT(r.binding())), verifier.ReasonIssuerUntrusted)
		})
	}
}

func TestMdocCredential(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(w *world, d *credentials.Draft)
		want verifier.Reason
	}{
		{"P17 other CA of the same name", func(w *world, _ *credentials.Draft) {
			other := must(trusttest.NewCA(trusttest.CAOptions{NotBefore: start.AddDate(0, -1, 0), Profile: trusttest.IACA}))(w.t)
			w.docKey = must(other.IssueMdocSigner(trusttest.LeafOptions{}))(w.t)
		}, verifier.ReasonIssuerUntrusted},
		{"P17 expired", func(w *world, d *credentials.Draft) { d.ValidUntil = w.now.Add(-time.Second) }, verifier.ReasonExpired},
		{"P17 revoked", func(_ *world, d *credentials.Draft) { d.Status.Index = revokedIndex }, verifier.ReasonRevoked},
		{"P16 other doctype", func(_ *world, d *credentials.Draft) { d.Type = "org.other" }, verifier.ReasonQuery},
		{"P16 wrong value", func(_ *world, d *credentials.Draft) {
			d.Claims["org.iso.23220.1"] = credentials.Object{"age_over_18": credentials.Bool(false)}
		}, verifier.ReasonQuery},
	}
	for _, tt := range tests {
		t.Run("TestNeg/"+tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tx := w.start(queryMdoc)
			r := w.fetch(tx)
			d := w.draft(credentials.FormatMdoc)
			tt.edit(w, &d)
			issued := must(mdoc.Issue(d, w.docKey))(t)
			response := must(mdoc.Present(issued, pathsMdoc(), r.binding(), w.holder))(t)
			w.refusedFor(tx, r, w.encrypted(r, jose.EncodeBase64(response)), tt.want)
		})
	}
	t.Run("TestNeg/P07 SD-JWT under a query for an mdoc", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		tx := w.start(queryMdoc)
		r := w.fetch(tx)
		w.refusedFor(tx, r, w.encrypted(r, w.presentSDJWT(r.binding())), verifier.ReasonCredential)
	})
}

// TestResultJSON holds the names that relying parties rely upon.
func TestResultJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx := w.start(querySDJWT)
	r := w.fetch(tx)
	reply := must(w.v.Respond(t.Context(), r.responseID, w.encrypted(r, w.presentSDJWT(r.binding()))))(t)
	data := must(json.Marshal(must(w.v.Result(t.Context(), tx.ID, code(t, reply)))(t)))(t)
	var got struct {
		ID          string `json:"id"`
		State       string `json:"state"`
		Expires     string `json:"expires_at"`
		Credentials []struct {
			QueryID string         `json:"query_id"`
			Claims  map[string]any `json:"claims"`
			Issuer  struct {
				Statement   string            `json:"statement"`
				LegalEntity map[string]string `json:"legal_entity"`
			} `json:"issuer"`
			Status map[string]any `json:"status"`
		} `json:"credentials"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	c := got.Credentials[0]
	if got.ID != tx.ID || got.State != "verified" || got.Expires == "" || c.QueryID != "pid" || c.Claims["name"] != "手形花子" ||
		c.Issuer.Statement != "names legal entity" || c.Issuer.LegalEntity["organization_identifier"] == "" || c.Status["value"] != "valid" {
		t.Errorf("result: %s", data)
	}
}

// TestCombined puts two formats into one response.
func TestCombined(t *testing.T) {
	t.Parallel()
	query := `{"credentials":[{"id":"a","format":"dc+sd-jwt","meta":{"vct_values":["` + vct + `"]},"claims":[{"path":["birthdate"]}]},` +
		`{"id":"b","format":"mso_mdoc","meta":{"doctype_value":"` + doctype + `"},"claims":[{"path":["org.iso.23220.1","birth_date"]}]}]}`
	for name, year := range map[string]int{"honest": 1980, "TestNeg/P21 two persons": 1981} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tx := w.start(query)
			r := w.fetch(tx)
			b := r.binding()
			d := w.draft(credentials.FormatSDJWTVC)
			d.Claims["birthdate"] = credentials.FullDate{Year: year, Month: 2, Day: 29 - year%2}
			first := must(sdjwt.Present(w.issueSDJWT(d, w.sdjwtKey), []credentials.Path{credentials.PathOf("birthdate")}, &b, w.holder, w.clock()))(t)
			issued := must(mdoc.Issue(w.draft(credentials.FormatMdoc), w.docKey))(t)
			second := must(mdoc.Present(issued, []credentials.Path{credentials.PathOf("org.iso.23220.1", "birth_date")}, b, w.holder))(t)
			form := w.seal(r, &openid4vp.ResponseParams{
				VPToken: map[string][]string{"a": {first}, "b": {jose.EncodeBase64(second)}}, State: r.Parameters.State,
			})
			if year == 1980 {
				if got := w.accepted(tx, r, form); len(got) != 2 {
					t.Errorf("%d credentials", len(got))
				}
				return
			}
			w.refusedFor(tx, r, form, verifier.ReasonDifferentSubjects)
		})
	}
}
