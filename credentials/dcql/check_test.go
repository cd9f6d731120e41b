package dcql_test

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
)

func verified(claims credentials.Object) *credentials.Verified {
	return &credentials.Verified{
		Format: credentials.FormatSDJWTVC, Type: "urn:a", Issuer: "https://issuer.example",
		Claims: claims, HolderKey: "a key",
		Chain: []*x509.Certificate{{AuthorityKeyId: []byte{1, 2}}},
	}
}

func TestCheckPresentation(t *testing.T) {
	t.Parallel()
	const all = `,"claims":[{"path":["family_name"],"values":["手形"]},{"path":["nationalities",1]},{"path":["iss"],"values":["https://issuer.example"]}],` +
		`"trusted_authorities":[{"type":"aki","values":["AQI"]}]`
	const sets = `,"claims":[{"id":"a","path":["age"],"values":[41]},{"id":"b","path":["address","region"]}],"claim_sets":[["a"],["b"]]`
	tests := []struct {
		name    string
		members string
		change  func(*credentials.Verified)
		want    dcql.Reason
	}{
		{"honest twin", all, func(*credentials.Verified) {}, ""},
		{"honest twin without claims", ``, func(*credentials.Verified) {}, ""},
		{"honest twin, elements kept back", all, func(v *credentials.Verified) { v.Claims["nationalities"] = credentials.Array{credentials.Text("FR")} }, ""},
		{"honest twin, no proof asked for", `,"require_cryptographic_holder_binding":false`, func(v *credentials.Verified) { v.HolderKey = nil }, ""},
		{"honest twin, second claim set", sets, func(v *credentials.Verified) { delete(v.Claims, "age") }, ""},
		{"P16 other format", all, func(v *credentials.Verified) { v.Format = credentials.FormatMdoc }, dcql.ReasonFormat},
		{"P16 other vct", all, func(v *credentials.Verified) { v.Type = "urn:b" }, dcql.ReasonType},
		{"P01 no proof of possession", all, func(v *credentials.Verified) { v.HolderKey = nil }, dcql.ReasonHolderBinding},
		{"P16 other authority", all, func(v *credentials.Verified) { v.Chain[0] = &x509.Certificate{AuthorityKeyId: []byte{3}} }, dcql.ReasonAuthority},
		{"P16 no chain", all, func(v *credentials.Verified) { v.Chain = nil }, dcql.ReasonAuthority},
		{"P16 claim missing", all, func(v *credentials.Verified) { delete(v.Claims, "family_name") }, dcql.ReasonClaims},
		{"P16 wrong value", all, func(v *credentials.Verified) { v.Claims["family_name"] = credentials.Text("x") }, dcql.ReasonClaims},
		{"P16 wrong issuer", all, func(v *credentials.Verified) { v.Issuer = "https://other.example" }, dcql.ReasonClaims},
		{"P16 empty array", all, func(v *credentials.Verified) { v.Claims["nationalities"] = credentials.Array{} }, dcql.ReasonClaims},
		{"P16 no claim set complete", sets, func(v *credentials.Verified) {
			v.Claims["age"] = credentials.Int(42)
			delete(v.Claims, "address")
		}, dcql.ReasonClaims},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := verified(person())
			tt.change(v)
			err := parse(t, sdjwt(tt.members)).Check(map[string][]*credentials.Verified{"q": {v}})
			if got := reason(err); got != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func reason(err error) dcql.Reason {
	var e *dcql.CheckError
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func TestCheckResponse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, presented string
		want            dcql.Reason
	}{
		{"honest twin", "a d", ""},
		{"honest twin, other option", "b", ""},
		{"honest twin, several", "a a", ""},
		{"honest twin, with optional", "b c", ""},
		{"P15 unknown id", "b x", dcql.ReasonUnknownQuery},
		{"P15 two where one is allowed", "b b", dcql.ReasonCount},
		{"DCQL-15 only the optional one", "c", dcql.ReasonIncomplete},
		{"DCQL-15 nothing", "", dcql.ReasonIncomplete},
		{"P15 not asked for by any set", "b e", dcql.ReasonUnknownQuery},
	}
	query := strings.Replace(setQuery, `{"id":"a",`, `{"id":"e","format":"dc+sd-jwt","meta":{"vct_values":["urn:e"]}},{"id":"a",`, 1)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			presented := map[string][]*credentials.Verified{}
			for _, id := range strings.Fields(tt.presented) {
				v := verified(nil)
				v.Type = "urn:" + id
				presented[id] = append(presented[id], v)
			}
			if err := parse(t, query).Check(presented); reason(err) != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("P15 empty list", func(t *testing.T) {
		t.Parallel()
		err := parse(t, query).Check(map[string][]*credentials.Verified{"b": {}})
		if reason(err) != dcql.ReasonCount {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nothing where all sets are optional", func(t *testing.T) {
		t.Parallel()
		q := parse(t, query)
		no := false
		q.CredentialSets[0].Required = &no
		if err := q.Check(nil); reason(err) != dcql.ReasonIncomplete {
			t.Errorf("got %v", err)
		}
	})
}

func TestFilterClaims(t *testing.T) {
	t.Parallel()
	type object = credentials.Object
	type array = credentials.Array
	text := func(s string) credentials.Text { return credentials.Text(s) }
	tests := []struct {
		name, members string
		change        func(object)
		want          object
		extra         string
	}{
		{
			"P16 extra claims", `,"claims":[{"path":["family_name"]},{"path":["address","region"]}]`, nil,
			object{"family_name": text("手形"), "address": object{"region": text("東京都")}},
			"address.locality adult age degrees nationalities score",
		},
		{"nothing asked for", ``, nil, object{}, "address adult age degrees family_name nationalities score"},
		{
			"indexes", `,"claims":[{"path":["nationalities",1]}]`, func(o object) { keepOnly(o, "nationalities") },
			object{"nationalities": array{text("FR")}}, "nationalities[0]",
		},
		{
			"indexes after elements were kept back", `,"claims":[{"path":["nationalities",1]}]`,
			func(o object) { keepOnly(o, "nationalities"); o["nationalities"] = array{text("FR")} },
			object{"nationalities": array{text("FR")}}, "",
		},
		{
			"P16 index with values, elements moved up", `,"claims":[{"path":["nationalities",0],"values":["FR"]}]`, func(o object) { keepOnly(o, "nationalities") },
			object{"nationalities": array{text("FR")}}, "nationalities[0]",
		},
		{
			"honest twin, index with values", `,"claims":[{"path":["nationalities",0],"values":["JP"]}]`, func(o object) { keepOnly(o, "nationalities") },
			object{"nationalities": array{text("JP")}}, "nationalities[1]",
		},
		{
			"P16 wildcard with values", `,"claims":[{"path":["nationalities",null],"values":["FR"]}]`, func(o object) { keepOnly(o, "nationalities") },
			object{"nationalities": array{text("FR")}}, "nationalities[0]",
		},
		{
			"wildcard", `,"claims":[{"path":["degrees",null,"type"]}]`, func(o object) { keepOnly(o, "degrees") },
			object{"degrees": array{object{"type": text("B")}, object{"type": text("M")}}}, "degrees[0].from",
		},
		{
			"first complete claim set", `,"claims":[{"id":"a","path":["age"]},{"id":"b","path":["adult"]},{"id":"c","path":["x"]}],"claim_sets":[["c"],["b"],["a"]]`,
			func(o object) { keepOnly(o, "age", "adult") },
			object{"adult": credentials.Bool(true)}, "age",
		},
		{
			"issuer", `,"claims":[{"path":["iss"]}]`, func(o object) { keepOnly(o) },
			object{"iss": text("https://issuer.example")}, "",
		},
		{
			"My Number inside a requested object", `,"claims":[{"path":["address"]}]`,
			func(o object) { keepOnly(o, "address"); o["address"].(object)["Individual-Number"] = text("x") },
			object{"address": object{"region": text("東京都"), "locality": text("千代田区")}}, "address.Individual-Number",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := verified(person())
			if tt.change != nil {
				tt.change(v.Claims)
			}
			got, extra := parse(t, sdjwt(tt.members)).Credential("q").FilterClaims(v)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
			if strs(extra) != tt.extra {
				t.Errorf("extra %q, want %q", strs(extra), tt.extra)
			}
		})
	}
}

func keepOnly(o credentials.Object, names ...string) {
	kept := credentials.Object{}
	for _, n := range names {
		kept[n] = o[n]
	}
	clear(o)
	for n, v := range kept {
		o[n] = v
	}
}

func TestDeniedClaim(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"individual_number_unicode": true, "individual_number": true, "Individual-Number": true, "MyNumber": true,
		"personal_administrative_number": true, "個人番号": true, "urn:example:my_number": true, "jp.go.individual_number": true,
		"document_number": false, "dummynumber": false, "family_name": false, "number": false,
	}
	for name, want := range tests {
		if got := dcql.DeniedClaim(credentials.PathOf("org.iso.23220.1.jp", name)); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	q := parse(t, sdjwt(`,"claims":[{"path":["family_name"]},{"path":["person","my_number"]}]`))
	if p, ok := q.Denied(); !ok || p.String() != "person.my_number" {
		t.Errorf("got %v, %v", p, ok)
	}
	if p, ok := parse(t, sdjwt(`,"claims":[{"path":["family_name"]}]`)).Denied(); ok {
		t.Errorf("honest twin: %v", p)
	}
}
