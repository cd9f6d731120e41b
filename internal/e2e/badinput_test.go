package e2e_test

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/internal/httpd"
)

// The content types of bad input.
const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// bodiless are the routes that read no body, so that they may answer whatever is
// in one.
var bodiless = []string{"POST /nonce", "POST /challenges"}

// optional are the routes whose body may be left out.
var optional = []string{"POST /admin/instances/:id/revoke"}

// badBodies are wrong for every route: those of the content type that it takes
// are malformed, the others have a type that it does not take.
var badBodies = []struct{ name, contentType, body string }{
	{"no content type", "", "x=y"},
	{"plain text", "text/plain", "x=y"},
	{"multipart", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\nabc\r\n--x--\r\n"},
	{"other charset", typeForm + "; charset=utf-16", "x=y"},
	{"malformed content type", "application/", "x=y"},
	{"CBOR", "application/cbor", "\xa2\x01\x02\x01\x02"},
	{"JWT", "application/jwt", "a.b.c"},
	{"form: empty", typeForm, ""},
	{"form: half an escape", typeForm, "code=%4"},
	{"form: not UTF-8", typeForm, "code=%ff%fe"},
	{"form: zero byte", typeForm, "code=a%00b"},
	{"form: given twice", typeForm, "client_id=a&client_id=b"},
	{"form: semicolon", typeForm, "client_id=a;code=b"},
	{"form: too many", typeForm, strings.Repeat("a=b&", 200)},
	{"form: no name", typeForm, "=b"},
	{"form: JWTs that are none", typeForm, "response=a.b.c&client_id=a.b.c&request_uri=a.b.c&code=a.b.c"},
	{"form: CBOR that is none", typeForm, "vp_token=%7B%22person%22%3A%5B%22omtkb2NUeXBl_w%22%5D%7D&state=x"},
	{"form: vp_token that is no JSON", typeForm, "vp_token=%7B%5B&state=x"},
	{"JSON: empty", typeJSON, ""},
	{"JSON: broken off", typeJSON, `{"a":`},
	{"JSON: null", typeJSON, "null"},
	{"JSON: list", typeJSON, "[]"},
	{"JSON: text", typeJSON, `"x"`},
	{"JSON: two values", typeJSON, "{}{}"},
	{"JSON: member twice", typeJSON, `{"proof":"a.b.c","proof":"a.b.c"}`},
	{"JSON: not UTF-8", typeJSON, "{\"proof\":\"\xff\"}"},
	{"JSON: lone surrogate", typeJSON, `{"proof":"\ud800"}`},
	{"JSON: deep", typeJSON, strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)},
	{"JSON: wrong types", typeJSON, `{"proof":1,"proofs":1,"dcql_query":1,"credential_configuration_ids":1,"platform":[],"flow":{},"reason":1}`},
	{"JSON: JWTs that are none", typeJSON, `{"proof":"a.b.c","platform":"software","credential_configuration_id":"identity_sd_jwt","proofs":{"jwt":["a.b.c"]}}`},
	{"JSON: compressed", typeJSON + "\ngzip", "\x1f\x8b\x08"},
}

// badQueries are the query strings of requests with GET.
var badQueries = []string{"?client_id=a&client_id=b", "?a=%zz", "?a=%ff", "?a=b;c=d", "?" + strings.Repeat("a=b&", 200), "?response_code=" + strings.Repeat("a", 5000)}

// badHeaders spoil what authenticates a request.
var badHeaders = []http.Header{
	{"Authorization": {"Bearer x", "Bearer y"}}, {"Authorization": {"DPoP a.b.c"}}, {"Authorization": {"Basic Og=="}}, {"Authorization": {""}},
	{"Dpop": {"a.b.c"}}, {"Dpop": {"x", "y"}}, {"Oauth-Client-Attestation": {"a.b.c"}, "Oauth-Client-Attestation-Pop": {"a.b.c"}},
	{"Cookie": {"__Host-issuer.sandbox.login=x; __Host-issuer.sandbox.login=y"}}, {"Cookie": {"__Host-verifier.sandbox.session=\"x"}},
	{"Accept": {"image/png"}}, {"Origin": {"https://evil.example"}}, {"X-Forwarded-Host": {"evil.example"}},
}

// TestBadInput walks every route of the three roles. Bad input gets a clear
// answer of the 400s, and leaves nothing behind.
func TestBadInput(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	before := d.rows(t)
	providerToken := secret(t, d.cfg.Provider.AdminToken)
	for role, origin := range map[string]string{"issuer": d.box.Issuer, "verifier": d.box.Verifier, "wallet_provider": d.box.Provider} {
		routes := d.app.Routes(role)
		if len(routes) < 4 {
			t.Errorf("%s has only %d routes", role, len(routes))
		}
		for _, r := range routes {
			w := &walker{d: d, route: r, address: origin + fill(r.Path)}
			w.authenticate = func(t *testing.T) http.Header {
				t.Helper()
				switch {
				case role == "issuer" && (r.Path == "/credential" || r.Path == "/deferred-credential" || r.Path == "/notification"):
					return http.Header{"Authorization": {"DPoP " + token}, "Dpop": {c.proof(t, dpop.ProofOptions{URL: w.address, AccessToken: token})}}
				case role == "issuer" && strings.HasPrefix(r.Path, "/admin"):
					return http.Header{"Authorization": {"Bearer " + d.box.AdminToken}}
				case role == "verifier" && strings.HasPrefix(r.Path, "/api"):
					return http.Header{"Authorization": {"Bearer " + d.box.APIToken}}
				case strings.HasPrefix(r.Path, "/admin"):
					return http.Header{"Authorization": {"Bearer " + providerToken}}
				case r.Path == "/par" || r.Path == "/token":
					h := c.headers(t, w.address)
					h.Del("Content-Type")
					return h
				}
				return http.Header{}
			}
			t.Run(role+" "+r.Method+" "+r.Path, func(t *testing.T) { w.walk(t, routes) })
		}
	}
	if after := d.rows(t); after != before {
		t.Errorf("rows before %s, after %s", before, after)
	}
	if log := d.log.String(); strings.Contains(log, "panic:") || strings.Contains(log, "panic with") {
		t.Error("something panicked")
	}
	// The deployment still works.
	c.credential(t, token, c.credentialRequest(t, 1), nil).credentials(t)
}

