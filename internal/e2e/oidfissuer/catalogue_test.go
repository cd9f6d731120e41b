package oidfissuer_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

// TestNeg has cases of attacks on issuance that no module of the suite has.
func TestNeg(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for name, attack := range map[string]func(*testing.T, *wallet){
		"I26 another holder key than attested":     otherHolderKey,
		"I36 a Host that is not ours":              foreignHost,
		"O01 pushed twice, as an array, by GET":    malformedPush,
		"O12 request objects":                      requestObjects,
		"O14 bodies":                               malformedBodies,
		"O15 revocation of the token of another":   foreignRevocation,
		"O18 public documents hold nothing secret": publicDocuments,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, v := range []variant{haip[0], {format: "sd_jwt_vc", auth: "private_key_jwt"}} {
				t.Run(v.auth, func(t *testing.T) { attack(t, w.wallet(t, v)) })
			}
		})
	}
	t.Run("I28 a notification after the token has ended", func(t *testing.T) { t.Parallel(); lateNotification(t) })
}

// otherHolderKey takes over a token with its DPoP key and asks for a credential
// bound to a key that the wallet's provider has not attested.
func otherHolderKey(t *testing.T, c *wallet) {
	t.Helper()
	c.proofType = "jwt.keyattest"
	identifiers := c.obtain(t)
	thief := wire.NewKey()
	nonce := c.nonce(t)
	request := c.credentialRequest(t, identifiers, c.holder)
	request["proofs"] = object{"jwt": []string{c.keyProof(t, thief, nonce, c.keyAttestation(t, nonce, c.holder), nil)}}
	c.ask(t, request, false).refused(t, "invalid_proof")
	credentials, _ := c.received(t, c.ask(t, c.credentialRequest(t, identifiers, c.holder), false))
	c.check(t, credentials[0], &c.holder.PublicKey)
}

// foreignHost asks for metadata under names that are not the issuer's, which go
// on naming the issuer as it is configured.
func foreignHost(t *testing.T, c *wallet) {
	t.Helper()
	for _, path := range []string{"/.well-known/openid-credential-issuer", "/.well-known/oauth-authorization-server"} {
		honest := c.w.send(t, http.MethodGet, c.w.wellKnown(path), nil, nil)
		forwarded := c.w.send(t, http.MethodGet, c.w.wellKnown(path), http.Header{
			"X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"http"}, "Forwarded": {"host=evil.example;proto=http"},
		}, nil)
		if honest.status != http.StatusOK || string(forwarded.body) != string(honest.body) {
			t.Errorf("%s: %d %s", path, forwarded.status, forwarded.body)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.w.wellKnown(path), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "evil.example"
		response, err := c.w.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(body) != string(honest.body) {
			t.Errorf("%s: for another host %d %s, %v", path, response.StatusCode, body, err)
		}
	}
}

// malformedPush pushes what is no request.
func malformedPush(t *testing.T, c *wallet) {
	t.Helper()
	for name, change := range map[string]edit{
		"client_id twice":    func(f url.Values, _ http.Header) { f.Add("client_id", c.id) },
		"redirect_uri twice": func(f url.Values, _ http.Header) { f.Add("redirect_uri", callback) },
		"scope twice":        func(f url.Values, _ http.Header) { f.Add("scope", "identity_mdoc") },
		"details that are no array": set("authorization_details",
			`{"type":"openid_credential","credential_configuration_id":"identity_sd_jwt"}`),
		"details with a member twice": set("authorization_details",
			`[{"type":"openid_credential","credential_configuration_id":"identity_sd_jwt","credential_configuration_id":"identity_mdoc"}]`),
	} {
		t.Log(name)
		c.push(t, change).fails(t, "invalid_request", "invalid_authorization_details")
	}
	address := c.endpoint("pushed_authorization_request")
	if r := c.w.send(t, http.MethodGet, address+"?"+c.request().Encode(), nil, nil); r.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.status)
	}
	c.w.send(t, http.MethodPost, address, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(c.request().Encode())).
		fails(t, "invalid_client")
	c.pushed(t, c.push(t))
}

// requestObjects pushes request objects, which are not supported: none is taken,
// however it is signed, and nothing that is said beside one either.
func requestObjects(t *testing.T, c *wallet) {
	t.Helper()
	claims := object{"iss": c.id, "aud": wire.Text(c.w.server, "issuer"), "exp": c.w.now().Add(time.Minute).Unix()}
	for name, values := range c.request() {
		claims[name] = values[0]
	}
	signed := wire.Sign(c.instance, object{"typ": "oauth-authz-req+jwt"}, claims)
	unsigned := wire.Sign(c.instance, object{"alg": "none"}, claims)
	for name, change := range map[string]edit{
		"signed":            set("request", signed),
		"unsigned":          set("request", unsigned[:strings.LastIndexByte(unsigned, '.')+1]),
		"signed by another": set("request", wire.Sign(wire.NewKey(), nil, claims)),
		"with request_uri": func(f url.Values, _ http.Header) {
			f.Set("request", signed)
			f.Set("request_uri", "https://suite.example/request.jwt")
		},
	} {
		t.Log(name)
		c.push(t, change).fails(t, "invalid_request", "invalid_request_object", "request_not_supported")
	}
	b := c.w.browser(t)
	b.open(t, c.endpoint("authorization")+"?"+url.Values{"client_id": {c.id}, "request": {signed}}.Encode())
	b.failed(t, "invalid_request", "request_not_supported")
	c.issued(t, c.code(t))
}

