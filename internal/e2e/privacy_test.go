package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
)

// TestNothingLeaks (F04) walks a person through all flows, with detours, and
// puts an Individual Number wherever a request has room for text. Then it looks
// for what is known of the person, for secrets and for the number in everything
// that is kept or told beside the protocols.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	o := observe(t)
	card := cardOf(t, "hanako")
	o.person(card)
	o.person(cardOf(t, "taro"))
	o.issue(t, card)
	o.preAuthorize(t)
	o.presentAndFail(t, card)
	o.numberInPersons(t)
	o.numberEverywhere(t)

	o.adminApart(t)
	outputs := o.outputs(t)
	// The search finds what is there.
	for where, want := range map[string]string{
		"the log": "code=invalid_nonce", "the spans": "POST /credential", "admin /metrics": "tegata_issuer_credentials_issued_total",
		"error answers": "invalid_grant", "what Redis was told": "tegata:", "admin /readyz": "certificates",
	} {
		if !bytes.Contains(outputs[where], []byte(want)) {
			t.Errorf("no %s in %s", want, where)
		}
	}
	if len(outputs["Redis"]) < 1000 || len(o.secrets) < 50 {
		t.Errorf("Redis of %d bytes, %d secrets", len(outputs["Redis"]), len(o.secrets))
	}
	o.search(t, outputs)
}

// adminApart (F08) asks the public listeners for what the admin listener has.
func (o *observed) adminApart(t *testing.T) {
	t.Helper()
	for _, origin := range []string{o.box.Issuer, o.box.Verifier, o.box.Provider} {
		for _, path := range []string{"/metrics", "/livez", "/readyz", "/debug/pprof/", "/debug/pprof/heap"} {
			if a := o.send(t, http.MethodGet, origin+path, nil, nil); a.status != http.StatusNotFound {
				t.Errorf("%s%s: %d", origin, path, a.status)
			}
		}
	}
}

// issue has a person log in, after somebody else tried, and issues.
func (o *observed) issue(t *testing.T, card *jpkitest.Card) {
	t.Helper()
	d := o.deployment
	c, b := d.newClient(t), d.newBrowser(t)
	o.key(t, "instance key", c.instance)
	o.key(t, "DPoP key", c.dpop)
	o.secrets["code verifier"], o.secrets["state"] = c.verifier, "a-state-to-be-found"
	form := c.parForm()
	form.Set("state", o.secrets["state"])
	header := c.headers(t, d.endpoint("/par"))
	o.jwt("DPoP proof", header.Get("DPoP"))
	request := c.visit(t, c.push(t, form, header))
	p := b.open(t, request)
	o.secrets["cookie before"] = value(b.cookie(t, d.box.Issuer))
	o.secrets["challenge"] = p.attribute("challenge", "value")[:60]
	answer := sign(t, p, card)
	o.secrets["signature"] = answer.Get("signature")[:60]
	broken := url.Values{"certificate": answer["certificate"], "signature": {"AAAA" + answer.Get("signature")[4:]}}
	b.submit(t, p, "sign-form", broken)                        // refused
	b.submit(t, p, "sign-form", sign(t, p, cardOf(t, "taro"))) // another person's, which is good too
	b = d.newBrowser(t)
	p = b.login(t, request, card)
	o.secrets["cookie after"] = value(b.cookie(t, d.box.Issuer))
	code := b.submit(t, p, "review-form", approve).url.Query().Get("code")
	o.secrets["code"] = code
	o.secrets["request_uri"] = request[strings.LastIndex(request, "%3A")+3:]
	wrong := c.tokenForm(code)
	wrong.Set("code_verifier", openid4vci.NewCodeVerifier())
	c.token(t, wrong, nil)
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(code), nil).read(t, &token)
	o.secrets["access token"], o.secrets["refresh token"] = token.AccessToken, token.RefreshToken
	refreshSecret, err := base64.RawURLEncoding.DecodeString(token.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	o.secrets["handle of the refresh token"], o.secrets["key of the refresh token"] = string(refreshSecret[:16]), string(refreshSecret[16:])
	c.refresh(t, token.RefreshToken, "scope", "another") // refused
	o.secrets["refreshed access token"] = c.refreshed(t, token.RefreshToken).AccessToken
	credentialRequest := c.credentialRequest(t, 1)
	o.secrets["nonce"] = nonceOf(t, credentialRequest.Proofs.JWT[0])
	o.secrets["key proof"] = credentialRequest.Proofs.JWT[0][:100]
	issued := c.credential(t, token.AccessToken, credentialRequest, nil).credentials(t)
	o.secrets["credential"] = issued[0][len(issued[0])-60:]
	o.jwt("issued credential", issued[0])
	c.credential(t, token.AccessToken, credentialRequest, nil) // refused: the nonce was used
	c.token(t, c.tokenForm(code), nil)                         // refused: the code was used
	o.jwt("attestation", c.attestation)
}

