package e2e_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

// elsewhere is the identifier of an issuer, verifier or provider that does not
// exist.
const elsewhere = "https://127.0.0.1:1/elsewhere"

// issuerMatrix has an entry for every route of an issuer.
func issuerMatrix() map[string]entry {
	public := entry{public: "a document for everybody"}
	return map[string]entry{
		"GET /.well-known/openid-credential-issuer":   public,
		"GET /.well-known/oauth-authorization-server": public,
		"GET /.well-known/jwt-vc-issuer":              public,
		"GET /types/:name":                            {public: "it describes a type, in the same bytes at every issuer of the type", get: typeBesideOthers},
		"GET /types/:name/:digest":                    {public: "it describes a type, and its name is that of the bytes", get: typeByDigest},
		"GET /assets/issuer.css":                      public,
		"GET /assets/issuer.js":                       public,
		"GET /openapi.yaml":                           public,
		"POST /nonce":                                 {public: "it takes nothing; whose nonces are accepted is tried at /credential"},
		"POST /revoke":                                {attempts: revokeAttempts()},
		"POST /challenge":                             {attempts: []attempt{{"challenge", tryChallenge}}},
		"POST /par":                                   {attempts: parAttempts()},
		"GET /authorize":                              {attempts: []attempt{{"request_uri", tryRequestURI}}},
		"GET /login":                                  {attempts: []attempt{{"cookie", tryLogin}}},
		"POST /login/jpki":                            {attempts: []attempt{{"cookie", tryProve}, {"answer", tryAnswer}}},
		"POST /login/test":                            {attempts: []attempt{{"cookie", tryTestPerson}}},
		"GET /review":                                 {attempts: []attempt{{"cookie", tryReview}}},
		"POST /review":                                {attempts: []attempt{{"cookie", tryDecide}}},
		"POST /token":                                 {attempts: tokenAttempts()},
		"POST /credential":                            {attempts: credentialAttempts()},
		"POST /notification":                          {attempts: []attempt{{"access token", tryNotifier}, {"notification_id", tryNotification}}},
		"POST /admin/offers":                          {attempts: []attempt{{"operator's token", tryOperator}}},
		"GET /status-lists":                           {public: "the lists of one issuer, for everybody", get: listsBesideOthers},
		"GET /offers/:id":                             {attempts: []attempt{{"offer", tryOffer}}},
		"GET /offers/:id/page":                        {attempts: []attempt{{"offer", tryOfferPage}}},
		"GET /status-lists/:id":                       {attempts: []attempt{{"list", tryStatusList}}},
	}
}

// at returns the client with the same keys at another issuer.
func (c *oauthClient) at(d *deployment) *oauthClient {
	moved := *c
	moved.d = d
	return &moved
}

// headersAt are the headers of a request to an endpoint of d, with the proof of
// possession for an audience and the DPoP proof for a URL.
func (c *oauthClient) headersAt(t *testing.T, audience, target string) http.Header {
	t.Helper()
	h := c.headers(t, target)
	pop, err := attestation.SignPoP(attestation.PoP{ClientID: c.id, Audience: audience, Challenge: c.d.attestationChallenge(t), Now: c.d.clock.Now()}, c.instance)
	if err != nil {
		t.Fatal(err)
	}
	h.Set(attestation.HeaderPoP, pop)
	return h
}

