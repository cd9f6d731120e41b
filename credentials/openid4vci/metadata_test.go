package openid4vci_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

func TestMetadataExamples(t *testing.T) {
	t.Parallel()
	const identifier = "https://credential-issuer.example.com"
	t.Run("TV-17 credential_issuer_metadata_sd_jwt_long", func(t *testing.T) {
		t.Parallel()
		m := must[*openid4vci.IssuerMetadata](t)(openid4vci.ParseIssuerMetadata(file(t, "credential_issuer_metadata_sd_jwt_long.json"), identifier))
		if err := m.ValidateAll(identifier); err != nil {
			t.Error(err)
		}
		c := must[*openid4vci.Configuration](t)(m.Configuration("SD_JWT_VC_example_in_OpenID4VCI"))
		if c.Type() != "SD_JWT_VC_example_in_OpenID4VCI" || m.BatchSize() != 10 || len(c.Metadata.Claims) != 13 || m.RequestEncryption.Keys.Keys[0].Kid != "ac" {
			t.Errorf("%+v", m)
		}
		if server := must[string](t)(m.AuthorizationServer("")); server != "https://server.example.com" {
			t.Error(server)
		}
		// What is sent reads back as the same.
		again := must[*openid4vci.IssuerMetadata](t)(openid4vci.ParseIssuerMetadata(must[[]byte](t)(json.Marshal(m)), identifier))
		if diff := cmp.Diff(m, again, cmp.Comparer(func(a, b credentials.Path) bool { return a.String() == b.String() })); diff != "" {
			t.Error(diff)
		}
	})
}

const configuration = `{"format":"dc+sd-jwt","vct":"v","scope":"s","credential_signing_alg_values_supported":["ES256"],
	"cryptographic_binding_methods_supported":["jwk"],"proof_types_supported":{"jwt":{"proof_signing_alg_values_supported":["ES256"]}},
	"credential_metadata":{"display":[{"name":"手形","locale":"ja"},{"name":"Tegata","locale":"en"}]},"unknown":1}`

const metadataJWK = `{"kty":"EC","kid":"ac","use":"enc","crv":"P-256","alg":"ECDH-ES","x":"YO4epjifD-KWeq1sL2tNmm36BhXnkJ0He-WqMYrp9Fk","y":"Hekpm0zfK7C-YccH5iBjcIXgf6YdUvNUac_0At55Okk"}`