// preAuthorize makes an offer with a transaction code and gets the code wrong.
func (o *observed) preAuthorize(t *testing.T) {
	t.Helper()
	c := o.newClient(t)
	o.secrets["stated name"], o.secrets["stated address"] = "手形 権兵衛之助", "北海道手形市名無町九丁目"
	var made struct {
		Offer  openid4vci.CredentialOffer `json:"credential_offer"`
		TxCode string                     `json:"tx_code"`
	}
	o.offerPerson(t, o.secrets["stated name"], o.secrets["stated address"]).read(t, &made)
	o.secrets["tx_code"] = made.TxCode
	raw, err := json.Marshal(made.Offer)
	if err != nil {
		t.Fatal(err)
	}
	var offer struct {
		Grants map[string]map[string]any `json:"grants"`
	}
	if err := json.Unmarshal(raw, &offer); err != nil {
		t.Fatal(err)
	}
	const grant = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
	code, _ := offer.Grants[grant]["pre-authorized_code"].(string)
	o.secrets["pre-authorized code"] = code
	form := url.Values{"grant_type": {grant}, "pre-authorized_code": {code}, "tx_code": {individualNumber}}
	c.token(t, form, nil).want(t, http.StatusBadRequest, "invalid_grant")
	form.Set("tx_code", made.TxCode)
	var token openid4vci.TokenResponse
	c.token(t, form, nil).read(t, &token)
	o.secrets["pre-authorized access token"] = token.AccessToken
	issued := c.credential(t, token.AccessToken, c.credentialRequest(t, 1), nil).credentials(t)
	o.jwt("pre-authorized credential", issued[0])
}

func (o *observed) offerPerson(t *testing.T, name, address string) *answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"credential_configuration_ids": []string{"identity_sd_jwt"}, "grant": "pre-authorized_code",
		"person":  map[string]any{"name": name, "address": address, "birth_date": "1971-11-17"},
		"tx_code": map[string]any{"length": 12},
	})
	if err != nil {
		t.Fatal(err)
	}
	return o.send(t, http.MethodPost, o.endpoint("/admin/offers"), http.Header{
		"Authorization": {"Bearer " + o.box.AdminToken}, "Content-Type": {typeJSON},
	}, body)
}

// presentAndFail presents in both formats, and answers requests with errors, in
// clear, and with what is not for them.
func (o *observed) presentAndFail(t *testing.T, card *jpkitest.Card) {
	t.Helper()
	w := o.receive(t, card)
	held, err := w.Vault.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range held {
		o.key(t, "holder's key "+h.ID, h.Key)
		o.secrets["held credential "+h.ID] = h.Raw[len(h.Raw)-60:]
	}
	for format, query := range queries {
		if result := o.present(t, w, query); result.State != verifier.StateVerified {
			t.Errorf("%s: %+v", format, result.Refusal)
		}
	}
	decline := func(context.Context, holder.Ask) holder.Decision { return holder.Decision{} }
	_, _ = w.Present(t.Context(), o.transaction(t).Link, decline)

	var credential string
	for _, h := range held {
		if h.Format == credentials.FormatSDJWTVC {
			credential = h.Raw
		}
	}
	token, err := json.Marshal(map[string][]string{"person": {credential}})
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]url.Values{
		"error":         {"error": {"access_denied"}, "error_description": {"the person is " + individualNumber}},
		"unknown error": {"error": {"e-" + individualNumber}, "error_description": {"x"}},
		"in clear":      {"vp_token": {string(token)}},
		"encrypted":     {"response": {"e30." + individualNumber + ".a.b.c"}},
	} {
		x := o.transaction(t)
		request := o.requestObject(t, x.Link)
		o.secrets["state of "+name], o.secrets["nonce of "+name] = request.State, request.Nonce
		o.secrets["response_uri of "+name] = request.ResponseURI[strings.LastIndexByte(request.ResponseURI, '/')+1:]
		o.secrets["transaction of "+name] = x.ID
		form.Set("state", request.State)
		o.send(t, http.MethodPost, request.ResponseURI, http.Header{"Content-Type": {typeForm}}, []byte(form.Encode()))
	}
	o.query(t, `{"credentials":[{"id":"person","format":"dc+sd-jwt","meta":{"vct_values":["urn:tegata:identity:jp:1"]},"claims":[{"path":["name"],"values":["`+individualNumber+`"]}]}]}`).
		want(t, http.StatusBadRequest, "individual_number")
}

type transaction struct{ ID, Link string }

func (o *observed) query(t *testing.T, query string) *answer {
	t.Helper()
	return o.send(t, http.MethodPost, o.box.Verifier+"/api/transactions",
		http.Header{"Authorization": {"Bearer " + o.box.APIToken}, "Content-Type": {typeJSON}},
		[]byte(`{"flow":"same_device","redirect_uri":"https://bank.example/done","dcql_query":`+query+`}`))
}

func (o *observed) transaction(t *testing.T) (x transaction) {
	t.Helper()
	o.query(t, queries[credentials.FormatSDJWTVC]).read(t, &x)
	return x
}

