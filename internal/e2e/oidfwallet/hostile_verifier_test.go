package oidfwallet_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/wallet/holder"
)

// TestNegHostileVerifier has a verifier do its worst where the request comes from
// and where the answer goes.
func TestNegHostileVerifier(t *testing.T) {
	t.Parallel()
	m := mode{"x509_hash", "direct_post.jwt", "request_uri_signed", false}
	for name, attack := range hostile {
		for _, post := range []bool{false, true} {
			method := map[bool]string{false: "GET", true: "POST"}[post]
			t.Run("request "+method+"/"+name, func(t *testing.T) {
				t.Parallel()
				v := newVerifier(t, m)
				v.post = post
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				v.instead = attack(cancel)
				if answer, outcome, err := v.present(ctx); err == nil || answer != nil || outcome.RedirectURI != "" {
					t.Errorf("%v, %+v, %v", answer, outcome, err)
				}
				if v.called(method+" request") == 0 || v.called("GET elsewhere")+v.called("POST elsewhere") > 0 {
					t.Errorf("the wallet asked for %v", v.calls)
				}
			})
		}
		t.Run("response/"+name, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, m)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			v.answer = attack(cancel)
			_, outcome, err := v.present(ctx)
			// An answer without redirect_uri is one that direct_post knows.
			mild := name == "empty object" || name == "no type"
			if (err == nil) != mild && name != "no type" || outcome.RedirectURI != "" || v.called("POST elsewhere") > 0 {
				t.Errorf("%+v, %v", outcome, err)
			}
		})
	}
	for name, tt := range map[string]struct {
		edit func(*verifier)
		want error
	}{
		"response_uri inside":             {func(v *verifier) { v.params["response_uri"] = private }, fetch.ErrBlocked},
		"response_uri by http":            {func(v *verifier) { v.params["response_uri"] = "http://verifier.test.invalid/" }, nil},
		"VP-CI-09 origin":                 {func(v *verifier) { v.params["client_id"], v.linkID = "origin:"+origin, "origin:"+origin }, nil},
		"VP-RQ-13 for another wallet":     {func(v *verifier) { v.params["aud"] = "https://other.test.invalid" }, nil},
		"expired":                         {func(v *verifier) { v.params["exp"] = 1700000000 }, nil},
		"from the future":                 {func(v *verifier) { v.params["iat"] = 4000000000 }, nil},
		"VP-RQ-06 nonce that is no token": {func(v *verifier) { v.params["nonce"] = "a nonce with spaces" }, nil},
		"request in a request":            {func(v *verifier) { v.params["request_uri"] = v.id + "request" }, nil},
		"answer over the browser's API":   {func(v *verifier) { v.params["response_mode"] = "dc_api.jwt" }, nil},
		"answer in a fragment":            {func(v *verifier) { v.params["response_mode"] = "fragment" }, nil},
		"VP-RS-09 no key to encrypt to":   {func(v *verifier) { v.params["client_metadata"].(object)["jwks"] = object{"keys": []any{}} }, nil},
		"DCQL-15 option that is no query": {func(v *verifier) {
			v.params["dcql_query"].(object)["credential_sets"] = []any{object{"options": []any{[]string{"x"}}}}
		}, nil},
		"no query":                           {func(v *verifier) { delete(v.params, "dcql_query") }, nil},
		"VP-CI-05 verifier nobody trusts":    {func(v *verifier) { v.signer = v.doc; v.identify() }, nil},
		"VP-CI-05 hash of another":           {func(v *verifier) { v.signer = v.rest }, nil},
		"cut off":                            {func(v *verifier) { v.object = func(s string) string { return s[:strings.LastIndexByte(s, '.')+1] } }, nil},
		"DCQL-10 value that nobody has":      {func(v *verifier) { v.params["dcql_query"] = v.valued("given_name", "Marie") }, holder.ErrNoMatch},
		"DCQL-12 claim that nobody has":      {func(v *verifier) { v.params["dcql_query"] = v.query("given_name", "portrait") }, holder.ErrNoMatch},
		"redirect_uri of the answer: script": {func(v *verifier) { v.redirect = "javascript:alert(1)" }, nil},
		"redirect_uri of the answer: http":   {func(v *verifier) { v.redirect = "http://verifier.test.invalid/" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, m)
			tt.edit(v)
			answer, outcome, err := v.present(t.Context())
			if err == nil || outcome.RedirectURI != "" && outcome.RedirectURI != v.redirect || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%+v, %v", outcome, err)
			}
			if answer["vp_token"] != nil && !strings.HasPrefix(name, "redirect_uri") {
				t.Errorf("the wallet presented %v", answer)
			}
		})
	}
	t.Run("honest", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, m)
		answer, _, err := v.present(t.Context())
		if err == nil {
			_, err = v.verified(answer)
		}
		if err != nil {
			t.Error(err)
		}
	})
}
