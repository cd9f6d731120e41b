package oauth_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
)

const (
	here      = evidence.SameDevice
	elsewhere = evidence.OtherDevice
)

// signers are a party whose server checks real signatures, and two people.
type signers struct {
	*party
	jpki         *jpkitest.JPKI
	hanako, taro *jpkitest.Card
}

// cardsOfTest makes the JPKI once: RSA keys take long.
var cardsOfTest = sync.OnceValues(func() (*signers, error) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	j, err := jpkitest.New(jpkitest.Options{Now: func() time.Time { return now }})
	if err != nil {
		return nil, err
	}
	s := &signers{jpki: j}
	for key, card := range map[string]**jpkitest.Card{"hanako": &s.hanako, "taro": &s.taro} {
		person, _ := jpkitest.PersonByKey(key)
		if *card, err = j.NewCard(person, jpkitest.CardOptions{}); err != nil {
			return nil, err
		}
	}
	return s, nil
})

func newSigners(t *testing.T, edit func(*oauth.Config)) *signers {
	t.Helper()
	shared, err := cardsOfTest()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := shared.jpki.Policy(jpki.Signature)
	if err != nil {
		t.Fatal(err)
	}
	s := *shared
	s.party = newPartyWith(t, func(c *oauth.Config) {
		c.Prover = &evidence.JPKI{Policy: policy, PseudonymKey: bytes.Repeat([]byte{1}, 32), Now: c.Now}
		c.Source = attributes{}
		if edit != nil {
			edit(c)
		}
	})
	return &s
}

// link returns the secret of the link that a browser's page shows.
func (s *signers) link(t *testing.T, cookie string, device evidence.Device) string {
	t.Helper()
	if device == elsewhere {
		if err := s.server.SignElsewhere(t.Context(), cookie); err != nil {
			t.Fatal(err)
		}
	}
	view, err := s.server.View(t.Context(), cookie)
	if err != nil {
		t.Fatal(err)
	}
	if view.Signings[device] == "" {
		t.Fatalf("the page shows no link for the device %q", device)
	}
	return view.Signings[device]
}

// app is what a signer app does with a link: it fetches the challenge, has the
// person sign it and posts the answer.
func (s *signers) app(t *testing.T, link string, card *jpkitest.Card) (*oauth.Deposited, error) {
	t.Helper()
	asked, err := s.server.Signing(t.Context(), link)
	if err != nil {
		return nil, err
	}
	return s.server.Deposit(t.Context(), link, signed(t, card, asked.Challenge))
}

func signed(t *testing.T, card *jpkitest.Card, challenge []byte) evidence.Answer {
	t.Helper()
	signature, err := card.Sign(jpkitest.SignPIN, challenge)
	if err != nil {
		t.Fatal(err)
	}
	return evidence.Answer{Certificate: card.SignatureCertificate().Raw, Signature: signature}
}

func (s *signers) mustApp(t *testing.T, link string, card *jpkitest.Card) string {
	t.Helper()
	d, err := s.app(t, link, card)
	if err != nil {
		t.Fatal(err)
	}
	return d.Code
}

// name returns whom the browser's review page is about, or "".
func (s *signers) name(t *testing.T, cookie string) string {
	t.Helper()
	view, err := s.server.View(t.Context(), cookie)
	if err != nil || view.Person == nil {
		return ""
	}
	return view.Person.Name
}

