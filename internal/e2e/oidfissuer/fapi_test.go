package oidfissuer_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// TestFAPI runs the modules of the FAPI 2.0 security profile in the plan
// oid4vci-1_0-issuer-haip-test-plan, and those that are for private_key_jwt
// alone, which that plan leaves out.
func TestFAPI(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	both := []variant{{format: "sd_jwt_vc", auth: "client_attestation"}, {format: "sd_jwt_vc", auth: "private_key_jwt"}}
	run := func(modules map[string]func(*testing.T, *wallet), variants []variant) {
		for name, module := range modules {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, v := range variants {
					t.Run(v.auth, func(t *testing.T) { module(t, w.wallet(t, v)) })
				}
			})
		}
	}
	run(fapiRequests, both)
	run(fapiTokens, both)
	run(fapiDPoP, both)
	run(fapiAssertions, both[1:])
	run(map[string]func(*testing.T, *wallet){"refresh-token": refreshToken}, both)
	t.Run("discovery-end-point-verification", func(t *testing.T) { t.Parallel(); w.checkServer(t) })
	t.Run("ensure-token-endpoint-fails-with-expired-auth-code", func(t *testing.T) { t.Parallel(); expiredCode(t) })
	t.Run("par-attempt-to-use-expired-request_uri", func(t *testing.T) { t.Parallel(); expiredRequest(t) })
}

// issued goes on from a code to a credential.
func (c *wallet) issued(t *testing.T, code string) {
	t.Helper()
	c.accept(t, c.exchange(t, c.tokenForm(code)))
	c.issuedByToken(t)
}

func (c *wallet) issuedByToken(t *testing.T) {
	t.Helper()
	credentials, _ := c.received(t, c.ask(t, c.credentialRequest(t, nil, c.holder), false))
	c.check(t, credentials[0], &c.holder.PublicKey)
}

// refusedAtPAR is a module whose pushed request is refused, with the honest twin
// after it.
func refusedAtPAR(change edit, codes ...string) func(*testing.T, *wallet) {
	return func(t *testing.T, c *wallet) {
		t.Helper()
		c.push(t, change).fails(t, codes...)
		c.pushed(t, c.push(t))
	}
}

// second returns the second client in the place of the first.
func (c *wallet) second(t *testing.T) *wallet {
	t.Helper()
	return c.w.walletNumber(t, c.variant, 1)
}

