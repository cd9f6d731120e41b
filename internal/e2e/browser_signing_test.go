package e2e_test

import (
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/internal/app/card"
)

// sign does with a link of the pages what a signer app does.
func (w *browserWorld) sign(t *testing.T, link string) *card.Result {
	t.Helper()
	app := card.App{Roots: []*x509.Certificate{w.box.TLSRoot}, Now: time.Now}
	file := filepath.Join(t.TempDir(), "card.json")
	if err := app.Issue(t.Context(), w.box.Issuer, "hanako", file); err != nil {
		t.Fatal(err)
	}
	asked, err := app.Open(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	done, err := asked.Sign(t.Context(), file, jpkitest.SignPIN, false)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func href(p *browserPage, id string) string {
	p.t.Helper()
	return evaluate[string](p, `document.getElementById("`+id+`").getAttribute("href")`)
}

// testSign signs with an app, which opens the way back in the same browser.
func testSign(t *testing.T, w *browserWorld, p *browserPage) {
	_, err := w.accept(t, p, func() {
		done := w.sign(t, href(p, "open-signer"))
		before := p.onlyCookie()
		p.open(done.ReturnURI)
		p.waitFor("approve")
		if p.text("person-name") == "" || p.onlyCookie().Value == before.Value || strings.Contains(p.location(), "code=") {
			t.Errorf("after the app: %s", p.location())
		}
		p.click("approve")
	})
	if err != nil {
		t.Fatal(err)
	}
}

// testSignElsewhere signs with an app on another device, and types the code,
// wrongly at first.
func testSignElsewhere(t *testing.T, w *browserWorld, p *browserPage) {
	_, err := w.accept(t, p, func() {
		p.click("other-device")
		p.waitFor("code")
		p.inspect("issuer-device")
		done := w.sign(t, href(p, "signer-link"))
		if done.Code == "" {
			t.Fatal("the app shows no code")
		}
		wrong := "00000000"
		if done.Code == wrong {
			wrong = "11111111"
		}
		p.do(chromedp.SendKeys(chromedp.CSS("#code"), wrong))
		p.click("send-code")
		p.waitFor("wrong-code")
		p.expectStatus(400)
		p.inspect("issuer-device-wrong-code")
		p.do(chromedp.SendKeys(chromedp.CSS("#code"), done.Code))
		p.click("send-code")
		p.waitFor("approve")
		p.click("approve")
	})
	if err != nil {
		t.Fatal(err)
	}
}
