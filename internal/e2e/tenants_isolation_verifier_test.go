package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
)

// verifierMatrix has an entry for every route of a verifier.
func verifierMatrix() map[string]entry {
	one := func(name string, prepare func(t *testing.T, n *neighbours) trial) entry {
		return entry{attempts: []attempt{{name, prepare}}}
	}
	return map[string]entry{
		"GET /":             {public: "the first page is everybody's"},
		"GET /openapi.yaml": {public: "a document for everybody"},
		"GET /assets/:name": {public: "what the pages refer to", get: func(t *testing.T, n *neighbours) *answer {
			t.Helper()
			return n.b.send(t, http.MethodGet, n.b.box.Verifier+"/assets/verifier.css", nil, nil)
		}},
		"GET /webhooks/jwks": {public: "keys for everybody", get: func(t *testing.T, n *neighbours) *answer {
			t.Helper()
			return n.b.send(t, http.MethodGet, n.b.box.Verifier+"/webhooks/jwks", nil, nil)
		}},
		"POST /start":            {public: "it begins something new, whoever asks", get: startWithCookie},
		"GET /api/registration":  one("relying party's token", tryDescription("/api/registration")),
		"GET /api/presets":       one("relying party's token", tryDescription("/api/presets")),
		"POST /api/transactions": one("relying party's token", tryRelyingParty),
		"GET /api/transactions/:id": {attempts: []attempt{
			{"transaction", tryTransaction(http.MethodGet)}, {"relying party's token", tryTransactionToken(http.MethodGet)},
			{"response code", tryResponseCode},
		}},
		"GET /api/transactions/:id/events": {attempts: []attempt{
			{"transaction", tryEvents}, {"relying party's token", tryEventsToken},
		}},
		"DELETE /api/transactions/:id": {attempts: []attempt{
			{"transaction", tryTransaction(http.MethodDelete)}, {"relying party's token", tryTransactionToken(http.MethodDelete)},
		}},
		"GET /requests/:id":  one("request", tryRequest(http.MethodGet, nil)),
		"POST /requests/:id": one("request", tryRequest(http.MethodPost, url.Values{"wallet_nonce": {"a-nonce-of-the-wallet"}})),
		"POST /responses/:id": {attempts: []attempt{
			{"response", tryResponse}, {"encrypted answer", tryEncrypted}, {"state", tryState},
		}},
		"GET /transactions/:id": {attempts: []attempt{
			{"cookie", tryPageCookie("")}, {"transaction", tryPageTransaction("")},
		}},
		"GET /transactions/:id/events": {attempts: []attempt{
			{"cookie", tryPageCookie("/events")}, {"transaction", tryPageTransaction("/events")},
		}},
		"GET /transactions/:id/result": {attempts: []attempt{
			{"cookie", tryPageCookie("/result")}, {"transaction", tryPageTransaction("/result")},
		}},
		"GET /done": {attempts: []attempt{{"cookie", tryDoneCookie}, {"response code", tryDoneCode}}},
	}
}

// asked is a transaction as who began it and the wallet see it.
type asked struct {
	ID         string
	Link       string
	RequestURI string `json:"request_uri"`
	// cookie is that of a transaction that a browser began.
	cookie cookieOf
}

// ask begins a transaction of the relying party.
func (s *side) ask(t *testing.T) asked {
	t.Helper()
	var a asked
	body := transactionBody(t)
	s.send(t, http.MethodPost, s.box.Verifier+"/api/transactions", bearer(s.box.APIToken, body), body).read(t, &a)
	return a
}

func transactionBody(t *testing.T) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"dcql_query": json.RawMessage(queries[credentials.FormatSDJWTVC]), "flow": verifier.SameDevice, "redirect_uri": "https://bank.example/done",
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// begins starts a transaction in a browser.
func (s *side) begins(t *testing.T, flow verifier.Flow) asked {
	t.Helper()
	b := s.newBrowser(t)
	p := b.post(t, s.box.Verifier+"/start", url.Values{"preset": {"adult_sd_jwt"}, "flow": {string(flow)}})
	a := asked{ID: path.Base(p.url.Path), Link: p.attribute("wallet-link", "href"), cookie: s.cookieOf(t, b, s.box.Verifier)}
	if a.Link == "" {
		t.Fatalf("no link: %d %s", p.status, p.body)
	}
	return a
}

// posted is what a wallet posts to a verifier.
type posted struct {
	address string
	form    []byte
}

