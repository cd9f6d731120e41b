package openid4vci_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

func TestOfferExamples(t *testing.T) {
	t.Parallel()
	preAuthorized := func(code string, tx *openid4vci.TxCode) *openid4vci.Grants {
		return &openid4vci.Grants{PreAuthorizedCode: &openid4vci.PreAuthorizedCodeGrant{Code: code, TxCode: tx}}
	}
	for name, want := range map[string]openid4vci.CredentialOffer{
		"credential_offer_by_reference": {
			ConfigurationIDs: []string{"UniversityDegree_LDP_VC"}, Grants: preAuthorized("adhjhdjajkdkhjhdj", &openid4vci.TxCode{}),
		},
		"credential_offer_multiple_credentials": {
			ConfigurationIDs: []string{"UniversityDegreeCredential", "org.iso.18013.5.1.mDL"},
			Grants: preAuthorized("oaKazRN8I0IbtZ0C7JuMn5", &openid4vci.TxCode{
				Length: 4, InputMode: "numeric", Description: "Please provide the one-time code that was sent via e-mail",
			}),
		},
		"credential_offer_pre-authz_code": {
			ConfigurationIDs: []string{"UniversityDegreeCredential"},
			Grants: preAuthorized("adhjhdjajkdkhjhdj", &openid4vci.TxCode{
				Description: "Please provide the one-time code which was sent to your mobile phone via SMS",
			}),
		},
		"credential_offer_authz_code": {
			ConfigurationIDs: []string{"UniversityDegreeCredential"},
			Grants:           &openid4vci.Grants{AuthorizationCode: &openid4vci.AuthorizationCodeGrant{IssuerState: "eyJhbGciOiJSU0Et...FYUaBy"}},
		},
	} {
		t.Run("TV-17 "+name, func(t *testing.T) {
			t.Parallel()
			want.CredentialIssuer = "https://credential-issuer.example.com"
			got := must[*openid4vci.CredentialOffer](t)(openid4vci.ParseOffer(file(t, name+".json")))
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Fatal(diff)
			}
			// An empty tx_code must survive being sent on.
			for _, base := range []string{openid4vci.SchemeOffer, openid4vci.SchemeHAIP, "https://wallet.example/offer", "https://wallet.example/o?x=1"} {
				link := must[string](t)(openid4vci.OfferLink{Offer: got}.String(base))
				back := must[*openid4vci.OfferLink](t)(openid4vci.ParseOfferLink(link))
				if diff := cmp.Diff(got, back.Offer); diff != "" || strings.Contains(link, "+") {
					t.Errorf("%s: %s", link, diff)
				}
			}
		})
	}
}

