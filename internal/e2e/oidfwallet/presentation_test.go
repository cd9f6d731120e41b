package oidfwallet_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/internal/e2e/wire"
	"github.com/tegata-id/tegata/wallet/holder"
)

// happy is what the queries of most modules ask for.
var happy = map[string]string{"given_name": "Jean", "family_name": "Dupont"}

// TestPresentation has the positive modules oid4vp-1final-wallet-….
func TestPresentation(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		// applies says for which combinations the suite has the module.
		applies func(mode) bool
		edit    func(*verifier)
		want    map[string]string
	}{
		"happy-flow":           {edit: func(*verifier) {}, want: happy},
		"alternate-happy-flow": {edit: alternate, want: happy},
		"request-uri-method-post": {
			applies: func(m mode) bool { return !m.dcapi() && m.method == "request_uri_signed" },
			edit:    func(v *verifier) { v.post = true }, want: happy,
		},
		"ignores-unusable-encryption-key": {
			applies: mode.encrypted, want: happy,
			edit: func(v *verifier) {
				set := v.params["client_metadata"].(object)["jwks"].(object)
				set["keys"] = append([]any{
					object{"kty": "AKP", "alg": "ML-DSA-44", "kid": "akp", "pub": "AAAA"}, object{"kty": "made-up", "kid": "made-up", "use": "enc"},
				}, set["keys"].([]any)...)
			},
		},
		"fewer-claims-than-available": {
			edit: func(v *verifier) { v.params["dcql_query"] = v.query("family_name") }, want: map[string]string{"family_name": "Dupont"},
		},
		"optional-credential-set": {
			edit: func(v *verifier) {
				q := v.query("given_name", "family_name")
				q["credentials"] = append(q["credentials"].([]any), object{
					"id": "other", "format": "dc+sd-jwt", "meta": object{"vct_values": []string{"urn:nobody:has:this"}}, "claims": []any{object{"path": []string{"a"}}},
				})
				q["credential_sets"] = []any{object{"options": []any{[]string{"my_credential"}}}, object{"options": []any{[]string{"other"}}, "required": false}}
				v.params["dcql_query"] = q
			}, want: happy,
		},
		"no-claims-in-dcql-query": {edit: func(v *verifier) { v.params["dcql_query"] = v.query() }, want: map[string]string{}},
		"multisigned-one-invalid-signature": {
			applies: func(m mode) bool { return m.method == "request_uri_multisigned" }, want: happy,
			edit: func(v *verifier) {
				done := false
				v.object = func(jws string) string {
					if done {
						return jws
					}
					done = true
					return wire.Spoil(jws)
				}
			},
		},
	} {
		for _, m := range modes() {
			if tt.applies != nil && !tt.applies(m) {
				continue
			}
			t.Run(name+"/"+m.String(), func(t *testing.T) {
				t.Parallel()
				v := newVerifier(t, m)
				tt.edit(v)
				answer, outcome, err := v.present(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got, err := v.verified(answer)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if !m.dcapi() && outcome.RedirectURI != v.redirect {
					t.Errorf("the wallet goes to %q", outcome.RedirectURI)
				}
				if v.post && (len(v.fetched) != 1 || v.fetched[0].Get("wallet_nonce") == "") {
					t.Errorf("posted for the request: %v", v.fetched)
				}
			})
		}
	}
}

// alternate is everything that a verifier may do otherwise.
func alternate(v *verifier) {
	v.params["nonce"] = wire.Hash(rand.Text())
	v.params["random_parameter"] = rand.Text()
	delete(v.params["client_metadata"].(object)["jwks"].(object)["keys"].([]any)[0].(object), "use")
	v.reordered = true
	switch {
	case v.prefix == "web-origin":
		v.params["client_id"], v.params["expected_origins"] = "x509_hash:ignored", []string{"https://other.test.invalid"}
	case v.dcapi():
		v.params["iss"] = "https://other.test.invalid"
	case v.prefix == "redirect_uri":
		delete(v.params, "response_uri")
		v.params["state"] = strings.Repeat("s", 64)
	default:
		v.params["iss"], v.params["state"] = "https://other.test.invalid", strings.Repeat("s", 64)
	}
}

