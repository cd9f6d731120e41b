package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"testing"

	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

// signingMatrix has an entry for every route of an issuer that apps which sign
// come to, and the pages before and after them.
func signingMatrix() map[string]entry {
	return map[string]entry{
		"GET /signing/:id":   {attempts: []attempt{{"link", tryLink}}},
		"POST /signing/:id":  {attempts: []attempt{{"link", tryDepositLink}, {"answer", tryDepositAnswer}}},
		"GET /login/return":  {attempts: []attempt{{"cookie", tryReturnCookie}, {"code", tryReturnCode}}},
		"POST /login/device": {attempts: []attempt{{"cookie", tryDevice}}},
		"GET /login/device":  {attempts: []attempt{{"cookie", tryDevicePage}}},
		"POST /login/code":   {attempts: []attempt{{"cookie", tryTypedCookie}, {"code", tryTypedCode}}},
		"GET /test-cards/:person": {public: "the cards of test persons are everybody's", get: func(t *testing.T, n *neighbours) *answer {
			t.Helper()
			return n.b.send(t, http.MethodGet, n.b.endpoint("/test-cards/hanako"), nil, nil)
		}},
	}
}

// handed is a login that was handed to an app.
type handed struct {
	cookie cookieOf
	// id is what the link has for the app.
	id string
}

// hand begins a login and hands it to an app on the same or another device.
func (s *side) hand(t *testing.T, other bool) handed {
	t.Helper()
	b := s.newBrowser(t)
	p := b.open(t, s.newClient(t).request(t))
	link := p.attribute("open-signer", "href")
	if other {
		link = b.submit(t, p, "device-form", nil).attribute("signer-link", "href")
	}
	u, err := url.Parse(link)
	if err != nil || u.Query().Get("request_uri") == "" {
		t.Fatalf("link %q", link)
	}
	return handed{s.cookieOf(t, b, s.box.Issuer), path.Base(u.Query().Get("request_uri"))}
}

func (s *side) signing(t *testing.T, id string) *answer {
	t.Helper()
	return s.send(t, http.MethodGet, s.endpoint("/signing/"+id), nil, nil)
}

// signs makes the answer of an app to a challenge.
func signs(t *testing.T, challenge []byte) []byte {
	t.Helper()
	card := cardOf(t, "hanako")
	signature, err := card.Sign(jpkitest.SignPIN, challenge)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{
		"certificate": base64.StdEncoding.EncodeToString(card.SignatureCertificate().Raw),
		"signature":   base64.StdEncoding.EncodeToString(signature),
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// sign makes the answer to the challenge of a login.
func (s *side) sign(t *testing.T, h handed) []byte {
	t.Helper()
	var asked struct{ Challenge []byte }
	s.signing(t, h.id).read(t, &asked)
	return signs(t, asked.Challenge)
}

func (s *side) deposit(t *testing.T, id string, body []byte) *answer {
	t.Helper()
	return s.send(t, http.MethodPost, s.endpoint("/signing/"+id), http.Header{"Content-Type": {typeJSON}}, body)
}

// code deposits the answer of an app and returns what the app is told.
func (s *side) code(t *testing.T, h handed) string {
	t.Helper()
	var told struct {
		ReturnURI string `json:"return_uri"`
		Code      string
	}
	s.deposit(t, h.id, s.sign(t, h)).read(t, &told)
	if told.Code != "" {
		return told.Code
	}
	u, err := url.Parse(told.ReturnURI)
	if err != nil || u.Query().Get("code") == "" {
		t.Fatalf("no code in %q", told.ReturnURI)
	}
	return u.Query().Get("code")
}

func tryLink(t *testing.T, n *neighbours) trial {
	t.Helper()
	return tryDocument(t, n, "/signing/", n.a.hand(t, false).id)
}

func tryDepositLink(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.a.hand(t, false)
	body := n.a.sign(t, h)
	post := func(s *side, id string) func() *answer {
		return func() *answer { return s.deposit(t, id, body) }
	}
	return trial{own: post(n.a, h.id), other: post(n.b, h.id), guess: post(n.b, unknown())}
}

// tryDepositAnswer leaves what was signed for a where b waits for another.
func tryDepositAnswer(t *testing.T, n *neighbours) trial {
	t.Helper()
	here, there := n.a.hand(t, true), n.b.hand(t, true)
	body := n.a.sign(t, here)
	post := func(s *side, id string, body []byte) func() *answer {
		return func() *answer { return s.deposit(t, id, body) }
	}
	return trial{
		own: post(n.a, here.id, body), other: post(n.b, there.id, body),
		guess: post(n.b, there.id, signs(t, []byte(unknown()))), alive: post(n.b, there.id, n.b.sign(t, there)),
	}
}

// back opens the page that an app sends the browser to.
func (s *side) back(t *testing.T, n *neighbours, c cookieOf, code string) func() *answer {
	t.Helper()
	return func() *answer {
		return s.send(t, http.MethodGet, s.endpoint("/login/return?code="+code), c.header(n), nil)
	}
}

func tryReturnCookie(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.a.hand(t, false)
	code := n.a.code(t, h)
	return trial{
		own: n.a.back(t, n, h.cookie, code), other: n.b.back(t, n, h.cookie, code),
		guess: n.b.back(t, n, h.cookie.with(unknown()), unknown()),
	}
}

func tryReturnCode(t *testing.T, n *neighbours) trial {
	t.Helper()
	here, there := n.a.hand(t, false), n.b.hand(t, false)
	code, codeThere := n.a.code(t, here), n.b.code(t, there)
	return trial{
		own: n.a.back(t, n, here.cookie, code), other: n.b.back(t, n, there.cookie, code),
		guess: n.b.back(t, n, there.cookie, unknown()), alive: n.b.back(t, n, there.cookie, codeThere),
	}
}

func tryDevice(t *testing.T, n *neighbours) trial {
	t.Helper()
	return tryCookie(t, n, http.MethodPost, "/login/device", n.a.beginLogin(t).cookie, url.Values{})
}

func tryDevicePage(t *testing.T, n *neighbours) trial {
	t.Helper()
	return tryCookie(t, n, http.MethodGet, "/login/device", n.a.hand(t, true).cookie, nil)
}

func tryTypedCookie(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.a.hand(t, true)
	return tryCookie(t, n, http.MethodPost, "/login/code", h.cookie, url.Values{"code": {n.a.code(t, h)}})
}

// tryTypedCode types the code of a where b waits for another.
func tryTypedCode(t *testing.T, n *neighbours) trial {
	t.Helper()
	here, there := n.a.hand(t, true), n.b.hand(t, true)
	code, codeThere := n.a.code(t, here), n.b.code(t, there)
	never := code
	for i := 0; never == code || never == codeThere; i++ {
		never = fmt.Sprintf("%08d", i)
	}
	typed := func(h handed, code string) trial {
		return tryCookie(t, n, http.MethodPost, "/login/code", h.cookie, url.Values{"code": {code}})
	}
	return trial{
		own: typed(here, code).own, other: typed(there, code).other, guess: typed(there, never).other,
		alive: typed(there, codeThere).other,
	}
}
