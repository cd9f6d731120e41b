package verifier_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/openapi/openapitest"
	"github.com/tegata-id/tegata/verifier"
)

// site is a world on the web.
type site struct {
	*world
	handler http.Handler
	plain   http.Handler // streams what it answers
	routes  []httpd.Route
}

func newSite(t testing.TB) *site {
	t.Helper()
	w := newWorld(t)
	server := must(httpd.New(httpd.Options{Name: "verifier", Origin: origin, Now: w.clock}))(t)
	verifier.Mount(server, "", w.v)
	documented := must(openapitest.New(openapi.Verifier, ""))(t)
	return &site{world: w, handler: documented.Handler(t, server.Handler())}
}

// do sends a request; extra are alternating names and values of headers.
func (s *site) do(method, target, body string, extra ...string) *http.Response {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, strings.TrimPrefix(target, origin), strings.NewReader(body))
	for i := 0; i < len(extra); i += 2 {
		r.Header.Add(extra[i], extra[i+1])
	}
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, r)
	return recorder.Result()
}

func (s *site) post(target string, form url.Values, extra ...string) *http.Response {
	s.t.Helper()
	return s.do(http.MethodPost, target, form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, extra...)...)
}

func (s *site) api(method, target, body string) *http.Response {
	s.t.Helper()
	return s.do(method, target, body, "Content-Type", "application/json", "Authorization", "Bearer "+apiToken)
}

func text(t testing.TB, r *http.Response) string {
	t.Helper()
	return string(must(io.ReadAll(r.Body))(t))
}

func decode[T any](t testing.TB, r *http.Response) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text(t, r)), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func wantCode(t testing.TB, r *http.Response, want int) *http.Response {
	t.Helper()
	if r.StatusCode != want {
		t.Fatalf("answer is %d, want %d: %s", r.StatusCode, want, text(t, r))
	}
	return r
}

type created struct {
	ID         string `json:"id"`
	Link       string `json:"link"`
	RequestURI string `json:"request_uri"`
}

func (s *site) create(query string) created {
	s.t.Helper()
	r := s.api(http.MethodPost, "/api/transactions", `{"dcql_query":`+query+`,"flow":"same_device","redirect_uri":"`+redirect+`"}`)
	wantCode(s.t, r, http.StatusCreated)
	c := decode[created](s.t, r)
	if r.Header.Get("Location") != "/api/transactions/"+c.ID {
		s.t.Errorf("location: %s", r.Header.Get("Location"))
	}
	return c
}

// read fetches the request object of a transaction over HTTP by POST.
func (s *site) read(link, requestURI string) *request {
	s.t.Helper()
	r := wantCode(s.t, s.post(requestURI, url.Values{"wallet_nonce": {"wn"}, "wallet_metadata": {`{"x":1}`}}), http.StatusOK)
	if r.Header.Get("Content-Type") != "application/oauth-authz-req+jwt" {
		s.t.Errorf("content type: %s", r.Header.Get("Content-Type"))
	}
	return s.parse(&verifier.Transaction{Link: link}, text(s.t, r), "wn")
}

func TestRelyingPartyAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tx := s.create(querySDJWT)
	get := wantCode(t, s.do(http.MethodGet, tx.RequestURI, ""), http.StatusOK)
	if get.Header.Get("Content-Type") != "application/oauth-authz-req+jwt" {
		t.Errorf("content type: %s", get.Header.Get("Content-Type"))
	}
	r := s.read(tx.Link, tx.RequestURI)
	path := "/api/transactions/" + tx.ID
	if got := decode[verifier.Result](t, s.api(http.MethodGet, path, "")); got.State != verifier.StateWaiting {
		t.Errorf("before: %s", got.State)
	}
	answer := wantCode(t, s.post(r.Parameters.ResponseURI, s.encrypted(r, s.presentSDJWT(r.binding()))), http.StatusOK)
	if answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("content type: %s", answer.Header.Get("Content-Type"))
	}
	members := decode[map[string]string](t, answer)
	reply := &verifier.Reply{RedirectURI: members["redirect_uri"]}
	if len(members) != 1 {
		t.Errorf("reply: %v", members)
	}
	got := decode[verifier.Result](t, s.api(http.MethodGet, path+"?response_code="+code(t, reply), ""))
	if got.State != verifier.StateVerified || string(got.Credentials[0].Claims) != `{"age_equal_or_over":{"18":true},"name":"手形花子"}` {
		t.Errorf("result: %+v", got)
	}
	wantCode(t, s.api(http.MethodDelete, path, ""), http.StatusNoContent)
	problem := wantCode(t, s.api(http.MethodGet, path, ""), http.StatusNotFound)
	if problem.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(text(t, problem), `"reason":"not_found"`) {
		t.Error("not a problem with a reason")
	}
}

func TestAPIRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tx := s.create(querySDJWT)
	path := "/api/transactions/" + tx.ID
	t.Run("TestNeg/P12 no token, other token, token twice", func(t *testing.T) {
		t.Parallel()
		for _, headers := range [][]string{
			nil, {"Authorization", "Bearer "}, {"Authorization", "Bearer " + apiToken + "x"}, {"Authorization", "Basic " + apiToken},
			{"Authorization", "Bearer " + apiToken, "Authorization", "Bearer " + apiToken}, {"Cookie", "token=" + apiToken},
		} {
			for method, target := range map[string]string{"GET": path, "DELETE": path, "POST": "/api/transactions"} {
				r := wantCode(t, s.do(method, target, "", headers...), http.StatusUnauthorized)
				if r.Header.Get("WWW-Authenticate") != "Bearer" || !strings.Contains(text(t, r), `"reason":"unauthorized"`) {
					t.Errorf("%s %v: %v", method, headers, r.Header)
				}
			}
		}
		wantCode(t, s.api(http.MethodGet, path, ""), http.StatusOK)
	})
	t.Run("bodies", func(t *testing.T) {
		t.Parallel()
		for name, tt := range map[string]struct {
			body, contentType string
			want              int
		}{
			"honest":     {`{"dcql_query":` + querySDJWT + `,"flow":"cross_device"}`, "application/json", 201},
			"form":       {"flow=cross_device", "application/x-www-form-urlencoded", 415},
			"no body":    {"", "application/json", 400},
			"twice":      {`{"flow":"same_device","flow":"cross_device"}`, "application/json", 400},
			"too large":  {`{"x":"` + strings.Repeat("x", 80<<10) + `"}`, "application/json", 413},
			"no query":   {`{"flow":"cross_device"}`, "application/json", 400},
			"unknown":    {`{"dcql_query":` + querySDJWT + `,"flow":"other"}`, "application/json", 400},
			"wrong type": {`{"dcql_query":` + querySDJWT + `,"flow":1}`, "application/json", 400},
		} {
			r := s.do(http.MethodPost, "/api/transactions", tt.body, "Content-Type", tt.contentType, "Authorization", "Bearer "+apiToken)
			if r.StatusCode != tt.want {
				t.Errorf("%s: %d, want %d: %s", name, r.StatusCode, tt.want, text(t, r))
			}
		}
	})
	t.Run("no API without a token", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		c := w.config("quiet")
		c.APIToken = ""
		server := must(httpd.New(httpd.Options{Origin: origin, Now: w.clock}))(t)
		verifier.Mount(server, "", must(verifier.New(c))(t))
		quiet := &site{world: w, handler: server.Handler()}
		wantCode(t, quiet.do(http.MethodPost, "/api/transactions", "{}", "Content-Type", "application/json", "Authorization", "Bearer "), http.StatusNotFound)
	})
}