// proofAttempts try the proofs that every request to the authorization server
// carries, with the form of a request to an endpoint.
func proofAttempts(endpoint string, form func(t *testing.T, c *oauthClient) url.Values) []attempt {
	try := func(t *testing.T, n *neighbours, headers func(c *oauthClient, base string) http.Header) trial {
		c := n.a.newClient(t)
		moved := c.at(n.b.deployment)
		elsewhereForm := form(t, moved)
		post := func(d *deployment, f url.Values, base string) func() *answer {
			return func() *answer {
				return d.send(t, http.MethodPost, d.endpoint(endpoint), headers(c.at(d), base), []byte(f.Encode()))
			}
		}
		return trial{
			own:   post(n.a.deployment, form(t, c), n.a.box.Issuer),
			other: post(n.b.deployment, elsewhereForm, n.a.box.Issuer),
			guess: post(n.b.deployment, elsewhereForm, elsewhere),
			alive: post(n.b.deployment, elsewhereForm, n.b.box.Issuer),
		}
	}
	return []attempt{
		{"client attestation PoP", func(t *testing.T, n *neighbours) trial {
			t.Helper()
			return try(t, n, func(c *oauthClient, base string) http.Header {
				return c.headersAt(t, base, c.d.endpoint(endpoint))
			})
		}},
		{"DPoP proof", func(t *testing.T, n *neighbours) trial {
			t.Helper()
			return try(t, n, func(c *oauthClient, base string) http.Header {
				return c.headersAt(t, c.d.box.Issuer, base+endpoint)
			})
		}},
	}
}

func revokeAttempts() []attempt {
	form := func(_ *testing.T, c *oauthClient) url.Values {
		return url.Values{"client_id": {c.id}, "token": {unknown()}}
	}
	pop := proofAttempts("/revoke", form)[0] // no DPoP proof is looked at
	return []attempt{pop, {"access token", tryTokenRevocation}, {"refresh token", tryRefreshRevocation}}
}

// tryTokenRevocation has the neighbour revoke a token, which it answers as if there were
// none; at home the token still serves.
func tryTokenRevocation(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.holders(t)
	nonsense := []byte(`{"credential_configuration_id":"passport"}`)
	return trial{
		own: func() *answer { return h.here.credential(t, h.token, h.here.credentialRequest(t, 1), nil) },
		other: func() *answer {
			accepted(t, "a token that is none there", h.there.revokeToken(t, h.token))
			return h.there.credential(t, h.token, nonsense, nil)
		},
		guess: func() *answer { return h.there.credential(t, unknown(), nonsense, nil) },
	}
}

// tryChallenge puts a challenge into a proof of possession.
func tryChallenge(t *testing.T, n *neighbours) trial {
	t.Helper()
	c := n.a.newClient(t)
	push := func(d *deployment, challenge string) func() *answer {
		return func() *answer {
			moved := c.at(d)
			return moved.push(t, moved.parForm(), moved.challenged(t, "/par", challenge))
		}
	}
	challenge := n.a.attestationChallenge(t)
	return trial{
		own: push(n.a.deployment, challenge), other: push(n.b.deployment, challenge),
		guess: push(n.b.deployment, unknown()), alive: push(n.b.deployment, n.b.attestationChallenge(t)),
	}
}

func parAttempts() []attempt {
	form := func(_ *testing.T, c *oauthClient) url.Values { return c.parForm() }
	return append(proofAttempts("/par", form), attempt{"refresh token", tryReturning}, attempt{"issuer_state", func(t *testing.T, n *neighbours) trial {
		t.Helper()
		c := n.a.newClient(t)
		link, err := openid4vci.ParseOfferLink(n.a.offer(t, "identity_sd_jwt"))
		if err != nil {
			t.Fatal(err)
		}
		push := func(d *deployment, state string) func() *answer {
			return func() *answer {
				form := c.parForm()
				form.Set("issuer_state", state)
				return c.at(d).push(t, form, nil)
			}
		}
		state := link.Offer.Grants.AuthorizationCode.IssuerState
		return trial{
			own: push(n.a.deployment, state), other: push(n.b.deployment, state), guess: push(n.b.deployment, rand.Text()),
		}
	}})
}

