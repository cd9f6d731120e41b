package oidfverifier_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tegata-id/tegata/internal/e2e/wire"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// codeOf returns the response code of an accepted response.
func codeOf(t testing.TB, a *answer) string {
	t.Helper()
	var reply map[string]string
	if err := json.Unmarshal(a.body, &reply); err != nil || a.status != http.StatusOK {
		t.Fatalf("response: %d %s", a.status, a.body)
	}
	return check(url.Parse(reply["redirect_uri"]))(t).Query().Get("response_code")
}

// TestNegTransaction holds what leads to a transaction and its result.
func TestNegTransaction(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	v := variants[0]
	begin := func(t *testing.T) (transaction, *request, url.Values) {
		tx := s.begin(t, v, queryOfPID, "same_device")
		r := s.read(t, v, tx, nil)
		return tx, r, r.form(t, s.pid(t, r).present(t))
	}
	refused := func(t *testing.T, a *answer, status int) {
		t.Helper()
		if a.status != status {
			t.Errorf("%d %s, want %d", a.status, a.body, status)
		}
	}
	t.Run("P08 replay", func(t *testing.T) {
		t.Parallel()
		tx, r, form := begin(t)
		other, there, own := begin(t)
		refused(t, s.post(t, there.ResponseURI, form), 400)
		refused(t, s.post(t, strings.Replace(r.ResponseURI, "/haip/", "/x509-san-dns/", 1), form), 400)
		s.wantAccepted(t, v, tx, s.post(t, r.ResponseURI, form), honestClaims[formatSDJWT])
		refused(t, s.post(t, r.ResponseURI, form), 400)
		s.wantAccepted(t, v, other, s.post(t, there.ResponseURI, own), honestClaims[formatSDJWT])
	})
	t.Run("P08 presentation for another request", func(t *testing.T) {
		t.Parallel()
		_, first, _ := begin(t)
		tx, r, _ := begin(t)
		s.wantRefused(t, v, tx, s.post(t, r.ResponseURI, r.form(t, s.pid(t, first).present(t))))
	})
	t.Run("P09 state", func(t *testing.T) {
		t.Parallel()
		tx, r, form := begin(t)
		token := map[string]any{credential: []string{s.pid(t, r).present(t)}}
		for name, state := range map[string]any{"unknown": rand.Text(), "absent": nil, "empty": "", "a list": []string{r.State}} {
			members := map[string]any{"vp_token": token}
			if state != nil {
				members["state"] = state
			}
			if a := s.post(t, r.ResponseURI, r.formOf(t, members)); a.status != 400 {
				t.Errorf("%s: %d", name, a.status)
			}
			if name == "a list" { // read and malformed, which ends the transaction
				if got := s.result(t, v, tx, ""); got.State == "verified" {
					t.Errorf("%s: %+v", name, got)
				}
				tx, r, form = begin(t)
				token = map[string]any{credential: []string{s.pid(t, r).present(t)}}
			}
		}
		s.wantAccepted(t, v, tx, s.post(t, r.ResponseURI, form), honestClaims[formatSDJWT])
	})
	t.Run("P09 response code", func(t *testing.T) {
		t.Parallel()
		tx, r, form := begin(t)
		code := codeOf(t, s.post(t, r.ResponseURI, form))
		if len(code) < 43 || code == r.State || code == r.Nonce {
			t.Errorf("the response code %q is short or not its own", code)
		}
		for _, wrong := range []string{rand.Text(), code[:42], code + "A", r.State, tx.ID} {
			refused(t, s.api(t, v, http.MethodGet, "/"+tx.ID+"?response_code="+url.QueryEscape(wrong), ""), 400)
		}
		if got := s.result(t, v, tx, code); got.State != "verified" {
			t.Errorf("honest: %+v", got)
		}
		refused(t, s.api(t, v, http.MethodGet, "/"+tx.ID+"?response_code="+code, ""), 400)
	})
	t.Run("P12 result without authentication, by state, by request", func(t *testing.T) {
		t.Parallel()
		tx, r, form := begin(t)
		codeOf(t, s.post(t, r.ResponseURI, form))
		at := s.origin + "/" + v.name + "/api/transactions/"
		refused(t, s.do(t, http.MethodGet, at+tx.ID, nil, ""), 401)
		refused(t, s.do(t, http.MethodGet, at+tx.ID, http.Header{"Authorization": {"Bearer " + rand.Text()}}, ""), 401)
		for _, name := range []string{r.State, r.Nonce, r.ResponseURI[strings.LastIndexByte(r.ResponseURI, '/')+1:]} {
			refused(t, s.api(t, v, http.MethodGet, "/"+name, ""), 404)
		}
	})
	t.Run("P13 metadata of a wallet is bounded", func(t *testing.T) {
		t.Parallel()
		tx, _, _ := begin(t)
		address := check(url.Parse(tx.Link))(t).Query().Get("request_uri")
		for name, metadata := range map[string]string{
			"large": strings.Repeat("x", 100<<10), "deep": strings.Repeat("[", 5000), "a list": "[]", "member twice": `{"jwks":{},"jwks":{}}`,
			"other format": `{"vp_formats_supported":{"jwt_vc_json":{}}}`,
		} {
			if a := s.post(t, address, url.Values{"wallet_metadata": {metadata}}); a.status < 400 || a.status > 499 {
				t.Errorf("%s: %d", name, a.status)
			}
		}
		r := s.read(t, v, tx, &walletPost{nonce: "one"})
		s.read(t, v, tx, &walletPost{nonce: "two"})
		s.wantAccepted(t, v, tx, s.post(t, r.ResponseURI, r.form(t, s.pid(t, r).present(t))), honestClaims[formatSDJWT])
	})
	t.Run("P19 transaction data", func(t *testing.T) {
		t.Parallel()
		const payment = `{"type":"urn:test:payment","credential_ids":["my_credential"],"amount":"1200 JPY"}`
		for name, tt := range map[string]struct {
			hashes func(encoded string) any
			ok     bool
		}{
			"honest":    {func(e string) any { return []string{wire.Hash(e)} }, true},
			"missing":   {func(string) any { return nil }, false},
			"empty":     {func(string) any { return []string{} }, false},
			"wrong":     {func(string) any { return []string{wire.Hash("x")} }, false},
			"decoded":   {func(string) any { return []string{wire.Hash(payment)} }, false},
			"one more":  {func(e string) any { return []string{wire.Hash(e), wire.Hash("x")} }, false},
			"no list":   {func(e string) any { return wire.Hash(e) }, false},
			"algorithm": {func(e string) any { return []string{wire.Hash(e)} }, false},
		} {
			tx := s.begin(t, v, queryOfPID, "same_device", `,"transaction_data":[`+payment+`]`)
			signed := string(s.do(t, http.MethodGet, check(url.Parse(tx.Link))(t).Query().Get("request_uri"), nil, "").body)
			r := decode(t, unb64(t, strings.Split(signed, ".")[1]))
			var data []string
			if err := json.Unmarshal(r.members["transaction_data"], &data); err != nil || len(data) != 1 || string(unb64(t, data[0])) != payment {
				t.Fatalf("transaction_data: %s", r.members["transaction_data"])
			}
			p := s.pid(t, r)
			if hashes := tt.hashes(data[0]); hashes != nil {
				p.kb["transaction_data_hashes"] = hashes
			}
			if name == "algorithm" {
				p.kb["transaction_data_hashes_alg"] = "sha-512"
			}
			a := s.post(t, r.ResponseURI, r.form(t, p.present(t)))
			if tt.ok {
				s.wantAccepted(t, v, tx, a, honestClaims[formatSDJWT])
			} else if reason := s.wantRefused(t, v, tx, a); reason != "transaction_data" {
				t.Errorf("%s: refused for %s", name, reason)
			}
		}
	})
	t.Run("P20 error of the wallet", func(t *testing.T) {
		t.Parallel()
		tx, r, form := begin(t)
		a := s.post(t, r.ResponseURI, url.Values{"error": {"access_denied"}, "error_description": {"<script>alert(1)</script>"}, "state": {r.State}})
		if a.status != http.StatusOK || strings.Contains(string(a.body), "script") {
			t.Errorf("%d %s", a.status, a.body)
		}
		if got := s.api(t, v, http.MethodGet, "/"+tx.ID, ""); strings.Contains(string(got.body), "script") || !strings.Contains(string(got.body), `"wallet_error":"access_denied"`) {
			t.Errorf("%s", got.body)
		}
		refused(t, s.post(t, r.ResponseURI, form), 400)
	})
	t.Run("P21 two persons", func(t *testing.T) {
		t.Parallel()
		one := func(id string) string {
			return `{"id":"` + id + `","format":"dc+sd-jwt","meta":{"vct_values":["` + pidVCT + `"]},"claims":[{"path":["birthdate"]}]}`
		}
		query := `{"credentials":[` + one(credential) + `,` + one("second") + `]}`
		for born, want := range map[string]int{"1980-05-23": 200, "1981-05-23": 400} {
			tx := s.begin(t, v, query, "same_device")
			signed := string(s.do(t, http.MethodGet, check(url.Parse(tx.Link))(t).Query().Get("request_uri"), nil, "").body)
			r := decode(t, unb64(t, strings.Split(signed, ".")[1]))
			person := func(date string) []string {
				p := s.pid(t, r)
				p.disclosures = nil
				p.sd(wire.Disclosure(rand.Text(), "birthdate", date))
				return []string{p.present(t)}
			}
			a := s.post(t, r.ResponseURI, r.formOf(t, map[string]any{"state": r.State, "vp_token": map[string]any{credential: person("1980-05-23"), "second": person(born)}}))
			if a.status != want {
				t.Errorf("%s: %d %s", born, a.status, a.body)
			}
		}
	})
	t.Run("P22 another tenant", func(t *testing.T) {
		t.Parallel()
		tx, r, form := begin(t)
		code := codeOf(t, s.post(t, r.ResponseURI, form))
		there := s.api(t, variants[2], http.MethodGet, "/"+tx.ID+"?response_code="+code, "")
		never := s.api(t, variants[2], http.MethodGet, "/"+rand.Text(), "")
		instance := regexp.MustCompile(`urn:tegata:request:[a-p]+`)
		if there.status != 404 || instance.ReplaceAllString(string(there.body), "") != instance.ReplaceAllString(string(never.body), "") {
			t.Errorf("%d %s, for what never was %s", there.status, there.body, never.body)
		}
		if got := s.result(t, v, tx, code); got.State != "verified" {
			t.Errorf("honest: %+v", got)
		}
	})
	t.Run("D01 size", func(t *testing.T) {
		t.Parallel()
		_, r, _ := begin(t)
		const limit = 512 << 10
		for size, want := range map[int]int{limit: 400, limit + 1: 413} {
			if a := s.post(t, r.ResponseURI, url.Values{"response": {strings.Repeat("x", size-len("response="))}}); a.status != want {
				t.Errorf("%d bytes: %d, want %d", size, a.status, want)
			}
		}
	})
}

