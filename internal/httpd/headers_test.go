package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/internal/httpd"
)

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.Echo().GET("/", ok)
	for path, status := range map[string]int{"/": 200, "/none": 404} {
		response := f.do(httptest.NewRequest("GET", path, nil))
		if response.StatusCode != status {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy":   "frame-ancestors 'none'",
			"Cache-Control":             "no-store",
			"Referrer-Policy":           "no-referrer",
			"X-Content-Type-Options":    "nosniff",
			"Strict-Transport-Security": "max-age=63072000",
			"X-Frame-Options":           "DENY",
		} {
			if got := response.Header.Get(name); !strings.Contains(got, want) {
				t.Errorf("O17 %s: %s is %q", path, name, got)
			}
		}
		if csp := response.Header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") {
			t.Errorf("policy %q", csp)
		}
	}
	plain := newFixture(t, func(o *httpd.Options) { o.Origin = "http://127.0.0.1:8080" })
	if got := plain.do(httptest.NewRequest("GET", "/", nil)).Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS over plain http: %q", got)
	}
}

func TestAllowFormTarget(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // target to what ends the policy, "" for refused
		"https://client.example/cb?x=1#f":     "form-action 'self' https://client.example",
		"https://client.example:8443/cb":      "form-action 'self' https://client.example:8443",
		"haip://authorize":                    "form-action 'self' haip:",
		"com.example.wallet:/cb":              "form-action 'self' com.example.wallet:",
		"https://a.example;script-src/x":      "",
		"https://a.example,b.example/":        "",
		"https://*/":                          "",
		"/relative":                           "",
		"https://a.example%20evil/":           "",
		"java script:x":                       "",
		"https://user:secret@client.example/": "form-action 'self' https://client.example",
	}
	for target, want := range tests {
		w := httptest.NewRecorder()
		c := echo.New().NewContext(httptest.NewRequest("GET", "/", nil), w)
		err := httpd.AllowFormTarget(c, target)
		if got := w.Header().Get("Content-Security-Policy"); (err == nil) != (want != "") || !strings.HasSuffix(got, want) {
			t.Errorf("%s: %q, %v", target, got, err)
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.Echo().POST("/token", func(echo.Context) error {
		return &httpd.Error{Status: 400, Code: "use_dpop_nonce"}
	}, httpd.CORS())
	f.Echo().OPTIONS("/token", httpd.Preflight("POST"))
	f.Echo().POST("/private", ok)

	preflight := f.do(httptest.NewRequest("OPTIONS", "/token", nil))
	if h := preflight.Header; preflight.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != "*" ||
		h.Get("Access-Control-Allow-Methods") != "POST" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "DPoP") {
		t.Errorf("preflight: %d %v", preflight.StatusCode, h)
	}
	failed := f.do(httptest.NewRequest("POST", "/token", nil))
	if h := failed.Header; h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
		t.Errorf("error: %v", h)
	}
	for _, r := range []*http.Request{httptest.NewRequest("POST", "/private", nil), httptest.NewRequest("OPTIONS", "/private", nil)} {
		if h := f.do(r).Header; h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("O17 %s /private: %v", r.Method, h)
		}
	}
	if preflight.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("O17 credentials allowed")
	}
}

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.Echo().POST("/approve", ok, f.SameOrigin())
	f.Echo().GET("/approve", ok, f.SameOrigin())
	tests := []struct {
		name, method string
		header       map[string]string
		want         int
	}{
		{"same origin", "POST", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": origin}, 200},
		{"old browser", "POST", map[string]string{"Origin": origin}, 200},
		{"not a browser", "POST", nil, 200},
		{"behind a proxy", "POST", map[string]string{"Origin": origin, "Host": "10.0.0.1"}, 200},
		{"link from elsewhere", "GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
		{"cross site", "POST", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
		{"same site", "POST", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://evil.issuer.example"}, 403},
		{"old browser elsewhere", "POST", map[string]string{"Origin": "https://evil.example"}, 403},
		{"sandboxed", "POST", map[string]string{"Origin": "null"}, 403},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, origin+"/approve", nil)
		for name, value := range tt.header {
			r.Header.Set(name, value)
		}
		if host := tt.header["Host"]; host != "" {
			r.Host = host
		}
		if got := f.do(r).StatusCode; got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestCookies(t *testing.T) {
	t.Parallel()
	name := httpd.CookieName("issuer", "tokyo", "session")
	if name != "__Host-issuer.tokyo.session" {
		t.Errorf("name %q", name)
	}
	seen := map[string]bool{}
	for _, parts := range [][3]string{{"a", "b", "c"}, {"a.b", "", "c"}, {"a", "b.c", ""}, {"a", "b~2ec", ""}, {"a", "東", "c"}, {"a;", "b", "c"}} {
		n := httpd.CookieName(parts[0], parts[1], parts[2])
		if seen[n] || (&http.Cookie{Name: n, Value: "x"}).Valid() != nil {
			t.Errorf("%v: name %q used twice or not valid", parts, n)
		}
		seen[n] = true
	}

	w := httptest.NewRecorder()
	c := echo.New().NewContext(httptest.NewRequest("GET", "/", nil), w)
	httpd.SetCookie(c, httpd.Cookie{Name: name, Value: "abc", Lifetime: 90_500_000_000})
	httpd.SetCookie(c, httpd.Cookie{Name: name, Value: "abc", Strict: true})
	httpd.ClearCookie(c, name)
	want := []string{
		"__Host-issuer.tokyo.session=abc; Path=/; Max-Age=90; HttpOnly; Secure; SameSite=Lax",
		"__Host-issuer.tokyo.session=abc; Path=/; HttpOnly; Secure; SameSite=Strict",
		"__Host-issuer.tokyo.session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
	}
	for i, got := range w.Header().Values("Set-Cookie") {
		if got != want[i] {
			t.Errorf("O16 cookie %q, want %q", got, want[i])
		}
	}

	for header, want := range map[string]string{
		"a=1; " + name + "=abc":          "abc",
		name + "=abc; " + name + "=evil": "",
		name + "=":                       "",
		"other=abc":                      "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", header)
		if got, found := httpd.ReadCookie(echo.New().NewContext(r, nil), name); got != want || found != (want != "") {
			t.Errorf("%s: %q, %v", header, got, found)
		}
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *httpd.Options) {
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	})
	var got netip.Addr
	f.Echo().GET("/", func(c echo.Context) error {
		got = httpd.ClientAddress(c)
		return ok(c)
	})
	tests := []struct {
		name, remote, forwarded, want string
	}{
		{"direct", "203.0.113.7:1", "", "203.0.113.7"},
		{"F02 direct and forged", "203.0.113.7:1", "198.51.100.1", "203.0.113.7"},
		{"through a proxy", "10.0.0.1:1", "203.0.113.7", "203.0.113.7"},
		{"F02 through a proxy and forged", "10.0.0.1:1", "198.51.100.1, 203.0.113.7", "203.0.113.7"},
		{"two proxies", "10.0.0.1:1", "198.51.100.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"},
		{"proxy on IPv6", "[fd00::1]:1", "2001:db8::1", "2001:db8::1"},
		{"mapped", "[::ffff:203.0.113.7]:1", "", "203.0.113.7"},
		{"proxy wrote rubbish", "10.0.0.1:1", "rubbish", "10.0.0.1"},
		{"proxy wrote nothing", "10.0.0.1:1", "", "10.0.0.1"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.remote
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		f.do(r)
		if got.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if log := f.log.String(); strings.Contains(log, "203.0.113") {
		t.Errorf("F04 address in the log: %s", log)
	}
}
