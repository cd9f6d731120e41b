package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/internal/app/card"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/wallet/holder"
)

// authenticationAnchors writes the CAs of authentication certificates to a file.
func authenticationAnchors(t *testing.T) string {
	t.Helper()
	var text bytes.Buffer
	for _, anchor := range nation(t).Anchors(jpki.Authentication) {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: anchor.Certificate.Raw}); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "authentication.pem")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// returningUsers lets people come back, for deployOptions.configure.
func returningUsers(t *testing.T) func(*deployment) {
	t.Helper()
	return func(d *deployment) {
		d.cfg.Issuer.JPKI.Returning = &config.ReturningUsers{
			AuthenticationAnchors: []config.Anchor{{File: authenticationAnchors(t), Jurisdiction: "JP"}},
		}
	}
}

// toSign is what an app shall sign, and where it leaves the answer.
type toSign struct {
	address        string
	Challenge      []byte
	Authentication string
}

// asks returns what the app is asked by the page of a login.
func (d *deployment) asks(t *testing.T, p *page) (a toSign) {
	t.Helper()
	link, err := url.Parse(p.attribute("open-signer", "href"))
	if err != nil || link.Query().Get("request_uri") == "" {
		t.Fatalf("no link: %d %s", p.status, p.text("oauth-error-description"))
	}
	a.address = link.Query().Get("request_uri")
	d.send(t, http.MethodGet, a.address, nil, nil).read(t, &a)
	return a
}

// answers are members of what an app leaves.
type answers map[string]string

func (a answers) and(b answers) answers {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

func bySignature(t *testing.T, c *jpkitest.Card, challenge []byte) answers {
	t.Helper()
	signature, err := c.Sign(jpkitest.SignPIN, challenge)
	if err != nil {
		t.Fatal(err)
	}
	return answers{
		"certificate": base64.StdEncoding.EncodeToString(c.SignatureCertificate().Raw),
		"signature":   base64.StdEncoding.EncodeToString(signature),
	}
}

func byAuthentication(t *testing.T, c *jpkitest.Card, challenge []byte) answers {
	t.Helper()
	signature, err := c.Authenticate(jpkitest.AuthPIN, challenge)
	if err != nil {
		t.Fatal(err)
	}
	return answers{
		"authentication_certificate": base64.StdEncoding.EncodeToString(c.AuthenticationCertificate().Raw),
		"authentication_signature":   base64.StdEncoding.EncodeToString(signature),
	}
}

func (d *deployment) leave(t *testing.T, a toSign, members answers) *answer {
	t.Helper()
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return d.send(t, http.MethodPost, a.address, http.Header{"Content-Type": {typeJSON}}, body)
}

// goOn opens in a browser what the app was told.
func (b *browser) goOn(t *testing.T, told *answer) *page {
	t.Helper()
	var left struct {
		ReturnURI string `json:"return_uri"`
	}
	told.read(t, &left)
	return b.open(t, left.ReturnURI)
}

// agree ends a login at the review page.
func (c *oauthClient) agree(t *testing.T, b *browser, review *page) (token openid4vci.TokenResponse) {
	t.Helper()
	if review.text("person-name") == "" {
		t.Fatalf("no review page: %d %s", review.status, review.text("oauth-error-description"))
	}
	c.token(t, c.tokenForm(b.submit(t, review, "review-form", approve).url.Query().Get("code")), nil).read(t, &token)
	return token
}

// linked is a consent in which both certificates of a card have signed.
func (c *oauthClient) linked(t *testing.T, holder *jpkitest.Card) openid4vci.TokenResponse {
	t.Helper()
	b := c.d.newBrowser(t)
	a := c.d.asks(t, b.open(t, c.request(t)))
	review := b.goOn(t, c.d.leave(t, a, bySignature(t, holder, a.Challenge).and(byAuthentication(t, holder, a.Challenge))))
	if review.text("linked") == "" {
		t.Error("the review page does not say that the certificate is linked")
	}
	return c.agree(t, b, review)
}

// comesBack pushes a request with a refresh token.
func (c *oauthClient) comesBack(t *testing.T, refreshToken string) *answer {
	t.Helper()
	form := c.parForm()
	form.Set("refresh_token", refreshToken)
	return c.push(t, form, nil)
}

// renewAttestation is for after the clock was advanced.
func (c *oauthClient) renewAttestation(t *testing.T) {
	t.Helper()
	c.attestation = c.d.attest(t, c.instance.Public(), nil)
}

// TestReturningUser links the authentication certificate with the app of the
// command line, and comes back with it alone, twice.
func TestReturningUser(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{sameDevice: true, configure: returningUsers(t)})
	app, file := d.signer(t, "hanako")
	c, b := d.newClient(t), d.newBrowser(t)
	sign := func(p *page, want string, pins card.PINs) *page {
		request, err := app.Open(t.Context(), p.attribute("open-signer", "href"))
		if err != nil {
			t.Fatal(err)
		}
		if request.Authentication != want || p.text(want+"-option") == "" || request.Text != p.text("challenge-text")+"\n" {
			t.Errorf("%q is asked for, want %q; the page has %q", request.Authentication, want, p.text(want+"-option"))
		}
		done, err := request.SignWith(t.Context(), file, pins, false)
		if err != nil {
			t.Fatal(err)
		}
		return b.open(t, done.ReturnURI)
	}
	review := sign(b.open(t, c.request(t)), "link", card.PINs{Signature: jpkitest.SignPIN, Authentication: jpkitest.AuthPIN})
	token := c.agree(t, b, review)
	d.wantKind(t, "jpki-signature")
	for n := range 2 {
		review = sign(b.open(t, c.visit(t, c.comesBack(t, token.RefreshToken))), "return", card.PINs{Authentication: jpkitest.AuthPIN})
		if review.text("returned") == "" || review.text("person-name") != "山田　花子" {
			t.Fatalf("%d %s", review.status, review.text("oauth-error-description"))
		}
		token = c.agree(t, b, review)
		if got := c.credential(t, token.AccessToken, c.credentialRequest(t, 2), nil).credentials(t); len(got) != 2 {
			t.Errorf("%d credentials", len(got))
		}
		c.refreshed(t, token.RefreshToken)
		kinds := d.query(t, `SELECT COUNT(*) FROM grants WHERE evidence_kind = 'jpki-authentication-returning'`)
		if kinds != n+1 || d.query(t, `SELECT COUNT(DISTINCT evidence_pseudonym) FROM grants`) != 1 || d.query(t, `SELECT COUNT(*) FROM evidence`) != 1 {
			t.Errorf("%d grants of returning users, or they rest on another certificate", kinds)
		}
	}
	if _, left, err := card.TriesLeft(file); err != nil || left != 3 {
		t.Errorf("%d tries left, %v", left, err)
	}
}