func TestWalletEndpoints(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tx := s.create(querySDJWT)
	r := s.read(tx.Link, tx.RequestURI)
	response := r.Parameters.ResponseURI
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	tests := []struct {
		name, method, target, body string
		headers                    []string
		want                       int
	}{
		{"response by GET", "GET", response, "", nil, 405},
		{"response in JSON", "POST", response, `{}`, []string{"Content-Type", "application/json"}, 400},
		{"response without a type", "POST", response, ``, nil, 400},
		{"response too large", "POST", response, "response=" + strings.Repeat("x", 513<<10), form, 413},
		{"empty response", "POST", response, "", form, 400},
		{"parameter twice", "POST", response, "response=a&response=b", form, 400},
		{"unknown response", "POST", "/responses/none", "response=a", form, 400},
		{"request by PUT", "PUT", tx.RequestURI, "", nil, 405},
		{"request in JSON", "POST", tx.RequestURI, `{}`, []string{"Content-Type", "application/json"}, 400},
		{"metadata is no object", "POST", tx.RequestURI, "wallet_metadata=%5B%5D", form, 400},
		{"metadata is deep", "POST", tx.RequestURI, "wallet_metadata=" + strings.Repeat("%5B", 1000), form, 400},
		{"metadata is large", "POST", tx.RequestURI, "wallet_metadata=" + strings.Repeat("x", 65<<10), form, 413},
		{"nonce is long", "POST", tx.RequestURI, "wallet_nonce=" + strings.Repeat("x", 513), form, 400},
		{"malformed body", "POST", tx.RequestURI, "%zz", form, 400},
		{"unknown request", "GET", "/requests/none", "", nil, 404},
		{"honest post", "POST", tx.RequestURI, "unknown=1", form, 200},
	}
	for _, tt := range tests {
		got := s.do(tt.method, tt.target, tt.body, tt.headers...)
		if got.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got.StatusCode, tt.want)
		}
		if got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: may be cached", tt.name)
		}
		if tt.want >= 400 && tt.want != 405 && !strings.Contains(text(t, got), `"error":`) {
			t.Errorf("%s: not an OAuth error", tt.name)
		}
	}
	wantCode(t, s.post(response, s.encrypted(r, s.presentSDJWT(r.binding()))), http.StatusOK)
}

// browser is a browser with one cookie.
type browser struct {
	*site
	cookie string
}

func (b *browser) headers() []string {
	if b.cookie == "" {
		return nil
	}
	return []string{"Cookie", b.cookie}
}

func (b *browser) get(target string) *http.Response {
	b.t.Helper()
	return b.do(http.MethodGet, target, "", b.headers()...)
}

// begin starts a transaction on the page and returns its address.
func (b *browser) begin(preset string, flow verifier.Flow) string {
	b.t.Helper()
	r := wantCode(b.t, b.post("/start", url.Values{"preset": {preset}, "flow": {string(flow)}}, b.headers()...), http.StatusSeeOther)
	cookies := r.Cookies()
	if len(cookies) != 1 || !strings.HasPrefix(cookies[0].Name, "__Host-verifier.city.") || !cookies[0].HttpOnly || !cookies[0].Secure {
		b.t.Fatalf("cookies: %v", cookies)
	}
	b.cookie = cookies[0].Name + "=" + cookies[0].Value
	return r.Header.Get("Location")
}

// link reads the wallet link off a page.
func (b *browser) link(page string) string {
	b.t.Helper()
	m := regexp.MustCompile(`id="wallet-link" href="([^"]+)"`).FindStringSubmatch(page)
	if m == nil {
		b.t.Fatalf("no wallet link in %s", page)
	}
	return strings.ReplaceAll(m[1], "&amp;", "&")
}

// answer plays the wallet and returns where it sends the browser.
func (b *browser) answer(link string) string {
	b.t.Helper()
	u := must(url.Parse(link))(b.t)
	r := b.read(link, u.Query().Get("request_uri"))
	// The preset names its credential query differently.
	params := b.seal(r, responseParams("identity_sd_jwt", b.presentSDJWT(r.binding()), r.Parameters.State))
	reply := wantCode(b.t, b.post(r.Parameters.ResponseURI, params), http.StatusOK)
	return decode[verifier.Reply](b.t, reply).RedirectURI
}

