package oidfwallet_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/wallet/holder"
)

// TestFAPI has the modules fapi2-security-profile-final-client-test-… of the HAIP
// plan. Where the wallet must stop, it does nothing more: what it was given up with
// is the last that it asked for.
func TestFAPI(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		edit func(*issuer)
		// last is the call after which there must be no other, if there is to be
		// one. want is the error.
		last string
		want error
	}{
		"happy-path":               {edit: func(*issuer) {}},
		"happy-path-no-dpop-nonce": {edit: func(s *issuer) { s.noNonces = true }},
		"discovery-issuer-mismatch": {
			edit: func(s *issuer) {
				s.editServer = func(m object) { m["issuer"] = strings.TrimSuffix(s.id, "/") }
			}, last: "GET /.well-known/oauth-authorization-server" + strings.TrimSuffix(alias, "/"),
		},
		"invalid-authorization-response-iss": {
			edit: func(s *issuer) { s.editCallback = func(v url.Values) { v.Set("iss", s.id+"invalid") } },
			last: "GET authorize", want: holder.ErrCallback,
		},
		"remove-authorization-response-iss": {
			edit: func(s *issuer) { s.editCallback = func(v url.Values) { v.Del("iss") } },
			last: "GET authorize", want: holder.ErrCallback,
		},
		"ensure-authorization-response-with-invalid-state-fails": {
			edit: func(s *issuer) { s.editCallback = func(v url.Values) { v.Set("state", v.Get("state")+"1") } },
			last: "GET authorize", want: holder.ErrCallback,
		},
		"ensure-authorization-response-with-invalid-missing-state-fails": {
			edit: func(s *issuer) { s.editCallback = func(v url.Values) { v.Del("state") } },
			last: "GET authorize", want: holder.ErrCallback,
		},
		"token-endpoint-response-without-expires_in": {
			edit: func(s *issuer) { s.editToken = func(o object) { delete(o, "expires_in") } },
		},
		"token-type-case-insensitivity": {
			edit: func(s *issuer) { s.editToken = func(o object) { o["token_type"] = "dPoP" } },
		},
		"rs-dpop-auth-scheme-case-insensitivity": {
			edit: func(s *issuer) {
				asked := false
				s.answer["credential"] = func(rw http.ResponseWriter, r *http.Request) {
					if asked {
						s.credential(rw, r)
						return
					}
					asked = true
					s.nonces["resource"] = "a nonce"
					rw.Header().Set("DPoP-Nonce", "a nonce")
					rw.Header().Set("WWW-Authenticate", `dPoP error="use_dpop_nonce"`)
					rw.WriteHeader(http.StatusUnauthorized)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := variant{proof: "jwt", details: true}
			s := newIssuer(t, v)
			tt.edit(s)
			if tt.last == "" {
				s.accepted()
				return
			}
			held, w, err := s.offered()
			if err == nil || held != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%d credentials, %v", len(held), err)
			}
			if more := s.after(tt.last); len(more) > 0 {
				t.Errorf("then the wallet asked for %v", more)
			}
			if all, err := w.Vault.List(t.Context()); len(all) > 0 || err != nil {
				t.Errorf("%d in the vault, %v", len(all), err)
			}
			if slices.Contains(s.calls, "POST token") {
				t.Error("the wallet asked for a token")
			}
			newIssuer(t, v).accepted() // the honest twin
		})
	}
}