func TestNegOffer(t *testing.T) {
	t.Parallel()
	const code = `"urn:ietf:params:oauth:grant-type:pre-authorized_code"`
	build := func(issuer, ids, grants string) string {
		return `{"credential_issuer":` + issuer + `,"credential_configuration_ids":` + ids + `,"grants":` + grants + `,"unknown":{"a":[1]}}`
	}
	id := `"https://issuer.example/tenant"`
	for _, tc := range []struct {
		name, doc string
		ok        bool
	}{
		{"VCI-OFF-02 honest", build(id, `["a","b"]`, `{}`), true},
		{"VCI-OFF-04 no grants", `{"credential_issuer":` + id + `,"credential_configuration_ids":["a"]}`, true},
		{"VCI-OFF-05 unknown grant", build(id, `["a"]`, `{"x":{"y":1}}`), true},
		{"VCI-OFF-02 http issuer", build(`"http://issuer.example"`, `["a"]`, `{}`), false},
		{"VCI-OFF-02 issuer with query", build(`"https://issuer.example?x"`, `["a"]`, `{}`), false},
		{"VCI-OFF-02 no issuer", `{"credential_configuration_ids":["a"]}`, false},
		{"VCI-OFF-02 no ids", `{"credential_issuer":` + id + `}`, false},
		{"VCI-OFF-02 empty ids", build(id, `[]`, `{}`), false},
		{"VCI-OFF-02 repeated ids", build(id, `["a","a"]`, `{}`), false},
		{"VCI-OFF-02 ids of another type", build(id, `[1]`, `{}`), false},
		{"VCI-OFF-08 code", build(id, `["a"]`, `{`+code+`:{"pre-authorized_code":"c"}}`), true},
		{"VCI-OFF-08 no code", build(id, `["a"]`, `{`+code+`:{}}`), false},
		{"VCI-OFF-10 text", build(id, `["a"]`, `{`+code+`:{"pre-authorized_code":"c","tx_code":{"input_mode":"text","length":6}}}`), true},
		{"VCI-OFF-10 other mode", build(id, `["a"]`, `{`+code+`:{"pre-authorized_code":"c","tx_code":{"input_mode":"voice"}}}`), false},
		{"VCI-OFF-10 length is text", build(id, `["a"]`, `{`+code+`:{"pre-authorized_code":"c","tx_code":{"length":"6"}}}`), false},
		{"VCI-OFF-10 negative length", build(id, `["a"]`, `{`+code+`:{"pre-authorized_code":"c","tx_code":{"length":-1}}}`), false},
		{"VCI-OFF-10 300 characters", build(id, `["a"]`, `{`+code+`:{"pre-authorized_code":"c","tx_code":{"description":"`+strings.Repeat("手", 300)+`"}}}`), true},
		{"VCI-OFF-10 301 characters", build(id, `["a"]`, `{`+code+`:{"pre-authorized_code":"c","tx_code":{"description":"`+strings.Repeat("手", 301)+`"}}}`), false},
		{"I35 duplicate member", `{"credential_issuer":` + id + `,"credential_issuer":` + id + `,"credential_configuration_ids":["a"]}`, false},
		{"VCI-OFF-12 a JWT", `eyJhbGciOiJub25lIn0.e30.`, false},
		{"too large", build(id, `["a"]`, `{}`) + strings.Repeat(" ", openid4vci.MaxOfferSize), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := openid4vci.ParseOffer([]byte(tc.doc)); (err == nil) != tc.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestNegOfferLink(t *testing.T) {
	t.Parallel()
	offer := "credential_offer=" + url.QueryEscape(`{"credential_issuer":"https://issuer.example","credential_configuration_ids":["a"]}`)
	uri := "credential_offer_uri=https%3A%2F%2Fissuer.example%2Foffer%2F1"
	for _, tc := range []struct {
		name, link string
		ok         bool
	}{
		{"VCI-OFF-19 by value", "openid-credential-offer://?" + offer, true},
		{"VCI-OFF-19 by reference", "openid-credential-offer://?" + uri, true},
		{"VCI-OFF-19 with a host", "openid-credential-offer://credential_offer?" + uri, true},
		{"VCI-OFF-19 haip-vci", "haip-vci://?" + uri, true},
		{"VCI-OFF-19 upper-case scheme", "HAIP-VCI://?" + uri, true},
		{"VCI-OFF-19 https", "https://wallet.example/offer?" + uri + "&x=1", true},
		{"VCI-OFF-01 both", "haip-vci://?" + offer + "&" + uri, false},
		{"VCI-OFF-01 none", "haip-vci://?x=1", false},
		{"VCI-OFF-01 twice", "haip-vci://?" + uri + "&" + uri, false},
		{"VCI-OFF-11 http reference", "haip-vci://?credential_offer_uri=http%3A%2F%2Fissuer.example%2F", false},
		{"VCI-OFF-11 file reference", "haip-vci://?credential_offer_uri=file%3A%2F%2F%2Fetc%2Fpasswd", false},
		{"VCI-OFF-11 reference with user", "haip-vci://?credential_offer_uri=https%3A%2F%2Fa%40issuer.example%2F", false},
		{"other scheme", "openid4vp://?" + uri, false},
		{"http", "http://wallet.example/?" + uri, false},
		{"opaque", "haip-vci:" + uri, false},
		{"malformed query", "haip-vci://?" + uri + "&%zz", false},
		{"malformed offer", "haip-vci://?credential_offer=%7B%7D", false},
	} {
		if _, err := openid4vci.ParseOfferLink(tc.link); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	for _, link := range []openid4vci.OfferLink{{}, {URI: "https://a.example", Offer: &openid4vci.CredentialOffer{CredentialIssuer: "https://a.example", ConfigurationIDs: []string{"a"}}}, {Offer: &openid4vci.CredentialOffer{}}} {
		if s, err := link.String(openid4vci.SchemeOffer); err == nil {
			t.Errorf("wrote %s", s)
		}
	}
}

func TestOfferChoose(t *testing.T) {
	t.Parallel()
	metadata := func(servers ...string) *openid4vci.IssuerMetadata {
		return &openid4vci.IssuerMetadata{
			CredentialIssuer: issuer, AuthorizationServers: servers,
			Configurations: map[string]*openid4vci.Configuration{"a": {Format: "dc+sd-jwt", VCT: "v"}},
		}
	}
	grants := func(server string) *openid4vci.Grants {
		return &openid4vci.Grants{AuthorizationCode: &openid4vci.AuthorizationCodeGrant{AuthorizationServer: server}}
	}
	for _, tc := range []struct {
		name     string
		offer    openid4vci.CredentialOffer
		metadata *openid4vci.IssuerMetadata
		want     []string
	}{
		{"VCI-OFF-03 honest", openid4vci.CredentialOffer{CredentialIssuer: issuer, ConfigurationIDs: []string{"a"}}, metadata(), []string{"a"}},
		{"VCI-OFF-03 unknown id is skipped", openid4vci.CredentialOffer{CredentialIssuer: issuer, ConfigurationIDs: []string{"b", "a"}}, metadata(), []string{"a"}},
		{"VCI-OFF-03 all unknown", openid4vci.CredentialOffer{CredentialIssuer: issuer, ConfigurationIDs: []string{"b"}}, metadata(), nil},
		{"VCI-OFF-14 other issuer", openid4vci.CredentialOffer{CredentialIssuer: issuer + "/", ConfigurationIDs: []string{"a"}}, metadata(), nil},
		{"VCI-OFF-07 listed server", openid4vci.CredentialOffer{CredentialIssuer: issuer, ConfigurationIDs: []string{"a"}, Grants: grants("https://as2.example")}, metadata("https://as1.example", "https://as2.example"), []string{"a"}},
		{"VCI-OFF-07 unlisted server", openid4vci.CredentialOffer{CredentialIssuer: issuer, ConfigurationIDs: []string{"a"}, Grants: grants("https://evil.example")}, metadata("https://as1.example", "https://as2.example"), nil},
		{"VCI-OFF-07 server without list", openid4vci.CredentialOffer{CredentialIssuer: issuer, ConfigurationIDs: []string{"a"}, Grants: grants(issuer)}, metadata(), nil},
	} {
		got, err := tc.offer.Choose(tc.metadata)
		if diff := cmp.Diff(tc.want, got); diff != "" || (err == nil) != (tc.want != nil) {
			t.Errorf("%s: %v %s", tc.name, err, diff)
		}
	}
}

func ExampleOfferLink_String() {
	link := openid4vci.OfferLink{URI: "https://issuer.example/offers/1"}
	s, err := link.String(openid4vci.SchemeHAIP)
	fmt.Println(s, err)
	// Output: haip-vci://?credential_offer_uri=https%3A%2F%2Fissuer.example%2Foffers%2F1 <nil>
}

func FuzzOffer(f *testing.F) {
	f.Add("openid-credential-offer://?credential_offer=%7B%22credential_issuer%22:%22https://issuer.example%22,%22credential_configuration_ids%22:%5B%22a%22%5D%7D")
	f.Add("haip-vci://?credential_offer_uri=https%3A%2F%2Fissuer.example%2Foffer")
	f.Fuzz(func(t *testing.T, link string) {
		l, err := openid4vci.ParseOfferLink(link)
		if err != nil {
			return
		}
		if (l.Offer == nil) == (l.URI == "") {
			t.Fatalf("%+v", l)
		}
		again, err := l.String(openid4vci.SchemeOffer)
		if err != nil {
			t.Fatal(err)
		}
		back, err := openid4vci.ParseOfferLink(again)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(l)
		b, _ := json.Marshal(back)
		if string(a) != string(b) {
			t.Errorf("%s became %s", a, b)
		}
	})
}