// tryReturning comes back to the neighbour with a refresh token.
func tryReturning(t *testing.T, n *neighbours) trial {
	t.Helper()
	c := n.a.newClient(t)
	push := func(d *deployment, token string) func() *answer {
		return func() *answer {
			form := c.parForm()
			form.Set("refresh_token", token)
			return c.at(d).push(t, form, nil)
		}
	}
	token := c.consent(t, cardOf(t, "hanako")).RefreshToken
	return trial{own: push(n.a.deployment, token), other: push(n.b.deployment, token), guess: push(n.b.deployment, noRefreshToken())}
}

// tryRequestURI visits a pushed request.
func tryRequestURI(t *testing.T, n *neighbours) trial {
	t.Helper()
	c := n.a.newClient(t)
	visit := func(address string) func() *answer {
		return func() *answer { return n.a.send(t, http.MethodGet, address, nil, nil) }
	}
	own := c.request(t)
	there := strings.Replace(own, n.a.box.Issuer, n.b.box.Issuer, 1)
	secret := there[strings.LastIndex(there, "%3A")+3:]
	return trial{own: visit(own), other: visit(there), guess: visit(strings.Replace(there, secret, unknown(), 1))}
}

// cookieOf is what a browser has of a tenant.
type cookieOf struct{ name, value string }

// with is the cookie with another value.
func (c cookieOf) with(value string) cookieOf { return cookieOf{c.name, value} }

// header has a cookie of a under the name that b looks for as well. Browsers send
// it to neither alone: both have the same host.
func (c cookieOf) header(n *neighbours) http.Header {
	there := c.name
	for _, ids := range neighbourIDs {
		there = strings.Replace(there, "."+ids[0]+".", "."+ids[1]+".", 1)
	}
	cookies := c.name + "=" + c.value
	if there != c.name {
		cookies += "; " + there + "=" + c.value
	}
	return http.Header{"Cookie": {cookies}}
}

// cookieOf returns what the browser got from the address.
func (d *deployment) cookieOf(t *testing.T, b *browser, address string) cookieOf {
	t.Helper()
	name, value, ok := strings.Cut(b.cookie(t, address), "=")
	if !ok {
		t.Fatal("no cookie")
	}
	return cookieOf{name, value}
}

// began is a login at the first page.
type began struct {
	cookie cookieOf
	page   *page
}

func (d *deployment) beginLogin(t *testing.T) began {
	t.Helper()
	b := d.newBrowser(t)
	p := b.open(t, d.newClient(t).request(t))
	return began{d.cookieOf(t, b, d.box.Issuer), p}
}

// signed is a login at the second page.
func (d *deployment) signed(t *testing.T, card *jpkitest.Card) cookieOf {
	t.Helper()
	b := d.newBrowser(t)
	b.login(t, d.newClient(t).request(t), card)
	return d.cookieOf(t, b, d.box.Issuer)
}

// tryCookie makes the trial of a cookie, with a form unless it is nil.
func tryCookie(t *testing.T, n *neighbours, method, path string, cookie cookieOf, form url.Values) trial {
	t.Helper()
	ask := func(d *deployment, c cookieOf) func() *answer {
		return func() *answer {
			h := c.header(n)
			if form != nil {
				h.Set("Content-Type", typeForm)
				h.Set("Origin", n.a.sections["issuer"].Origin)
			}
			return d.send(t, method, d.endpoint(path), h, []byte(form.Encode()))
		}
	}
	return trial{
		own: ask(n.a.deployment, cookie), other: ask(n.b.deployment, cookie), guess: ask(n.b.deployment, cookie.with(unknown())),
	}
}

func tryLogin(t *testing.T, n *neighbours) trial {
	t.Helper()
	return tryCookie(t, n, http.MethodGet, "/login", n.a.beginLogin(t).cookie, nil)
}

func tryProve(t *testing.T, n *neighbours) trial {
	t.Helper()
	login := n.a.beginLogin(t)
	return tryCookie(t, n, http.MethodPost, "/login/jpki", login.cookie, sign(t, login.page, cardOf(t, "hanako")))
}

