package verifier_test

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/internal/httpd"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/openapi/openapitest"
	"github.com/tegata-id/tegata/verifier"
)

const (
	bankKey = "api-key-of-the-bank-in-the-tests-0123456789"
	shopKey = "api-key-of-the-shop-in-the-tests-0123456789"
)

// parties are a bank that is registered for names and ages of SD-JWT VCs, and a
// shop without limits.
func parties() []verifier.Party {
	return []verifier.Party{
		{
			ID: "bank", NameJA: "銀行", NameEN: "Bank", Keys: [][sha256.Size]byte{sha256.Sum256([]byte(bankKey))},
			Flows: []verifier.Flow{verifier.SameDevice}, RedirectURIs: []string{redirect},
			Allowed: []verifier.Allowed{{
				Format: credentials.FormatSDJWTVC, Type: vct,
				Claims: []credentials.Path{credentials.PathOf("name"), credentials.PathOf("age_equal_or_over")},
			}},
		},
		{ID: "shop", NameJA: "店", NameEN: "Shop", Keys: [][sha256.Size]byte{sha256.Sum256([]byte(shopKey))}},
	}
}

// newPartySite is a site whose verifier works for these parties too, on several
// replicas if asked for.
func newPartySite(t testing.TB, list []verifier.Party) *site {
	t.Helper()
	w := newWorld(t)
	return w.siteFor(list)
}

func (w *world) siteFor(list []verifier.Party) *site {
	w.t.Helper()
	c := w.config("city")
	c.Parties = list
	w.v = must(verifier.New(c))(w.t)
	w.v.SetPace(time.Millisecond, 5*time.Millisecond, 100*time.Millisecond)
	server := must(httpd.New(httpd.Options{Name: "verifier", Origin: origin, Now: w.clock}))(w.t)
	verifier.Mount(server, "", w.v)
	documented := must(openapitest.New(openapi.Verifier, ""))(w.t)
	return &site{world: w, handler: documented.Handler(w.t, server.Handler()), plain: server.Handler(), routes: server.Routes()}
}

// as sends a request of a relying party.
func (s *site) as(key, method, target, body string, extra ...string) *http.Response {
	s.t.Helper()
	return s.do(method, target, body, append([]string{"Content-Type", "application/json", "Authorization", "Bearer " + key}, extra...)...)
}

func askBody(query string, flow verifier.Flow, redirectURI string) string {
	body := map[string]any{"dcql_query": json.RawMessage(query), "flow": flow}
	if redirectURI != "" {
		body["redirect_uri"] = redirectURI
	}
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func (s *site) ask(key string) created {
	s.t.Helper()
	r := s.as(key, http.MethodPost, "/api/transactions", askBody(querySDJWT, verifier.SameDevice, redirect))
	return decode[created](s.t, wantCode(s.t, r, http.StatusCreated))
}

func reasonOf(t testing.TB, r *http.Response) string {
	t.Helper()
	return decode[struct {
		Reason string `json:"reason"`
	}](t, r).Reason
}

// TestNegRegistration asks for more than the party is registered for.
func TestNegRegistration(t *testing.T) {
	t.Parallel()
	s := newPartySite(t, parties())
	asking := func(claims string) string {
		return `{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["` + vct + `"]},"claims":[` + claims + `]}]}`
	}
	for name, tc := range map[string]struct {
		query    string
		flow     verifier.Flow
		redirect string
		status   int
		reason   string
	}{
		"honest twin":         {querySDJWT, verifier.SameDevice, redirect, 201, ""},
		"below an allowed":    {asking(`{"path":["age_equal_or_over","65"]}`), verifier.SameDevice, redirect, 201, ""},
		"all of an allowed":   {asking(`{"path":["age_equal_or_over"]}`), verifier.SameDevice, redirect, 201, ""},
		"no claims":           {`{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["` + vct + `"]}}]}`, verifier.SameDevice, redirect, 201, ""},
		"another claim":       {asking(`{"path":["name"]},{"path":["birthdate"]}`), verifier.SameDevice, redirect, 403, "not_registered"},
		"every element":       {asking(`{"path":["name",null]}`), verifier.SameDevice, redirect, 201, ""},
		"claim in an option":  {asking(`{"id":"a","path":["name"]},{"id":"b","path":["address"]}],"claim_sets":[["a"],["b"]`), verifier.SameDevice, redirect, 403, "not_registered"},
		"another type":        {strings.ReplaceAll(querySDJWT, vct, "urn:other"), verifier.SameDevice, redirect, 403, "not_registered"},
		"another type beside": {strings.ReplaceAll(querySDJWT, `"`+vct+`"`, `"`+vct+`","urn:other"`), verifier.SameDevice, redirect, 403, "not_registered"},
		"another format":      {queryMdoc, verifier.SameDevice, redirect, 403, "not_registered"},
		"another flow":        {querySDJWT, verifier.CrossDevice, "", 403, "not_registered"},
		"another redirect":    {querySDJWT, verifier.SameDevice, redirect + "8", 400, "invalid_redirect_uri"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.as(bankKey, http.MethodPost, "/api/transactions", askBody(tc.query, tc.flow, tc.redirect))
			if wantCode(t, r, tc.status); tc.status == http.StatusCreated {
				return
			}
			if got := reasonOf(t, r); got != tc.reason {
				t.Errorf("reason %s, want %s", got, tc.reason)
			}
			// The same of a party without limits is not refused.
			wantCode(t, s.as(shopKey, http.MethodPost, "/api/transactions", askBody(tc.query, tc.flow, tc.redirect)), http.StatusCreated)
		})
	}
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	s := newPartySite(t, parties())
	r := wantCode(t, s.as(bankKey, http.MethodGet, "/api/registration", ""), http.StatusOK)
	want := `{"id":"bank","name_ja":"銀行","name_en":"Bank","flows":["same_device"],"redirect_uris":["` + redirect + `"],` +
		`"allowed":[{"format":"dc+sd-jwt","type":"` + vct + `","claims":[["name"],["age_equal_or_over"]]}]}`
	if diff := cmp.Diff(want, strings.TrimSpace(text(t, r))); diff != "" {
		t.Error(diff)
	}
	wantCode(t, s.as("another-key-that-nobody-has-0123456789", http.MethodGet, "/api/registration", ""), http.StatusUnauthorized)
	wantCode(t, s.as("", http.MethodGet, "/api/registration", ""), http.StatusUnauthorized)
}