// keepsAnswers posts nothing to verifiers.
type keepsAnswers struct {
	holder.HTTP
	kept *posted
}

// Post implements holder.HTTP.
func (k keepsAnswers) Post(ctx context.Context, address, contentType string, body []byte, headers http.Header) (*fetch.Response, error) {
	if !strings.Contains(address, "/responses/") {
		return k.HTTP.Post(ctx, address, contentType, body, headers)
	}
	*k.kept = posted{address, body}
	return nil, errors.New("kept")
}

// answer makes the answer of a wallet that has a credential of this side.
func (s *side) answer(t *testing.T, a asked) posted {
	t.Helper()
	w := s.receive(t, cardOf(t, "hanako"))
	var kept posted
	w.HTTP = keepsAnswers{w.HTTP, &kept}
	agree := func(context.Context, holder.Ask) holder.Decision { return holder.Decision{Allow: true} }
	if _, err := w.Present(t.Context(), a.Link, agree); kept.form == nil {
		t.Fatalf("no answer: %v", err)
	}
	return kept
}

// post sends the answer, which may be for another address.
func (s *side) post(t *testing.T, address string, form []byte) *answer {
	t.Helper()
	return s.send(t, http.MethodPost, address, http.Header{"Content-Type": {typeForm}}, form)
}

// respond has a wallet answer and returns the response code.
func (s *side) respond(t *testing.T, a asked) string {
	t.Helper()
	kept := s.answer(t, a)
	var reply verifier.Reply
	s.post(t, kept.address, kept.form).read(t, &reply)
	u, err := url.Parse(reply.RedirectURI)
	if err != nil || u.Query().Get("response_code") == "" {
		t.Fatalf("no response code in %q", reply.RedirectURI)
	}
	return u.Query().Get("response_code")
}

// there is the address at the neighbour.
func (n *neighbours) there(address string) string {
	return strings.Replace(address, n.a.box.Verifier, n.b.box.Verifier, 1)
}

// startWithCookie begins a transaction at b with the cookie of a.
func startWithCookie(t *testing.T, n *neighbours) *answer {
	t.Helper()
	h := n.a.begins(t, verifier.SameDevice).cookie.header(n)
	h.Set("Content-Type", typeForm)
	h.Set("Origin", n.b.section("verifier").Origin)
	return n.b.send(t, http.MethodPost, n.b.box.Verifier+"/start", h, []byte("preset=adult&flow=same_device"))
}

func tryRelyingParty(t *testing.T, n *neighbours) trial {
	t.Helper()
	body := transactionBody(t)
	ask := func(s *side, token string) func() *answer {
		return func() *answer {
			return s.send(t, http.MethodPost, s.box.Verifier+"/api/transactions", bearer(token, body), body)
		}
	}
	return trial{
		own: ask(n.a, n.a.box.APIToken), other: ask(n.b, n.a.box.APIToken), guess: ask(n.b, unknown()),
		alive: ask(n.b, n.b.box.APIToken),
	}
}

// tryDescription reads what a relying party is told of the verifier.
func tryDescription(path string) func(t *testing.T, n *neighbours) trial {
	return func(t *testing.T, n *neighbours) trial {
		t.Helper()
		get := func(s *side, token string) func() *answer {
			return func() *answer {
				return s.send(t, http.MethodGet, s.box.Verifier+path, bearer(token, nil), nil)
			}
		}
		return trial{
			own: get(n.a, n.a.box.APIToken), other: get(n.b, n.a.box.APIToken), guess: get(n.b, unknown()),
			alive: get(n.b, n.b.box.APIToken),
		}
	}
}

// transaction asks a side for a transaction, or to end it.
func (s *side) transaction(t *testing.T, method, id, token string) func() *answer {
	t.Helper()
	return func() *answer {
		return s.send(t, method, s.box.Verifier+"/api/transactions/"+id, bearer(token, nil), nil)
	}
}

func tryTransaction(method string) func(t *testing.T, n *neighbours) trial {
	return func(t *testing.T, n *neighbours) trial {
		t.Helper()
		id := n.a.ask(t).ID
		return trial{
			own:   n.a.transaction(t, method, id, n.a.box.APIToken),
			other: n.b.transaction(t, method, id, n.b.box.APIToken),
			guess: n.b.transaction(t, method, unknown(), n.b.box.APIToken),
		}
	}
}

