package e2e_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

// TestNegLink tries to link, or to be known, in other ways than by both
// certificates in one session.
func TestNegLink(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{configure: returningUsers(t)})
	hanako, taro := cardOf(t, "hanako"), cardOf(t, "taro")
	c := d.newClient(t)
	b := d.newBrowser(t)
	first := d.asks(t, b.open(t, c.request(t)))
	other := d.asks(t, d.newBrowser(t).open(t, d.newClient(t).request(t)))
	elsewhere := d.newBrowser(t)
	q := elsewhere.submit(t, elsewhere.open(t, d.newClient(t).request(t)), "device-form", nil)
	u, err := url.Parse(q.attribute("signer-link", "href"))
	if err != nil {
		t.Fatal(err)
	}
	device := toSign{address: u.Query().Get("request_uri")}
	d.send(t, http.MethodGet, device.address, nil, nil).read(t, &device)
	if first.Authentication != "link" || device.Authentication != "" {
		t.Errorf("authentication %q, on another device %q", first.Authentication, device.Authentication)
	}
	foreign := foreignCard(t)
	signature, authentication := bySignature(t, hanako, first.Challenge), byAuthentication(t, hanako, first.Challenge)
	swapped := answers{
		"certificate": authentication["authentication_certificate"], "signature": authentication["authentication_signature"],
	}
	swappedBack := answers{
		"authentication_certificate": signature["certificate"], "authentication_signature": signature["signature"],
	}
	for name, tt := range map[string]struct {
		at      toSign
		members answers
		reason  string
	}{
		"authentication alone":                     {first, authentication, "evidence_refused"},
		"authentication of another session":        {first, signature.and(byAuthentication(t, hanako, other.Challenge)), "evidence_refused"},
		"signature of another session":             {first, bySignature(t, hanako, other.Challenge).and(authentication), "evidence_refused"},
		"authentication in place of the signature": {first, swapped, "evidence_refused"},
		"authentication in both places":            {first, swapped.and(authentication), "evidence_refused"},
		"signature in both places":                 {first, signature.and(swappedBack), "evidence_refused"},
		"forged chain":                             {first, signature.and(byAuthentication(t, foreign, first.Challenge)), "evidence_refused"},
		"key of another card": {first, signature.and(byAuthentication(t, hanako, first.Challenge)).and(answers{
			"authentication_signature": byAuthentication(t, taro, first.Challenge)["authentication_signature"],
		}), "evidence_refused"},
		"without its signature": {first, signature.and(answers{"authentication_certificate": authentication["authentication_certificate"]}), "invalid_request"},
		"a PIN beside it":       {first, signature.and(authentication).and(answers{"pin": jpkitest.AuthPIN}), "invalid_request"},
		"on another device": {device, bySignature(t, hanako, device.Challenge).and(byAuthentication(t, hanako, device.Challenge)),
			"evidence_refused"},
	} {
		if got := d.leave(t, tt.at, tt.members); got.status != http.StatusBadRequest || got.code() != tt.reason {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	// I08: what was signed for a link goes on in the browser that was shown it.
	told := d.leave(t, first, signature.and(authentication))
	d.newBrowser(t).goOn(t, told).want(t, http.StatusBadRequest, "invalid_request")
	d.leave(t, first, signature).want(t, http.StatusConflict, "answered") // the link can't be taken out again
	if review := b.goOn(t, told); review.text("linked") == "" || review.text("person-name") != hanako.Person.Name {
		t.Errorf("honest twin: %d %s", review.status, review.text("oauth-error-description"))
	}
}

// foreignCard is of a JPKI that nobody trusts, whose CAs have the same names.
func foreignCard(t *testing.T) *jpkitest.Card {
	t.Helper()
	abroad, err := jpkitest.New(jpkitest.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	person, _ := jpkitest.PersonByKey("hanako")
	c, err := abroad.NewCard(person, jpkitest.CardOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNegReturn comes back with what was not linked, or no longer holds.
func TestNegReturn(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{configure: returningUsers(t)})
	hanako := newCard(t, "hanako")
	c, other := d.newClient(t), d.newClient(t)
	tokens := c.linked(t, hanako)
	c.credential(t, tokens.AccessToken, c.credentialRequest(t, 1), nil).credentials(t)
	begin := func(t *testing.T) (*browser, toSign) {
		t.Helper()
		b := d.newBrowser(t)
		a := d.asks(t, b.open(t, c.visit(t, c.comesBack(t, tokens.RefreshToken))))
		if a.Authentication != "return" {
			t.Fatalf("authentication %q", a.Authentication)
		}
		return b, a
	}
	refused := func(t *testing.T, got *answer) {
		t.Helper()
		got.want(t, http.StatusBadRequest, "evidence_refused")
	}
	twin := func(t *testing.T, b *browser, a toSign) {
		t.Helper()
		if review := b.goOn(t, d.leave(t, a, byAuthentication(t, hanako, a.Challenge))); review.text("returned") == "" {
			t.Errorf("honest twin: %d %s", review.status, review.text("oauth-error-description"))
		}
	}
	t.Run("I33 another wallet's refresh token", func(t *testing.T) {
		other.comesBack(t, tokens.RefreshToken).want(t, http.StatusBadRequest, "invalid_grant")
		c.comesBack(t, noRefreshToken()).want(t, http.StatusBadRequest, "invalid_grant")
		c.comesBack(t, tokens.AccessToken).want(t, http.StatusBadRequest, "invalid_grant")
		b, a := begin(t)
		twin(t, b, a)
	})
	t.Run("nothing was linked", func(t *testing.T) {
		unlinked := other.consent(t, hanako).RefreshToken
		b := d.newBrowser(t)
		a := d.asks(t, b.open(t, other.visit(t, other.comesBack(t, unlinked))))
		if a.Authentication != "link" {
			t.Errorf("authentication %q", a.Authentication)
		}
		refused(t, d.leave(t, a, byAuthentication(t, hanako, a.Challenge)))
		if review := b.goOn(t, d.leave(t, a, bySignature(t, hanako, a.Challenge))); review.text("person-name") == "" {
			t.Errorf("honest twin: %d", review.status)
		}
	})
	t.Run("other certificates", func(t *testing.T) {
		b, a := begin(t)
		_, stale := begin(t)
		signature := bySignature(t, hanako, a.Challenge)
		for name, members := range map[string]answers{
			"another person":           byAuthentication(t, cardOf(t, "taro"), a.Challenge),
			"another card of them":     byAuthentication(t, newCard(t, "hanako"), a.Challenge),
			"forged chain":             byAuthentication(t, foreignCard(t), a.Challenge),
			"another login":            byAuthentication(t, hanako, stale.Challenge),
			"signature in its place":   {"authentication_certificate": signature["certificate"], "authentication_signature": signature["signature"]},
			"it in place of signature": {"certificate": byAuthentication(t, hanako, a.Challenge)["authentication_certificate"], "signature": byAuthentication(t, hanako, a.Challenge)["authentication_signature"]},
			"both at once":             signature.and(byAuthentication(t, hanako, a.Challenge)),
		} {
			if got := d.leave(t, a, members); got.status != http.StatusBadRequest || got.code() != "evidence_refused" {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
		twin(t, b, a)
	})
	t.Run("I08 relayed", func(t *testing.T) {
		attacker, a := begin(t)
		told := d.leave(t, a, byAuthentication(t, hanako, a.Challenge)) // by the person, on their phone
		victim := d.newBrowser(t)
		victim.goOn(t, told).want(t, http.StatusBadRequest, "invalid_request")
		attacker.open(t, d.endpoint("/review")) // leads back to the login page
		attacker.post(t, d.endpoint("/review"), approve).want(t, http.StatusBadRequest, "invalid_request")
		own, mine := begin(t)
		own.goOn(t, told).want(t, http.StatusBadRequest, "invalid_request")
		twin(t, own, mine)
	})
	t.Run("the wallet has revoked the token meanwhile", func(t *testing.T) {
		another := c.linked(t, hanako).RefreshToken
		b := d.newBrowser(t)
		a := d.asks(t, b.open(t, c.visit(t, c.comesBack(t, another))))
		c.revokeToken(t, another)
		refused(t, d.leave(t, a, byAuthentication(t, hanako, a.Challenge)))
		c.comesBack(t, another).want(t, http.StatusBadRequest, "invalid_grant")
		b, a = begin(t)
		twin(t, b, a)
	})
	t.Run("I34 the authentication certificate is revoked", func(t *testing.T) {
		if err := nation(t).Revoke(hanako.AuthenticationCertificate(), 5); err != nil {
			t.Fatal(err)
		}
		d.clock.advance(65 * time.Minute) // the list that the issuer has no longer serves
		c.renewAttestation(t)
		b, a := begin(t)
		refused(t, d.leave(t, a, byAuthentication(t, hanako, a.Challenge)))
		c.refreshed(t, tokens.RefreshToken)
		if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at <> 0"); n != 0 {
			t.Errorf("%d credentials fell, which rest on the signature certificate", n)
		}
		if review := b.goOn(t, d.leave(t, a, bySignature(t, hanako, a.Challenge))); review.text("person-name") == "" || review.text("returned") != "" {
			t.Errorf("honest twin: %d %s", review.status, review.text("oauth-error-description"))
		}
	})
}

// TestNegReturnRevoked has the signature certificate revoked after the link: with
// the return that finds it out, all that rests on it falls.
func TestNegReturnRevoked(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{configure: returningUsers(t), recheck: time.Hour})
	hanako, taro := newCard(t, "hanako"), cardOf(t, "taro")
	c, other := d.newClient(t), d.newClient(t)
	token, stays := c.linked(t, hanako), other.linked(t, taro)
	c.credential(t, token.AccessToken, c.credentialRequest(t, 1), nil).credentials(t)
	if err := nation(t).Revoke(hanako.SignatureCertificate(), 3); err != nil {
		t.Fatal(err)
	}
	d.clock.advance(65 * time.Minute)
	c.renewAttestation(t)
	other.renewAttestation(t)
	pushed := c.comesBack(t, token.RefreshToken)
	if pushed.status == http.StatusCreated { // the job has not found it out yet
		a := d.asks(t, d.newBrowser(t).open(t, c.visit(t, pushed)))
		d.leave(t, a, byAuthentication(t, hanako, a.Challenge)).want(t, http.StatusBadRequest, "evidence_refused")
	}
	if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at <> 0"); n != 1 || d.sealed(t) != 1 {
		t.Errorf("%d credentials fell, %d grants have something sealed", n, d.sealed(t))
	}
	c.comesBack(t, token.RefreshToken).want(t, http.StatusBadRequest, "invalid_grant")
	b := d.newBrowser(t)
	a := d.asks(t, b.open(t, other.visit(t, other.comesBack(t, stays.RefreshToken))))
	if review := b.goOn(t, d.leave(t, a, byAuthentication(t, taro, a.Challenge))); review.text("returned") == "" {
		t.Errorf("honest twin: %d", review.status)
	}
}