// tryAnswer takes a signature for a to a login at b.
func tryAnswer(t *testing.T, n *neighbours) trial {
	t.Helper()
	card := cardOf(t, "hanako")
	here, there := n.a.beginLogin(t), n.b.beginLogin(t)
	signature, err := card.Sign(jpkitest.SignPIN, []byte(unknown()))
	if err != nil {
		t.Fatal(err)
	}
	answered := sign(t, here.page, card)
	guessed := url.Values{"certificate": answered["certificate"], "signature": {base64.StdEncoding.EncodeToString(signature)}}
	at := func(login began, form url.Values) trial {
		return tryCookie(t, n, http.MethodPost, "/login/jpki", login.cookie, form)
	}
	post := func(form url.Values) func() *answer {
		return func() *answer {
			return tryCookie(t, n, http.MethodPost, "/login/jpki", there.cookie, form).other()
		}
	}
	return trial{
		own: at(here, answered).own, other: post(answered), guess: post(guessed), alive: post(sign(t, there.page, card)),
	}
}

func tryTestPerson(t *testing.T, n *neighbours) trial {
	t.Helper()
	return tryCookie(t, n, http.MethodPost, "/login/test", n.a.beginLogin(t).cookie, url.Values{"person": {"hanako"}})
}

func tryReview(t *testing.T, n *neighbours) trial {
	t.Helper()
	return tryCookie(t, n, http.MethodGet, "/review", n.a.signed(t, cardOf(t, "hanako")), nil)
}

func tryDecide(t *testing.T, n *neighbours) trial {
	t.Helper()
	return tryCookie(t, n, http.MethodPost, "/review", n.a.signed(t, cardOf(t, "hanako")), approve)
}

func tokenAttempts() []attempt {
	form := func(t *testing.T, c *oauthClient) url.Values {
		t.Helper()
		return c.tokenForm(c.code(t, cardOf(t, "hanako")))
	}
	return append(proofAttempts("/token", form),
		attempt{"code", tryCode}, attempt{"pre-authorized code", tryPreAuthorized}, attempt{"tx_code", tryTxCode},
		attempt{"refresh token", tryRefresh})
}

// noRefreshToken has the form of a refresh token.
func noRefreshToken() string {
	secret := make([]byte, 48)
	_, _ = rand.Read(secret)
	return base64.RawURLEncoding.EncodeToString(secret)
}

// tryRefresh refreshes at the neighbour, with which the secret is shared.
func tryRefresh(t *testing.T, n *neighbours) trial {
	t.Helper()
	c := n.a.newClient(t)
	token := c.consent(t, cardOf(t, "hanako")).RefreshToken
	return tokenTrial(t, n, c, c.refreshForm(token), c.refreshForm(noRefreshToken()))
}

// tryRefreshRevocation has the neighbour revoke a refresh token; at home it
// still serves.
func tryRefreshRevocation(t *testing.T, n *neighbours) trial {
	t.Helper()
	c := n.a.newClient(t)
	there := c.at(n.b.deployment)
	token := c.consent(t, cardOf(t, "hanako")).RefreshToken
	return trial{
		own: func() *answer { return c.refresh(t, token) },
		other: func() *answer {
			accepted(t, "a refresh token that is none there", there.revokeToken(t, token))
			return there.refresh(t, token)
		},
		guess: func() *answer { return there.refresh(t, noRefreshToken()) },
	}
}

// tryCode exchanges an authorization code. That it is tried at the neighbour,
// before and after, does not count as a second use.
func tryCode(t *testing.T, n *neighbours) trial {
	t.Helper()
	c := n.a.newClient(t)
	code := c.code(t, cardOf(t, "hanako"))
	return tokenTrial(t, n, c, c.tokenForm(code), c.tokenForm(unknown()))
}

