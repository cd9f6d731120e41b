package oauth_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// TestTokenDetails (VCI-TK-07, VCI-TK-12) has authorization_details in the token
// request, in place of those in the authorization request or as a part of what
// that asked for.
func TestTokenDetails(t *testing.T) {
	t.Parallel()
	const a = `{"type":"openid_credential","credential_configuration_id":"a"}`
	for name, tc := range map[string]struct {
		details string
		want    []string // configurations in the response
		code    string
	}{
		"none":            {"", nil, ""},
		"one of two":      {"[" + a + "]", []string{"a"}, ""},
		"all":             {`[{"type":"openid_credential","credential_configuration_id":"b"},` + a + "]", []string{"a", "b"}, ""},
		"more than asked": {`[{"type":"openid_credential","credential_configuration_id":"c"}]`, nil, openid4vci.CodeInvalidAuthorizationDetails},
		"O19 other type":  {`[{"type":"payment"}]`, nil, openid4vci.CodeInvalidAuthorizationDetails},
		"not JSON":        {"a", nil, openid4vci.CodeInvalidAuthorizationDetails},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWebWallet(t, nil)
			form := w.honest(t)
			form["scope"] = "a b"
			pushed, err := w.push(t, form)
			if err != nil {
				t.Fatal(err)
			}
			cookie, err := w.server.Begin(t.Context(), "web", pushed.RequestURI)
			if err != nil {
				t.Fatal(err)
			}
			code := w.code(t, cookie)
			exchange := func(details string) (*openid4vci.TokenResponse, error) {
				form := w.honest(t)
				form["grant_type"], form["code"], form["code_verifier"] = openid4vci.GrantAuthorizationCode, code, w.pkce
				if form["authorization_details"] = details; details == "" {
					delete(form, "authorization_details")
				}
				return w.tokenResponse(t, form)
			}
			response, err := exchange(tc.details)
			if openid4vci.CodeOf(err) != tc.code {
				t.Fatalf("error %v", err)
			}
			if tc.code != "" {
				// The code is still good.
				if _, err := exchange(""); err != nil {
					t.Errorf("honest twin: %v", err)
				}
				return
			}
			var got []string
			for _, d := range response.AuthorizationDetails {
				got = append(got, d.CredentialConfigurationID)
				if len(d.CredentialIdentifiers) == 0 {
					t.Errorf("no credential_identifiers for %s", d.CredentialConfigurationID)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func (w *webWallet) tokenResponse(t *testing.T, form oauth.Params) (*openid4vci.TokenResponse, error) {
	t.Helper()
	return w.server.Token(t.Context(), reuseIssuer+"/token", oauth.ClientHeaders{DPoP: []string{w.dpopProof(t)}}, form)
}