// TestReturningAge comes back late: what was proven before gets no younger.
func TestReturningAge(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{configure: func(d *deployment) {
		returningUsers(t)(d)
		d.cfg.Issuer.Lifetimes.RefreshToken = config.Duration(2 * time.Hour)
	}})
	d.clock.stop()
	hanako := cardOf(t, "hanako")
	c := d.newClient(t)
	token := c.linked(t, hanako)
	d.clock.advance(90 * time.Minute)
	c.renewAttestation(t)
	b := d.newBrowser(t)
	a := d.asks(t, b.open(t, c.visit(t, c.comesBack(t, token.RefreshToken))))
	again := c.agree(t, b, b.goOn(t, d.leave(t, a, byAuthentication(t, hanako, a.Challenge))))
	d.clock.advance(29 * time.Minute)
	c.refreshed(t, again.RefreshToken)
	if n := d.query(t, `SELECT COUNT(DISTINCT expires_at) FROM grants`); n != 1 {
		t.Errorf("%d ends of one proof", n)
	}
	d.clock.advance(2 * time.Minute)
	c.refresh(t, again.RefreshToken).want(t, http.StatusBadRequest, "invalid_grant")
	c.comesBack(t, again.RefreshToken).want(t, http.StatusBadRequest, "invalid_grant")
}

// TestReturnWithoutStatus turns the responders off, one after the other: nobody
// comes back while nobody knows of either certificate.
func TestReturnWithoutStatus(t *testing.T) {
	t.Parallel()
	var responders [2]*switched
	var addresses [2]string
	for n := range responders {
		responders[n] = &switched{Handler: nation(t).OCSPHandler()}
		server := httptest.NewServer(responders[n])
		t.Cleanup(server.Close)
		addresses[n] = server.URL
	}
	d := deploy(t, deployOptions{recheck: time.Hour, prepare: func(box *sandbox.Sandbox) {
		jpkiSettings(t, box, map[string]string{"ocsp_url": addresses[0], "status_refresh": "1s", "on_unavailable": "hard_fail"})
	}, configure: func(d *deployment) {
		returningUsers(t)(d)
		d.cfg.Issuer.JPKI.Returning.OCSPURL = addresses[1]
	}})
	hanako := cardOf(t, "hanako")
	c, b := d.newClient(t), d.newBrowser(t)
	token := c.linked(t, hanako)
	a := d.asks(t, b.open(t, c.visit(t, c.comesBack(t, token.RefreshToken))))
	for _, r := range responders {
		r.off.Store(true)
		d.clock.advance(5 * time.Second)
		d.leave(t, a, byAuthentication(t, hanako, a.Challenge)).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
		r.off.Store(false)
		d.clock.advance(5 * time.Second)
	}
	if review := b.goOn(t, d.leave(t, a, byAuthentication(t, hanako, a.Challenge))); review.text("returned") == "" {
		t.Errorf("honest twin: %d %s", review.status, review.text("oauth-error-description"))
	}
}

