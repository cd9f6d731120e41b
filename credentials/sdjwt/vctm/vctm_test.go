package vctm_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/sdjwt/vctm"
)

const a, b, c = "https://types.example/a", "https://types.example/b", "https://types.example/c"

// documents are served by their addresses.
type documents map[string]string

func (d documents) fetch(_ context.Context, uri string) ([]byte, error) {
	if body, ok := d[uri]; ok {
		return []byte(body), nil
	}
	return nil, errors.New("not found")
}

func TestResolve(t *testing.T) {
	t.Parallel()
	d := documents{
		c: `{"vct":"` + c + `","display":[{"locale":"en","name":"Base"}],"claims":[
			{"path":["name"],"mandatory":true,"sd":"always"},{"path":["city"],"display":[{"locale":"en","label":"City"}]}]}`,
	}
	d[b] = `{"vct":"` + b + `","extends":"` + c + `","extends#integrity":"` + sdjwt.Integrity([]byte(d[c])) + `",
		"claims":[{"path":["city"],"sd":"never","display":[{"locale":"en","label":"Town"}]},{"path":["more"]}]}`
	d[a] = `{"vct":"` + a + `","extends":"` + b + `","display":[{"locale":"ja","name":"派生"}],"rendering":{"svg_templates":[{"uri":"https://10.0.0.1/x.svg"}]},
		"claims":[{"path":["name"],"mandatory":true,"sd":"always","display":[{"locale":"ja","label":"氏名"}]}]}`
	m, err := vctm.Resolve(t.Context(), a, sdjwt.Integrity([]byte(d[a])), d.fetch)
	if err != nil {
		t.Fatal(err)
	}
	want := &sdjwt.TypeMetadata{VCT: a, Display: []sdjwt.TypeDisplay{{Locale: "ja", Name: "派生"}}, Claims: []sdjwt.ClaimMetadata{
		{Path: credentials.PathOf("name"), Mandatory: true, Disclosure: sdjwt.SDAlways, Display: []sdjwt.ClaimDisplay{{Locale: "ja", Label: "氏名"}}},
		{Path: credentials.PathOf("city"), Disclosure: sdjwt.SDNever, Display: []sdjwt.ClaimDisplay{{Locale: "en", Label: "Town"}}},
		{Path: credentials.PathOf("more")},
	}}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
	if m, err := vctm.Resolve(t.Context(), b, "", d.fetch); err != nil || len(m.Display) != 1 || m.Display[0].Name != "Base" {
		t.Errorf("without a display of its own: %+v, %v", m, err)
	}
}

func TestNegResolve(t *testing.T) {
	t.Parallel()
	base := `{"vct":"` + c + `","claims":[{"path":["x"],"mandatory":true,"sd":"always"}]}`
	extending := func(claims string) documents {
		return documents{c: base, b: `{"vct":"` + b + `","extends":"` + c + `","claims":[` + claims + `]}`}
	}
	long := documents{}
	for n := range vctm.MaxDocuments + 1 {
		uri := fmt.Sprint(b, n)
		long[uri] = fmt.Sprintf(`{"vct":%q,"extends":"%s%d"}`, uri, b, n+1)
	}
	for name, tc := range map[string]struct {
		documents      documents
		vct, integrity string
		want           error
	}{
		"honest":                      {extending(`{"path":["x"],"mandatory":true,"sd":"always"}`), b, "", nil},
		"not there":                   {documents{}, b, "", vctm.ErrUnavailable},
		"base that is not there":      {documents{b: `{"vct":"` + b + `","extends":"` + c + `"}`}, b, "", vctm.ErrUnavailable},
		"no address":                  {documents{}, "urn:a", "", vctm.ErrUnavailable},
		"by http":                     {documents{b: `{"vct":"` + b + `","extends":"http://types.example/c"}`}, b, "", vctm.ErrUnavailable},
		"SVC-13 of another type":      {documents{b: base}, b, "", sdjwt.ErrTypeMetadata},
		"SVC-14 other document":       {documents{c: base}, c, sdjwt.Integrity([]byte(base + " ")), vctm.ErrIntegrity},
		"SVC-14 other base":           {documents{c: base, b: `{"vct":"` + b + `","extends":"` + c + `","extends#integrity":"sha256-AAAA"}`}, b, "", vctm.ErrIntegrity},
		"SVC-15 itself":               {documents{b: `{"vct":"` + b + `","extends":"` + b + `"}`}, b, "", sdjwt.ErrTypeMetadata},
		"SVC-15 one another":          {documents{b: `{"vct":"` + b + `","extends":"` + c + `"}`, c: `{"vct":"` + c + `","extends":"` + b + `"}`}, b, "", sdjwt.ErrTypeMetadata},
		"SVC-15 without end":          {long, b + "0", "", sdjwt.ErrTypeMetadata},
		"SVC-19 optional":             {extending(`{"path":["x"],"sd":"always"}`), b, "", sdjwt.ErrTypeMetadata},
		"SVC-19 disclosed at will":    {extending(`{"path":["x"],"mandatory":true}`), b, "", sdjwt.ErrTypeMetadata},
		"SVC-19 never disclosed":      {extending(`{"path":["x"],"mandatory":true,"sd":"never"}`), b, "", sdjwt.ErrTypeMetadata},
		"SVC-14 unknown algorithm":    {documents{c: base}, c, "md5-AAAA", vctm.ErrIntegrity},
		"SVC-14 nothing but a letter": {documents{c: base}, c, "x", vctm.ErrIntegrity},
	} {
		if _, err := vctm.Resolve(t.Context(), tc.vct, tc.integrity, tc.documents.fetch); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIntegrity has several digests, of which the strongest count (SVC-14).
func TestIntegrity(t *testing.T) {
	t.Parallel()
	data := []byte("document")
	s256, s384, s512 := sha256.Sum256(data), sha512.Sum384(data), sha512.Sum512(data)
	in := func(prefix string, digest []byte) string {
		return prefix + "-" + base64.StdEncoding.EncodeToString(digest)
	}
	good256, good384, good512 := in("sha256", s256[:]), in("sha384", s384[:]), in("sha512", s512[:])
	bad256, bad512 := in("sha256", s512[:32]), in("sha512", s512[1:])
	for integrity, want := range map[string]bool{
		good256: true, good384: true, good512: true, good256 + "?opt": true, "md5-AAAA " + good256: true,
		bad256: false, bad256 + " " + good256: true, bad256 + "\t" + good512: true, good256 + " " + bad512: false,
		good384 + " " + bad512: false, "": false, "sha256-": false, "sha256-!": false, "SHA256" + good256[6:]: false,
	} {
		if err := vctm.CheckIntegrity(data, integrity); (err == nil) != want || err != nil && !errors.Is(err, vctm.ErrIntegrity) {
			t.Errorf("%q: %v", integrity, err)
		}
	}
}
