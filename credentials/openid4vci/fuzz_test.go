package openid4vci_test

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// addExamples seeds with the published files whose names begin so.
func addExamples(f *testing.F, prefix string) {
	f.Helper()
	files, err := fs.Glob(testdata, "testdata/"+prefix+"*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no %s: %v", prefix, err)
	}
	for _, file := range files {
		data, err := testdata.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// FuzzIssuerMetadata: what is accepted is of the issuer that was asked, and is
// accepted again as it would be published.
func FuzzIssuerMetadata(f *testing.F) {
	addExamples(f, "credential_issuer_metadata")
	f.Add([]byte(`{"credential_issuer":"https://issuer.example.com","credential_endpoint":"https://issuer.example.com/credential",` +
		`"credential_configurations_supported":{"c":{"credential_metadata":{"claims":[{"mandatory":true}]}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var name struct {
			Issuer string `json:"credential_issuer"`
		}
		_ = json.Unmarshal(data, &name)
		m, err := openid4vci.ParseIssuerMetadata(data, name.Issuer)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openid4vci.ParseIssuerMetadata(again, name.Issuer); err != nil {
			t.Errorf("%s does not come back: %v", again, err)
		}
	})
}

// FuzzServerMetadata reads what authorization servers publish.
func FuzzServerMetadata(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://server.example.com","authorization_endpoint":"https://server.example.com/authorize",` +
		`"pushed_authorization_request_endpoint":"https://server.example.com/par","token_endpoint":"https://server.example.com/token",` +
		`"code_challenge_methods_supported":["S256"],"authorization_response_iss_parameter_supported":true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := openid4vci.ParseAuthorizationServerMetadata(data, "https://server.example.com")
		if err == nil && m.Issuer != "https://server.example.com" {
			t.Errorf("accepted %+v", m)
		}
	})
}

// FuzzAuthorizationDetails: what is accepted is accepted again.
func FuzzAuthorizationDetails(f *testing.F) {
	addExamples(f, "authorization_details")
	f.Fuzz(func(t *testing.T, data []byte) {
		details, err := openid4vci.ParseAuthorizationDetails(data)
		if err != nil {
			if openid4vci.CodeOf(err) == "" {
				t.Errorf("error without a code: %v", err)
			}
			return
		}
		again, err := json.Marshal(details)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openid4vci.ParseAuthorizationDetails(again); err != nil {
			t.Errorf("%s does not come back: %v", again, err)
		}
	})
}

// FuzzResponses has everything that a wallet reads from an issuer.
func FuzzResponses(f *testing.F) {
	for _, s := range []string{
		`{"access_token":"eyJhbGciOiJSUzI1NiIsInR5cCI6Ikp","token_type":"DPoP","expires_in":86400,"authorization_details":[{"type":"openid_credential","credential_configuration_id":"a","credential_identifiers":["b"]}]}`,
		`{"request_uri":"urn:ietf:params:oauth:request_uri:6esc","expires_in":60}`,
		`{"c_nonce":"wKI4LT17ac15ES9bw8ac4"}`, `{"attestation_challenge":"x"}`,
		`{"credentials":[{"credential":"LUpixVCWJk0eOt4CXQe1NXK"}],"notification_id":"3fwe98js"}`,
		`{"transaction_id":"8xLOxBtZp8","interval":3600}`,
		`{"error":"invalid_nonce","error_description":"x"}`,
	} {
		f.Add(200, []byte(s))
		f.Add(400, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, data []byte) {
		if r, err := openid4vci.ParseTokenResponse(data); err == nil && r.AccessToken == "" {
			t.Errorf("token response %+v", r)
		}
		if r, err := openid4vci.ParsePARResponse(data); err == nil && r.RequestURI == "" {
			t.Errorf("PAR response %+v", r)
		}
		if r, err := openid4vci.ParseNonceResponse(data); err == nil && r.Nonce == "" {
			t.Errorf("nonce response %+v", r)
		}
		_, _ = openid4vci.ParseChallengeResponse(data)
		if r, err := openid4vci.ParseCredentialResponse(status, data); err == nil && len(r.Credentials) == 0 && r.TransactionID == "" {
			t.Errorf("credential response %+v", r)
		}
		if e, err := openid4vci.ParseError(status, data); err == nil && strings.ContainsAny(e.Code, "\"\\\n") {
			t.Errorf("error response %+v", e)
		}
		_, _ = openid4vci.ParseDeferredRequest(data)
		_, _ = openid4vci.ParseNotificationRequest(data)
	})
}