func TestPages(t *testing.T) {
	t.Parallel()
	t.Run("same device", func(t *testing.T) {
		t.Parallel()
		b := &browser{site: newSite(t)}
		index := text(t, wantCode(t, b.get("/"), http.StatusOK))
		if !strings.Contains(index, `id="preset-adult_sd_jwt"`) || !strings.Contains(index, `lang="ja"`) {
			t.Error("start page lacks its elements")
		}
		page := b.begin("adult_sd_jwt", verifier.SameDevice)
		waiting := text(t, wantCode(t, b.get(page), http.StatusOK))
		if strings.Contains(waiting, `id="qr"`) || !strings.Contains(waiting, `data-state="waiting"`) {
			t.Error("page of the same device")
		}
		back := b.answer(b.link(waiting))
		if !strings.HasPrefix(back, origin+"/done?response_code=") {
			t.Fatalf("redirect: %s", back)
		}
		t.Run("TestNeg/P10 another browser, no code, wrong code", func(t *testing.T) {
			stranger := &browser{site: b.site}
			if body := text(t, wantCode(t, stranger.get(back), http.StatusForbidden)); strings.Contains(body, "手形花子") {
				t.Error("a stranger sees the result")
			}
			stranger.begin("adult_sd_jwt", verifier.SameDevice)
			wantCode(t, stranger.get(back), http.StatusBadRequest)
			wantCode(t, stranger.get(page), http.StatusForbidden)
			wantCode(t, stranger.get(page+"/result"), http.StatusForbidden)
			wantCode(t, b.get(page+"/result"), http.StatusSeeOther) // still waiting for the code
			wantCode(t, b.get(origin+"/done"), http.StatusBadRequest)
			wantCode(t, b.get(back+"x"), http.StatusBadRequest)
			wantCode(t, b.api(http.MethodGet, "/api"+strings.TrimPrefix(page, origin), ""), http.StatusNotFound)
		})
		done := wantCode(t, b.get(back), http.StatusOK)
		policy := done.Header.Get("Content-Security-Policy")
		body := text(t, done)
		if !strings.Contains(body, "手形花子") || !strings.Contains(body, `data-state="verified"`) || !strings.Contains(body, "names legal entity") {
			t.Errorf("result page: %s", body)
		}
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(body, "<script>") || strings.Contains(body, "style=") {
			t.Errorf("policy %s", policy)
		}
		wantCode(t, b.get(back), http.StatusBadRequest) // used
	})
	t.Run("cross device", func(t *testing.T) {
		t.Parallel()
		b := &browser{site: newSite(t)}
		page := b.begin("adult", verifier.CrossDevice)
		waiting := text(t, wantCode(t, b.get(page), http.StatusOK))
		if !strings.Contains(waiting, `id="qr"`) || !strings.Contains(waiting, `http-equiv="refresh"`) {
			t.Error("page of the other device")
		}
		back := b.answer(b.link(waiting))
		phone := &browser{site: b.site}
		wantCode(t, phone.get(back), http.StatusForbidden)
		next := wantCode(t, b.get(page), http.StatusSeeOther).Header.Get("Location")
		if body := text(t, wantCode(t, b.get(next), http.StatusOK)); !strings.Contains(body, "手形花子") {
			t.Errorf("result page: %s", body)
		}
		if body := text(t, wantCode(t, b.get(next), http.StatusOK)); strings.Contains(body, "手形花子") || !strings.Contains(body, `data-state="delivered"`) {
			t.Error("result is shown twice")
		}
	})
	t.Run("refusals", func(t *testing.T) {
		t.Parallel()
		b := &browser{site: newSite(t)}
		for _, form := range []url.Values{{}, {"preset": {"adult"}}, {"preset": {"none"}, "flow": {"same_device"}}} {
			wantCode(t, b.post("/start", form), http.StatusBadRequest)
		}
		wantCode(t, b.post("/start", url.Values{"preset": {"adult"}, "flow": {"same_device"}}, "Origin", "https://evil.example"), http.StatusForbidden)
		wantCode(t, b.get("/transactions/none"), http.StatusForbidden)
		wantCode(t, b.get("/assets/none.css"), http.StatusNotFound)
		if got := wantCode(t, b.get("/assets/verifier.css"), http.StatusOK).Header.Get("Content-Type"); !strings.HasPrefix(got, "text/css") {
			t.Errorf("content type: %s", got)
		}
		page := b.begin("adult_mdoc", verifier.CrossDevice)
		b.advance(verifier.DefaultLifetimes.Request)
		if body := text(t, wantCode(t, b.get(page), http.StatusOK)); !strings.Contains(body, `data-state="expired"`) {
			t.Error("expired page")
		}
	})
}

// TestPath holds that a verifier may live under a path.
func TestPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config("city")
	c.BaseURL = origin + "/v/city"
	server := must(httpd.New(httpd.Options{Origin: origin, Now: w.clock}))(t)
	verifier.Mount(server, "/v/city", must(verifier.New(c))(t))
	b := &browser{site: &site{world: w, handler: server.Handler()}}
	wantCode(t, b.get("/v/city/"), http.StatusOK)
	r := wantCode(t, b.post("/v/city/start", url.Values{"preset": {"adult"}, "flow": {"same_device"}}), http.StatusSeeOther)
	if !strings.HasPrefix(r.Header.Get("Location"), origin+"/v/city/transactions/") {
		t.Errorf("location: %s", r.Header.Get("Location"))
	}
}
