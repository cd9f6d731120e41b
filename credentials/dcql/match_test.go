package dcql_test

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
)

func parse(t *testing.T, text string) *dcql.Query {
	t.Helper()
	q, err := dcql.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// sdjwt returns a query for one SD-JWT VC with the given further members.
func sdjwt(members string) string {
	return `{"credentials":[{"id":"q","format":"dc+sd-jwt","meta":{"vct_values":["urn:a"]}` + members + `}]}`
}

func person() credentials.Object {
	return credentials.Object{
		"family_name": credentials.Text("手形"),
		"age":         credentials.Int(41),
		"adult":       credentials.Bool(true),
		"score":       credentials.Float(1.5),
		"address": credentials.Object{
			"region": credentials.Text("東京都"), "locality": credentials.Text("千代田区"),
		},
		"nationalities": credentials.Array{credentials.Text("JP"), credentials.Text("FR")},
		"degrees": credentials.Array{
			credentials.Object{"type": credentials.Text("B"), "from": credentials.Text("x")},
			credentials.Object{"type": credentials.Text("M")},
		},
	}
}

func candidate() dcql.Candidate {
	return dcql.Candidate{
		Handle: "h", Format: credentials.FormatSDJWTVC, Type: "urn:a", Claims: person(),
		Chain: []*x509.Certificate{{AuthorityKeyId: []byte{9}}, {AuthorityKeyId: []byte{1, 2}}},
	}
}

func strs(paths []credentials.Path) string {
	var out []string
	for _, p := range paths {
		out = append(out, p.String())
	}
	return strings.Join(out, " ")
}

func TestSelectClaims(t *testing.T) {
	t.Parallel()
	const none = "no match"
	tests := []struct{ name, members, want string }{
		{"DCQL-11 no claims", ``, ""},
		{"DCQL-12 all claims", `,"claims":[{"path":["family_name"]},{"path":["age"]}]`, "family_name age"},
		{"DCQL-12 one is missing", `,"claims":[{"path":["family_name"]},{"path":["shoe_size"]}]`, none},
		{"DCQL-13 first set", `,"claims":[{"id":"a","path":["age"]},{"id":"b","path":["adult"]}],"claim_sets":[["b"],["a"]]`, "adult"},
		{"DCQL-13 second set", `,"claims":[{"id":"a","path":["age"]},{"id":"b","path":["shoe_size"]}],"claim_sets":[["b"],["a"]]`, "age"},
		{"DCQL-13 no set", `,"claims":[{"id":"a","path":["age"],"values":[1]},{"id":"b","path":["shoe_size"]}],"claim_sets":[["b"],["a"]]`, none},
		{"DCQL-10 text", `,"claims":[{"path":["family_name"],"values":["x","手形"]}]`, "family_name"},
		{"DCQL-10 integer", `,"claims":[{"path":["age"],"values":[41]}]`, "age"},
		{"DCQL-10 integer as text", `,"claims":[{"path":["age"],"values":["41"]}]`, none},
		{"DCQL-10 boolean", `,"claims":[{"path":["adult"],"values":[true]}]`, "adult"},
		{"DCQL-10 boolean as text", `,"claims":[{"path":["adult"],"values":["true"]}]`, none},
		{"DCQL-10 boolean as integer", `,"claims":[{"path":["adult"],"values":[1]}]`, none},
		{"DCQL-10 object never equals", `,"claims":[{"path":["address"],"values":["東京都"]}]`, none},
		{"DCQL-19 nested", `,"claims":[{"path":["address","region"]}]`, "address.region"},
		{"DCQL-19 name into an array", `,"claims":[{"path":["nationalities","x"]}]`, none},
		{"DCQL-19 wildcard into an object", `,"claims":[{"path":["address",null]}]`, none},
		{"DCQL-19 index out of range", `,"claims":[{"path":["nationalities",2]}]`, none},
		{"DCQL-21 wildcard", `,"claims":[{"path":["nationalities",null]}]`, "nationalities[*]"},
		{"DCQL-21 wildcard with values", `,"claims":[{"path":["nationalities",null],"values":["FR"]}]`, "nationalities[1]"},
		{"DCQL-21 members of elements", `,"claims":[{"path":["degrees",null,"from"]}]`, "degrees[*].from"},
		{"DCQL-21 index", `,"claims":[{"path":["nationalities",0]}]`, "nationalities[0]"},
		{"DCQL-07 aki", `,"trusted_authorities":[{"type":"etsi_tl","values":["https://x"]},{"type":"aki","values":["AAA","AQI"]}]`, ""},
		{"DCQL-07 other aki", `,"trusted_authorities":[{"type":"aki","values":["AAA"]}]`, none},
		{"DCQL-07 unknown type", `,"trusted_authorities":[{"type":"x","values":["AQI"]}]`, none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(t, sdjwt(tt.members)).Select([]dcql.Candidate{candidate()})
			if tt.want == none {
				if !errors.Is(err, dcql.ErrNoMatch) || got != nil {
					t.Fatalf("got %v, %v, want ErrNoMatch", got, err)
				}
				return
			}
			if err != nil || len(got) != 1 || strs(got[0].Paths) != tt.want || got[0].Handle != "h" {
				t.Errorf("got %v, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestSelectCandidates(t *testing.T) {
	t.Parallel()
	change := func(f func(*dcql.Candidate)) dcql.Candidate { c := candidate(); f(&c); return c }
	tests := []struct {
		name    string
		members string
		with    dcql.Candidate
		match   bool
	}{
		{"honest twin", ``, candidate(), true},
		{"DCQL-03 other format", ``, change(func(c *dcql.Candidate) { c.Format = credentials.FormatMdoc }), false},
		{"DCQL-04 other type", ``, change(func(c *dcql.Candidate) { c.Type = "urn:b" }), false},
		{"DCQL-04 extending type", ``, change(func(c *dcql.Candidate) { c.Type, c.Extends = "urn:b", []string{"urn:a"} }), true},
		{"DCQL-06 unbound", ``, change(func(c *dcql.Candidate) { c.Unbound = true }), false},
		{"DCQL-06 unbound, not required", `,"require_cryptographic_holder_binding":false`, change(func(c *dcql.Candidate) { c.Unbound = true }), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(t, sdjwt(tt.members)).Select([]dcql.Candidate{tt.with})
			if (err == nil) != tt.match {
				t.Fatalf("got %v, %v", got, err)
			}
			if tt.match && got[0].WithoutProof != (tt.members != "") {
				t.Error("WithoutProof is wrong")
			}
		})
	}
	t.Run("DCQL-10 mdoc value in its JSON form", func(t *testing.T) {
		t.Parallel()
		q := parse(t, `{"credentials":[{"id":"q","format":"mso_mdoc","meta":{"doctype_value":"d"},"claims":[
			{"path":["ns","birth_date"],"values":["1985-04-01"]},{"path":["ns","photo"],"values":["AQI"]},
			{"path":["ns","at"],"values":["2026-01-02T03:04:05Z"]}]}]}`)
		c := dcql.Candidate{Format: credentials.FormatMdoc, Type: "d", Claims: credentials.Object{"ns": credentials.Object{
			"birth_date": credentials.FullDate{Year: 1985, Month: 4, Day: 1},
			"photo":      credentials.Bytes{1, 2},
			"at":         credentials.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		}}}
		if _, err := q.Select([]dcql.Candidate{c}); err != nil {
			t.Error(err)
		}
	})
}

// setQuery asks for a (several allowed) or b, and optionally c.
const setQuery = `{"credentials":[` +
	`{"id":"a","format":"dc+sd-jwt","meta":{"vct_values":["urn:a"]},"multiple":true},` +
	`{"id":"b","format":"dc+sd-jwt","meta":{"vct_values":["urn:b"]}},` +
	`{"id":"c","format":"dc+sd-jwt","meta":{"vct_values":["urn:c"]}},` +
	`{"id":"d","format":"dc+sd-jwt","meta":{"vct_values":["urn:d"]}}],` +
	`"credential_sets":[{"options":[["a","d"],["a"],["b"]]},{"options":[["c"]],"required":false}]}`

func TestCredentialSets(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, query, held, want string }{
		{"DCQL-14 all are required", strings.Split(setQuery, `,"credential_sets"`)[0] + "}", "a b c", ""},
		{"DCQL-14 all are there", strings.Split(setQuery, `,"credential_sets"`)[0] + "}", "d c b a", "a b c d"},
		{"DCQL-15 first option", setQuery, "a d b", "a d"},
		{"DCQL-15 second option", setQuery, "a b", "a"},
		{"DCQL-15 last option", setQuery, "b", "b"},
		{"DCQL-15 optional too", setQuery, "b c", "b c?"},
		{"DCQL-15 required unsatisfied", setQuery, "c d", ""},
		{"DCQL-05 several", setQuery, "a a c", "a a c?"},
		{"DCQL-05 only one", setQuery, "b b", "b"},
		{"VP-RS-14 only optional and none there", strings.Replace(setQuery, `["b"]]`, `["b"]],"required":false`, 1), "d", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var held []dcql.Candidate
			for _, name := range strings.Fields(tt.held) {
				held = append(held, dcql.Candidate{Format: credentials.FormatSDJWTVC, Type: "urn:" + name})
			}
			got, err := parse(t, tt.query).Select(held)
			var names []string
			for _, s := range got {
				name := s.QueryID
				if s.Optional {
					name += "?"
				}
				names = append(names, name)
			}
			if strings.Join(names, " ") != tt.want || (tt.want == "") != errors.Is(err, dcql.ErrNoMatch) {
				t.Errorf("got %v, %v, want %q", names, err, tt.want)
			}
		})
	}
}

// TestSelectNeverExceeds draws queries and claims: what is selected lies under
// a requested path and exists.
func TestSelectNeverExceeds(t *testing.T) {
	t.Parallel()
	names := rapid.SampledFrom([]string{"a", "b", "c"})
	var tree func(depth int) *rapid.Generator[credentials.Value]
	tree = func(depth int) *rapid.Generator[credentials.Value] {
		return rapid.Custom(func(t *rapid.T) credentials.Value {
			switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
			case kind == 0 && depth > 0:
				return credentials.Object(rapid.MapOfN(names, tree(depth-1), 0, 3).Draw(t, "object"))
			case kind == 1 && depth > 0:
				return credentials.Array(rapid.SliceOfN(tree(depth-1), 0, 3).Draw(t, "array"))
			case kind == 2:
				return credentials.Int(rapid.IntRange(0, 2).Draw(t, "int"))
			}
			return credentials.Text(names.Draw(t, "text"))
		})
	}
	element := rapid.Custom(func(t *rapid.T) credentials.PathElement {
		switch rapid.IntRange(0, 3).Draw(t, "element") {
		case 0:
			return credentials.All()
		case 1:
			return credentials.Index(rapid.IntRange(0, 2).Draw(t, "index"))
		}
		return credentials.Name(names.Draw(t, "name"))
	})
	claim := rapid.Custom(func(t *rapid.T) dcql.ClaimsQuery {
		c := dcql.ClaimsQuery{Path: append(credentials.PathOf(names.Draw(t, "first")), rapid.SliceOfN(element, 0, 2).Draw(t, "rest")...)}
		for _, v := range rapid.SliceOfN(rapid.IntRange(0, 2), 0, 2).Draw(t, "values") {
			c.Values = append(c.Values, credentials.Int(v))
		}
		return c
	})
	rapid.Check(t, func(t *rapid.T) {
		q := &dcql.Query{Credentials: []dcql.CredentialQuery{{
			ID: "q", Format: credentials.FormatSDJWTVC, Meta: dcql.Meta{VCTValues: []string{"urn:a"}},
			Claims: rapid.SliceOfNDistinct(claim, 1, 3, func(c dcql.ClaimsQuery) string { return c.Path.String() }).Draw(t, "claims"),
		}}}
		if err := q.Validate(); err != nil {
			t.Fatal(err)
		}
		claims := credentials.Object(rapid.MapOfN(names, tree(3), 0, 3).Draw(t, "claims tree"))
		got, err := q.Select([]dcql.Candidate{{Format: credentials.FormatSDJWTVC, Type: "urn:a", Claims: claims}})
		if err != nil {
			return
		}
		for _, p := range got[0].Paths {
			if found, ok := p.Select(claims); !ok || len(found) == 0 {
				t.Fatalf("%v selects nothing", p)
			}
			covered := false
			for _, c := range q.Credentials[0].Claims {
				covered = covered || c.Path.Covers(p)
			}
			if !covered {
				t.Fatalf("%v was not requested", p)
			}
		}
	})
}

func TestMatches(t *testing.T) {
	t.Parallel()
	got := parse(t, sdjwt(``)).Matches([]dcql.Candidate{candidate(), candidate()})
	want := dcql.Selection{QueryID: "q", Handle: "h"}
	if diff := cmp.Diff(map[string][]dcql.Selection{"q": {want, want}}, got); diff != "" {
		t.Error(diff)
	}
}