// TestNoReturningUsers has an issuer that links nothing: the refresh token at its
// endpoint for pushed requests is a parameter that it doesn't know.
func TestNoReturningUsers(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	hanako := cardOf(t, "hanako")
	c, b := d.newClient(t), d.newBrowser(t)
	a := d.asks(t, b.open(t, c.visit(t, c.comesBack(t, noRefreshToken()))))
	if a.Authentication != "" {
		t.Errorf("authentication %q", a.Authentication)
	}
	d.leave(t, a, bySignature(t, hanako, a.Challenge).and(byAuthentication(t, hanako, a.Challenge))).want(t, http.StatusBadRequest, "evidence_refused")
	if review := b.goOn(t, d.leave(t, a, bySignature(t, hanako, a.Challenge))); review.text("person-name") == "" || review.text("linked") != "" {
		t.Errorf("honest twin: %d", review.status)
	}
}

// TestReturningKind has a type that demands the signature certificate itself.
func TestReturningKind(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{prepare: everyType(t), configure: returningUsers(t)})
	hanako := cardOf(t, "hanako")
	c := d.newClient(t)
	token := c.linked(t, hanako)
	form := c.parForm()
	form.Set("refresh_token", token.RefreshToken)
	form.Set("scope", "pass_sd_jwt")
	b := d.newBrowser(t)
	a := d.asks(t, b.open(t, c.visit(t, c.push(t, form, nil))))
	b.goOn(t, d.leave(t, a, byAuthentication(t, hanako, a.Challenge))).want(t, http.StatusBadRequest, "access_denied")
	b = d.newBrowser(t)
	a = d.asks(t, b.open(t, c.visit(t, c.push(t, form, nil))))
	if review := b.goOn(t, d.leave(t, a, bySignature(t, hanako, a.Challenge))); review.text("person-name") == "" {
		t.Errorf("honest twin: %d %s", review.status, review.text("oauth-error-description"))
	}
}

// returnee logs in with whatever the login page asks for: both certificates the
// first time, the authentication certificate alone afterwards.
type returnee struct {
	t    *testing.T
	d    *deployment
	card *jpkitest.Card
	// asked is what each login asked of the authentication certificate.
	asked []string
}

// Authorize implements holder.UserAgent.
func (r *returnee) Authorize(_ context.Context, address, _ string) (string, error) {
	b := r.d.newBrowser(r.t)
	p := b.open(r.t, address)
	a := r.d.asks(r.t, p)
	members := byAuthentication(r.t, r.card, a.Challenge)
	if p.text("return-option") == "" {
		r.asked = append(r.asked, "link")
		members = bySignature(r.t, r.card, a.Challenge).and(members)
	} else {
		r.asked = append(r.asked, "return")
	}
	review := b.goOn(r.t, r.d.leave(r.t, a, members))
	return b.submit(r.t, review, "review-form", approve).url.String(), nil
}

// TestReturningWallet has the wallet engine bring its refresh token to the next
// login, unless its consent has ended.
func TestReturningWallet(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{sameDevice: true, configure: returningUsers(t)})
	person := &returnee{t: t, d: d, card: cardOf(t, "hanako")}
	w := d.newWallet(t)
	w.Return = true
	accept := func() []*holder.Held {
		t.Helper()
		held, err := w.AcceptOffer(t.Context(), d.offer(t, "identity_sd_jwt"), person)
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	accept()
	last := accept()
	if got := d.query(t, `SELECT COUNT(*) FROM grants WHERE evidence_kind = 'jpki-authentication-returning'`); got != 1 {
		t.Errorf("%d grants of returning users", got)
	}
	// A consent that the wallet doesn't know to have ended.
	if err := errors.Join(w.Forget(t.Context(), last[0].Batch), w.Vault.Add(t.Context(), last)); err != nil {
		t.Fatal(err)
	}
	accept()
	if diff := cmp.Diff([]string{"link", "return", "link"}, person.asked); diff != "" {
		t.Error(diff)
	}
}