// metadata returns a document from members that replace those of an honest
// one; empty values leave a member out.
func metadata(change map[string]string) string {
	members := map[string]string{
		"credential_issuer":                   `"` + issuer + `"`,
		"credential_endpoint":                 `"https://issuer.example/tenant/credential"`,
		"nonce_endpoint":                      `"https://issuer.example/tenant/nonce"`,
		"credential_configurations_supported": `{"a":` + configuration + `}`,
		"unknown":                             `{"x":[1,2]}`,
	}
	for name, value := range change {
		members[name] = value
	}
	var parts []string
	for name, value := range members {
		if value != "" {
			parts = append(parts, `"`+name+`":`+value)
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestNegMetadata(t *testing.T) {
	t.Parallel()
	request := func(keys, rest string) map[string]string {
		return map[string]string{"credential_request_encryption": `{"jwks":{"keys":[` + keys + `]},"enc_values_supported":["A128GCM"],"encryption_required":false` + rest + `}`}
	}
	rsa := `{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"}`
	for _, tc := range []struct {
		name   string
		change map[string]string
		ok     bool
	}{
		{"honest", nil, true},
		{"VCI-MD-06 trailing slash", map[string]string{"credential_issuer": `"` + issuer + `/"`}, false},
		{"VCI-MD-06 upper-case host", map[string]string{"credential_issuer": `"https://ISSUER.example/tenant"`}, false},
		{"VCI-MD-06 missing", map[string]string{"credential_issuer": ""}, false},
		{"VCI-MD-10 http", map[string]string{"credential_endpoint": `"http://issuer.example/credential"`}, false},
		{"VCI-MD-10 missing", map[string]string{"credential_endpoint": ""}, false},
		{"VCI-MD-10 with a query", map[string]string{"credential_endpoint": `"https://issuer.example/c?x=1"`}, true},
		{"VCI-MD-10 http nonce endpoint", map[string]string{"nonce_endpoint": `"http://issuer.example/nonce"`}, false},
		{"VCI-MD-10 http deferred endpoint", map[string]string{"deferred_credential_endpoint": `"http://issuer.example/d"`}, false},
		{"VCI-MD-10 notification endpoint", map[string]string{"notification_endpoint": `"https://issuer.example/n"`}, true},
		{"VCI-MD-10 relative notification endpoint", map[string]string{"notification_endpoint": `"/n"`}, false},
		{"VCI-MD-12 servers", map[string]string{"authorization_servers": `["https://as.example"]`}, true},
		{"VCI-MD-12 no servers", map[string]string{"authorization_servers": `[]`}, false},
		{"VCI-MD-12 http server", map[string]string{"authorization_servers": `["http://as.example"]`}, false},
		{"VCI-MD-13 keys", request(metadataJWK+","+rsa, ""), true},
		{"VCI-MD-13 no usable key", request(rsa, ""), false},
		{"VCI-MD-13 no kid", request(strings.Replace(metadataJWK, `"kid":"ac",`, "", 1), ""), false},
		{"VCI-MD-13 one kid twice", request(metadataJWK+","+metadataJWK, ""), false},
		{"VCI-EN-02 no alg", request(strings.Replace(metadataJWK, `"alg":"ECDH-ES",`, "", 1), ""), false},
		{"VCI-MD-14 response encryption", map[string]string{"credential_response_encryption": `{"alg_values_supported":["ECDH-ES"],"enc_values_supported":["A128GCM"],"encryption_required":false}`}, true},
		{"VCI-MD-14 without alg", map[string]string{"credential_response_encryption": `{"alg_values_supported":[],"enc_values_supported":["A128GCM"],"encryption_required":false}`}, false},
		{"VCI-MD-14 required without request encryption", map[string]string{"credential_response_encryption": `{"alg_values_supported":["ECDH-ES"],"enc_values_supported":["A128GCM"],"encryption_required":true}`}, false},
		{"VCI-MD-16 batch", map[string]string{"batch_credential_issuance": `{"batch_size":2}`}, true},
		{"VCI-MD-16 batch of 1", map[string]string{"batch_credential_issuance": `{"batch_size":1}`}, false},
		{"VCI-MD-17 two for one locale", map[string]string{"display": `[{"locale":"ja"},{"locale":"JA"}]`}, false},
		{"VCI-MD-17 logo without uri", map[string]string{"display": `[{"logo":{"alt_text":"x"}}]`}, false},
		{"VCI-MD-17 empty display", map[string]string{"display": `[]`}, false},
		{"no configurations", map[string]string{"credential_configurations_supported": ""}, false},
		{"I35 duplicate member", map[string]string{"unknown": `{"a":1,"a":2}`}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := openid4vci.ParseIssuerMetadata([]byte(metadata(tc.change)), issuer); (err == nil) != tc.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestNegConfiguration(t *testing.T) {
	t.Parallel()
	const binding, proofs = `"cryptographic_binding_methods_supported":["jwk"]`, `"proof_types_supported":{"jwt":{"proof_signing_alg_values_supported":["ES256"]}}`
	required := func(value string) string {
		return `{"format":"dc+sd-jwt","vct":"v",` + binding + `,"proof_types_supported":{"jwt":{"proof_signing_alg_values_supported":["ES256"],"key_attestations_required":` + value + `}}}`
	}
	described := func(value string) string {
		return `{"format":"dc+sd-jwt","vct":"v","credential_metadata":` + value + `}`
	}
	for _, tc := range []struct {
		name, doc string
		ok        bool
	}{
		{"honest", configuration, true},
		{"VCI-MD-18 unknown format", `{"format":"jwt_vc_json"}`, true},
		{"VCI-MD-18 no format", `{"vct":"v"}`, false},
		{"VCI-MD-18 no vct", `{"format":"dc+sd-jwt"}`, false},
		{"VCI-MD-18 no doctype", `{"format":"mso_mdoc","vct":"v"}`, false},
		{"VCI-MD-19 two scopes", `{"format":"dc+sd-jwt","vct":"v","scope":"a b"}`, false},
		{"VCI-MD-20 no key binding", `{"format":"dc+sd-jwt","vct":"v"}`, true},
		{"VCI-MD-20 both", `{"format":"dc+sd-jwt","vct":"v",` + binding + `,` + proofs + `}`, true},
		{"VCI-MD-20 binding alone", `{"format":"dc+sd-jwt","vct":"v",` + binding + `}`, false},
		{"VCI-MD-20 proofs alone", `{"format":"dc+sd-jwt","vct":"v",` + proofs + `}`, false},
		{"VCI-MD-20 empty", `{"format":"dc+sd-jwt","vct":"v","cryptographic_binding_methods_supported":[],"proof_types_supported":{}}`, false},
		{"VCI-MD-21 no algorithms", `{"format":"dc+sd-jwt","vct":"v",` + binding + `,"proof_types_supported":{"jwt":{}}}`, false},
		{"VCI-MD-22 without constraints", required(`{}`), true},
		{"VCI-MD-22 with constraints", required(`{"key_storage":["iso_18045_high"],"user_authentication":["iso_18045_high"]}`), true},
		{"VCI-MD-22 empty key_storage", required(`{"key_storage":[]}`), false},
		{"VCI-MD-22 empty user_authentication", required(`{"user_authentication":[]}`), false},
		{"VCI-MD-23 COSE numbers", `{"format":"mso_mdoc","doctype":"d","credential_signing_alg_values_supported":[-7,-9]}`, true},
		{"VCI-MD-23 names for an mdoc", `{"format":"mso_mdoc","doctype":"d","credential_signing_alg_values_supported":["ES256"]}`, false},
		{"VCI-MD-23 numbers for an SD-JWT VC", `{"format":"dc+sd-jwt","vct":"v","credential_signing_alg_values_supported":[-7]}`, false},
		{"VCI-MD-23 empty", `{"format":"dc+sd-jwt","vct":"v","credential_signing_alg_values_supported":[]}`, false},
		{"VCI-MD-24 display of older drafts", `{"format":"dc+sd-jwt","vct":"v","display":"anything","claims":{"a":{}}}`, true},
		{"VCI-MD-17 no name", described(`{"display":[{"locale":"ja"}]}`), false},
		{"VCI-MD-17 background image without uri", described(`{"display":[{"name":"n","background_image":{}}]}`), false},
		{"VCI-MD-25 empty claims", described(`{"claims":[]}`), false},
		{"VCI-MD-25 repeated claim", described(`{"claims":[{"path":["a"]},{"path":["a"]}]}`), false},
		{"VCI-MD-25 two languages", described(`{"claims":[{"path":["a"],"display":[{"name":"a","locale":"ja"},{"name":"b","locale":"en"}]}]}`), true},
		{"VCI-MD-25 one language twice", described(`{"claims":[{"path":["a"],"display":[{"name":"a","locale":"ja"},{"name":"b","locale":"ja"}]}]}`), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			doc := metadata(map[string]string{"credential_configurations_supported": `{"a":` + tc.doc + `,"b":` + configuration + `}`})
			m, err := openid4vci.ParseIssuerMetadata([]byte(doc), issuer)
			if err != nil {
				t.Fatalf("one configuration spoils the metadata: %v", err)
			}
			if _, err := m.Configuration("a"); (err == nil) != tc.ok {
				t.Errorf("error %v", err)
			}
			if err := m.ValidateAll(issuer); (err == nil) != tc.ok {
				t.Errorf("all: error %v", err)
			}
			if _, err := m.Configuration("b"); err != nil {
				t.Errorf("the other configuration: %v", err)
			}
		})
	}
	m := must[*openid4vci.IssuerMetadata](t)(openid4vci.ParseIssuerMetadata([]byte(metadata(nil)), issuer))
	if _, err := m.Configuration("zzz"); openid4vci.CodeOf(err) != openid4vci.CodeUnknownCredentialConfiguration {
		t.Errorf("I21 unknown configuration: %v", err)
	}
	m.NonceEndpoint = ""
	if m.ValidateAll(issuer) == nil {
		t.Error("HAIP-10 key binding without nonce endpoint")
	}
}

func TestNegAuthorizationServerMetadata(t *testing.T) {
	t.Parallel()
	const as = "https://as.example/tenant"
	build := func(issuer, rest string) string {
		return `{"issuer":"` + issuer + `","token_endpoint":"https://as.example/token","unknown":[1]` + rest + `}`
	}
	full := `,"authorization_endpoint":"https://as.example/authorize","pushed_authorization_request_endpoint":"https://as.example/par",
		"require_pushed_authorization_requests":true,"code_challenge_methods_supported":["S256"],"dpop_signing_alg_values_supported":["ES256"],
		"authorization_response_iss_parameter_supported":true,"pre-authorized_grant_anonymous_access_supported":true,
		"grant_types_supported":["authorization_code","urn:ietf:params:oauth:grant-type:pre-authorized_code"]`
	for _, tc := range []struct {
		name, doc string
		ok        bool
	}{
		{"honest", build(as, full), true},
		{"pre-authorized only", build(as, ""), true},
		{"other issuer", build("https://as.example", ""), false},
		{"no token endpoint", `{"issuer":"` + as + `"}`, false},
		{"http PAR endpoint", build(as, `,"pushed_authorization_request_endpoint":"http://as.example/par"`), false},
		{"http challenge endpoint", build(as, `,"challenge_endpoint":"http://as.example/c"`), false},
		{"PAR required but absent", build(as, `,"require_pushed_authorization_requests":true`), false},
		{"duplicate", build(as, `,"issuer":"`+as+`"`), false},
	} {
		if _, err := openid4vci.ParseAuthorizationServerMetadata([]byte(tc.doc), as); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	m := must[*openid4vci.AuthorizationServerMetadata](t)(openid4vci.ParseAuthorizationServerMetadata([]byte(build(as, full)), as))
	if err := m.CheckHighAssurance(); err != nil || !m.AnonymousPreAuthorized || !m.SupportsGrant(openid4vci.GrantPreAuthorized) || m.SupportsGrant(openid4vci.GrantRefreshToken) {
		t.Errorf("%+v, %v", m, err)
	}
	for name, spoil := range map[string]func(*openid4vci.AuthorizationServerMetadata){
		"PAR":  func(m *openid4vci.AuthorizationServerMetadata) { m.PAREndpoint = "" },
		"PKCE": func(m *openid4vci.AuthorizationServerMetadata) { m.CodeChallengeMethodsSupported = []string{"plain"} },
		"DPoP": func(m *openid4vci.AuthorizationServerMetadata) { m.DPoPSigningAlgorithms = nil },
		"iss":  func(m *openid4vci.AuthorizationServerMetadata) { m.IssParameterSupported = false },
	} {
		spoilt := *m
		spoil(&spoilt)
		if spoilt.CheckHighAssurance() == nil {
			t.Errorf("HAIP-03 without %s", name)
		}
	}
	m.GrantTypesSupported = nil
	if !m.SupportsGrant(openid4vci.GrantAuthorizationCode) || m.SupportsGrant(openid4vci.GrantPreAuthorized) {
		t.Error("default grant types")
	}
}
