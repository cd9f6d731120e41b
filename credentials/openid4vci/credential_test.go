package openid4vci_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

const requestJWK = `{"kty":"EC","kid":"w","use":"enc","crv":"P-256","alg":"ECDH-ES","x":"YO4epjifD-KWeq1sL2tNmm36BhXnkJ0He-WqMYrp9Fk","y":"Hekpm0zfK7C-YccH5iBjcIXgf6YdUvNUac_0At55Okk"}`

// TestNegCredentialRequest holds the form of requests; the cases with an empty
// want are the honest twins.
func TestNegCredentialRequest(t *testing.T) {
	t.Parallel()
	const (
		malformed = openid4vci.CodeInvalidCredentialRequest
		proof     = openid4vci.CodeInvalidProof
		enc       = openid4vci.CodeInvalidEncryptionParameters
	)
	many := strings.Repeat(`"p",`, 9999) + `"p"`
	for _, tc := range []struct{ name, doc, want string }{
		{"I21 by configuration", `{"credential_configuration_id":"a","proofs":{"jwt":["p"]}}`, ""},
		{"I21 by identifier", `{"credential_identifier":"a","proofs":{"jwt":["p"]}}`, ""},
		{"I21 both", `{"credential_identifier":"a","credential_configuration_id":"a"}`, malformed},
		{"I21 none", `{"proofs":{"jwt":["p"]}}`, malformed},
		{"I21 empty identifier", `{"credential_identifier":""}`, openid4vci.CodeUnknownCredentialIdentifier},
		{"I21 empty configuration", `{"credential_configuration_id":""}`, openid4vci.CodeUnknownCredentialConfiguration},
		{"I21 identifier of another type", `{"credential_identifier":["a"]}`, malformed},
		{"VCI-CR-07 format of older drafts", string(file(t, "credential_request_iso_mdl.json")), malformed},
		{"I35 unknown members", `{"credential_identifier":"a","x":{"y":[1]},"format":"z","proof":{"jwt":"p"}}`, ""},
		{"I35 duplicate member", `{"credential_identifier":"a","credential_identifier":"a"}`, malformed},
		{"I35 duplicate below", `{"credential_identifier":"a","x":{"y":1,"y":2}}`, malformed},
		{"I35 duplicate in proofs", `{"credential_identifier":"a","proofs":{"jwt":["p"],"jwt":["p"]}}`, malformed},
		{"I18 empty proofs", `{"credential_identifier":"a","proofs":{}}`, proof},
		{"I18 empty array", `{"credential_identifier":"a","proofs":{"jwt":[]}}`, proof},
		{"I18 mixed types", `{"credential_identifier":"a","proofs":{"jwt":["p"],"attestation":["p"]}}`, proof},
		{"I18 unknown type", `{"credential_identifier":"a","proofs":{"di_vp":[{}]}}`, proof},
		{"I18 string", `{"credential_identifier":"a","proofs":{"jwt":"p"}}`, proof},
		{"I18 array of objects", `{"credential_identifier":"a","proofs":{"jwt":[{}]}}`, proof},
		{"I18 proofs is an array", `{"credential_identifier":"a","proofs":["p"]}`, proof},
		{"I18 10k proofs", `{"credential_identifier":"a","proofs":{"jwt":[` + many + `]}}`, malformed},
		{"VCI-PF-07 one attestation", `{"credential_identifier":"a","proofs":{"attestation":["p"]}}`, ""},
		{"VCI-PF-07 two attestations", `{"credential_identifier":"a","proofs":{"attestation":["p","q"]}}`, proof},
		{"VCI-EN-03 parameters", `{"credential_identifier":"a","credential_response_encryption":{"jwk":` + requestJWK + `,"enc":"A128GCM"}}`, ""},
		{"VCI-EN-03 no jwk", `{"credential_identifier":"a","credential_response_encryption":{"enc":"A128GCM"}}`, enc},
		{"VCI-EN-03 no enc", `{"credential_identifier":"a","credential_response_encryption":{"jwk":` + requestJWK + `}}`, enc},
		{"VCI-EN-03 no alg", `{"credential_identifier":"a","credential_response_encryption":{"jwk":` + strings.Replace(requestJWK, `"alg":"ECDH-ES",`, "", 1) + `,"enc":"A128GCM"}}`, enc},
		{"VCI-EN-09 private key", `{"credential_identifier":"a","credential_response_encryption":{"jwk":` + strings.Replace(requestJWK, `"kid":"w"`, `"d":"AAAA"`, 1) + `,"enc":"A128GCM"}}`, enc},
		{"not an object", `[]`, malformed},
		{"empty", ``, malformed},
		{"trailing data", `{"credential_identifier":"a"}{}`, malformed},
		{"too large", `{"credential_identifier":"a"}` + strings.Repeat(" ", openid4vci.MaxDocumentSize), malformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, err := openid4vci.ParseCredentialRequest([]byte(tc.doc))
			if got := openid4vci.CodeOf(err); got != tc.want || (err == nil) != (tc.want == "") {
				t.Fatalf("code %q, error %v, want %q", got, err, tc.want)
			}
			if err != nil {
				return
			}
			again := must[*openid4vci.CredentialRequest](t)(openid4vci.ParseCredentialRequest(must[[]byte](t)(json.Marshal(r))))
			if diff := cmp.Diff(r, again); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNegCheckProofs(t *testing.T) {
	t.Parallel()
	bound := &openid4vci.Configuration{ProofTypes: map[string]openid4vci.ProofType{"jwt": {}}}
	unbound := &openid4vci.Configuration{}
	list := func(n int) *openid4vci.Proofs { return &openid4vci.Proofs{JWT: make([]string, n)} }
	for _, tc := range []struct {
		name   string
		c      *openid4vci.Configuration
		proofs *openid4vci.Proofs
		batch  int
		want   string
	}{
		{"I18 one", bound, list(1), 1, ""},
		{"I18 as many as the batch size", bound, list(3), 3, ""},
		{"I18 batch_size+1", bound, list(4), 3, openid4vci.CodeInvalidCredentialRequest},
		{"I18 two without batch", bound, list(2), 0, openid4vci.CodeInvalidCredentialRequest},
		{"VCI-CR-06 missing", bound, nil, 1, openid4vci.CodeInvalidProof},
		{"VCI-CR-06 other type", bound, &openid4vci.Proofs{Attestation: []string{"x"}}, 1, openid4vci.CodeInvalidProof},
		{"VCI-CR-06 none needed", unbound, nil, 1, ""},
		{"VCI-CR-06 none wanted", unbound, list(1), 1, openid4vci.CodeInvalidCredentialRequest},
	} {
		if got := openid4vci.CodeOf(tc.c.CheckProofs(tc.proofs, tc.batch)); got != tc.want {
			t.Errorf("%s: %q", tc.name, got)
		}
	}
}

func TestNegCheckEncryption(t *testing.T) {
	t.Parallel()
	parameters := func(enc, zip string) *openid4vci.EncryptionParameters {
		var p openid4vci.EncryptionParameters
		if err := json.Unmarshal([]byte(`{"jwk":`+requestJWK+`}`), &p); err != nil {
			t.Fatal(err)
		}
		p.Enc, p.Zip = enc, zip
		return &p
	}
	metadata := func(request, response bool) *openid4vci.IssuerMetadata {
		return &openid4vci.IssuerMetadata{
			RequestEncryption:  &openid4vci.RequestEncryption{Enc: []string{"A128GCM"}, Required: request},
			ResponseEncryption: &openid4vci.ResponseEncryption{Alg: []string{"ECDH-ES"}, Enc: []string{"A128GCM"}, Required: response},
		}
	}
	otherAlg := parameters("A128GCM", "")
	otherAlg.JWK.Alg = "ECDH-ES+A256KW"
	signing := parameters("A128GCM", "")
	signing.JWK.Use = "sig"
	for _, tc := range []struct {
		name      string
		m         *openid4vci.IssuerMetadata
		p         *openid4vci.EncryptionParameters
		encrypted bool
		ok        bool
	}{
		{"VCI-EN-03 encrypted both ways", metadata(true, true), parameters("A128GCM", ""), true, true},
		{"VCI-EN-03 nothing asked", metadata(false, false), nil, false, true},
		{"VCI-EN-03 nothing supported", &openid4vci.IssuerMetadata{}, nil, false, true},
		{"VCI-EN-03 response not supported", &openid4vci.IssuerMetadata{}, parameters("A128GCM", ""), true, false},
		{"VCI-EN-03 enc", metadata(false, false), parameters("A256GCM", ""), true, false},
		{"VCI-EN-03 alg", metadata(false, false), otherAlg, true, false},
		{"VCI-EN-03 a key for signatures", metadata(false, false), signing, true, false},
		{"VCI-EN-03 zip", metadata(false, false), parameters("A128GCM", "DEF"), true, false},
		{"VCI-EN-04 parameters in the clear", metadata(false, false), parameters("A128GCM", ""), false, false},
		{"VCI-EN-05 request in the clear", metadata(true, false), nil, false, false},
		{"VCI-EN-07 no parameters", metadata(false, true), nil, true, false},
	} {
		err := tc.m.CheckEncryption(tc.p, tc.encrypted)
		if (err == nil) != tc.ok || !tc.ok && openid4vci.CodeOf(err) != openid4vci.CodeInvalidEncryptionParameters {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestNegCredentialResponse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		status int
		doc    string
		ok     bool
	}{
		{"VCI-CR-11 issued", 200, `{"credentials":[{"credential":"a","x":1}],"notification_id":"n","x":1}`, true},
		{"VCI-CR-11 deferred", 202, `{"transaction_id":"t","interval":5}`, true},
		{"VCI-CR-11 fractional interval", 202, `{"transaction_id":"t","interval":0.5}`, true},
		{"VCI-CR-11 both", 200, `{"credentials":[{"credential":"a"}],"transaction_id":"t","interval":5}`, false},
		{"VCI-CR-11 none", 200, `{}`, false},
		{"VCI-CR-11 empty", 200, `{"credentials":[]}`, false},
		{"VCI-CR-11 deferred with 200", 200, `{"transaction_id":"t","interval":5}`, false},
		{"VCI-CR-11 issued with 202", 202, `{"credentials":[{"credential":"a"}]}`, false},
		{"VCI-CR-11 no interval", 202, `{"transaction_id":"t"}`, false},
		{"VCI-CR-11 negative interval", 202, `{"transaction_id":"t","interval":-5}`, false},
		{"VCI-CR-13 notification_id alone", 202, `{"transaction_id":"t","interval":5,"notification_id":"n"}`, false},
		{"VCI-CR-14 strings of older drafts", 200, `{"credentials":["a"]}`, false},
		{"VCI-CR-14 empty credential", 200, `{"credentials":[{}]}`, false},
		{"I35 duplicate", 200, `{"credentials":[{"credential":"a","credential":"b"}]}`, false},
	} {
		r, err := openid4vci.ParseCredentialResponse(tc.status, []byte(tc.doc))
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err == nil && r.Status() != tc.status {
			t.Errorf("%s: status %d", tc.name, r.Status())
		}
	}
	raw := must[[]byte](t)(json.Marshal(openid4vci.CredentialResponse{TransactionID: "t", Interval: 5}))
	if string(raw) != `{"transaction_id":"t","interval":5}` {
		t.Errorf("%s", raw)
	}
}

func TestNegDeferredAndNotification(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, doc, want string }{
		{"VCI-DF-01 honest", `{"transaction_id":"t","x":1}`, ""},
		{"VCI-EN-08 with parameters", `{"transaction_id":"t","credential_response_encryption":{"jwk":` + requestJWK + `,"enc":"A128GCM"}}`, ""},
		{"VCI-DF-01 missing", `{}`, openid4vci.CodeInvalidTransactionID},
		{"VCI-DF-01 number", `{"transaction_id":1}`, openid4vci.CodeInvalidCredentialRequest},
		{"I35 duplicate", `{"transaction_id":"t","transaction_id":"t"}`, openid4vci.CodeInvalidCredentialRequest},
		{"VCI-EN-03 malformed parameters", `{"transaction_id":"t","credential_response_encryption":{}}`, openid4vci.CodeInvalidEncryptionParameters},
	} {
		if _, err := openid4vci.ParseDeferredRequest([]byte(tc.doc)); openid4vci.CodeOf(err) != tc.want || (err == nil) != (tc.want == "") {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	for _, tc := range []struct {
		name, doc string
		ok        bool
	}{
		{"VCI-NT-01 accepted", `{"notification_id":"n","event":"credential_accepted","x":1}`, true},
		{"VCI-NT-01 described", `{"notification_id":"n","event":"credential_failure","event_description":"storage is full"}`, true},
		{"VCI-NT-01 deleted", `{"notification_id":"n","event":"credential_deleted"}`, true},
		{"VCI-NT-01 other event", `{"notification_id":"n","event":"credential_lost"}`, false},
		{"VCI-NT-01 upper case", `{"notification_id":"n","event":"CREDENTIAL_ACCEPTED"}`, false},
		{"VCI-NT-01 no id", `{"event":"credential_accepted"}`, false},
		{"VCI-NT-01 no event", `{"notification_id":"n"}`, false},
		{"VCI-NT-01 description with a quote", `{"notification_id":"n","event":"credential_failure","event_description":"\""}`, false},
		{"VCI-NT-01 description in Japanese", `{"notification_id":"n","event":"credential_failure","event_description":"満杯"}`, false},
		{"I35 duplicate", `{"notification_id":"n","event":"credential_accepted","event":"credential_accepted"}`, false},
	} {
		_, err := openid4vci.ParseNotificationRequest([]byte(tc.doc))
		if (err == nil) != tc.ok || !tc.ok && openid4vci.CodeOf(err) != openid4vci.CodeInvalidNotificationRequest {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func ExampleParseCredentialRequest() {
	_, err := openid4vci.ParseCredentialRequest([]byte(`{"proofs":{"jwt":["…"]}}`))
	fmt.Println(err)
	// Output: openid4vci: invalid_credential_request: exactly one of credential_identifier and credential_configuration_id is needed
}

func FuzzCredentialRequest(f *testing.F) {
	f.Add([]byte(`{"credential_configuration_id":"a","proofs":{"jwt":["p"]}}`))
	f.Add([]byte(`{"credential_identifier":"a","proofs":{"attestation":["p"]},"credential_response_encryption":{"jwk":` + requestJWK + `,"enc":"A128GCM"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := openid4vci.ParseCredentialRequest(data)
		if err != nil {
			if openid4vci.CodeOf(err) == "" {
				t.Errorf("error without a code: %v", err)
			}
			return
		}
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := openid4vci.ParseCredentialRequest(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Error(diff)
		}
	})
}
