package oidfwallet_test

import (
	"errors"
	"testing"

	"github.com/tegata-id/tegata/internal/e2e/wire"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/wallet/holder"
)

// private is where no wallet may be sent to.
const private = "https://10.0.0.1/x"

// TestNegLyingIssuer has issuers that contradict themselves, the specification or
// the wallet. After last nothing is asked for.
func TestNegLyingIssuer(t *testing.T) {
	t.Parallel()
	metadata := func(name string, value any) func(*issuer) {
		return func(s *issuer) { s.editMetadata = func(m object) { m[name] = value } }
	}
	server := func(name string, value any) func(*issuer) {
		return func(s *issuer) { s.editServer = func(m object) { m[name] = value } }
	}
	offer := func(name string, value any) func(*issuer) {
		return func(s *issuer) { s.editOffer = func(o object) { o[name] = value } }
	}
	payload := func(name string, value any) func(*issuer) {
		return func(s *issuer) { s.editSDJWT = func(_ int, p object) { p[name] = value } }
	}
	answer := func(edit func(object)) func(*issuer) { return func(s *issuer) { s.editAnswer = edit } }
	const afterIssuer, afterServer, afterCredential = "GET " + issuerMetadata, "GET " + serverMetadata, "POST credential"
	for name, tt := range map[string]struct {
		edit func(*issuer)
		// last is empty where the wallet must not even begin. failed says that the
		// issuer is told of a failure.
		last   string
		failed bool
		want   error
	}{
		"VCI-OFF-02 no configurations":          {edit: offer("credential_configuration_ids", []string{})},
		"VCI-OFF-02 one twice":                  {edit: offer("credential_configuration_ids", []string{vct, vct})},
		"VCI-MD-01 by http":                     {edit: offer("credential_issuer", "http://issuer.test.invalid")},
		"VCI-MD-01 with a query":                {edit: offer("credential_issuer", "https://issuer.test.invalid/?a=b")},
		"private address":                       {edit: offer("credential_issuer", private), want: fetch.ErrBlocked},
		"VCI-OFF-03 unknown configuration":      {edit: offer("credential_configuration_ids", []string{"unknown"}), last: afterIssuer},
		"VCI-MD-06 other issuer":                {edit: metadata("credential_issuer", "https://other.test.invalid"), last: afterIssuer},
		"VCI-MD-10 credential endpoint by http": {edit: metadata("credential_endpoint", "http://issuer.test.invalid/c"), last: afterIssuer},
		"VCI-MD-10 nonce endpoint by http":      {edit: metadata("nonce_endpoint", "http://issuer.test.invalid/n"), last: afterIssuer},
		"VCI-MD-10 deferred endpoint by http":   {edit: metadata("deferred_credential_endpoint", "http://issuer.test.invalid/d"), last: afterIssuer},
		"VCI-OFF-07 server that is not listed": {
			edit: offer("grants", object{"authorization_code": object{"authorization_server": "https://other.test.invalid"}}), last: afterIssuer,
		},
		"server at a private address":       {edit: metadata("authorization_servers", []string{private}), last: afterIssuer, want: fetch.ErrBlocked},
		"nonce endpoint inside":             {edit: metadata("nonce_endpoint", private), last: "", want: fetch.ErrBlocked},
		"credential endpoint inside":        {edit: metadata("credential_endpoint", private), last: "POST nonce", want: fetch.ErrBlocked},
		"token endpoint inside":             {edit: server("token_endpoint", private), last: "GET authorize", want: fetch.ErrBlocked},
		"pushed requests inside":            {edit: server("pushed_authorization_request_endpoint", private), last: afterServer, want: fetch.ErrBlocked},
		"challenges inside":                 {edit: server("challenge_endpoint", private), last: afterServer, want: fetch.ErrBlocked},
		"a script to be opened":             {edit: server("authorization_endpoint", "javascript:alert(1)"), last: afterServer},
		"VCI-AZ-08 no PKCE":                 {edit: server("code_challenge_methods_supported", []string{"plain"}), last: afterServer},
		"HAIP-04 no DPoP":                   {edit: server("dpop_signing_alg_values_supported", nil), last: afterServer},
		"VCI-AZ-09 no iss":                  {edit: server("authorization_response_iss_parameter_supported", false), last: afterServer},
		"FAPI-06 token for whoever has it":  {edit: func(s *issuer) { s.editToken = func(o object) { o["token_type"] = "Bearer" } }, last: "POST token"},
		"EU-W-03 other vct":                 {edit: payload("vct", "urn:other"), last: afterCredential, failed: true, want: holder.ErrCredential},
		"EU-W-03 other key":                 {edit: payload("cnf", object{"jwk": wire.JWK(&wire.NewKey().PublicKey)}), last: afterCredential, failed: true, want: holder.ErrCredential},
		"HAIP-30 no key":                    {edit: payload("cnf", nil), last: afterCredential, failed: true, want: holder.ErrCredential},
		"EU-W-03 expired":                   {edit: payload("exp", 1700000000), last: afterCredential, failed: true, want: holder.ErrCredential},
		"EU-W-03 claims of one copy differ": {edit: func(s *issuer) { s.editSDJWT = func(n int, p object) { p["n"] = n } }, last: afterCredential, failed: true, want: holder.ErrCredential},
		"EU-W-03 issuer that is not trusted": {
			edit: func(s *issuer) { s.authority = stranger(s.authority) }, last: afterCredential, failed: true, want: holder.ErrCredential,
		},
		"VCI-CR-12 more than was asked for": {edit: answer(func(o object) {
			list := o["credentials"].([]any)
			o["credentials"] = append(list, list[0])
		}), last: afterCredential, failed: true, want: holder.ErrCredential},
		"VCI-CR-12 the same twice": {edit: answer(func(o object) {
			list := o["credentials"].([]any)
			o["credentials"] = []any{list[0], list[0]}
		}), last: afterCredential, failed: true, want: holder.ErrCredential},
		"both issued and deferred": {edit: answer(func(o object) { o["transaction_id"] = "t" }), last: afterCredential},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newIssuer(t, variant{proof: "jwt"})
			tt.edit(s)
			held, w, err := s.offered()
			all, listErr := w.Vault.List(t.Context())
			if err == nil || len(held)+len(all) > 0 || listErr != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%d credentials, %d in the vault, %v, %v", len(held), len(all), err, listErr)
			}
			more := s.calls
			if tt.last != "" {
				more = s.after(tt.last)
			}
			for _, c := range more {
				switch {
				case tt.failed && c == "POST notification", c == tt.last:
				case tt.last == "" && tt.want == nil, tt.last != "":
					t.Errorf("then the wallet asked for %s", c)
				}
			}
			if failed := len(s.events) == 1 && s.events[0] == "credential_failure"; failed != tt.failed {
				t.Errorf("the issuer was told %v", s.events)
			}
			newIssuer(t, variant{proof: "jwt"}).accepted() // the honest twin
		})
	}
}

// stranger is an authority whose signer the wallet does not trust for this format.
func stranger(a *authority) *authority {
	other := *a
	other.sd = a.doc
	return &other
}
