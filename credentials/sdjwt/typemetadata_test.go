package sdjwt_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/sdjwt"
)

// TestTypeMetadata reads type metadata as it should be and with one thing wrong.
func TestTypeMetadata(t *testing.T) {
	t.Parallel()
	const vct = "urn:test:type:1"
	const good = `{"vct":"urn:test:type:1","name":"test","unknown":[1],
		"display":[{"locale":"ja","name":"試験"},{"locale":"en","name":"Test"}],
		"claims":[{"path":["address","formatted"],"sd":"always","mandatory":true,"display":[{"locale":"ja","label":"住所"}]},{"path":["list",null]}]}`
	m, err := sdjwt.ParseTypeMetadata([]byte(good), vct)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Display) != 2 || len(m.Claims) != 2 || !m.Claims[0].Mandatory || m.Claims[0].Disclosure != sdjwt.SDAlways || m.Claims[0].Display[0].Label != "住所" {
		t.Errorf("read %+v", m)
	}
	again, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sdjwt.ParseTypeMetadata(again, vct); err != nil {
		t.Errorf("what was written cannot be read: %v", err)
	}
	for name, change := range map[string][2]string{
		"SVC-13 another type":     {`"vct":"urn:test:type:1"`, `"vct":"urn:test:type:2"`},
		"SVC-13 no type":          {`"vct":"urn:test:type:1",`, ``},
		"not an object":           {good, `["urn:test:type:1"]`},
		"member twice":            {`"name":"test"`, `"name":"test","name":"test"`},
		"SVC-15 extends nothing":  {`"name":"test"`, `"extends#integrity":"sha256-AAAA"`},
		"SVC-15 extends a number": {`"name":"test"`, `"extends":1`},
		"SVC-16 no locale":        {`"locale":"en",`, ``},
		"SVC-16 no name":          {`"locale":"en","name":"Test"`, `"locale":"en"`},
		"SVC-16 locale twice":     {`"locale":"en","name"`, `"locale":"ja","name"`},
		"SVC-18 empty path":       {`["list",null]`, `[]`},
		"SVC-18 no path":          {`{"path":["list",null]}`, `{}`},
		"SVC-18 sd":               {`"sd":"always"`, `"sd":"sometimes"`},
		"SVC-18 no label":         {`,"label":"住所"`, ``},
		"SVC-18 no locale":        {`"locale":"ja","label"`, `"label"`},
		"SVC-12 larger than read": {`"test"`, `"` + strings.Repeat("x", sdjwt.MaxTypeMetadataSize) + `"`},
	} {
		spoiled := strings.Replace(good, change[0], change[1], 1)
		if spoiled == good {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := sdjwt.ParseTypeMetadata([]byte(spoiled), vct); !errors.Is(err, sdjwt.ErrTypeMetadata) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&sdjwt.TypeMetadata{VCT: vct, Claims: []sdjwt.ClaimMetadata{{Path: credentials.PathOf("a")}}}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestCheckType holds credentials to their type (SVC-20).
func TestCheckType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const hidden = `["c2FsdHNhbHRzYWx0c2FsdA","hidden",1]`
	u, err := sdjwt.Parse(w.sign(t, map[string]any{
		"vct": "urn:a", "plain": 1, "open": map[string]any{"in": 1}, "_sd": []string{digest(hidden)}, "_sd_alg": "sha-256",
	}, hidden))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		claim sdjwt.ClaimMetadata
		ok    bool
	}{
		"mandatory and there":      {sdjwt.ClaimMetadata{Path: credentials.PathOf("open", "in"), Mandatory: true}, true},
		"mandatory and missing":    {sdjwt.ClaimMetadata{Path: credentials.PathOf("open", "out"), Mandatory: true}, false},
		"optional and missing":     {sdjwt.ClaimMetadata{Path: credentials.PathOf("out"), Disclosure: sdjwt.SDAlways}, true},
		"mandatory, of the token":  {sdjwt.ClaimMetadata{Path: credentials.PathOf("vct"), Mandatory: true, Disclosure: sdjwt.SDNever}, true},
		"always in clear, as said": {sdjwt.ClaimMetadata{Path: credentials.PathOf("plain"), Disclosure: sdjwt.SDNever}, true},
		"in clear, against it":     {sdjwt.ClaimMetadata{Path: credentials.PathOf("plain"), Disclosure: sdjwt.SDAlways}, false},
		"selective, as said":       {sdjwt.ClaimMetadata{Path: credentials.PathOf("hidden"), Disclosure: sdjwt.SDAlways}, true},
		"selective, against it":    {sdjwt.ClaimMetadata{Path: credentials.PathOf("hidden"), Disclosure: sdjwt.SDNever}, false},
		"selective, if it likes":   {sdjwt.ClaimMetadata{Path: credentials.PathOf("hidden"), Disclosure: sdjwt.SDAllowed}, true},
	} {
		if err := u.CheckType(&sdjwt.TypeMetadata{VCT: "urn:a", Claims: []sdjwt.ClaimMetadata{tc.claim}}); (err == nil) != tc.ok || err != nil && !errors.Is(err, sdjwt.ErrTypeMetadata) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