var instance = regexp.MustCompile(`urn:tegata:request:[a-p]+`)

// TestNegPartiesAreIsolated takes a transaction of one relying party to another,
// on every route that names one: the answer is that for a transaction that never
// existed.
func TestNegPartiesAreIsolated(t *testing.T) {
	t.Parallel()
	s := newPartySite(t, parties())
	tried := 0
	for _, route := range s.routes {
		if !strings.HasPrefix(route.Path, "/api/transactions/:id") {
			continue
		}
		tried++
		t.Run(route.Method+" "+route.Path, func(t *testing.T) {
			for _, other := range []string{shopKey, apiToken} {
				own := s.ask(bankKey)
				at := func(id string) string { return strings.Replace(route.Path, ":id", id, 1) }
				plain := func(key, id string) string {
					r := wantCode(t, s.as(key, route.Method, at(id), ""), http.StatusNotFound)
					return instance.ReplaceAllString(text(t, r), "")
				}
				if diff := cmp.Diff(plain(other, "BGc5C-bUfxI5GA9VB2R2PPEzfDKoP-RmVULIm05FBdc"), plain(other, own.ID)); diff != "" {
					t.Errorf("the other tells it from what never existed: %s", diff)
				}
				if r := s.as(bankKey, route.Method, at(own.ID), ""); r.StatusCode >= 400 {
					t.Errorf("at home: %d %s", r.StatusCode, text(t, r))
				}
			}
		})
	}
	if tried < 2 {
		t.Errorf("%d routes", tried)
	}
}

func TestRequestsPerMinute(t *testing.T) {
	t.Parallel()
	list := parties()
	list[0].PerMinute = 2
	s := newPartySite(t, list)
	get := func(key string) *http.Response { return s.as(key, http.MethodGet, "/api/registration", "") }
	wantCode(t, get(bankKey), http.StatusOK)
	replica := s.siteFor(list) // limits are shared
	wantCode(t, replica.as(bankKey, http.MethodGet, "/api/registration", ""), http.StatusOK)
	r := wantCode(t, get(bankKey), http.StatusTooManyRequests)
	if r.Header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After: %s", r.Header.Get("Retry-After"))
	}
	wantCode(t, get(shopKey), http.StatusOK)
	s.advance(time.Minute)
	wantCode(t, get(bankKey), http.StatusOK)
}

// TestMaxOpen has a party begin more than it may: what a wallet has answered,
// what was cancelled and what has expired no longer counts.
func TestMaxOpen(t *testing.T) {
	t.Parallel()
	list := parties()
	list[0].MaxOpen = 2
	s := newPartySite(t, list)
	full := func() {
		t.Helper()
		r := s.as(bankKey, http.MethodPost, "/api/transactions", askBody(querySDJWT, verifier.SameDevice, redirect))
		wantCode(t, r, http.StatusTooManyRequests)
		if r.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	first, second := s.ask(bankKey), s.ask(bankKey)
	full()
	s.ask(shopKey)
	wantCode(t, s.as(bankKey, http.MethodDelete, "/api/transactions/"+first.ID, ""), http.StatusNoContent)
	s.ask(bankKey)
	full()
	r := s.read(second.Link, second.RequestURI)
	wantCode(t, s.post(r.Parameters.ResponseURI, s.encrypted(r, s.presentSDJWT(r.binding()))), http.StatusOK)
	s.ask(bankKey)
	full()
	s.advance(verifier.DefaultLifetimes.Request)
	s.ask(bankKey)
	s.ask(bankKey)
	full()
}

func TestNegParties(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range map[string]func([]verifier.Party){
		"id twice":       func(p []verifier.Party) { p[1].ID = "bank" },
		"no key":         func(p []verifier.Party) { p[0].Keys = nil },
		"key of another": func(p []verifier.Party) { p[1].Keys = p[0].Keys },
		"key like token": func(p []verifier.Party) { p[1].Keys = [][sha256.Size]byte{sha256.Sum256([]byte(apiToken))} },
		"too many open":  func(p []verifier.Party) { p[0].MaxOpen = verifier.MostOpen + 1 },
		"certificate of another": func(p []verifier.Party) {
			p[0].Certificates, p[1].Certificates = [][sha256.Size]byte{{1}}, [][sha256.Size]byte{{1}}
		},
		"name that nobody certifies": func(p []verifier.Party) { p[0].CertificateName = "client.bank.example" },
		"no identification":          func(p []verifier.Party) { p[0].ID = "" },
	} {
		c := w.config("city")
		c.Parties = parties()
		if _, err := verifier.New(c); err != nil {
			t.Fatalf("honest twin: %v", err)
		}
		change(c.Parties)
		if _, err := verifier.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