// page is a browser on the verifier's own pages.
type page struct {
	s      *suite
	v      variant
	cookie string
}

func (p *page) get(t testing.TB, path string) *answer {
	t.Helper()
	header := http.Header{}
	if p.cookie != "" {
		header.Set("Cookie", p.cookie)
	}
	return p.s.do(t, http.MethodGet, p.s.origin+"/"+p.v.name+path, header, "")
}

// start begins a transaction and returns its path and link.
func (p *page) start(t testing.TB, flow string) (path, link string) {
	t.Helper()
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {p.s.origin}}
	if p.cookie != "" {
		header.Set("Cookie", p.cookie)
	}
	a := p.s.do(t, http.MethodPost, p.s.origin+"/"+p.v.name+"/start", header, url.Values{"preset": {"adult_sd_jwt"}, "flow": {flow}}.Encode())
	if a.status != http.StatusSeeOther {
		t.Fatalf("start: %d %s", a.status, a.body)
	}
	p.cookie, _, _ = strings.Cut(a.header.Get("Set-Cookie"), ";")
	path = strings.TrimPrefix(check(url.Parse(a.header.Get("Location")))(t).Path, "/"+p.v.name)
	found := regexp.MustCompile(`id="wallet-link" href="([^"]+)"`).FindSubmatch(p.get(t, path).body)
	if found == nil {
		t.Fatal("no link on the page")
	}
	return path, strings.ReplaceAll(string(found[1]), "&amp;", "&")
}

