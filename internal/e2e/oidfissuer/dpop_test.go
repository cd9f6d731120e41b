package oidfissuer_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// fapiDPoP are about DPoP.
var fapiDPoP = map[string]func(*testing.T, *wallet){
	"access-token-type-header-case-sensitivity": func(t *testing.T, c *wallet) {
		t.Helper()
		c.scheme = "dPOP"
		c.issued(t, c.code(t))
	},
	"check-dpop-proof-nbf-exp": func(t *testing.T, c *wallet) {
		t.Helper()
		c.extra = object{"nbf": c.w.now().Unix(), "exp": c.w.now().Add(time.Minute).Unix()}
		c.issued(t, c.approved(t, c.pushed(t, c.pushBound(t))))
	},
	"ensure-dpopproof-with-iat-10seconds-before-succeeds": func(t *testing.T, c *wallet) {
		t.Helper()
		c.skew = -10 * time.Second
		c.issued(t, c.approved(t, c.pushed(t, c.pushBound(t))))
	},
	"ensure-dpopproof-with-iat-10seconds-after-succeeds": func(t *testing.T, c *wallet) {
		t.Helper()
		c.skew = 10 * time.Second
		c.issued(t, c.approved(t, c.pushed(t, c.pushBound(t))))
	},
	"ensure-mismatched-dpop-jkt-fails": func(t *testing.T, c *wallet) {
		t.Helper()
		c.pushBound(t, set("dpop_jkt", wire.B64(wire.Thumbprint(&wire.NewKey().PublicKey)))).fails(t, "invalid_request", "invalid_dpop_proof")
		c.pushed(t, c.pushBound(t, set("dpop_jkt", wire.B64(wire.Thumbprint(&c.dpop.PublicKey)))))
	},
	"ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt": func(t *testing.T, c *wallet) {
		t.Helper()
		code, right := c.approved(t, c.pushed(t, c.pushBound(t))), c.dpop
		c.dpop = wire.NewKey()
		c.exchange(t, c.tokenForm(code)).fails(t, "invalid_request", "invalid_grant", "invalid_dpop_proof")
		c.dpop = right
		c.issued(t, code)
	},
	"ensure-token-endpoint-fails-with-mismatched-dpop-jkt": func(t *testing.T, c *wallet) {
		t.Helper()
		right := wire.NewKey()
		code := c.code(t, set("dpop_jkt", wire.B64(wire.Thumbprint(&right.PublicKey))))
		c.exchange(t, c.tokenForm(code)).fails(t, "invalid_request", "invalid_grant", "invalid_dpop_proof")
		c.dpop = right
		c.issued(t, code)
	},
	"ensure-dpopproof-at-par-endpoint-binding-success": func(t *testing.T, c *wallet) {
		t.Helper()
		c.issued(t, c.approved(t, c.pushed(t, c.pushBound(t))))
	},
	"ensure-dpop-auth-code-binding-success": func(t *testing.T, c *wallet) {
		t.Helper()
		c.issued(t, c.code(t, set("dpop_jkt", wire.B64(wire.Thumbprint(&c.dpop.PublicKey)))))
	},
	"dpop-negative-tests": dpopNegative,
}

// dpopNegative sends proofs with faults to the credential endpoint.
func dpopNegative(t *testing.T, c *wallet) {
	t.Helper()
	c.accept(t, c.exchange(t, c.tokenForm(c.code(t))))
	address := c.endpoint("credential")
	// What is asked for does not exist, so that accepted requests use nothing up.
	nothing := wire.JSON(object{"credential_configuration_id": "none"})
	send := func(t *testing.T, header http.Header) *reply {
		t.Helper()
		header.Set("Content-Type", "application/json")
		if header.Get("Authorization") == "" {
			header.Set("Authorization", "DPoP "+c.token)
		}
		return c.w.send(t, http.MethodPost, address, header, nothing)
	}
	refused := func(name string, header http.Header) {
		t.Helper()
		r := send(t, header)
		challenge := r.header.Get("WWW-Authenticate")
		if r.status != http.StatusUnauthorized || !strings.HasPrefix(challenge, "DPoP ") {
			t.Errorf("%s: %d %s %s", name, r.status, challenge, r.body)
		}
	}
	with := func(header, claims object) http.Header {
		return http.Header{"Dpop": {c.proof(t, address, c.token, header, claims)}}
	}
	for _, name := range []string{"typ", "jwk"} {
		refused("no "+name, with(object{name: nil}, nil))
	}
	for _, name := range []string{"jti", "htm", "htu", "iat", "ath"} {
		refused("no "+name, with(nil, object{name: nil}))
	}
	private := wire.JWK(&c.dpop.PublicKey)
	d, err := c.dpop.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	private["d"] = wire.B64(d)
	now := c.w.now()
	for name, change := range map[string][2]object{
		"no alg":            {{"alg": nil}},
		"typ":               {{"typ": "JWT"}},
		"alg none":          {{"alg": "none"}},
		"private key":       {{"jwk": private}},
		"htm":               {nil, {"htm": "GET"}},
		"htu":               {nil, {"htu": c.endpoint("token")}},
		"iat an hour ago":   {nil, {"iat": now.Add(-time.Hour).Unix()}},
		"iat in an hour":    {nil, {"iat": now.Add(time.Hour).Unix()}},
		"ath":               {nil, {"ath": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"}},
		"key of the header": {{"jwk": wire.JWK(&wire.NewKey().PublicKey)}},
	} {
		refused(name, with(change[0], change[1]))
	}
	other := *c
	other.dpop = wire.NewKey()
	refused("another key", http.Header{"Dpop": {other.proof(t, address, c.token, nil, nil)}})
	refused("bad signature", http.Header{"Dpop": {wire.Spoil(c.proof(t, address, c.token, nil, nil))}})
	refused("malformed", http.Header{"Dpop": {"this is no proof"}})
	refused("two", http.Header{"Dpop": {c.proof(t, address, c.token, nil, nil), c.proof(t, address, c.token, nil, nil)}})
	refused("none", http.Header{})
	bearer := with(nil, nil)
	bearer.Set("Authorization", "Bearer "+c.token)
	refused("Bearer", bearer)
	once := c.proof(t, address, c.token, nil, nil)
	send(t, http.Header{"Dpop": {once}}).fails(t, "unknown_credential_configuration")
	refused("jti again", http.Header{"Dpop": {once}})

	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string]http.Header{
		"htu with query":     with(nil, object{"htu": address + "?a=b"}),
		"htu with fragment":  with(nil, object{"htu": address + "#f"}),
		"htu in capitals":    with(nil, object{"htu": "HTTPS://" + strings.ToUpper(u.Host) + u.Path}),
		"further claims":     with(nil, object{"foo": "bar"}),
		"header in capitals": {"DPOP": {c.proof(t, address, c.token, nil, nil)}},
	} {
		if r := send(t, header); r.status != http.StatusBadRequest || wire.Text(r.json(t), "error") != "unknown_credential_configuration" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	c.issuedByToken(t)
}