func tryTransactionToken(method string) func(t *testing.T, n *neighbours) trial {
	return func(t *testing.T, n *neighbours) trial {
		t.Helper()
		here, there := n.a.ask(t).ID, n.b.ask(t).ID
		return trial{
			own:   n.a.transaction(t, method, here, n.a.box.APIToken),
			other: n.b.transaction(t, method, there, n.a.box.APIToken),
			guess: n.b.transaction(t, method, there, unknown()),
			alive: n.b.transaction(t, method, there, n.b.box.APIToken),
		}
	}
}

// declines begins a transaction that a wallet declines, so that its events have
// an end.
func (s *side) declines(t *testing.T) string {
	t.Helper()
	a := s.ask(t)
	address, state := s.said(t, a)
	form := url.Values{"error": {"access_denied"}, "state": {state}}
	accepted(t, "a wallet that declines", s.post(t, address, []byte(form.Encode())))
	return a.ID
}

func tryEvents(t *testing.T, n *neighbours) trial {
	t.Helper()
	id := n.a.declines(t)
	return trial{
		own:   n.a.transaction(t, http.MethodGet, id+"/events", n.a.box.APIToken),
		other: n.b.transaction(t, http.MethodGet, id+"/events", n.b.box.APIToken),
		guess: n.b.transaction(t, http.MethodGet, unknown()+"/events", n.b.box.APIToken),
	}
}

func tryEventsToken(t *testing.T, n *neighbours) trial {
	t.Helper()
	here, there := n.a.declines(t)+"/events", n.b.declines(t)+"/events"
	return trial{
		own:   n.a.transaction(t, http.MethodGet, here, n.a.box.APIToken),
		other: n.b.transaction(t, http.MethodGet, there, n.a.box.APIToken),
		guess: n.b.transaction(t, http.MethodGet, there, unknown()),
		alive: n.b.transaction(t, http.MethodGet, there, n.b.box.APIToken),
	}
}

func tryResponseCode(t *testing.T, n *neighbours) trial {
	t.Helper()
	here, there := n.a.ask(t), n.b.ask(t)
	code, codeThere := n.a.respond(t, here), n.b.respond(t, there)
	get := func(s *side, id, code string) func() *answer {
		return s.transaction(t, http.MethodGet, id+"?response_code="+code, s.box.APIToken)
	}
	return trial{
		own: get(n.a, here.ID, code), other: get(n.b, there.ID, code), guess: get(n.b, there.ID, unknown()),
		alive: get(n.b, there.ID, codeThere),
	}
}

func tryRequest(method string, form url.Values) func(t *testing.T, n *neighbours) trial {
	return func(t *testing.T, n *neighbours) trial {
		t.Helper()
		own := n.a.ask(t).RequestURI
		get := func(address string) func() *answer {
			h := http.Header{}
			if form != nil {
				h.Set("Content-Type", typeForm)
			}
			return func() *answer { return n.b.send(t, method, address, h, []byte(form.Encode())) }
		}
		return trial{own: get(own), other: get(n.there(own)), guess: get(n.b.box.Verifier + "/requests/" + unknown())}
	}
}

// tryResponse posts an answer to where a waits for it.
func tryResponse(t *testing.T, n *neighbours) trial {
	t.Helper()
	kept := n.a.answer(t, n.a.ask(t))
	post := func(address string) func() *answer {
		return func() *answer { return n.b.post(t, address, kept.form) }
	}
	return trial{
		own: post(kept.address), other: post(n.there(kept.address)), guess: post(n.b.box.Verifier + "/responses/" + unknown()),
	}
}

// tryEncrypted posts an answer for a to where b waits for another.
func tryEncrypted(t *testing.T, n *neighbours) trial {
	t.Helper()
	kept, keptThere := n.a.answer(t, n.a.ask(t)), n.b.answer(t, n.b.ask(t))
	form, err := url.ParseQuery(string(kept.form))
	if err != nil {
		t.Fatal(err)
	}
	guess := reencrypted(t, form.Get("response"))
	post := func(address string, form []byte) func() *answer {
		return func() *answer { return n.b.post(t, address, form) }
	}
	return trial{
		own: post(kept.address, kept.form), other: post(keptThere.address, kept.form),
		guess: post(keptThere.address, []byte(url.Values{"response": {guess}}.Encode())),
		alive: post(keptThere.address, keptThere.form),
	}
}

