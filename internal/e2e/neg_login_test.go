package e2e_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

// wantPage fails the test unless the page says that it cannot go on.
func (p *page) want(t *testing.T, status int, code string) {
	t.Helper()
	if got := p.text("oauth-error"); p.status != status || got != code {
		t.Errorf("page %d %q %q, want %d %s", p.status, got, p.text("oauth-error-description"), status, code)
	}
	if ct := p.header.Get("Content-Type"); !strings.HasPrefix(ct, "text/html") {
		t.Errorf("the error page is %s", ct)
	}
}

// TestNegLogin attacks the pages: the challenge, the session and the decision.
func TestNegLogin(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	hanako, taro := cardOf(t, "hanako"), cardOf(t, "taro")

	t.Run("O06 iss and state in the response", func(t *testing.T) {
		c := d.newClient(t)
		form := c.parForm()
		form.Set("state", "a state\r\nSet-Cookie: x=\"<y>&code=z")
		form.Set("redirect_uri", "https://wallet.example/callback?dummy1=lorem&dummy2=ip;sum")
		callback := d.newBrowser(t).authorize(t, c.visit(t, c.push(t, form, nil)), hanako)
		q := callback.Query()
		if q.Get("iss") != d.box.Issuer || q.Get("state") != form.Get("state") || len(q["code"]) != 1 ||
			!strings.HasPrefix(callback.RawQuery, "dummy1=lorem&dummy2=ip;sum&") {
			t.Errorf("callback %s", callback.Redacted())
		}
	})
	t.Run("no state, none comes back", func(t *testing.T) {
		c := d.newClient(t)
		form := c.parForm()
		form.Del("state")
		if q := d.newBrowser(t).authorize(t, c.visit(t, c.push(t, form, nil)), hanako).Query(); q.Has("state") || !q.Has("code") {
			t.Errorf("callback %v", q)
		}
	})
	t.Run("O20 the person cancels", func(t *testing.T) {
		for _, signed := range []bool{false, true} {
			c, b := d.newClient(t), d.newBrowser(t)
			address := c.request(t)
			p := b.open(t, address)
			form := "cancel-form"
			if signed {
				p, form = b.submit(t, p, "sign-form", sign(t, p, hanako)), "review-form"
			}
			q := b.submit(t, p, form, cancel).url.Query()
			if q.Get("error") != "access_denied" || q.Get("state") != "a-state" || q.Get("iss") != d.box.Issuer || q.Has("code") {
				t.Errorf("callback %v", q)
			}
			// All is over: neither the session nor the request goes on.
			b.post(t, d.endpoint("/review"), approve).want(t, http.StatusBadRequest, "invalid_request")
			b.open(t, address).want(t, http.StatusBadRequest, "invalid_request_uri")
		}
	})
	t.Run("O02 a request is visited again", func(t *testing.T) {
		c := d.newClient(t)
		address := c.request(t)
		first, second := d.newBrowser(t), d.newBrowser(t)
		p := first.login(t, address, hanako)
		q := second.login(t, address, taro)
		if callback := second.submit(t, q, "review-form", approve).url.Query(); !callback.Has("code") {
			t.Errorf("callback %v", callback)
		}
		// Decided once, it is decided for everybody.
		first.submit(t, p, "review-form", approve).want(t, http.StatusBadRequest, "invalid_request_uri")
		d.newBrowser(t).open(t, address).want(t, http.StatusBadRequest, "invalid_request_uri")
	})
	t.Run("O02 request_uri of others", func(t *testing.T) {
		c, b := d.newClient(t), d.newBrowser(t)
		address := c.request(t)
		for name, edit := range map[string]func(url.Values){
			"other client":   func(q url.Values) { q.Set("client_id", "another") },
			"no client":      func(q url.Values) { q.Del("client_id") },
			"no request_uri": func(q url.Values) { q.Del("request_uri") },
			"a URL":          func(q url.Values) { q.Set("request_uri", "https://127.0.0.1:1/request") },
			"guessed":        func(q url.Values) { q.Set("request_uri", q.Get("request_uri")+"A") },
			"twice":          func(q url.Values) { q.Add("request_uri", q.Get("request_uri")) },
		} {
			u, _ := url.Parse(address)
			q := u.Query()
			edit(q)
			u.RawQuery = q.Encode()
			if p := b.open(t, u.String()); p.status != http.StatusBadRequest || !strings.HasPrefix(p.text("oauth-error"), "invalid_request") {
				t.Errorf("%s: %d %s", name, p.status, p.text("oauth-error"))
			}
		}
		// What else the query says is not looked at (O03).
		if q := b.authorize(t, address+"&redirect_uri=https%3A%2F%2Fevil.example&state=evil&scope=identity_mdoc", hanako); q.Host != "wallet.example" || q.Query().Get("state") != "a-state" {
			t.Errorf("callback %s", q.Redacted())
		}
	})
	t.Run("O16 the cookie changes when the person is known", func(t *testing.T) {
		c, b := d.newClient(t), d.newBrowser(t)
		p := b.open(t, c.request(t))
		before := b.cookie(t, d.box.Issuer)
		answer := sign(t, p, hanako)
		p = b.submit(t, p, "sign-form", answer)
		after := b.cookie(t, d.box.Issuer)
		if before == "" || before == after || !strings.HasPrefix(after, "__Host-") {
			t.Errorf("cookie %q before, %q after", before, after)
		}
		old := d.withCookie(t, before)
		for _, path := range []string{"/login", "/review"} {
			old.open(t, d.endpoint(path)).want(t, http.StatusBadRequest, "invalid_request")
		}
		old.post(t, d.endpoint("/review"), approve).want(t, http.StatusBadRequest, "invalid_request")
		old.post(t, d.endpoint("/login/jpki"), answer).want(t, http.StatusBadRequest, "invalid_request")
		// The answer serves once, also in the browser that gave it.
		b.post(t, d.endpoint("/login/jpki"), answer).want(t, http.StatusBadRequest, "invalid_request")
		if q := b.submit(t, p, "review-form", approve).url.Query(); !q.Has("code") {
			t.Errorf("honest twin: %v", q)
		}
		b.post(t, d.endpoint("/review"), approve).want(t, http.StatusBadRequest, "invalid_request")
	})
	t.Run("O16 how the cookie is set", func(t *testing.T) {
		response, err := d.http.Get(d.newClient(t).request(t))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		cookies := response.Cookies()
		if len(cookies) != 1 || !cookies[0].HttpOnly || !cookies[0].Secure || cookies[0].SameSite != http.SameSiteLaxMode || cookies[0].Path != "/" || cookies[0].Domain != "" {
			t.Errorf("cookies %v", cookies)
		}
	})
	t.Run("I08 no relay", func(t *testing.T) {
		c := d.newClient(t)
		address := c.request(t)
		attacker, victim := d.newBrowser(t), d.newBrowser(t)
		p := attacker.open(t, address)
		answer := sign(t, p, hanako) // on another device, with the challenge of the attacker's browser
		q := victim.open(t, address)
		victim.submit(t, q, "sign-form", answer).want(t, http.StatusBadRequest, "access_denied")
		d.newBrowser(t).post(t, d.endpoint("/login/jpki"), answer).want(t, http.StatusBadRequest, "invalid_request")
		attacker.open(t, d.endpoint("/review")) // leads back to the login page
		attacker.post(t, d.endpoint("/review"), approve).want(t, http.StatusBadRequest, "invalid_request")
		// Honest twin: each browser goes on with the answer to its own challenge.
		if p := victim.submit(t, q, "sign-form", sign(t, q, hanako)); p.text("person-name") != hanako.Person.Name {
			t.Errorf("honest twin: %d %s", p.status, p.text("oauth-error"))
		}
	})
	t.Run("signatures that do not count", func(t *testing.T) {
		c, b := d.newClient(t), d.newBrowser(t)
		p := b.open(t, c.request(t))
		good, others := sign(t, p, hanako), sign(t, p, taro)
		elsewhere := sign(t, d.newBrowser(t).open(t, d.newClient(t).request(t)), hanako)
		for name, answer := range map[string]url.Values{
			"certificate of another": {"certificate": others["certificate"], "signature": good["signature"]},
			"other challenge":        elsewhere,
			"not base64":             {"certificate": {"*"}, "signature": good["signature"]},
			"not a certificate":      {"certificate": {"QUJD"}, "signature": good["signature"]},
			"no signature":           {"certificate": good["certificate"]},
			"signature twice":        {"certificate": good["certificate"], "signature": {good.Get("signature"), good.Get("signature")}},
		} {
			if got := b.submit(t, p, "sign-form", answer); got.status != http.StatusBadRequest || got.text("oauth-error") == "" {
				t.Errorf("%s: %d %s", name, got.status, got.text("oauth-error"))
			}
		}
		if got := b.submit(t, p, "sign-form", good); got.text("person-name") == "" {
			t.Errorf("honest twin: %d %s", got.status, got.text("oauth-error"))
		}
	})
	t.Run("signed data", func(t *testing.T) {
		c, b := d.newClient(t), d.newBrowser(t)
		p := b.open(t, c.request(t))
		challenge, err := base64.StdEncoding.DecodeString(p.attribute("challenge", "value"))
		if err != nil {
			t.Fatal(err)
		}
		form := func(data []byte) url.Values {
			signed, err := hanako.SignData(jpkitest.SignPIN, data, true)
			if err != nil {
				t.Fatal(err)
			}
			return url.Values{"signed_data": {base64.StdEncoding.EncodeToString(signed)}}
		}
		b.submit(t, p, "signed-data-form", form([]byte("別の文"))).want(t, http.StatusBadRequest, "access_denied")
		both := form(challenge)
		both.Set("certificate", "QUJD")
		b.post(t, d.endpoint("/login/jpki"), both).want(t, http.StatusBadRequest, "invalid_request")
		if got := b.submit(t, p, "signed-data-form", form(challenge)); got.text("person-name") != hanako.Person.Name {
			t.Errorf("honest twin: %d %s", got.status, got.text("oauth-error"))
		}
	})
	t.Run("O16 forms of other origins", func(t *testing.T) {
		c, b := d.newClient(t), d.newBrowser(t)
		p := b.login(t, c.request(t), hanako)
		for name, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.endpoint("/review"), strings.NewReader("decision=approve"))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Header.Set(name, value)
			b.follow(t, request).want(t, http.StatusForbidden, "cross_origin_request")
		}
		if q := b.submit(t, p, "review-form", approve).url.Query(); !q.Has("code") {
			t.Errorf("honest twin: %v", q)
		}
	})
	t.Run("O17 frames", func(t *testing.T) {
		p := d.newBrowser(t).open(t, d.newClient(t).request(t))
		if csp := p.header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "form-action 'self' https://wallet.example") {
			t.Errorf("Content-Security-Policy %q", csp)
		}
	})
}