func wantRefusal(t *testing.T, what string, err error, code string) {
	t.Helper()
	if got := openid4vci.CodeOf(err); err == nil || got != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// TestSigning walks the honest way on both devices, to the grant.
func TestSigning(t *testing.T) {
	t.Parallel()
	for device, kind := range map[evidence.Device]evidence.Kind{here: evidence.KindJPKISignature, elsewhere: evidence.KindJPKIOtherDevice} {
		s := newSigners(t, nil)
		cookie := s.begin(t)
		code := s.mustApp(t, s.link(t, cookie, device), s.hanako)
		if digits := strings.Trim(code, "0123456789") == "" && len(code) == 8; digits != (device == elsewhere) || !digits && len(code) < 43 {
			t.Errorf("%s: the app was told %q", device, code)
		}
		next, err := s.server.Finish(t.Context(), cookie, device, code)
		if err != nil {
			t.Fatal(err)
		}
		if next == cookie || s.name(t, next) != s.hanako.Person.Name || s.name(t, cookie) != "" {
			t.Errorf("%s: cookie %q then %q, person %q", device, cookie, next, s.name(t, next))
		}
		if err := s.redeem(t, s.approve(t, next)); err != nil {
			t.Fatal(err)
		}
		if got := s.grants.last.Kind; got != kind {
			t.Errorf("%s: evidence %q, want %q", device, got, kind)
		}
	}
	t.Run("pasted", func(t *testing.T) {
		t.Parallel()
		s := newSigners(t, nil)
		cookie := s.begin(t)
		view, err := s.server.View(t.Context(), cookie)
		if err != nil {
			t.Fatal(err)
		}
		// What was meant to be signed here is not taken from the clipboard.
		_, err = s.server.Prove(t.Context(), cookie, signed(t, s.hanako, view.Challenges[here]))
		wantRefusal(t, "signed for the same device", err, "access_denied")
		next, err := s.server.Prove(t.Context(), cookie, signed(t, s.hanako, view.Challenges[elsewhere]))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.redeem(t, s.approve(t, next)); err != nil || s.grants.last.Kind != evidence.KindJPKIOtherDevice {
			t.Errorf("evidence %q, %v", s.grants.last.Kind, err)
		}
	})
}

func (p *party) approve(t *testing.T, cookie string) string {
	t.Helper()
	target, err := p.server.Decide(t.Context(), cookie, true)
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(target, "code=")
	code, _, _ = strings.Cut(code, "&")
	return code
}

// TestNegRelay has an attacker who begins a login for a wallet of theirs and
// has somebody else sign it, or gets their own signature into somebody else's
// browser.
func TestNegRelay(t *testing.T) {
	t.Parallel()
	t.Run("I08 the victim signs the attacker's session", func(t *testing.T) {
		t.Parallel()
		s := newSigners(t, nil)
		attacker, victim := s.begin(t), s.begin(t)
		// The attacker sends the victim the link; the victim's app opens the
		// browser of the victim's device, where no such login is.
		code := s.mustApp(t, s.link(t, attacker, here), s.hanako)
		for name, cookie := range map[string]string{"no login": "", "a login of their own": victim} {
			_, err := s.server.Finish(t.Context(), cookie, here, code)
			wantRefusal(t, "victim's browser with "+name, err, "invalid_request")
		}
		// The attacker's browser has the login, but not what the app was told.
		for name, guess := range map[string]string{"nothing": "", "a guess": strings.Repeat("A", 43), "the link": s.link(t, attacker, here), "the cookie": attacker} {
			_, err := s.server.Finish(t.Context(), attacker, here, guess)
			wantRefusal(t, "attacker's browser with "+name, err, "invalid_request")
		}
		if _, err := s.server.Decide(t.Context(), attacker, true); err == nil {
			t.Error("the attacker approves without evidence")
		}
		if got := s.name(t, attacker); got != "" {
			t.Errorf("the attacker sees %s", got)
		}
	})
	t.Run("I08 an answer for one device does not serve the other", func(t *testing.T) {
		t.Parallel()
		s := newSigners(t, nil)
		attacker := s.begin(t)
		sameLink, otherLink := s.link(t, attacker, here), s.link(t, attacker, elsewhere)
		code := s.mustApp(t, sameLink, s.hanako)
		_, err := s.server.Finish(t.Context(), attacker, elsewhere, code)
		wantRefusal(t, "code of the other device", err, "invalid_request")
		asked, err := s.server.Signing(t.Context(), sameLink)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.server.Deposit(t.Context(), otherLink, signed(t, s.hanako, asked.Challenge))
		wantRefusal(t, "answer of the other device", err, oauth.ReasonEvidenceRefused)
		_, err = s.server.Prove(t.Context(), attacker, signed(t, s.hanako, asked.Challenge))
		wantRefusal(t, "pasted", err, "access_denied")
	})
	t.Run("I08 the attacker's signature in the victim's browser", func(t *testing.T) {
		t.Parallel()
		s := newSigners(t, nil)
		attacker, victim := s.begin(t), s.begin(t)
		// The attacker signs their own session and has the victim open the
		// link that their app was told.
		code := s.mustApp(t, s.link(t, attacker, here), s.taro)
		_, err := s.server.Finish(t.Context(), victim, here, code)
		wantRefusal(t, "victim's browser", err, "invalid_request")
		// The victim's own way is still open, and the attacker's as well.
		for cookie, card := range map[string]*jpkitest.Card{victim: s.hanako, attacker: s.taro} {
			next, err := s.server.Finish(t.Context(), cookie, here, s.mustApp(t, s.link(t, cookie, here), card))
			if err != nil || s.name(t, next) != card.Person.Name {
				t.Errorf("honest twin: %v", err)
			}
		}
	})
	t.Run("another device where it is not allowed", func(t *testing.T) {
		t.Parallel()
		s := newSigners(t, func(c *oauth.Config) { c.OtherDevice = false })
		cookie := s.begin(t)
		wantRefusal(t, "link", s.server.SignElsewhere(t.Context(), cookie), "invalid_request")
		view, err := s.server.View(t.Context(), cookie)
		if err != nil || len(view.Challenges) != 1 || len(view.Challenges[here]) == 0 {
			t.Errorf("challenges %v, %v", view.Challenges, err)
		}
		_, err = s.server.Prove(t.Context(), cookie, signed(t, s.hanako, view.Challenges[here]))
		wantRefusal(t, "pasted", err, "invalid_request")
		_, err = s.server.Finish(t.Context(), cookie, elsewhere, "12345678")
		wantRefusal(t, "typed", err, "invalid_request")
		if _, err := s.server.Finish(t.Context(), cookie, here, s.mustApp(t, s.link(t, cookie, here), s.hanako)); err != nil {
			t.Errorf("honest twin: %v", err)
		}
	})
}

// TestNegDeposit posts answers that must not be taken.
func TestNegDeposit(t *testing.T) {
	t.Parallel()
	s := newSigners(t, nil)
	mine, other := s.begin(t), s.begin(t)
	link := s.link(t, mine, here)
	challenge := func(link string) []byte {
		asked, err := s.server.Signing(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		return asked.Challenge
	}
	text := challenge(link)
	forged := func(old, new string) evidence.Answer {
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("%q is not in the challenge", old)
		}
		return signed(t, s.hanako, bytes.Replace(text, []byte(old), []byte(new), 1))
	}
	good := signed(t, s.hanako, text)
	for name, answer := range map[string]evidence.Answer{
		"challenge of another session":       signed(t, s.hanako, challenge(s.link(t, other, here))),
		"challenge of another issuer":        forged(reuseIssuer, "https://other.example"),
		"challenge for another wallet":       forged("wallet key: ", "wallet key: x"),
		"challenge for something else":       forged("(a)", "(b)"),
		"challenge that is none":             signed(t, s.hanako, []byte("発行の申請")),
		"certificate of another":             {Certificate: s.taro.SignatureCertificate().Raw, Signature: good.Signature},
		"certificate that authenticates":     {Certificate: s.hanako.AuthenticationCertificate().Raw, Signature: must(s.hanako.Authenticate(jpkitest.AuthPIN, text))},
		"nothing":                            {},
		"signature of the digest of nothing": {Certificate: good.Certificate, Signature: make([]byte, 256)},
	} {
		_, err := s.server.Deposit(t.Context(), link, answer)
		wantRefusal(t, name, err, oauth.ReasonEvidenceRefused)
	}
	_, err := s.server.Deposit(t.Context(), "guessed", good)
	wantRefusal(t, "unknown link", err, "not_found")
	_, err = s.server.Deposit(t.Context(), "", good)
	wantRefusal(t, "no link", err, "not_found")

	first, err := s.server.Deposit(t.Context(), link, good)
	if err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	again, err := s.server.Deposit(t.Context(), link, good)
	if err != nil || again.Code != first.Code {
		t.Errorf("the same answer again: %v", err)
	}
	_, err = s.server.Deposit(t.Context(), link, signed(t, s.taro, text))
	wantRefusal(t, "over somebody else's deposit", err, oauth.ReasonAnswered)

	next, err := s.server.Finish(t.Context(), mine, here, first.Code)
	if err != nil || s.name(t, next) != s.hanako.Person.Name {
		t.Fatalf("finish: %v", err)
	}
	// It is all used up: the answer is gone with the session.
	_, err = s.server.Deposit(t.Context(), link, good)
	wantRefusal(t, "replayed answer", err, "not_found")
	_, err = s.server.Finish(t.Context(), mine, here, first.Code)
	wantRefusal(t, "replayed code", err, "invalid_request")
	_, err = s.server.Finish(t.Context(), next, here, first.Code)
	wantRefusal(t, "replayed code with the new cookie", err, "invalid_request")
	_, err = s.server.Finish(t.Context(), other, here, first.Code)
	wantRefusal(t, "code in another login", err, "invalid_request")
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestNegSigningTime lets challenges grow old, to the second.
func TestNegSigningTime(t *testing.T) {
	t.Parallel()
	lifetime := oauth.DefaultLifetimes.Challenge
	for _, tt := range []struct {
		name                 string
		beforeApp, beforeEnd time.Duration
		deposited, ok        bool
	}{
		{"honest twin", lifetime - time.Second, 0, true, true},
		{"the app comes too late", lifetime, 0, false, false},
		{"the browser comes too late", 0, lifetime, true, false},
	} {
		s := newSigners(t, nil)
		cookie := s.begin(t)
		link := s.link(t, cookie, here)
		asked, err := s.server.Signing(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		s.later(tt.beforeApp)
		d, err := s.server.Deposit(t.Context(), link, signed(t, s.hanako, asked.Challenge))
		if (err == nil) != tt.deposited {
			t.Errorf("%s: deposit: %v", tt.name, err)
		}
		s.later(tt.beforeEnd)
		var code string
		if d != nil {
			code = d.Code
		}
		if _, err = s.server.Finish(t.Context(), cookie, here, code); (err == nil) != tt.ok {
			t.Errorf("%s: finish: %v", tt.name, err)
		}
		if _, err := s.server.Signing(t.Context(), link); err == nil {
			t.Errorf("%s: the challenge is still shown", tt.name)
		}
	}
}

// TestNegTypedCode guesses the code that a person types.
func TestNegTypedCode(t *testing.T) {
	t.Parallel()
	wrong := func(code string) string {
		if code[0] == '0' {
			return "1" + code[1:]
		}
		return "0" + code[1:]
	}
	t.Run("F02 a few mistakes", func(t *testing.T) {
		t.Parallel()
		s := newSigners(t, nil)
		cookie := s.begin(t)
		code := s.mustApp(t, s.link(t, cookie, elsewhere), s.hanako)
		for range oauth.MaxSigningCodes - 1 {
			_, err := s.server.Finish(t.Context(), cookie, elsewhere, wrong(code))
			wantRefusal(t, "wrong code", err, "invalid_request")
		}
		if _, err := s.server.Finish(t.Context(), cookie, elsewhere, code); err != nil {
			t.Errorf("honest twin: %v", err)
		}
	})
	t.Run("F02 too many", func(t *testing.T) {
		t.Parallel()
		s := newSigners(t, nil)
		cookie := s.begin(t)
		code := s.mustApp(t, s.link(t, cookie, elsewhere), s.hanako)
		for range oauth.MaxSigningCodes {
			_, err := s.server.Finish(t.Context(), cookie, elsewhere, wrong(code))
			wantRefusal(t, "wrong code", err, "invalid_request")
		}
		_, err := s.server.Finish(t.Context(), cookie, elsewhere, code)
		wantRefusal(t, "right code, too late", err, "invalid_request")
		// Asking for another link does not give another count.
		if got := s.link(t, cookie, elsewhere); got == "" {
			t.Error("no link")
		}
		_, err = s.server.Finish(t.Context(), cookie, elsewhere, code)
		wantRefusal(t, "right code after another link", err, "invalid_request")
	})
	t.Run("F02 all at once", func(t *testing.T) {
		t.Parallel()
		s := newSigners(t, nil)
		cookie := s.begin(t)
		code := s.mustApp(t, s.link(t, cookie, elsewhere), s.hanako)
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				if _, err := s.server.Finish(context.Background(), cookie, elsewhere, wrong(code)); err == nil {
					t.Error("a wrong code is taken")
				}
			})
		}
		wait.Wait()
		_, err := s.server.Finish(t.Context(), cookie, elsewhere, code)
		wantRefusal(t, "right code, too late", err, "invalid_request")
	})
	t.Run("a store that forgot", func(t *testing.T) {
		t.Parallel()
		s := newSigners(t, nil)
		cookie := s.begin(t)
		code := s.mustApp(t, s.link(t, cookie, elsewhere), s.hanako)
		s.fence.lost = s.later(time.Second)
		_, err := s.server.Finish(t.Context(), cookie, elsewhere, code)
		wantRefusal(t, "right code, lost count", err, "invalid_request")
	})
	t.Run("before anything was signed", func(t *testing.T) {
		t.Parallel()
		s := newSigners(t, nil)
		cookie := s.begin(t)
		s.link(t, cookie, elsewhere)
		for _, code := range []string{"", "00000000"} {
			_, err := s.server.Finish(t.Context(), cookie, elsewhere, code)
			wantRefusal(t, "no answer", err, "invalid_request")
		}
	})
}

// TestNegManyDeposits posts more answers than are looked at.
func TestNegManyDeposits(t *testing.T) {
	t.Parallel()
	for extra, ok := range map[int]bool{-1: true, 0: false} {
		s := newSigners(t, nil)
		link := s.link(t, s.begin(t), here)
		for range oauth.MaxDeposits + extra {
			_, err := s.server.Deposit(t.Context(), link, evidence.Answer{})
			wantRefusal(t, "nothing", err, oauth.ReasonEvidenceRefused)
		}
		_, err := s.app(t, link, s.hanako)
		if (err == nil) != ok {
			t.Errorf("after %d answers: %v", oauth.MaxDeposits+extra, err)
		}
		var e *openid4vci.Error
		if !ok && (!errors.As(err, &e) || e.Status != http.StatusNotFound) {
			t.Errorf("refused with %v", err)
		}
	}
}