// malformedBodies sends token requests in forms that could be read in two ways,
// and one that has no end.
func malformedBodies(t *testing.T, c *wallet) {
	t.Helper()
	code := c.code(t)
	honest := c.tokenForm(code)
	address := c.endpoint("token")
	raw := func(contentType, body string) *reply {
		t.Helper()
		header := http.Header{}
		if contentType != "" {
			header.Set("Content-Type", contentType)
		}
		return c.w.send(t, http.MethodPost, address, header, []byte(body))
	}
	c.exchange(t, honest, func(f url.Values, _ http.Header) { f.Add("code", "another") }).fails(t, "invalid_request")
	c.exchange(t, honest, set("client_id", c.second(t).id)).fails(t, "invalid_client", "invalid_grant")
	for contentType, body := range map[string]string{
		"multipart/form-data; boundary=x":                  "--x\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\na\r\n--x--",
		"application/x-www-form-urlencoded; charset=utf-7": honest.Encode(),
		"application/json":                                 string(wire.JSON(object{"grant_type": "authorization_code", "code": code})),
		"":                                                 honest.Encode(),
	} {
		if r := raw(contentType, body); r.status != http.StatusUnsupportedMediaType && r.status != http.StatusBadRequest {
			t.Errorf("%q: %d %s", contentType, r.status, r.body)
		}
	}
	if r := raw("application/x-www-form-urlencoded", "code="+strings.Repeat("a", 1<<20)); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a megabyte: %d", r.status)
	}
	c.issued(t, code)
}

// foreignRevocation revokes the token of another client, which learns nothing.
func foreignRevocation(t *testing.T, c *wallet) {
	t.Helper()
	c.accept(t, c.exchange(t, c.tokenForm(c.code(t))))
	revoke := func(c *wallet, token string) *reply {
		t.Helper()
		return c.post(t, "revocation", url.Values{"token": {token}, "client_id": {c.id}}, false)
	}
	second := c.second(t)
	ofOther, unknown := revoke(second, c.token), revoke(second, "a-token-that-nobody-gave-out")
	if ofOther.status != http.StatusOK || unknown.status != http.StatusOK || string(ofOther.body) != string(unknown.body) {
		t.Errorf("of another: %d %s, unknown: %d %s", ofOther.status, ofOther.body, unknown.status, unknown.body)
	}
	c.issuedByToken(t)
	if r := revoke(c, c.token); r.status != http.StatusOK {
		t.Errorf("honest: %d %s", r.status, r.body)
	}
	if r := c.ask(t, c.credentialRequest(t, nil, c.holder), false); r.status != http.StatusUnauthorized {
		t.Errorf("the token is still good: %d", r.status)
	}
}

// publicDocuments looks for private members and keys of one name, and at how long
// the documents may be kept.
func publicDocuments(t *testing.T, c *wallet) {
	t.Helper()
	var walk func(v any, kids map[string]bool)
	walk = func(v any, kids map[string]bool) {
		switch v := v.(type) {
		case []any:
			for _, entry := range v {
				walk(entry, kids)
			}
		case object:
			if _, key := v["kty"]; key {
				for _, private := range []string{"d", "k", "p", "q", "dp", "dq", "qi", "oth"} {
					if _, ok := v[private]; ok {
						t.Errorf("private member %s", private)
					}
				}
				if kid := wire.Text(v, "kid"); kid == "" || kids[kid] {
					t.Errorf("kid %q", kid)
				} else {
					kids[kid] = true
				}
			}
			for _, entry := range v {
				walk(entry, kids)
			}
		}
	}
	found := 0
	for _, path := range []string{"/.well-known/openid-credential-issuer", "/.well-known/oauth-authorization-server", "/.well-known/jwt-vc-issuer"} {
		r := c.w.send(t, http.MethodGet, c.w.wellKnown(path), nil, nil)
		kids := map[string]bool{}
		walk(any(r.json(t)), kids)
		found += len(kids)
		if !slices.Contains(strings.Split(r.header.Get("Cache-Control"), ", "), "public") {
			t.Errorf("%s: Cache-Control %q", path, r.header.Get("Cache-Control"))
		}
	}
	if found < 2 {
		t.Errorf("%d keys", found)
	}
}

// lateNotification notifies with a token that has expired, by a clock of its own.
func lateNotification(t *testing.T) {
	t.Helper()
	w := start(t, nil)
	c := w.wallet(t, haip[0])
	credentials, id := c.received(t, c.ask(t, c.credentialRequest(t, c.obtain(t), c.holder), false))
	c.check(t, credentials[0], &c.holder.PublicKey)
	w.advance(4 * time.Minute)
	c.notify(t, id, nil)
	w.advance(time.Minute + time.Second)
	body := wire.JSON(object{"notification_id": id, "event": "credential_deleted"})
	if r := c.protected(t, "notification", "application/json", body); r.status != http.StatusUnauthorized || wire.Text(r.json(t), "error") != "invalid_token" {
		t.Errorf("%d %s", r.status, r.body)
	}
}
