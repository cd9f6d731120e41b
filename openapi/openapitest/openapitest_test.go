package openapitest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/openapi/openapitest"
)

const (
	form    = "application/x-www-form-urlencoded"
	jsonAPI = "application/json"
	problem = "application/problem+json"
	refused = `{"type":"about:blank","title":"Not Found","status":404,"detail":"x","reason":"%s","instance":"urn:tegata:request:` + "abcdefghijklmnopabcdefghijklmnop" + `"}`
	waiting = `{"id":"t","state":"waiting","expires_at":"2026-11-23T12:05:00Z"}`
	query   = `{"flow":"cross_device","dcql_query":{"credentials":[{"id":"a","format":"mso_mdoc","meta":{"doctype_value":"d"}}]}}`
	created = `{"id":"t","link":"openid4vp://?x=y","request_uri":"https://v.example/requests/r","expires_at":"2026-11-23T12:05:00Z"}`
)

// exchange is one in short; headers are "Name: value" lines.
type exchange struct {
	request, requestHeader, requestBody string
	status                              int
	header, body                        string
}

func headers(lines string) http.Header {
	h := http.Header{}
	for line := range strings.Lines(lines) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		h.Add(name, value)
	}
	return h
}

func (e exchange) check(t *testing.T, v *openapitest.Validator) error {
	t.Helper()
	method, target, _ := strings.Cut(e.request, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	r.Header = headers(e.requestHeader)
	return v.Check(t.Context(), openapitest.Exchange{
		Request: r, RequestBody: []byte(e.requestBody),
		Status: e.status, Header: headers(e.header), ResponseBody: []byte(e.body),
	})
}

func validator(t *testing.T, path string) *openapitest.Validator {
	t.Helper()
	v, err := openapitest.New(openapi.Verifier, path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestCheck pairs exchanges that are as documented with ones that differ from
// them in one thing.
func TestCheck(t *testing.T) {
	t.Parallel()
	const (
		auth = "Authorization: Bearer x"
		get  = "GET /v/api/transactions/t"
		post = "POST /v/api/transactions"
		typ  = "Content-Type: "
		loc  = "Location: https://v.example/api/transactions/t\n"
	)
	v := validator(t, "/v")
	notFound := fmt.Sprintf(refused, "not_found")
	tests := []struct {
		name string
		ok   bool
		exchange
	}{
		{"result", true, exchange{get, auth, "", 200, typ + jsonAPI, waiting}},
		{"no such state", false, exchange{get, auth, "", 200, typ + jsonAPI, strings.Replace(waiting, "waiting", "pending", 1)}},
		{"member too many", false, exchange{get, auth, "", 200, typ + jsonAPI, strings.Replace(waiting, "{", `{"name":"x",`, 1)}},
		{"member missing", false, exchange{get, auth, "", 200, typ + jsonAPI, `{"id":"t","state":"waiting"}`}},
		{"not JSON", false, exchange{get, auth, "", 200, typ + jsonAPI, "waiting"}},
		{"other media type", false, exchange{get, auth, "", 200, typ + "text/html", waiting}},
		{"no media type", false, exchange{get, auth, "", 200, "", waiting}},
		{"other status", false, exchange{get, auth, "", 202, typ + jsonAPI, waiting}},
		{"no token", false, exchange{get, "", "", 200, typ + jsonAPI, waiting}},

		{"problem", true, exchange{get, auth, "", 404, typ + problem, notFound}},
		{"problem, request at fault", true, exchange{get, "", "", 401, typ + problem + "\nWWW-Authenticate: Bearer", strings.Replace(fmt.Sprintf(refused, "unauthorized"), "404", "401", 1)}},
		{"no challenge", false, exchange{get, "", "", 401, typ + problem, strings.Replace(fmt.Sprintf(refused, "unauthorized"), "404", "401", 1)}},
		{"problem with a reason of another answer", false, exchange{get, auth, "", 404, typ + problem, fmt.Sprintf(refused, "unauthorized")}},
		{"problem with an unknown reason", false, exchange{get, auth, "", 404, typ + problem, fmt.Sprintf(refused, "gone_fishing")}},
		{"problem as JSON", false, exchange{get, auth, "", 404, typ + jsonAPI, notFound}},

		{"creation", true, exchange{post, auth + "\n" + typ + jsonAPI, query, 201, loc + typ + jsonAPI, created}},
		{"creation without location", false, exchange{post, auth + "\n" + typ + jsonAPI, query, 201, typ + jsonAPI, created}},
		{"request that should have been refused", false, exchange{post, auth + "\n" + typ + jsonAPI, `{"flow":"cross_device"}`, 201, loc + typ + jsonAPI, created}},
		{"deletion", true, exchange{"DELETE /v/api/transactions/t", auth, "", 204, "", ""}},
		{"deletion with a body", false, exchange{"DELETE /v/api/transactions/t", auth, "", 204, "", "x"}},

		{"form", true, exchange{"POST /v/start", typ + form, "preset=adult&flow=same_device", 303, "Location: /x\nSet-Cookie: __Host-verifier.a.session=x; Path=/", ""}},
		{"form without a field", false, exchange{"POST /v/start", typ + form, "preset=adult", 303, "Location: /x\nSet-Cookie: __Host-verifier.a.session=x; Path=/", ""}},
		{"page", true, exchange{"GET /v/done", "Cookie: __Host-verifier.a.session=x", "", 200, typ + "text/html; charset=UTF-8", "<!doctype html>\n<p>"}},
		{"page without a cookie", false, exchange{"GET /v/done", "Cookie: x=y", "", 200, typ + "text/html; charset=UTF-8", "<!doctype html>\n<p>"}},
		{"no page", false, exchange{"GET /v/done", "Cookie: __Host-verifier.a.session=x", "", 200, typ + "text/html; charset=UTF-8", "panic"}},
		{"token", true, exchange{"GET /v/requests/r", "", "", 200, typ + "application/oauth-authz-req+jwt", "a.b.c"}},
		{"no token", false, exchange{"GET /v/requests/r", "", "", 200, typ + "application/oauth-authz-req+jwt", "{}"}},
		{"document", true, exchange{"GET /v/openapi.yaml", "", "", 200, "Cache-Control: public, max-age=3600\n" + typ + "application/yaml", string(openapi.Document(openapi.Verifier))}},

		{"unknown path", true, exchange{"GET /v/nothing", "", "", 404, typ + problem, notFound}},
		{"unknown path is served", false, exchange{"GET /v/nothing", "", "", 200, typ + problem, waiting}},
		{"unknown method", true, exchange{"PUT /v/done", "", "", 405, "", ""}},
		{"outside of the path", false, exchange{"GET /api/transactions/t", auth, "", 200, typ + jsonAPI, waiting}},
		{"preflight", true, exchange{"OPTIONS /v/requests/r", "", "", 204, "", ""}},
	}
	for _, tt := range tests {
		if err := tt.check(t, v); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if !v.Seen()["DELETE /api/transactions/{id} 204"] || v.Seen()["PUT /done 405"] {
		t.Errorf("seen: %v", v.Seen())
	}
}

// broken answers a question about a result wrongly, with the body of the
// request behind it.
func broken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", jsonAPI)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = w.Write([]byte("{}" + string(body)))
}

// recorder is a test that remembers errors instead of failing.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Error(args ...any) { r.errors = append(r.errors, fmt.Sprint(args...)) }

func TestHandler(t *testing.T) {
	t.Parallel()
	tb := &recorder{TB: t}
	handler := validator(t, "").Handler(tb, http.HandlerFunc(broken))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/transactions/t", strings.NewReader("question")))
	if len(tb.errors) != 1 {
		t.Errorf("errors: %q", tb.errors)
	}
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != jsonAPI || w.Body.String() != "{}question" {
		t.Errorf("the answer is not handed through: %d %s", w.Code, w.Body)
	}
}

func TestTransport(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(broken))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	for name, tt := range map[string]struct {
		host, path, request string
		want                int
	}{
		"a host":             {host, "", "/api/transactions/t", 1},
		"another host":       {"elsewhere.example", "", "/api/transactions/t", 0},
		"a path":             {host + "/v", "/v", "/v/api/transactions/t", 1},
		"another path":       {host + "/v", "/v", "/api/transactions/t", 0},
		"a longer path":      {host + "/v", "/v", "/vv/api/transactions/t", 0},
		"a well-known path":  {host + "/v", "/v", "/.well-known/x/v", 1},
		"another well-known": {host + "/v", "/v", "/.well-known/x", 0},
	} {
		tb := &recorder{TB: t}
		client := &http.Client{Transport: openapitest.Transport(http.DefaultTransport, map[string]*openapitest.Validator{tt.host: validator(t, tt.path)}, tb.Error)}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+tt.request, strings.NewReader("question"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.Body.Close() != nil || string(body) != "{}question" {
			t.Errorf("the answer is not handed through: %s %v", body, err)
		}
		if len(tb.errors) != tt.want {
			t.Errorf("%s: errors: %q", name, tb.errors)
		}
	}
}

// TestCondition proves that a route that exists in some configurations only may
// be unknown, and others may not.
func TestCondition(t *testing.T) {
	t.Parallel()
	v, err := openapitest.New(openapi.Issuer, "")
	if err != nil {
		t.Fatal(err)
	}
	absent := exchange{"POST /login/test", "", "", 404, "Content-Type: " + problem, fmt.Sprintf(refused, "not_found")}
	if err := absent.check(t, v); err != nil {
		t.Error(err)
	}
	absent.request = "POST /review"
	if err := absent.check(t, v); err == nil {
		t.Error("the login is missing")
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := openapitest.New("other", ""); err == nil {
		t.Error("a validator without a document")
	}
}