// withCookie returns a browser that has nothing but one cookie of the issuer.
func (d *deployment) withCookie(t *testing.T, cookie string) *browser {
	t.Helper()
	b := d.newBrowser(t)
	u, err := url.Parse(d.box.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(cookie, "=")
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
	return b
}

// TestNegPush pushes requests with faults.
func TestNegPush(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	set := func(name, value string) func(url.Values) { return func(f url.Values) { f.Set(name, value) } }
	for name, tc := range map[string]struct {
		edit func(url.Values)
		code string
	}{
		"O01 request_uri":           {set("request_uri", "urn:ietf:params:oauth:request_uri:abc"), "invalid_request"},
		"O01 request object":        {set("request", "a.b.c"), "invalid_request"},
		"O01 client_id twice":       {func(f url.Values) { f.Add("client_id", f.Get("client_id")) }, "invalid_request"},
		"O01 client_id missing":     {func(f url.Values) { f.Del("client_id") }, "invalid_request"},
		"O01 response_type missing": {func(f url.Values) { f.Del("response_type") }, "unsupported_response_type"},
		"O01 code id_token":         {set("response_type", "code id_token"), "unsupported_response_type"},
		"O01 token":                 {set("response_type", "token"), "unsupported_response_type"},
		"O01 response_mode":         {set("response_mode", "fragment"), "invalid_request"},
		"O04 no challenge":          {func(f url.Values) { f.Del("code_challenge") }, "invalid_request"},
		"O04 no method":             {func(f url.Values) { f.Del("code_challenge_method") }, "invalid_request"},
		"O04 plain":                 {set("code_challenge_method", "plain"), "invalid_request"},
		"O04 short challenge":       {set("code_challenge", "abc"), "invalid_request"},
		"O05 no redirect_uri":       {func(f url.Values) { f.Del("redirect_uri") }, "invalid_request"},
		"O05 http":                  {set("redirect_uri", "http://wallet.example/callback"), "invalid_request"},
		"O05 relative":              {set("redirect_uri", "/callback"), "invalid_request"},
		"O05 no host":               {set("redirect_uri", "https:///callback"), "invalid_request"},
		"O05 fragment":              {set("redirect_uri", "https://wallet.example/callback#x"), "invalid_request"},
		"O05 empty fragment":        {set("redirect_uri", "https://wallet.example/callback#"), "invalid_request"},
		"O05 user information":      {set("redirect_uri", "https://wallet.example@evil.example/"), "invalid_request"},
		"O05 line break":            {set("redirect_uri", "https://wallet.example/\r\nSet-Cookie: x=y"), "invalid_request"},
		"O05 backslash":             {set("redirect_uri", `https://wallet.example\@evil.example/`), "invalid_request"},
		"O05 script":                {set("redirect_uri", "javascript:alert(1)"), "invalid_request"},
		"O05 data":                  {set("redirect_uri", "data:text/html,x"), "invalid_request"},
		"O05 not ASCII":             {set("redirect_uri", "https://wället.example/"), "invalid_request"},
		"O05 brings a code":         {set("redirect_uri", "https://wallet.example/callback?code=x"), "invalid_request"},
		"O05 brings an iss":         {set("redirect_uri", "https://wallet.example/callback?a=b&i%73s=x"), "invalid_request"},
		"O09 dpop_jkt is none":      {set("dpop_jkt", "abc"), "invalid_request"},
		"O13 long state":            {set("state", strings.Repeat("s", 10_000)), "invalid_request"},
		"O13 long redirect_uri":     {set("redirect_uri", "https://wallet.example/"+strings.Repeat("s", 10_000)), "invalid_request"},
		"O19 no scope":              {func(f url.Values) { f.Del("scope") }, "invalid_scope"},
		"O19 unknown scope":         {set("scope", "openid"), "invalid_scope"},
		"O19 other details":         {set("authorization_details", `[{"type":"payment"}]`), "invalid_authorization_details"},
		"O19 unknown configuration": {set("authorization_details", `[{"type":"openid_credential","credential_configuration_id":"x"}]`), "invalid_authorization_details"},
		"O19 details not JSON":      {set("authorization_details", `[{`), "invalid_authorization_details"},
		"I09 unknown issuer_state":  {set("issuer_state", "abc"), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			c := d.newClient(t)
			form := c.parForm()
			tc.edit(form)
			c.push(t, form, nil).want(t, http.StatusBadRequest, tc.code)
		})
	}
	t.Run("O09 dpop_jkt of another key", func(t *testing.T) {
		c, other := d.newClient(t), d.newClient(t)
		form := c.parForm()
		form.Set("dpop_jkt", thumbprint(t, other.dpop))
		c.push(t, form, nil).want(t, http.StatusBadRequest, "invalid_dpop_proof")
		// Without a proof it is a promise, which the token endpoint holds the client to.
		header := c.headers(t, d.endpoint("/par"))
		header.Del("DPoP")
		code := d.newBrowser(t).authorize(t, c.visit(t, c.push(t, form, header)), cardOf(t, "hanako")).Query().Get("code")
		c.token(t, c.tokenForm(code), nil).want(t, http.StatusBadRequest, "invalid_grant")
		c.dpop = other.dpop
		c.token(t, c.tokenForm(code), nil).read(t, &struct{}{})
	})
	t.Run("honest twins", func(t *testing.T) {
		for name, edit := range map[string]func(url.Values){
			"as it is":         func(url.Values) {},
			"unknown member":   set("foo", "bar"),
			"empty member":     set("request_uri", ""),
			"app's own scheme": set("redirect_uri", "com.example.wallet:/callback"),
			"long state":       set("state", strings.Repeat("s", 1000)),
			"two scopes":       set("scope", "openid identity_sd_jwt identity_mdoc"),
			"details":          set("authorization_details", `[{"type":"openid_credential","credential_configuration_id":"identity_mdoc","foo":1}]`),
		} {
			c := d.newClient(t)
			form := c.parForm()
			edit(form)
			var pushed openid4vci.PARResponse
			a := c.push(t, form, nil)
			if a.read(t, &pushed); a.status != http.StatusCreated || pushed.ExpiresIn != 60 || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
	})
	t.Run("O03 nothing pushed", func(t *testing.T) {
		c := d.newClient(t)
		d.newBrowser(t).open(t, d.endpoint("/authorize")+"?"+c.parForm().Encode()).want(t, http.StatusBadRequest, "invalid_request")
	})
}