// fapiRequests are about the request and the response of the authorization.
var fapiRequests = map[string]func(*testing.T, *wallet){
	"user-rejects-authentication": func(t *testing.T, c *wallet) {
		t.Helper()
		for _, c.redirectURI = range []string{callback, secondReturns} {
			c.state = rand.Text()
			b := c.w.browser(t)
			b.open(t, c.visit(c.pushed(t, c.push(t))))
			b.click(t, "cancel")
			if query := c.returnedWith(t, b); query.Get("error") != "access_denied" || query.Has("code") {
				t.Errorf("response %v", query)
			}
		}
	},
	"ensure-authorization-request-without-state-success": func(t *testing.T, c *wallet) {
		t.Helper()
		c.state = ""
		c.issued(t, c.code(t, without("state")))
	},
	"ensure-authorization-request-with-long-state": func(t *testing.T, c *wallet) {
		t.Helper()
		for len(c.state) < 1000 {
			c.state += rand.Text()
		}
		c.state = c.state[:1000]
		c.issued(t, c.code(t))
	},
	"ensure-different-state-inside-and-outside-request-object": func(t *testing.T, c *wallet) {
		t.Helper()
		b := c.w.browser(t)
		b.open(t, c.visit(c.pushed(t, c.push(t)), "state", "another-state"))
		b.approve(t)
		c.issued(t, c.returned(t, b))
	},
	"state-only-outside-request-object-not-used": func(t *testing.T, c *wallet) {
		t.Helper()
		requestURI := c.pushed(t, c.push(t, without("state")))
		b := c.w.browser(t)
		b.open(t, c.visit(requestURI, "state", "outside"))
		b.approve(t)
		c.state = ""
		c.issued(t, c.returned(t, b))
	},
	"par-without-duplicate-parameters": func(t *testing.T, c *wallet) {
		t.Helper()
		b := c.w.browser(t)
		b.open(t, c.endpoint("authorization")+"?"+url.Values{"client_id": {c.id}, "request_uri": {c.pushed(t, c.push(t))}}.Encode())
		b.approve(t)
		c.issued(t, c.returned(t, b))
	},
	"ensure-request-object-without-redirect-uri-fails": refusedAtPAR(without("redirect_uri"), "invalid_request", "invalid_request_object"),
	"ensure-redirect-uri-in-authorization-request":     refusedAtPAR(without("redirect_uri"), "invalid_request", "invalid_request_object"),
	"plain-fapi-tolerate-unregistered-redirect-uri":    refusedAtPAR(set("redirect_uri", callback+"/unregistered"), "invalid_request"),
	"ensure-response-type-code-idtoken-fails":          refusedAtPAR(set("response_type", "code id_token"), "unsupported_response_type", "invalid_request", "unauthorized_client"),
	"ensure-response-type-token-fails":                 refusedAtPAR(set("response_type", "token"), "unsupported_response_type", "invalid_request", "unauthorized_client"),
	"par-ensure-pkce-required": refusedAtPAR(func(f url.Values, _ http.Header) {
		f.Del("code_challenge")
		f.Del("code_challenge_method")
	}, "invalid_request"),
	"par-plain-pkce-rejected": refusedAtPAR(func(f url.Values, _ http.Header) {
		f.Set("code_challenge_method", "plain")
		f.Set("code_challenge", rand.Text()+rand.Text())
	}, "invalid_request"),
	"par-authorization-request-containing-request_uri-form-param": refusedAtPAR(
		set("request_uri", "urn:ietf:params:oauth:request_uri:x"), "invalid_request", "invalid_request_object", "request_uri_not_supported"),
	"ensure-unsigned-authorization-request-without-using-par-fails": func(t *testing.T, c *wallet) {
		t.Helper()
		b := c.w.browser(t)
		b.open(t, c.endpoint("authorization")+"?"+c.request().Encode())
		b.failed(t, "invalid_request")
	},
	"par-attempt-invalid-http-method": func(t *testing.T, c *wallet) {
		t.Helper()
		for _, method := range []string{http.MethodPut, http.MethodGet} {
			if r := c.w.send(t, method, c.endpoint("pushed_authorization_request"), nil, nil); r.status != http.StatusMethodNotAllowed {
				t.Errorf("%s: %d", method, r.status)
			}
		}
	},
	"par-ensure-reused-request-uri-prior-to-auth-completion-succeeds": func(t *testing.T, c *wallet) {
		t.Helper()
		requestURI := c.pushed(t, c.push(t))
		c.w.browser(t).open(t, c.visit(requestURI))
		c.issued(t, c.approved(t, requestURI))
	},
	"par-attempt-reuse-request_uri": func(t *testing.T, c *wallet) {
		t.Helper()
		requestURI := c.pushed(t, c.push(t))
		c.issued(t, c.approved(t, requestURI))
		b := c.w.browser(t)
		b.open(t, c.visit(requestURI))
		b.failed(t, "invalid_request_uri")
	},
	"par-attempt-to-use-request_uri-for-different-client": func(t *testing.T, c *wallet) {
		t.Helper()
		requestURI := c.pushed(t, c.push(t))
		b := c.w.browser(t)
		b.open(t, c.visit(requestURI, "client_id", c.second(t).id))
		b.failed(t, "invalid_request", "invalid_request_object", "invalid_request_uri")
		c.issued(t, c.approved(t, requestURI))
	},
}

// refusedAtToken is a module whose token request is refused, with the honest twin
// after it: the code is still good.
func refusedAtToken(change edit, codes ...string) func(*testing.T, *wallet) {
	return func(t *testing.T, c *wallet) {
		t.Helper()
		code := c.code(t)
		c.exchange(t, c.tokenForm(code), change).fails(t, codes...)
		c.issued(t, code)
	}
}

// fapiTokens are about the token request.
var fapiTokens = map[string]func(*testing.T, *wallet){
	"happy-flow": func(t *testing.T, c *wallet) {
		t.Helper()
		c.happy(t, true)
		r := c.w.send(t, http.MethodPost, c.endpoint("credential")+"?access_token="+c.token, http.Header{"Content-Type": {"application/json"}}, []byte("{}"))
		if r.status < 400 || r.status > 499 {
			t.Errorf("token in the query: %d", r.status)
		}
		second := c.second(t)
		second.redirectURI = secondReturns
		second.issued(t, second.code(t, set("dpop_jkt", wire.B64(wire.Thumbprint(&second.dpop.PublicKey)))))
		c.token = second.token
		if r := c.protected(t, "credential", "application/json", wire.JSON(c.credentialRequest(t, nil, c.holder))); r.status < 400 || r.status > 499 {
			t.Errorf("token of another client: %d", r.status)
		}
		c.w.checkTLS(t, c.endpoint("credential"))
	},
	"ensure-pkce-code-verifier-required":    refusedAtToken(without("code_verifier"), "invalid_grant"),
	"incorrect-pkce-code-verifier-rejected": refusedAtToken(set("code_verifier", strings.Repeat("x", 43)), "invalid_grant"),
	"ensure-holder-of-key-required": func(t *testing.T, c *wallet) {
		t.Helper()
		refusedAtToken(withoutHeader("DPoP"), "invalid_request", "invalid_grant", "invalid_dpop_proof")(t, c)
		c.w.checkTLS(t, c.endpoint("authorization"))
		c.w.checkTLS(t, c.endpoint("token"))
	},
	"ensure-client-id-in-token-endpoint": func(t *testing.T, c *wallet) {
		t.Helper()
		code := c.code(t)
		if r := c.exchange(t, c.tokenForm(code), set("client_id", c.second(t).id)); r.status != http.StatusOK {
			r.fails(t, "invalid_client", "invalid_grant")
		} else {
			t.Error("the client_id of another client is accepted")
		}
		c.issued(t, code)
	},
	"ensure-authorization-code-is-bound-to-client": func(t *testing.T, c *wallet) {
		t.Helper()
		code, second := c.code(t), c.second(t)
		second.verifier = c.verifier
		second.exchange(t, second.tokenForm(code)).fails(t, "invalid_grant")
		c.issued(t, code)
	},
	"attempt-reuse-authorization-code-after-one-second": func(t *testing.T, c *wallet) {
		t.Helper()
		code := c.code(t)
		c.issued(t, code)
		c.w.advance(time.Second)
		c.exchange(t, c.tokenForm(code)).fails(t, "invalid_grant")
		if r := c.ask(t, c.credentialRequest(t, nil, c.holder), false); r.status != http.StatusUnauthorized {
			t.Errorf("the access token is still good: %d", r.status)
		}
	},
}