// fill replaces the parameters of a path pattern.
func fill(pattern string) string {
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, ":") || part == "*" {
			parts[i] = "unknown"
		}
	}
	return strings.Join(parts, "/")
}

// walker tries one route.
type walker struct {
	d            *deployment
	route        httpd.Route
	address      string
	authenticate func(t *testing.T) http.Header
}

func (w *walker) is(list []string) bool {
	return slices.Contains(list, w.route.Method+" "+w.route.Path)
}

func (w *walker) walk(t *testing.T, routes []httpd.Route) {
	t.Helper()
	w.wrongMethods(t, routes)
	for _, bad := range badHeaders {
		header := w.authenticate(t)
		for name, values := range bad {
			header[name] = values
		}
		w.answered(t, "headers", w.d.send(t, w.route.Method, w.address, header, nil))
	}
	if w.route.Method != http.MethodPost {
		for _, query := range badQueries {
			w.answered(t, query[:min(len(query), 30)], w.d.send(t, w.route.Method, w.address+query, w.authenticate(t), nil))
		}
		return
	}
	for _, bad := range badBodies {
		header := w.authenticate(t)
		contentType, encoding, _ := strings.Cut(bad.contentType, "\n")
		if contentType != "" {
			header.Set("Content-Type", contentType)
		}
		if encoding != "" {
			header.Set("Content-Encoding", encoding)
		}
		a := w.d.send(t, w.route.Method, w.address, header, []byte(bad.body))
		w.answered(t, bad.name, a)
		if a.status < 400 && !w.is(bodiless) && !(w.is(optional) && bad.body == "") {
			t.Errorf("%s: answered %d", bad.name, a.status)
		}
	}
	for _, contentType := range []string{typeForm, typeJSON} {
		header := w.authenticate(t)
		header.Set("Content-Type", contentType)
		a, err := w.d.try(t, w.route.Method, w.address, header, append([]byte("code="), make([]byte, 2<<20)...))
		if err != nil {
			continue // the server hung up before everything was sent
		}
		w.answered(t, "large "+contentType, a)
		if a.status < 400 && !w.is(bodiless) {
			t.Errorf("large %s: answered %d", contentType, a.status)
		}
	}
	w.tooLarge(t)
}

// tooLarge sends a body beyond any limit of the type that the route takes.
func (w *walker) tooLarge(t *testing.T) {
	t.Helper()
	if w.is(bodiless) {
		return
	}
	var codes []int
	for _, contentType := range []string{typeForm, typeJSON} {
		header := w.authenticate(t)
		header.Set("Content-Type", contentType)
		if a, err := w.d.try(t, w.route.Method, w.address, header, []byte("a="+strings.Repeat("b", 600<<10))); err == nil {
			codes = append(codes, a.status)
		}
	}
	if len(codes) > 0 && !slices.Contains(codes, http.StatusRequestEntityTooLarge) {
		t.Errorf("600 KiB are answered with %v, want a 413", codes)
	}
}

// wrongMethods tries the methods that the path does not have.
func (w *walker) wrongMethods(t *testing.T, routes []httpd.Route) {
	t.Helper()
	var allowed []string
	for _, r := range routes {
		if fill(r.Path) == fill(w.route.Path) {
			allowed = append(allowed, r.Method)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if slices.Contains(allowed, method) {
			continue
		}
		a := w.d.send(t, method, w.address, w.authenticate(t), nil)
		if a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: answered %d, want 405", method, a.status)
		}
		for _, name := range allowed {
			if !strings.Contains(a.header.Get("Allow"), name) {
				t.Errorf("%s: Allow is %q, without %s", method, a.header.Get("Allow"), name)
			}
		}
		w.answered(t, method, a)
	}
}

// answered holds an answer to what all answers keep: nothing of the 500s, and
// errors in one of the forms that clients know.
func (w *walker) answered(t *testing.T, name string, a *answer) {
	t.Helper()
	if a.status >= 500 {
		t.Errorf("%s: answered %d %s", name, a.status, a.body)
	}
	if a.status < 400 {
		return
	}
	mediaType, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		t.Errorf("%s: %d with Content-Type %q", name, a.status, a.header.Get("Content-Type"))
		return
	}
	switch mediaType {
	case "text/html":
		p := page{body: string(a.body)}
		if p.text("oauth-error") == "" && p.text("error") == "" && p.text("error-code") == "" {
			t.Errorf("%s: %d with a page that names no error: %s", name, a.status, a.body)
		}
	case typeJSON:
		var e map[string]any
		if err := json.Unmarshal(a.body, &e); err != nil || e["error"] == nil || len(e) > 3 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	case "application/problem+json":
		var e map[string]any
		if err := json.Unmarshal(a.body, &e); err != nil || e["reason"] == nil || e["status"] != float64(a.status) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	default:
		t.Errorf("%s: %d with Content-Type %q", name, a.status, mediaType)
	}
	if a.status == http.StatusUnauthorized && mediaType == "application/problem+json" && a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%s: 401 without WWW-Authenticate", name)
	}
	if cc := a.header.Get("Cache-Control"); cc != "no-store" {
		t.Errorf("%s: %d with Cache-Control %q", name, a.status, cc)
	}
}