// TestNegPresentation has the modules oid4vp-1final-wallet-negative-test-…: no
// vp_token comes, and whoever has not proved who they are is told nothing.
func TestNegPresentation(t *testing.T) {
	t.Parallel()
	signed := func(m mode) bool { return m.method == "request_uri_signed" }
	redirected := func(m mode) bool { return !m.dcapi() }
	for name, tt := range map[string]struct {
		applies func(mode) bool
		edit    func(*verifier)
		// code is what the verifier is told, if anything; over the Digital
		// Credentials API the page is told invalid_request in its place.
		code string
		want error
	}{
		"response-uri-not-client-id": {
			applies: func(m mode) bool { return m.prefix == "redirect_uri" },
			edit:    func(v *verifier) { v.params["response_uri"] = v.id + "response?other" },
		},
		"invalid-request-object-signature": {
			applies: func(m mode) bool { return signed(m) || m.method == "request_uri_multisigned" },
			edit:    func(v *verifier) { v.object = wire.Spoil },
		},
		"mismatched-client-id": {
			applies: func(m mode) bool { return signed(m) && redirected(m) },
			edit:    func(v *verifier) { v.linkID += "x" },
		},
		"redirect-uri-with-direct-post": {
			applies: redirected, edit: func(v *verifier) { v.params["redirect_uri"] = v.id + "done" }, code: "invalid_request",
		},
		"missing-nonce": {edit: func(v *verifier) { delete(v.params, "nonce") }, code: "invalid_request"},
		"wrong-expected-origins": {
			applies: func(m mode) bool { return m.dcapi() && m.prefix != "web-origin" },
			edit:    func(v *verifier) { v.params["expected_origins"] = []string{origin + ".other.test.invalid"} },
		},
		"invalid-client-id-prefix": {
			applies: signed,
			edit: func(v *verifier) {
				v.params["client_id"] = "invalid_prefix:" + wire.Text(v.params, "client_id")
				v.linkID = wire.Text(v.params, "client_id")
			},
		},
		"unknown-transaction-data-type": {
			edit: func(v *verifier) {
				data := wire.JSON(object{"type": "urn:unknown", "credential_ids": []string{"my_credential"}})
				v.params["transaction_data"] = []string{wire.B64(data)}
			}, code: "invalid_transaction_data",
		},
		"required-non-matching-credential": {
			edit: func(v *verifier) {
				q := v.query("given_name")
				q["credentials"] = append(q["credentials"].([]any), object{
					"id": "other", "format": "dc+sd-jwt", "meta": object{"vct_values": []string{"urn:nobody:has:this"}},
				})
				v.params["dcql_query"] = q
			}, code: "access_denied", want: holder.ErrNoMatch,
		},
	} {
		for _, m := range modes() {
			if tt.applies != nil && !tt.applies(m) {
				continue
			}
			t.Run(name+"/"+m.String(), func(t *testing.T) {
				t.Parallel()
				v := newVerifier(t, m)
				tt.edit(v)
				answer, outcome, err := v.present(t.Context())
				if err == nil || outcome.Presented != nil || tt.want != nil && !errors.Is(err, tt.want) {
					t.Fatalf("%v, %v", answer, err)
				}
				var told object
				switch {
				case m.dcapi() && tt.code == "":
					told = object{"error": "invalid_request"}
				case tt.code != "":
					told = object{"error": tt.code}
				}
				if diff := cmp.Diff(told, answer); diff != "" {
					t.Errorf("told: %s", diff)
				}
				held, err := v.wallet.Vault.List(t.Context())
				if err != nil || held[0].Uses+held[1].Uses != 0 {
					t.Errorf("a credential was used, %v", err)
				}
				twin := newVerifier(t, m)
				answer, _, err = twin.present(t.Context())
				if err == nil {
					_, err = twin.verified(answer)
				}
				if err != nil {
					t.Errorf("honest twin: %v", err)
				}
			})
		}
	}
}
