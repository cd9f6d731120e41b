package openid4vci_test

import (
	"embed"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

//go:embed testdata
var testdata embed.FS

const issuer = "https://issuer.example/tenant"

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestPKCE(t *testing.T) {
	t.Parallel()
	// The pair of RFC 7636 appendix B, which OpenID4VCI 1.0 uses in its
	// examples.
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	if got := openid4vci.CodeChallenge(verifier); got != challenge {
		t.Errorf("TV-14, TV-30: challenge %s", got)
	}
	fresh := openid4vci.NewCodeVerifier()
	long := strings.Repeat("a-._~9Z0", 16)
	for name, tc := range map[string]struct {
		verifier, challenge string
		ok                  bool
	}{
		"published pair":  {verifier, challenge, true},
		"fresh":           {fresh, openid4vci.CodeChallenge(fresh), true},
		"128 characters":  {long, openid4vci.CodeChallenge(long), true},
		"129 characters":  {long + "a", openid4vci.CodeChallenge(long + "a"), false},
		"42 characters":   {verifier[1:], openid4vci.CodeChallenge(verifier[1:]), false},
		"other character": {verifier[1:] + "+", openid4vci.CodeChallenge(verifier[1:] + "+"), false},
		"another":         {fresh, challenge, false},
		"plain":           {verifier, verifier, false},
		"empty":           {"", "", false},
	} {
		if err := openid4vci.VerifyCodeVerifier(tc.verifier, tc.challenge); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for s, ok := range map[string]bool{challenge: true, challenge + "=": false, challenge[1:]: false, "": false, strings.Repeat("_", 43): false} {
		if err := openid4vci.CheckCodeChallenge(s); (err == nil) != ok {
			t.Errorf("challenge %q: %v", s, err)
		}
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ identifier, issuer, server string }{
		{"https://h.example", "https://h.example/.well-known/openid-credential-issuer", "https://h.example/.well-known/oauth-authorization-server"},
		{"https://h.example/tenant", "https://h.example/.well-known/openid-credential-issuer/tenant", "https://h.example/.well-known/oauth-authorization-server/tenant"},
		{"https://h.example:8443/a/b/", "https://h.example:8443/.well-known/openid-credential-issuer/a/b/", "https://h.example:8443/.well-known/oauth-authorization-server/a/b"},
		{"http://h.example", "", ""},
		{"HTTPS://h.example", "", ""},
		{"https://h.example?a", "", ""},
		{"https://h.example/#", "", ""},
		{"https://h.example/?", "", ""},
		{"https://u@h.example", "", ""},
		{"https:///x", "", ""},
		{"", "", ""},
	} {
		if got, err := openid4vci.MetadataURL(tc.identifier); got != tc.issuer || (err == nil) != (tc.issuer != "") {
			t.Errorf("VCI-MD-02 %s: %q, %v", tc.identifier, got, err)
		}
		if got, err := openid4vci.AuthorizationServerMetadataURL(tc.identifier); got != tc.server || (err == nil) != (tc.server != "") {
			t.Errorf("RFC 8414 %s: %q, %v", tc.identifier, got, err)
		}
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	e := openid4vci.NewError(openid4vci.CodeInvalidProof, `say "no" to 手形 and \`)
	got := string(must[[]byte](t)(json.Marshal(e)))
	if want := `{"error":"invalid_proof","error_description":"say ?no? to ?? and ?"}`; got != want {
		t.Errorf("VCI-CR-19: %s", got)
	}
	for code, status := range map[string]int{
		openid4vci.CodeInvalidNonce: 400, openid4vci.CodeInvalidToken: 401, openid4vci.CodeInvalidClient: 401,
		openid4vci.CodeInsufficientScope: 403, openid4vci.CodeTemporarilyUnavailable: 503,
	} {
		if e := openid4vci.NewError(code, ""); e.Status != status || openid4vci.CodeOf(e) != code {
			t.Errorf("%s: %+v", code, e)
		}
	}
	read := must[*openid4vci.Error](t)(openid4vci.ParseError(400, []byte(got)))
	if read.Code != openid4vci.CodeInvalidProof || read.Status != 400 {
		t.Errorf("%+v", read)
	}
	for _, body := range []string{``, `{}`, `{"error":1}`, `{"error":"a","error":"b"}`, `<html>`} {
		if _, err := openid4vci.ParseError(400, []byte(body)); err == nil {
			t.Errorf("%q was read", body)
		}
	}
}

func TestAuthorizationDetails(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"authorization_details", "authorization_details_with_as", "authorization_details_mso_doc"} {
		if _, err := openid4vci.ParseAuthorizationDetails(file(t, name+".json")); err != nil {
			t.Errorf("TV-17 %s: %v", name, err)
		}
	}
	m := &openid4vci.IssuerMetadata{CredentialIssuer: "https://credential-issuer.example.com", AuthorizationServers: []string{"https://as.example"}}
	with := must[[]openid4vci.AuthorizationDetail](t)(openid4vci.ParseAuthorizationDetails(file(t, "authorization_details_with_as.json")))
	without := must[[]openid4vci.AuthorizationDetail](t)(openid4vci.ParseAuthorizationDetails(file(t, "authorization_details.json")))
	if err := with[0].CheckLocation(m); err != nil {
		t.Errorf("VCI-AZ-02 honest: %v", err)
	}
	if err := without[0].CheckLocation(m); openid4vci.CodeOf(err) != openid4vci.CodeInvalidAuthorizationDetails {
		t.Errorf("VCI-AZ-02 locations missing: %v", err)
	}
	if err := without[0].CheckLocation(&openid4vci.IssuerMetadata{CredentialIssuer: m.CredentialIssuer}); err != nil {
		t.Errorf("VCI-AZ-02 own authorization server: %v", err)
	}
	for name, doc := range map[string]string{
		"not an array": `{"type":"openid_credential","credential_configuration_id":"a"}`,
		"empty":        `[]`,
		"null":         `[null]`,
		"other type":   `[{"type":"payment","credential_configuration_id":"a"}]`,
		"no id":        `[{"type":"openid_credential"}]`,
		"empty claims": `[{"type":"openid_credential","credential_configuration_id":"a","claims":[]}]`,
		"claims twice": `[{"type":"openid_credential","credential_configuration_id":"a","claims":[{"path":["a"]},{"path":["a"]}]}]`,
		"duplicate":    `[{"type":"openid_credential","credential_configuration_id":"a","type":"openid_credential"}]`,
		"too many":     `[` + strings.Repeat(`{"type":"openid_credential","credential_configuration_id":"a"},`, 32) + `{"type":"openid_credential","credential_configuration_id":"a"}]`,
	} {
		if _, err := openid4vci.ParseAuthorizationDetails([]byte(doc)); openid4vci.CodeOf(err) != openid4vci.CodeInvalidAuthorizationDetails {
			t.Errorf("VCI-AZ-01 %s: %v", name, err)
		}
	}
}

func TestCheckClaims(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, doc string
		ok        bool
	}{
		{"different", `[{"path":["a"]},{"path":["a","b"]},{"path":["a","c"]},{"path":["d",null]},{"path":["d",null,"e"]}]`, true},
		{"two indexes", `[{"path":["a",0]},{"path":["a",1]}]`, true},
		{"same names at other depths", `[{"path":["a.b"]},{"path":["a","b"]}]`, true},
		{"repeated", `[{"path":["a","b"]},{"path":["a","b"]}]`, false},
		{"all and one", `[{"path":["a",null]},{"path":["a",1]}]`, false},
		{"array and object", `[{"path":["a",null]},{"path":["a","b"]}]`, false},
	} {
		var claims []openid4vci.ClaimDescription
		if err := json.Unmarshal([]byte(tc.doc), &claims); err != nil {
			t.Fatal(err)
		}
		if err := openid4vci.CheckClaims(claims); (err == nil) != tc.ok {
			t.Errorf("VCI-MD-25 %s: %v", tc.name, err)
		}
	}
	if openid4vci.CheckClaims([]openid4vci.ClaimDescription{{}}) == nil {
		t.Error("VCI-MD-25 no path")
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	token := must[*openid4vci.TokenResponse](t)(openid4vci.ParseTokenResponse([]byte(`{"access_token":"a","token_type":"DPoP","expires_in":300,"c_nonce":"old",
		"authorization_details":[{"type":"other"},{"type":"openid_credential","credential_configuration_id":"c","credential_identifiers":["i"],"x":1}]}`)))
	want := []openid4vci.AuthorizationDetail{{Type: "openid_credential", CredentialConfigurationID: "c", CredentialIdentifiers: []string{"i"}}}
	if diff := cmp.Diff(want, token.AuthorizationDetails); diff != "" {
		t.Error(diff)
	}
	for name, doc := range map[string]string{
		"VCI-TK-07 no identifiers":    `{"access_token":"a","token_type":"DPoP","authorization_details":[{"type":"openid_credential","credential_configuration_id":"c"}]}`,
		"VCI-TK-07 empty identifiers": `{"access_token":"a","token_type":"DPoP","authorization_details":[{"type":"openid_credential","credential_configuration_id":"c","credential_identifiers":[]}]}`,
		"no token":                    `{"token_type":"DPoP"}`,
		"no type":                     `{"access_token":"a"}`,
		"negative":                    `{"access_token":"a","token_type":"DPoP","expires_in":-1}`,
		"I35 duplicate member":        `{"access_token":"a","access_token":"b","token_type":"DPoP"}`,
	} {
		if _, err := openid4vci.ParseTokenResponse([]byte(doc)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if r := must[*openid4vci.PARResponse](t)(openid4vci.ParsePARResponse([]byte(`{"request_uri":"urn:x","expires_in":60}`))); r.ExpiresIn != 60 {
		t.Errorf("%+v", r)
	}
	if r := must[*openid4vci.NonceResponse](t)(openid4vci.ParseNonceResponse([]byte(`{"c_nonce":"n","c_nonce_expires_in":1}`))); r.Nonce != "n" {
		t.Errorf("%+v", r)
	}
	if r := must[*openid4vci.ChallengeResponse](t)(openid4vci.ParseChallengeResponse([]byte(`{"attestation_challenge":"c"}`))); r.Challenge != "c" {
		t.Errorf("%+v", r)
	}
	for _, doc := range []string{`{}`, `[]`, `{"c_nonce":1,"request_uri":"u","attestation_challenge":2}`} {
		_, err1 := openid4vci.ParsePARResponse([]byte(doc))
		_, err2 := openid4vci.ParseNonceResponse([]byte(doc))
		_, err3 := openid4vci.ParseChallengeResponse([]byte(doc))
		if err1 == nil || err2 == nil || err3 == nil {
			t.Errorf("%s: %v, %v, %v", doc, err1, err2, err3)
		}
	}
}

func TestConfigurationType(t *testing.T) {
	t.Parallel()
	mdoc := openid4vci.Configuration{Format: credentials.FormatMdoc, Doctype: "d", VCT: "v"}
	sdjwt := openid4vci.Configuration{Format: credentials.FormatSDJWTVC, Doctype: "d", VCT: "v"}
	if mdoc.Type() != "d" || sdjwt.Type() != "v" {
		t.Errorf("%s, %s", mdoc.Type(), sdjwt.Type())
	}
}