// reencrypted is something in the form of the JWE for a key that nobody has.
func reencrypted(t *testing.T, jwe string) string {
	t.Helper()
	outer, err := jose.ParseEncrypted(jwe)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewJWK(newKey(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	key.Alg, key.Kid = jose.ECDHES, jose.EncodeBase64(key.Thumbprint())
	out, err := jose.Encrypt([]byte("{}"), key, outer.Header.Enc, jose.EncryptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tryState ends a transaction with the error of a wallet that knows the state.
func tryState(t *testing.T, n *neighbours) trial {
	t.Helper()
	address, state := n.a.waiting(t)
	addressThere, stateThere := n.b.waiting(t)
	post := func(address, state string) func() *answer {
		form := url.Values{"error": {"access_denied"}, "state": {state}}
		return func() *answer { return n.b.post(t, address, []byte(form.Encode())) }
	}
	return trial{
		own: post(address, state), other: post(addressThere, state), guess: post(addressThere, rand.Text()),
		alive: post(addressThere, stateThere),
	}
}

// waiting begins a transaction and returns what its request says.
func (s *side) waiting(t *testing.T) (responseURI, state string) {
	t.Helper()
	return s.said(t, s.ask(t))
}

// said returns what the request of a transaction says.
func (s *side) said(t *testing.T, a asked) (responseURI, state string) {
	t.Helper()
	object := s.send(t, http.MethodGet, a.RequestURI, nil, nil)
	parts := strings.Split(string(object.body), ".")
	if len(parts) != 3 {
		t.Fatalf("%d %s", object.status, object.body)
	}
	payload, err := jose.DecodeBase64(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		ResponseURI string `json:"response_uri"`
		State       string `json:"state"`
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		t.Fatal(err)
	}
	return said.ResponseURI, said.State
}

// visit opens a page with headers.
func (s *side) visit(t *testing.T, path string, h http.Header) func() *answer {
	t.Helper()
	return func() *answer { return s.send(t, http.MethodGet, s.box.Verifier+path, h, nil) }
}

// tryPageCookie takes the cookie and the address of a page.
func tryPageCookie(page string) func(t *testing.T, n *neighbours) trial {
	return func(t *testing.T, n *neighbours) trial {
		t.Helper()
		a := n.a.begins(t, verifier.CrossDevice)
		if page != "" {
			n.a.respond(t, a)
		}
		at := "/transactions/" + a.ID + page
		return trial{
			own: n.a.visit(t, at, a.cookie.header(n)), other: n.b.visit(t, at, a.cookie.header(n)),
			guess: n.b.visit(t, "/transactions/"+unknown()+page, a.cookie.with(unknown()).header(n)),
		}
	}
}

// tryPageTransaction has a browser that began something at b look at the
// transaction of a.
func tryPageTransaction(page string) func(t *testing.T, n *neighbours) trial {
	return func(t *testing.T, n *neighbours) trial {
		t.Helper()
		here, there := n.a.begins(t, verifier.CrossDevice), n.b.begins(t, verifier.CrossDevice)
		if page == "/events" { // which end with an answer
			n.a.respond(t, here)
			n.b.respond(t, there)
		}
		at := func(a asked) string { return "/transactions/" + a.ID + page }
		return trial{
			own:   n.a.visit(t, at(here), here.cookie.header(n)),
			other: n.b.visit(t, at(here), there.cookie.header(n)),
			guess: n.b.visit(t, at(asked{ID: unknown()}), there.cookie.header(n)),
			alive: n.b.visit(t, at(there), there.cookie.header(n)),
		}
	}
}

func done(code string) string { return "/done?response_code=" + code }

func tryDoneCookie(t *testing.T, n *neighbours) trial {
	t.Helper()
	a := n.a.begins(t, verifier.SameDevice)
	at := done(n.a.respond(t, a))
	return trial{
		own: n.a.visit(t, at, a.cookie.header(n)), other: n.b.visit(t, at, a.cookie.header(n)),
		guess: n.b.visit(t, done(unknown()), a.cookie.with(unknown()).header(n)),
	}
}

// tryDoneCode leads a browser that waits for the answer of its wallet astray.
func tryDoneCode(t *testing.T, n *neighbours) trial {
	t.Helper()
	here, there := n.a.begins(t, verifier.SameDevice), n.b.begins(t, verifier.SameDevice)
	at, atThere := done(n.a.respond(t, here)), done(n.b.respond(t, there))
	return trial{
		own: n.a.visit(t, at, here.cookie.header(n)), other: n.b.visit(t, at, there.cookie.header(n)),
		guess: n.b.visit(t, done(unknown()), there.cookie.header(n)), alive: n.b.visit(t, atThere, there.cookie.header(n)),
	}
}
