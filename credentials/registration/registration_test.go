package registration_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/registration"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// registrar has the CA of all tests, a signer under it, and an access certificate.
var registrar = sync.OnceValue(func() (r struct {
	ca             *trusttest.CA
	signer, access *keys.Key
}) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	r.ca, err = trusttest.NewCA(trusttest.CAOptions{NotBefore: now.Add(-2 * 365 * 24 * time.Hour), Lifetime: 6 * 365 * 24 * time.Hour})
	must(err)
	r.signer, err = r.ca.IssueListOperator(trusttest.LeafOptions{Lifetime: 5 * 365 * 24 * time.Hour})
	must(err)
	r.access, err = r.ca.IssueVerifierAccess(trusttest.LeafOptions{})
	must(err)
	return r
})

func expect(at time.Time) registration.Expect {
	return registration.Expect{Now: at, Skew: time.Minute, Policy: &trust.Policy{
		Anchors: []trust.Anchor{registrar().ca.Anchor()}, Profile: registration.SignerProfile(),
		Revocation: trust.NotChecked("test"), Now: func() time.Time { return at },
	}}
}

func sign(t *testing.T, header jose.Header, payload any, key *keys.Key) string {
	t.Helper()
	data, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jose.Sign(header, data, key.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

type object = map[string]any

// bank is a payload of version 1.2.1.
func bank() object {
	return object{
		"name": "手形銀行", "sub_ln": "株式会社手形銀行", "sub": "NTRJP-" + trusttest.CorporateNumber(), "country": "JP",
		"srv_description": []object{{"lang": "ja", "content": "銀行業"}},
		"entitlements":    []string{"https://uri.etsi.org/19475/Entitlement/Service_Provider"},
		"purpose":         []object{{"lang": "ja-JP", "content": "口座開設"}, {"lang": "en", "content": "Opening an account"}},
		"credentials": []object{
			{"format": "dc+sd-jwt", "meta": object{"vct_values": []string{"urn:a", "urn:b"}}, "claim": []object{{"path": []any{"name"}}, {"path": []any{"nationalities", nil}}}},
			{"format": "mso_mdoc", "meta": object{"doctype_value": "org.a"}, "claim": []object{{"path": []any{"org.a.1", "name"}}, {"path": "age"}}},
			{"format": "dc+sd-jwt", "meta": object{"vct_values": []string{"urn:all"}}},
		},
		"support_uri": "https://bank.example/data", "intermediary": object{"sub": "NTRJP-1234567890123", "name": "Another"},
		"iat": now.Add(-time.Hour).Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	r := registrar()
	c, err := registration.Parse(t.Context(), sign(t, jose.Header{Typ: registration.Type, X5C: r.signer.Chain}, bank(), r.signer), expect(now))
	if err != nil {
		t.Fatal(err)
	}
	want := &registration.Certificate{
		Name: "手形銀行", LegalName: "株式会社手形銀行", Country: "JP",
		Identifiers: []string{"NTRJP-" + trusttest.CorporateNumber()}, Intermediaries: []string{"NTRJP-1234567890123"},
		Purposes:     []registration.Text{{Language: "ja-JP", Text: "口座開設"}, {Language: "en", Text: "Opening an account"}},
		Services:     []registration.Text{{Language: "ja", Text: "銀行業"}},
		Entitlements: []string{"https://uri.etsi.org/19475/Entitlement/Service_Provider"},
		SupportURIs:  []string{"https://bank.example/data"},
		Credentials: []registration.Credential{
			{Format: credentials.FormatSDJWTVC, Types: []string{"urn:a", "urn:b"}, Claims: []credentials.Path{credentials.PathOf("name"), {credentials.Name("nationalities"), credentials.All()}}},
			{Format: credentials.FormatMdoc, Types: []string{"org.a"}, Claims: []credentials.Path{credentials.PathOf("org.a.1", "name"), credentials.PathOf("age")}},
			{Format: credentials.FormatSDJWTVC, Types: []string{"urn:all"}},
		},
		IssuedAt: now.Add(-time.Hour), Expires: now.Add(time.Hour),
	}
	if diff := cmp.Diff(want, c, cmpopts.IgnoreFields(registration.Certificate{}, "Chain"), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Error(diff)
	}
	if c.Chain == nil || registration.In(c.Purposes, "en") != "Opening an account" || registration.In(c.Purposes, "fr") != "口座開設" || registration.In(nil, "ja") != "" {
		t.Errorf("chain %v, purposes %v", c.Chain, c.Purposes)
	}
	for _, tc := range []struct {
		format credentials.Format
		kind   string
		path   credentials.Path
		want   bool
	}{
		{credentials.FormatSDJWTVC, "urn:b", credentials.PathOf("name"), true},
		{credentials.FormatSDJWTVC, "urn:b", credentials.PathOf("name", "given"), true},
		{credentials.FormatSDJWTVC, "urn:b", credentials.Path{credentials.Name("nationalities"), credentials.Index(1)}, true},
		{credentials.FormatSDJWTVC, "urn:b", credentials.PathOf("address"), false},
		{credentials.FormatSDJWTVC, "urn:c", credentials.PathOf("name"), false},
		{credentials.FormatSDJWTVC, "urn:all", credentials.PathOf("anything"), true},
		{credentials.FormatMdoc, "urn:b", credentials.PathOf("name"), false},
		{credentials.FormatMdoc, "org.a", credentials.PathOf("org.a.1", "name"), true},
		{credentials.FormatMdoc, "org.a", credentials.PathOf("org.a.2", "name"), false},
		{credentials.FormatMdoc, "org.a", credentials.PathOf("org.a.2", "age"), true},
	} {
		if got := c.Allows(tc.format, tc.kind, tc.path); got != tc.want {
			t.Errorf("%s %s %s: %v", tc.format, tc.kind, tc.path, got)
		}
	}
	other := func(o trusttest.LeafOptions) *x509.Certificate {
		key, err := r.ca.IssueVerifierAccess(o)
		if err != nil {
			t.Fatal(err)
		}
		return key.Leaf()
	}
	if !c.IsOf(r.access.Leaf()) || !c.IsOf(other(trusttest.LeafOptions{OrganizationIdentifier: "NTRJP-1234567890123"})) ||
		c.IsOf(other(trusttest.LeafOptions{OrganizationIdentifier: "NTRJP-9999999999999"})) ||
		c.IsOf(other(trusttest.LeafOptions{Edit: func(c *x509.Certificate) { c.Subject.ExtraNames = nil }})) {
		t.Error("it is of the wrong parties")
	}
}

// TestPublished reads an example of version 1.1.1.
func TestPublished(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/webshop.json")
	if err != nil {
		t.Fatal(err)
	}
	r := registrar()
	at := time.Unix(1751100000, 0).Add(24 * time.Hour)
	c, err := registration.Parse(t.Context(), sign(t, jose.Header{Typ: registration.Type, X5C: r.signer.Chain}, json.RawMessage(data), r.signer), expect(at))
	if err != nil {
		t.Fatal(err)
	}
	if c.LegalName != "Webshop Holding Company Ltd" || registration.In(c.Purposes, "ja") != "Required for sending parcels." ||
		!cmp.Equal(c.Identifiers, []string{"LEIXG-743700EB2QF2J1WRO915"}) || !cmp.Equal(c.Intermediaries, []string{"LEIXG-1234567890ABCDEFGHIJ"}) ||
		!c.Allows(credentials.FormatSDJWTVC, "https://credentials.invalid/mdl", credentials.PathOf("address")) {
		t.Errorf("%+v", c)
	}
}

// TestNegParse spoils one thing each; the honest twin is TestParse.
func TestNegParse(t *testing.T) {
	t.Parallel()
	r := registrar()
	foreign, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: now.Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := foreign.IssueListOperator(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	header := jose.Header{Typ: registration.Type, X5C: r.signer.Chain}
	for name, tc := range map[string]struct {
		header jose.Header
		edit   object
		key    *keys.Key
		policy func(*registration.Expect)
	}{
		"typ":                    {header: jose.Header{Typ: "jwt", X5C: r.signer.Chain}},
		"no chain":               {header: jose.Header{Typ: registration.Type}},
		"another key":            {key: r.access},
		"a registrar nobody has": {header: jose.Header{Typ: registration.Type, X5C: stranger.Chain}, key: stranger},
		"nobody is trusted":      {policy: func(e *registration.Expect) { e.Policy = nil }},
		"expired":                {edit: object{"exp": now.Add(-time.Hour).Unix()}},
		"older than a year":      {edit: object{"iat": now.Add(-400 * 24 * time.Hour).Unix(), "exp": now.Add(time.Hour).Unix()}},
		"from the future":        {edit: object{"iat": now.Add(time.Hour).Unix()}},
		"no iat":                 {edit: object{"iat": nil}},
		"no sub":                 {edit: object{"sub": nil}},
		"sub that names nobody":  {edit: object{"sub": object{"legal_name": "A"}}},
		"sub that is a number":   {edit: object{"sub": 1}},
		"no name":                {edit: object{"name": "", "sub_ln": ""}},
		"meta that is a number":  {edit: object{"credentials": []object{{"format": "dc+sd-jwt", "meta": 1}}}},
		"path that is empty":     {edit: object{"credentials": []object{{"format": "dc+sd-jwt", "meta": "a", "claim": []object{{"path": []any{}}}}}}},
		"claim without a path":   {edit: object{"credentials": []object{{"format": "dc+sd-jwt", "meta": "a", "claim": []object{{}}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload, e := bank(), expect(now)
			maps.Copy(payload, tc.edit)
			if tc.header.Typ == "" {
				tc.header = header
			}
			if tc.key == nil {
				tc.key = r.signer
			}
			if tc.policy != nil {
				tc.policy(&e)
			}
			if _, err := registration.Parse(t.Context(), sign(t, tc.header, payload, tc.key), e); !errors.Is(err, registration.ErrCertificate) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := registration.Parse(t.Context(), "x", expect(now)); !errors.Is(err, registration.ErrCertificate) {
		t.Errorf("no JWS: %v", err)
	}
}

// FuzzParse reads whatever a registrar signs.
func FuzzParse(f *testing.F) {
	r := registrar()
	for _, payload := range []object{bank(), {"sub": object{"id": []object{{"identifier": "a"}}, "legal_name": []string{"b"}}, "iat": 1}} {
		data, err := json.Marshal(payload)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		compact, err := jose.Sign(jose.Header{Typ: registration.Type, X5C: r.signer.Chain}, payload, r.signer.Signer)
		if err != nil {
			t.Skip()
		}
		c, err := registration.Parse(t.Context(), compact, expect(now))
		if (err == nil) != (c != nil) || err == nil && len(c.Identifiers) == 0 {
			t.Errorf("%+v, %v", c, err)
		}
	})
}