// expiredCode waits longer than a code may live, by a clock of its own.
func expiredCode(t *testing.T) {
	t.Helper()
	w := start(t, nil)
	c := w.wallet(t, haip[0])
	inTime, late := c.code(t), c.code(t)
	w.advance(50 * time.Second)
	c.issued(t, inTime)
	w.advance(12 * time.Second)
	c.exchange(t, c.tokenForm(late)).fails(t, "invalid_grant")
}

// expiredRequest waits for expires_in, by a clock of its own.
func expiredRequest(t *testing.T) {
	t.Helper()
	w := start(t, nil)
	c := w.wallet(t, haip[0])
	inTime, r := c.pushed(t, c.push(t)), c.push(t)
	late := c.pushed(t, r)
	expires, _ := r.json(t)["expires_in"].(float64)
	w.advance(time.Duration(expires)*time.Second - 5*time.Second)
	c.issued(t, c.approved(t, inTime))
	w.advance(6 * time.Second)
	b := w.browser(t)
	b.open(t, c.visit(late))
	b.failed(t, "invalid_request_uri")
}

// assertionWith puts a client assertion with changed claims into the request.
func assertionWith(t *testing.T, c *wallet, changes func() object) edit {
	t.Helper()
	return set("client_assertion", c.assertion(t, changes()))
}

// badAssertion is a module whose client assertion is refused at the PAR and the
// token endpoint.
func badAssertion(changes func(c *wallet) object) func(*testing.T, *wallet) {
	return func(t *testing.T, c *wallet) {
		t.Helper()
		code := c.code(t)
		with := func() edit { return assertionWith(t, c, func() object { return changes(c) }) }
		c.push(t, with()).fails(t, "invalid_client")
		c.exchange(t, c.tokenForm(code), with()).fails(t, "invalid_client")
		c.issued(t, code)
	}
}

// fapiAssertions are for clients with private_key_jwt.
var fapiAssertions = map[string]func(*testing.T, *wallet){
	"ensure-signed-client-assertion-with-RS256-fails": func(t *testing.T, c *wallet) {
		t.Helper()
		c.push(t, set("client_assertion", signRS256(t, object{
			"iss": c.id, "sub": c.id, "aud": wire.Text(c.w.server, "issuer"), "jti": rand.Text(), "exp": c.w.now().Add(time.Minute).Unix(),
		}))).fails(t, "invalid_client")
		c.pushed(t, c.push(t))
	},
	"ensure-client-assertion-in-token-endpoint": refusedAtToken(func(f url.Values, _ http.Header) {
		f.Del("client_assertion")
		f.Del("client_assertion_type")
	}, "invalid_client"),
	"ensure-client-assertion-with-exp-is-5-minutes-in-past-fails": badAssertion(func(c *wallet) object {
		return object{"exp": c.w.now().Add(-5 * time.Minute).Unix()}
	}),
	"ensure-client-assertion-with-wrong-aud-fails": badAssertion(func(*wallet) object { return object{"aud": "https://other.example"} }),
	"ensure-client-assertion-with-no-sub-fails":    badAssertion(func(*wallet) object { return object{"sub": nil} }),
	"par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted": func(t *testing.T, c *wallet) {
		t.Helper()
		c.pushed(t, c.push(t, assertionWith(t, c, func() object {
			at := c.w.now().Add(8 * time.Second).Unix()
			return object{"iat": at, "nbf": at}
		})))
	},
	"par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails": badAssertion(func(c *wallet) object {
		return object{"nbf": c.w.now().Add(70 * time.Second).Unix(), "exp": c.w.now().Add(2 * time.Minute).Unix()}
	}),
	"par-test-array-as-audience-fails": badAssertion(func(c *wallet) object { return object{"aud": []string{wire.Text(c.w.server, "issuer")}} }),
	"par-test-par-endpoint-url-as-audience-fails": badAssertion(func(c *wallet) object {
		return object{"aud": c.endpoint("pushed_authorization_request")}
	}),
	"par-test-token-endpoint-url-as-audience-fails": badAssertion(func(c *wallet) object { return object{"aud": c.endpoint("token")} }),
}