// tokenTrial sends one form to both and another to the neighbour.
func tokenTrial(t *testing.T, n *neighbours, c *oauthClient, form, guess url.Values) trial {
	t.Helper()
	var token openid4vci.TokenResponse
	post := func(d *deployment, form url.Values) func() *answer {
		return func() *answer { return c.at(d).token(t, form, nil) }
	}
	return trial{
		own: func() *answer {
			a := c.token(t, form, nil)
			a.read(t, &token)
			return a
		},
		other: post(n.b.deployment, form), guess: post(n.b.deployment, guess),
		alive: func() *answer { return c.credential(t, token.AccessToken, c.credentialRequest(t, 1), nil) },
	}
}

func tryPreAuthorized(t *testing.T, n *neighbours) trial {
	t.Helper()
	c, v := n.a.newClient(t), n.a.vouch(t, nil)
	form, guess := v.form(), v.form()
	form.Set("client_id", c.id)
	guess.Set("client_id", c.id)
	guess.Set("pre-authorized_code", unknown())
	return tokenTrial(t, n, c, form, guess)
}

// tryTxCode gives wrong transaction codes at the neighbour, which use up no
// attempts.
func tryTxCode(t *testing.T, n *neighbours) trial {
	t.Helper()
	c, v := n.a.newClient(t), n.a.vouch(t, nil)
	form, wrong, guess := v.form(), v.form(), v.form()
	wrong.Set("tx_code", v.wrong())
	guess.Set("pre-authorized_code", unknown())
	try := tokenTrial(t, n, c, form, guess)
	try.times, try.other = 2*5, func() *answer { return c.at(n.b.deployment).token(t, wrong, nil) }
	return try
}

// holders are the same wallet with an access token of each.
type holders struct {
	here, there   *oauthClient
	token, tokenB string
}

func (n *neighbours) holders(t *testing.T) holders {
	t.Helper()
	card := cardOf(t, "hanako")
	here := n.a.newClient(t)
	there := here.at(n.b.deployment)
	return holders{here, there, here.accessToken(t, card), there.accessToken(t, card)}
}

func credentialAttempts() []attempt {
	return []attempt{
		{"access token", tryAccessToken}, {"DPoP proof", tryResourceProof}, {"c_nonce", tryNonce}, {"key proof", tryKeyProof},
		{"encrypted request", tryEncryptedRequest},
	}
}

// tryNotification tells of a batch.
func tryNotification(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.holders(t)
	ask := func(c *oauthClient, token, id string) func() *answer {
		return func() *answer { return c.notify(t, token, id, openid4vci.EventAccepted) }
	}
	id, there := h.here.batch(t, h.token), h.there.batch(t, h.tokenB)
	return trial{
		own: ask(h.here, h.token, id), other: ask(h.there, h.tokenB, id),
		guess: ask(h.there, h.tokenB, unknown()), alive: ask(h.there, h.tokenB, there),
	}
}

// tryNotifier tells of a batch of the neighbour with the access token of a.
func tryNotifier(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.holders(t)
	ask := func(c *oauthClient, token, id string) func() *answer {
		return func() *answer { return c.notify(t, token, id, openid4vci.EventAccepted) }
	}
	id, there := h.here.batch(t, h.token), h.there.batch(t, h.tokenB)
	return trial{
		own: ask(h.here, h.token, id), other: ask(h.there, h.token, there),
		guess: ask(h.there, unknown(), there), alive: ask(h.there, h.tokenB, there),
	}
}