// answerPreset has the wallet answer a page's request.
func (s *suite) answerPreset(t testing.TB, v variant, link string) *answer {
	t.Helper()
	signed := string(s.do(t, http.MethodGet, check(url.Parse(link))(t).Query().Get("request_uri"), nil, "").body)
	r := decode(t, unb64(t, strings.Split(signed, ".")[1]))
	p := s.pid(t, r)
	p.payload["vct"], p.disclosures = "urn:tegata:identity:jp:1", nil
	p.sd(wire.Disclosure(rand.Text(), "name", "手形花子"), wire.Disclosure(rand.Text(), "age_equal_or_over", object{"18": true}))
	return s.post(t, r.ResponseURI, r.formOf(t, map[string]any{
		"state": r.State, "vp_token": map[string]any{"identity_sd_jwt": []string{p.present(t)}},
	}))
}

func state(t testing.TB, a *answer) string {
	t.Helper()
	found := regexp.MustCompile(`data-state="([a-z]+)"`).FindSubmatch(a.body)
	if found == nil {
		return fmt.Sprint(a.status)
	}
	return string(found[1])
}

// TestReplicas has two processes on one Redis serve what an attacker spreads
// over both.
func TestReplicas(t *testing.T) {
	t.Parallel()
	s := newSuite(t, sessiontest.StartRedis(t))
	v := variants[0]
	t.Run("P08 P22 one of many responses, delivered once", func(t *testing.T) {
		tx := s.begin(t, v, queryOfPID, "same_device")
		r := s.read(t, v, tx, nil)
		form := r.form(t, s.pid(t, r).present(t))
		many := func(do func() *answer) []int {
			statuses := make([]int, 16)
			var wg sync.WaitGroup
			for i := range statuses {
				wg.Go(func() { statuses[i] = do().status })
			}
			wg.Wait()
			return statuses
		}
		var mu sync.Mutex
		var codes []string
		many(func() *answer {
			a := s.post(t, r.ResponseURI, form)
			if a.status == http.StatusOK {
				mu.Lock()
				defer mu.Unlock()
				codes = append(codes, codeOf(t, a))
			}
			return a
		})
		if len(codes) != 1 {
			t.Fatalf("%d of 16 responses were accepted", len(codes))
		}
		delivered := 0
		many(func() *answer {
			a := s.api(t, v, http.MethodGet, "/"+tx.ID+"?response_code="+codes[0], "")
			if strings.Contains(string(a.body), "Dupont") {
				mu.Lock()
				defer mu.Unlock()
				delivered++
			}
			return a
		})
		if delivered != 1 {
			t.Errorf("the result was delivered %d times", delivered)
		}
	})
	t.Run("P10 P11 same device", func(t *testing.T) {
		// The attacker begins and has the victim answer: by a link, or by a QR code
		// made of it.
		attacker, victim := &page{s: s, v: v}, &page{s: s, v: v}
		path, link := attacker.start(t, "same_device")
		code := codeOf(t, s.answerPreset(t, v, link))
		if got := state(t, attacker.get(t, path)); got != "waiting" {
			t.Errorf("the attacker's page says %s", got)
		}
		if a := attacker.get(t, path+"/result"); strings.Contains(string(a.body), "手形花子") {
			t.Error("the attacker reads the result without the code")
		}
		if a := victim.get(t, "/done?response_code="+code); a.status != http.StatusForbidden || strings.Contains(string(a.body), "手形花子") {
			t.Errorf("the victim's browser: %d", a.status)
		}
		victim.cookie = otherCookie(t, s, v)
		if a := victim.get(t, "/done?response_code="+code); a.status != http.StatusBadRequest || strings.Contains(string(a.body), "手形花子") {
			t.Errorf("the victim's browser with a transaction of its own: %d", a.status)
		}
		if a := attacker.get(t, "/done?response_code="+rand.Text()); a.status != http.StatusBadRequest {
			t.Errorf("a guessed code: %d", a.status)
		}
		if a := attacker.get(t, "/done?response_code="+code); state(t, a) != "verified" { // the honest twin: the browser that began
			t.Errorf("the browser that began: %d %s", a.status, state(t, a))
		}
		if a := attacker.get(t, "/done?response_code="+code); strings.Contains(string(a.body), "手形花子") {
			t.Error("the code was good for two")
		}
	})
	t.Run("P10 a cookie that was planted", func(t *testing.T) {
		// The attacker plants a cookie, of their own transaction or made up, in the
		// browser of the victim, who then begins.
		for _, planted := range []string{otherCookie(t, s, v), strings.SplitN(otherCookie(t, s, v), "=", 2)[0] + "=" + rand.Text()} {
			victim, attacker := &page{s: s, v: v, cookie: planted}, &page{s: s, v: v, cookie: planted}
			path, link := victim.start(t, "cross_device")
			if victim.cookie == planted {
				t.Error("the browser keeps the cookie that was planted")
			}
			s.answerPreset(t, v, link)
			for _, at := range []string{path, path + "/result"} {
				if a := attacker.get(t, at); a.status != http.StatusForbidden || strings.Contains(string(a.body), "手形花子") {
					t.Errorf("the attacker at %s: %d", at, a.status)
				}
			}
			if a := victim.get(t, path+"/result"); state(t, a) != "verified" {
				t.Errorf("the victim: %d %s", a.status, state(t, a))
			}
		}
	})
	t.Run("P10 cross device", func(t *testing.T) {
		screen := &page{s: s, v: v}
		path, link := screen.start(t, "cross_device")
		code := codeOf(t, s.answerPreset(t, v, link))
		phone := &page{s: s, v: v}
		if a := phone.get(t, "/done?response_code="+code); strings.Contains(string(a.body), "手形花子") {
			t.Error("the phone's browser reads the result")
		}
		if a := phone.get(t, path+"/result"); a.status != http.StatusForbidden {
			t.Errorf("a browser without the cookie: %d", a.status)
		}
		if a := screen.get(t, path+"/result"); state(t, a) != "verified" { // no code is needed
			t.Errorf("the screen: %d %s", a.status, state(t, a))
		}
	})
	t.Run("both processes answer", func(t *testing.T) {
		if len(s.listeners) != 2 || slices.Contains(s.listeners[1:], s.listeners[0]) {
			t.Errorf("listeners %v", s.listeners)
		}
	})
}

// otherCookie is that of a browser that began something else.
func otherCookie(t testing.TB, s *suite, v variant) string {
	t.Helper()
	b := &page{s: s, v: v}
	b.start(t, "same_device")
	return b.cookie
}
