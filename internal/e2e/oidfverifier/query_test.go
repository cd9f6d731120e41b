package oidfverifier_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// TestQueries answers what DCQL can ask for beyond one credential: sets,
// several presentations, sets of claims, authorities.
func TestQueries(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	sd := func(id, more, claims string) string {
		return `{"id":"` + id + `","format":"dc+sd-jwt",` + more + `"meta":{"vct_values":["` + pidVCT + `"]},"claims":[` + claims + `]}`
	}
	doc := func(id string) string {
		return `{"id":"` + id + `","format":"mso_mdoc","meta":{"doctype_value":"` + mdlDocType + `"},"claims":[{"path":["` + mdlSpace + `","given_name"]}]}`
	}
	const given, family = `{"id":"g","path":["given_name"]}`, `{"id":"f","path":["family_name"]}`
	ask := func(sets string, credentials ...string) string {
		return `{"credentials":[` + strings.Join(credentials, ",") + `]` + sets + `}`
	}
	either := ask(`,"credential_sets":[{"options":[["a"],["b"]]}]`, sd("a", "", given), doc("b"))
	optional := ask(`,"credential_sets":[{"options":[["a"]]},{"options":[["b"]],"required":false}]`, sd("a", "", given), doc("b"))
	unused := ask(`,"credential_sets":[{"options":[["a"]]}]`, sd("a", "", given), doc("b"))
	both := ask("", sd("a", "", given), doc("b"))
	many := ask("", sd("a", `"multiple":true,`, given))
	sets := ask("", sd("a", `"claim_sets":[["g","x"],["f"]],`, given+`,`+family+`,{"id":"x","path":["nickname"]}`))
	for name, tt := range map[string]struct {
		query string
		// shown are the presentations by query: one letter for each.
		shown map[string]string
		// want are the claims in the order of the queries; nil means refused.
		want []map[string]any
	}{
		"either, the first":              {either, map[string]string{"a": "s"}, []map[string]any{{"given_name": "Jean"}}},
		"either, the second":             {either, map[string]string{"b": "m"}, []map[string]any{{mdlSpace: map[string]any{"given_name": "Jean"}}}},
		"optional, with":                 {optional, map[string]string{"a": "s", "b": "m"}, []map[string]any{{"given_name": "Jean"}, {mdlSpace: map[string]any{"given_name": "Jean"}}}},
		"optional, without":              {optional, map[string]string{"a": "s"}, []map[string]any{{"given_name": "Jean"}}},
		"TestNeg/P16 optional alone":     {optional, map[string]string{"b": "m"}, nil},
		"both":                           {both, map[string]string{"a": "s", "b": "m"}, []map[string]any{{"given_name": "Jean"}, {mdlSpace: map[string]any{"given_name": "Jean"}}}},
		"TestNeg/P16 one of both":        {both, map[string]string{"a": "s"}, nil},
		"TestNeg/P15 in no set":          {unused, map[string]string{"a": "s", "b": "m"}, nil},
		"TestNeg/P16 the other's format": {both, map[string]string{"a": "m", "b": "s"}, nil},
		"several":                        {many, map[string]string{"a": "ss"}, []map[string]any{{"given_name": "Jean"}, {"given_name": "Jean"}}},
		"TestNeg/P15 several, not asked": {both, map[string]string{"a": "ss", "b": "m"}, nil},
		"second set of claims":           {sets, map[string]string{"a": "s"}, []map[string]any{{"family_name": "Dupont"}}},
	} {
		t.Run(name, func(t *testing.T) {
			v := variants[0]
			tx := s.begin(t, v, tt.query, "cross_device")
			signed := string(s.do(t, http.MethodGet, check(url.Parse(tx.Link))(t).Query().Get("request_uri"), nil, "").body)
			r := decode(t, unb64(t, strings.Split(signed, ".")[1]))
			token := map[string]any{}
			for id, kinds := range tt.shown {
				var list []string
				for _, kind := range kinds {
					format := map[rune]string{'s': formatSDJWT, 'm': formatMdoc}[kind]
					list = append(list, s.presentation(t, r, format, nil, nil))
				}
				token[id] = list
			}
			a := s.post(t, r.ResponseURI, r.formOf(t, map[string]any{"vp_token": token, "state": r.State}))
			if tt.want == nil {
				s.wantRefused(t, v, tx, a)
				return
			}
			var claims []map[string]any
			for _, c := range s.result(t, v, tx, "").Credentials {
				claims = append(claims, c.Claims)
			}
			if diff := cmp.Diff(tt.want, claims); a.status != http.StatusOK || diff != "" {
				t.Errorf("%d %s", a.status, diff)
			}
		})
	}
}

// TestNegAge holds that a check of an age learns of no date: not from what the
// wallet discloses beside it, and not from when the credential ends.
func TestNegAge(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	v := variants[0]
	birthday := time.Date(time.Now().Year()+1, 5, 23, 0, 0, 0, 0, time.UTC)
	for claim, told := range map[string]bool{`"age_over_18"`: false, `"birthdate"`: true} { // the second is the honest twin
		tx := s.begin(t, v, `{"credentials":[{"id":"my_credential","format":"dc+sd-jwt","meta":{"vct_values":["`+pidVCT+`"]},"claims":[{"path":[`+claim+`]}]}]}`, "cross_device")
		r := s.read(t, v, tx, nil)
		p := s.pid(t, r)
		p.payload["exp"] = birthday.Unix()
		p.disclosures = nil
		p.sd(wire.Disclosure(rand.Text(), "age_over_18", true), wire.Disclosure(rand.Text(), "birthdate", "1980-05-23"))
		if a := s.post(t, r.ResponseURI, r.form(t, p.present(t))); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		body := string(s.api(t, v, http.MethodGet, "/"+tx.ID, "").body)
		if !json.Valid([]byte(body)) || strings.Contains(body, "05-23") != told {
			t.Errorf("asked for %s: %s", claim, body)
		}
	}
}

// TestPages begins a transaction on the pages in every form of requests, by a
// link and by a code to scan.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	for _, v := range variants {
		for _, flow := range []string{"same_device", "cross_device"} {
			p := &page{s: s, v: v}
			path, link := p.start(t, flow)
			if a := p.get(t, path); a.status != http.StatusOK || strings.Contains(string(a.body), "<svg") != (flow == "cross_device") {
				t.Errorf("%s, %s: %d, link of %d bytes", v.name, flow, a.status, len(link))
			}
		}
	}
}