// tryEncryptedRequest encrypts a request to a key. Both tenants have the same secret.
func tryEncryptedRequest(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.holders(t)
	ask := func(c *oauthClient, token string, to *jose.JWK) func() *answer {
		return func() *answer { return c.sealed(t, token, c.credentialRequest(t, 1), to, jose.A256GCM, "") }
	}
	key := n.a.requestKey(t)
	nobodys, err := jose.NewJWK(newKey(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	nobodys.Alg, nobodys.Kid = jose.ECDHES, jose.EncodeBase64(nobodys.Thumbprint())
	return trial{
		own: ask(h.here, h.token, key), other: ask(h.there, h.tokenB, key),
		guess: ask(h.there, h.tokenB, nobodys), alive: ask(h.there, h.tokenB, n.b.requestKey(t)),
	}
}

func tryAccessToken(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.holders(t)
	ask := func(c *oauthClient, token string) func() *answer {
		return func() *answer { return c.credential(t, token, c.credentialRequest(t, 1), nil) }
	}
	return trial{
		own: ask(h.here, h.token), other: ask(h.there, h.token), guess: ask(h.there, unknown()), alive: ask(h.there, h.tokenB),
	}
}

func tryResourceProof(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.holders(t)
	ask := func(c *oauthClient, token, base string) func() *answer {
		return func() *answer {
			header := c.resourceHeaders(t, token)
			header.Set("DPoP", c.proof(t, dpop.ProofOptions{URL: base + "/credential", AccessToken: token}))
			return c.credential(t, token, c.credentialRequest(t, 1), header)
		}
	}
	return trial{
		own: ask(h.here, h.token, n.a.box.Issuer), other: ask(h.there, h.tokenB, n.a.box.Issuer),
		guess: ask(h.there, h.tokenB, elsewhere), alive: ask(h.there, h.tokenB, n.b.box.Issuer),
	}
}

// tryNonce puts a nonce into a key proof.
func tryNonce(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.holders(t)
	ask := func(c *oauthClient, token, nonce string) func() *answer {
		return func() *answer {
			return c.credential(t, token, request(c.keyProof(t, nonce, newKey(t))), nil)
		}
	}
	nonce := n.a.nonce(t)
	guess := make([]byte, base64.RawURLEncoding.DecodedLen(len(nonce)))
	_, _ = rand.Read(guess)
	return trial{
		own: ask(h.here, h.token, nonce), other: ask(h.there, h.tokenB, nonce),
		guess: ask(h.there, h.tokenB, base64.RawURLEncoding.EncodeToString(guess)), alive: ask(h.there, h.tokenB, n.b.nonce(t)),
	}
}

// request asks for the SD-JWT VC with one proof.
func request(proof string) *openid4vci.CredentialRequest {
	return &openid4vci.CredentialRequest{ConfigurationID: "identity_sd_jwt", Proofs: &openid4vci.Proofs{JWT: []string{proof}}}
}

// tryKeyProof signs key proofs for an audience.
func tryKeyProof(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.holders(t)
	ask := func(c *oauthClient, token, audience string) func() *answer {
		return func() *answer {
			proof, err := openid4vci.SignProof(openid4vci.ProofOptions{
				Audience: audience, Nonce: c.d.nonce(t), ClientID: c.id, Now: c.d.clock.Now(),
			}, newKey(t))
			if err != nil {
				t.Fatal(err)
			}
			return c.credential(t, token, request(proof), nil)
		}
	}
	return trial{
		own: ask(h.here, h.token, n.a.box.Issuer), other: ask(h.there, h.tokenB, n.a.box.Issuer),
		guess: ask(h.there, h.tokenB, elsewhere), alive: ask(h.there, h.tokenB, n.b.box.Issuer),
	}
}

func tryOperator(t *testing.T, n *neighbours) trial {
	t.Helper()
	body, err := json.Marshal(map[string]any{"credential_configuration_ids": []string{"identity_sd_jwt"}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(d *deployment, token string) func() *answer {
		return func() *answer {
			return d.send(t, http.MethodPost, d.endpoint("/admin/offers"), bearer(token, body), body)
		}
	}
	token := n.a.box.AdminToken
	return trial{
		own: ask(n.a.deployment, token), other: ask(n.b.deployment, token), guess: ask(n.b.deployment, rand.Text()+rand.Text()),
		alive: ask(n.b.deployment, n.b.box.AdminToken),
	}
}

// tryOffer fetches an offer that was made by reference.
func tryOffer(t *testing.T, n *neighbours) trial {
	t.Helper()
	link, err := openid4vci.ParseOfferLink(n.a.vouch(t, map[string]any{"by_reference": true}).Link)
	if err != nil {
		t.Fatal(err)
	}
	return tryDocument(t, n, "/offers/", path.Base(link.URI))
}

// tryOfferPage gets the page of such an offer.
func tryOfferPage(t *testing.T, n *neighbours) trial {
	t.Helper()
	id := path.Base(strings.TrimSuffix(n.a.vouch(t, map[string]any{"by_reference": true}).Page, "/page"))
	get := func(d *deployment, id string) func() *answer {
		return func() *answer { return d.send(t, http.MethodGet, d.endpoint("/offers/"+id+"/page"), nil, nil) }
	}
	return trial{own: get(n.a.deployment, id), other: get(n.b.deployment, id), guess: get(n.b.deployment, rand.Text())}
}

func tryStatusList(t *testing.T, n *neighbours) trial {
	t.Helper()
	return tryDocument(t, n, "/status-lists/", path.Base(statusOf(t, n.a.issue(t)).URI))
}

// issue issues an SD-JWT VC to a new wallet of hanako.
func (s *side) issue(t *testing.T) string {
	t.Helper()
	c := s.newClient(t)
	return c.credential(t, c.accessToken(t, cardOf(t, "hanako")), c.credentialRequest(t, 1), nil).credentials(t)[0]
}

// listsBesideOthers asks b for its lists when a has one too.
func listsBesideOthers(t *testing.T, n *neighbours) *answer {
	t.Helper()
	here, there := statusOf(t, n.a.issue(t)).URI, statusOf(t, n.b.issue(t)).URI
	a := n.b.send(t, http.MethodGet, n.b.endpoint("/status-lists"), nil, nil)
	if text := string(a.body); !strings.Contains(text, there) || strings.Contains(text, path.Base(here)) {
		t.Errorf("the lists are %s, want %s and not %s", text, there, here)
	}
	return a
}

// typeBesideOthers gets the metadata of a type that both issue.
func typeBesideOthers(t *testing.T, n *neighbours) *answer {
	t.Helper()
	there := n.a.send(t, http.MethodGet, n.a.endpoint("/types/identity_sd_jwt"), nil, nil)
	a := n.b.send(t, http.MethodGet, n.b.endpoint("/types/identity_sd_jwt"), nil, nil)
	if a.status != http.StatusOK || string(a.body) != string(there.body) {
		t.Errorf("%d %s, and at the neighbour %s", a.status, a.body, there.body)
	}
	return a
}

// typeByDigest gets what the credentials of b name.
func typeByDigest(t *testing.T, n *neighbours) *answer {
	t.Helper()
	document := n.b.send(t, http.MethodGet, n.b.endpoint("/types/identity_sd_jwt"), nil, nil)
	digest := sha256.Sum256(document.body)
	return n.b.send(t, http.MethodGet, n.b.endpoint("/types/identity_sd_jwt/"+jose.EncodeBase64(digest[:])), nil, nil)
}

// tryDocument gets what has an identifier.
func tryDocument(t *testing.T, n *neighbours, folder, id string) trial {
	t.Helper()
	get := func(d *deployment, id string) func() *answer {
		return func() *answer { return d.send(t, http.MethodGet, d.endpoint(folder+id), nil, nil) }
	}
	return trial{own: get(n.a.deployment, id), other: get(n.b.deployment, id), guess: get(n.b.deployment, rand.Text())}
}

// statusOf returns where the status of an SD-JWT VC is.
func statusOf(t *testing.T, raw string) *credentials.StatusRef {
	t.Helper()
	u, err := sdjwt.Parse(raw)
	if err != nil || u.Status == nil {
		t.Fatalf("no status: %v", err)
	}
	return u.Status
}