// requestObject fetches the request behind a link, unverified.
func (o *observed) requestObject(t *testing.T, link string) (r struct {
	State, Nonce string
	ResponseURI  string `json:"response_uri"`
}) {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	address := u.Query().Get("request_uri")
	o.secrets["request_uri of "+link] = address[strings.LastIndexByte(address, '/')+1:]
	object, err := jose.Parse(string(o.send(t, http.MethodGet, address, nil, nil).body))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(object.UnverifiedPayload(), &r); err != nil || r.State == "" || r.Nonce == "" {
		t.Fatalf("%+v %v", r, err)
	}
	return r
}

// numberInPersons has people whose data have the number in them.
func (o *observed) numberInPersons(t *testing.T) {
	t.Helper()
	o.offerPerson(t, "手形 "+individualNumber, "").want(t, http.StatusBadRequest, "unusable_person")
	o.offerPerson(t, "手形 太郎", hyphenated(individualNumber)).want(t, http.StatusBadRequest, "unusable_person")

	person, _ := jpkitest.PersonByKey("hanako")
	person.Address += individualNumber
	person.AddressSubstitutes += strings.Repeat("0", len(individualNumber))
	card, err := nation(t).NewCard(person, jpkitest.CardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := o.newBrowser(t)
	p := b.open(t, o.newClient(t).request(t))
	if p = b.submit(t, p, "sign-form", sign(t, p, card)); p.status < 400 || p.text("person-name") != "" {
		t.Errorf("a person with an Individual Number for an address: %d", p.status)
	}
}

// numberEverywhere sends the number to every route, in the path, the query, all
// headers, forms and JSON.
func (o *observed) numberEverywhere(t *testing.T) {
	t.Helper()
	n := individualNumber
	c := o.newClient(t)
	header := func() http.Header {
		return http.Header{
			"User-Agent": {n}, "Referer": {"https://" + n + ".example/" + n}, "X-Forwarded-For": {n}, "X-Request-Id": {n},
			"Traceparent": {"00-" + n + n + "00000000-" + n + "0000-01"}, "Tracestate": {"a=" + n}, "Baggage": {"a=" + n},
			"Cookie": {"__Host-issuer.sandbox.login=" + n + "; a=" + n}, "Accept-Language": {n},
		}
	}
	form := url.Values{}
	for _, name := range []string{
		"client_id", "code", "state", "error", "error_description", "response", "vp_token", "grant_type", "redirect_uri",
		"scope", "login_hint", "request_uri", "wallet_nonce", "signature", "certificate", "person", "preset", n,
	} {
		form.Set(name, n)
	}
	body := `{"` + n + `":` + n + `,"credential_configuration_ids":["` + n + `"],"dcql_query":{"credentials":[{"id":"` + n + `","format":"` + n +
		`"}]},"proof":"` + n + `","platform":"` + n + `","reason":"` + n + `","credential_configuration_id":"` + n + `","flow":"` + n + `"}`
	authorizations := map[string][]string{
		o.box.Issuer: {"Bearer " + o.box.AdminToken, "DPoP " + n}, o.box.Verifier: {"Bearer " + o.box.APIToken, n},
		o.box.Provider: {"Bearer " + secret(t, o.cfg.Provider.AdminToken), "Bearer " + n},
	}
	requests := 0
	for role, origin := range map[string]string{"issuer": o.box.Issuer, "verifier": o.box.Verifier, "wallet_provider": o.box.Provider} {
		for _, route := range o.app.Routes(role) {
			path := placeholders.ReplaceAllString(route.Path, n)
			for _, authorization := range authorizations[origin] {
				for contentType, content := range map[string]string{typeForm: form.Encode(), typeJSON: body, "text/" + n: n} {
					h := header()
					h.Set("Authorization", authorization)
					h.Set("DPoP", n)
					if route.Path == "/par" || route.Path == "/token" {
						h = c.headers(t, o.endpoint(route.Path))
					}
					h.Set("Content-Type", contentType)
					if route.Method == http.MethodGet {
						content = ""
					}
					o.send(t, route.Method, origin+path+"?"+n+"="+n+"&code="+n, h, []byte(content))
					requests++
				}
			}
		}
		o.send(t, "N"+n, origin+"/"+n, header(), nil)
	}
	if requests < 100 {
		t.Errorf("only %d requests", requests)
	}
	// The number where a wallet's own words go: proofs, and the state that the
	// issuer keeps for it.
	parForm := c.parForm()
	parForm.Set("state", n)
	parForm.Set("login_hint", n)
	c.push(t, parForm, nil)
	proof := c.headers(t, o.endpoint("/token"))
	proof.Set("DPoP", c.proof(t, dpop.ProofOptions{URL: o.endpoint("/" + n), Nonce: n}))
	c.token(t, c.tokenForm(n), proof)
	token := c.accessToken(t, cardOf(t, "hanako"))
	c.credential(t, token, []byte(`{"credential_configuration_id":"`+n+`"}`), nil)
	c.credential(t, token, &openid4vci.CredentialRequest{
		ConfigurationID: "identity_sd_jwt", Proofs: &openid4vci.Proofs{JWT: []string{c.keyProof(t, n, newKey(t))}},
	}, nil)
}

func value(cookie string) string {
	_, value, _ := strings.Cut(cookie, "=")
	return value
}
