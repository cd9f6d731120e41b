package e2e_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/pages"
	"github.com/tegata-id/tegata/wallet/holder"
)

// TestBrowser goes through the issuer's and the verifier's pages in Chromium,
// with a wallet at the other end. Every page is inspected at the width of a
// phone; pictures of all of them are kept with go test -artifacts.
func TestBrowser(t *testing.T) {
	w := newBrowserWorld(t)
	chromium := startChromium(t, w)
	issuerPages(t, w, chromium)
	if t.Failed() {
		t.Fatal("the verifier's pages need what the issuer's lead to")
	}
	verifierPages(t, w, chromium)
}

func issuerPages(t *testing.T, w *browserWorld, chromium context.Context) {
	t.Run("issue and go back", func(t *testing.T) { testIssue(t, w, newBrowserPage(t, chromium)) })
	t.Run("sign with an app", func(t *testing.T) { testSign(t, w, newBrowserPage(t, chromium)) })
	t.Run("sign with an app on another device", func(t *testing.T) { testSignElsewhere(t, w, newBrowserPage(t, chromium)) })
	t.Run("keyboard only", func(t *testing.T) {
		p := newBrowserPage(t, chromium)
		_, err := w.accept(t, p, func() {
			p.press("person-hanako")
			p.waitFor("approve")
			p.press("approve")
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("two presses", func(t *testing.T) {
		p := newBrowserPage(t, chromium)
		w.slow.Store(true)
		defer w.slow.Store(false)
		_, err := w.accept(t, p, func() {
			p.click("person-hanako")
			p.waitFor("approve")
			evaluate[chromedp.Void](p, `setTimeout(() => document.getElementById("approve").click(), 400)`)
			p.click("approve")
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("without scripts", func(t *testing.T) {
		p := newBrowserPage(t, chromium)
		p.withoutScripts()
		_, err := w.accept(t, p, func() {
			p.click("person-hanako")
			p.waitFor("approve")
			p.click("approve")
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("O16 O17 a page of another origin", func(t *testing.T) { testEvil(t, w, newBrowserPage(t, chromium)) })
	for name, atReview := range map[string]bool{"cancel before the proof": false, "cancel at the review": true} {
		t.Run(name, func(t *testing.T) {
			p := newBrowserPage(t, chromium)
			_, err := w.accept(t, p, func() {
				if atReview {
					p.click("person-hanako")
					p.waitFor("approve")
				}
				p.click("cancel")
			})
			var e *openid4vci.Error
			if !errors.As(err, &e) || e.Code != openid4vci.CodeAccessDenied {
				t.Errorf("the wallet got %v, want access_denied", err)
			}
		})
	}
	t.Run("the page of an offer", func(t *testing.T) {
		p := newBrowserPage(t, chromium)
		link, page := w.offered(t, `{"credential_configuration_ids":["identity_sd_jwt","identity_mdoc"],"by_reference":true,"scheme":"haip-vci"}`)
		p.open(page)
		p.waitFor("qr")
		if got := evaluate[string](p, `document.getElementById("wallet-link").href`); got != link {
			t.Errorf("the page links to %s, want %s", got, link)
		}
		p.inspect("issuer-offer")
	})
	t.Run("a browser without a login", func(t *testing.T) {
		p := newBrowserPage(t, chromium)
		p.open(w.box.Issuer + "/review")
		p.waitFor("oauth-error")
		p.expectStatus(400)
		p.inspect("issuer-error")
	})
}

// accept has the wallet accept an offer while the person acts on the page,
// which begins at the login and must end at the wallet's redirect URI.
func (w *browserWorld) accept(t *testing.T, p *browserPage, act func()) ([]*holder.Held, error) {
	t.Helper()
	before := w.arrived()
	held, err := w.wallet.AcceptOffer(t.Context(), w.offer(t), browserAgent(func(_ context.Context, address string) (string, error) {
		p.open(address)
		p.waitFor("challenge-text")
		act()
		p.waitFor("callback")
		return p.location(), nil
	}))
	if n := w.arrived() - before; n != 1 {
		t.Errorf("the browser came to the redirect URI %d times", n)
	}
	return held, err
}

func testIssue(t *testing.T, w *browserWorld, p *browserPage) {
	held, err := w.accept(t, p, func() {
		p.inspect("issuer-login")
		for id, want := range map[string]string{"wallet": "手形ウォレット", "issuer": w.box.Issuer} {
			if got := p.text(id); !strings.Contains(got, want) {
				t.Errorf("%s is %q, want %q", id, got, want)
			}
			if got := p.text("challenge-text"); !strings.Contains(got, want) {
				t.Errorf("the challenge does not name %q:\n%s", want, got)
			}
		}
		before := p.onlyCookie()
		p.click("person-hanako")
		p.waitFor("approve")
		p.inspect("issuer-review")
		if after := p.onlyCookie(); after.Value == before.Value {
			t.Error("O16 the cookie is the same before and after the proof")
		}
		for _, id := range []string{"test-mode", "person-name", "person-address", "person-birthdate", "person-sex", "wallet", "issuer"} {
			if p.text(id) == "" {
				t.Errorf("the review does not show %s", id)
			}
		}
		p.click("approve")
	})
	if err != nil {
		t.Fatal(err)
	}
	formats := map[credentials.Format]int{}
	for _, h := range held {
		formats[h.Format]++
	}
	if formats[credentials.FormatSDJWTVC] == 0 || formats[credentials.FormatMdoc] == 0 {
		t.Errorf("the wallet holds %v", formats)
	}
	testBack(t, w, p)
}

// testEvil has a page of another origin frame the pages and press approve for
// the person, and shows that the person can go on as if nothing had been.
func testEvil(t *testing.T, w *browserWorld, p *browserPage) {
	_, err := w.accept(t, p, func() {
		p.click("person-hanako")
		p.waitFor("approve")
		review := p.location()
		p.open(strings.Replace(w.wallet.RedirectURI, "/callback", "/evil", 1))
		p.waitFor("evil")
		for _, origin := range []string{w.box.Issuer, w.box.Verifier} {
			p.expect("Framing '" + origin + "/' violates")
			p.expect(`"blockedURL":"` + origin + `/","violatedDirective":"frame-ancestors"`)
		}
		p.click("evil")
		p.waitFor("oauth-error")
		p.expectStatus(403)
		if got := p.text("oauth-error"); got != "cross_origin_request" {
			t.Errorf("the page says %q", got)
		}
		p.open(review)
		p.waitFor("approve")
		p.click("approve")
	})
	if err != nil {
		t.Fatal(err)
	}
}

// testBack goes back from the wallet's page, as people do.
func testBack(t *testing.T, w *browserWorld, p *browserPage) {
	before := w.arrived()
	for _, page := range []string{"review", "login"} {
		p.back()
		p.waitFor("oauth-error")
		p.expectStatus(400)
		if !strings.HasSuffix(p.location(), "/"+page) || p.has("approve") || p.has("person-hanako") {
			t.Errorf("O16 going back to the %s page offers to go on", page)
		}
	}
	if cookies := p.cookies(); len(cookies) != 0 {
		t.Errorf("%d cookies are left after the decision", len(cookies))
	}
	if w.arrived() != before {
		t.Error("going back led to the wallet again")
	}
}

func verifierPages(t *testing.T, w *browserWorld, chromium context.Context) {
	t.Run("wallet on another device", func(t *testing.T) {
		testCrossDevice(t, w, newBrowserPage(t, chromium), newBrowserPage(t, chromium))
	})
	t.Run("wallet on this device", func(t *testing.T) {
		testSameDevice(t, w, newBrowserPage(t, chromium), newBrowserPage(t, chromium))
	})
	for _, flow := range []string{"cross-device", "same-device"} {
		t.Run("decline "+flow, func(t *testing.T) {
			testDecline(t, w, newBrowserPage(t, chromium), flow)
		})
	}
	t.Run("keyboard only", func(t *testing.T) {
		p := newBrowserPage(t, chromium)
		p.open(w.box.Verifier + "/")
		p.press("cross-device")
		p.waitFor("qr")
		p.press("again")
		p.waitFor("start-form")
	})
	t.Run("two credentials", func(t *testing.T) { testRepresentative(t, w, newBrowserPage(t, chromium)) })
	t.Run("without events", func(t *testing.T) {
		p := newBrowserPage(t, chromium)
		// Something in between keeps them to itself.
		callPage(p, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{
			Source: `window.EventSource = class { addEventListener() {} close() {} }`,
		})
		link := w.begin(p, "adult_sd_jwt", "cross-device")
		p.until(`document.documentElement.dataset.watch === "asking"`)
		if _, err := w.wallet.Present(t.Context(), link, holder.Approve()); err != nil {
			t.Fatal(err)
		}
		p.waitForState("verified")
	})
	t.Run("without scripts", func(t *testing.T) {
		p := newBrowserPage(t, chromium)
		p.withoutScripts()
		link := w.begin(p, "adult_sd_jwt", "cross-device")
		if _, err := w.wallet.Present(t.Context(), link, holder.Approve()); err != nil {
			t.Fatal(err)
		}
		p.waitForState("verified")
	})
}

// begin starts a transaction and returns the wallet's link.
func (w *browserWorld) begin(p *browserPage, preset, flow string) (link string) {
	p.t.Helper()
	p.open(w.box.Verifier + "/")
	p.waitFor("start-form")
	p.click("preset-" + preset)
	p.click(flow)
	p.waitFor("wallet-link")
	return evaluate[string](p, `document.getElementById("wallet-link").href`)
}

func testCrossDevice(t *testing.T, w *browserWorld, p, other *browserPage) {
	p.open(w.box.Verifier + "/")
	p.inspect("verifier-start")
	link := w.begin(p, "adult_sd_jwt", "cross-device")
	p.until(`document.documentElement.dataset.watch === "listening"`)
	p.inspect("verifier-wait")
	p.onlyCookie()
	code, err := pages.NewQR(link)
	if err != nil {
		t.Fatal(err)
	}
	if got := evaluate[string](p, `document.querySelector("#qr path:last-child").getAttribute("d")`); got != code.Path {
		t.Error("the QR code is not that of the link")
	}
	at := p.location()
	testStranger(t, other, at)
	if _, err := w.wallet.Present(t.Context(), link, holder.Approve()); err != nil {
		t.Fatal(err)
	}
	testStranger(t, other, at)
	testStranger(t, other, at+"/result")
	// The page moves on by itself.
	p.waitForState("verified")
	wantResult(t, p, "identity_sd_jwt", "name")
	p.inspect("verifier-result")
	p.do(chromedp.Click(chromedp.CSS("summary")))
	p.inspect("verifier-checks")
	testStranger(t, other, at+"/result")
	other.inspect("verifier-stranger")

	p.do(chromedp.Reload())
	p.waitForState("delivered")
	p.inspect("verifier-delivered")
}

// testStranger opens an address of a transaction that this browser did not
// begin.
func testStranger(t *testing.T, p *browserPage, address string) {
	t.Helper()
	p.open(address)
	p.waitFor("error")
	p.expectStatus(403)
	if p.has("state") || p.has("claims") || p.has("issuer-name") {
		t.Error("another browser sees the transaction")
	}
}

func wantResult(t *testing.T, p *browserPage, query, name string) {
	t.Helper()
	p.waitFor("claims")
	if got := p.text("claim-" + query + "-" + name); got != "山田　花子" {
		t.Errorf("the name is %q\n%s", got, p.describe())
	}
	if got := p.text("issuer-name"); got == "" {
		t.Error("the legal entity is not named")
	}
	if got := p.text("issuer-id"); !strings.HasPrefix(got, "NTRJP-") {
		t.Errorf("the identifier of the legal entity is %q", got)
	}
	if n := evaluate[int](p, `document.querySelectorAll("#credential-`+query+` details li").length`); n < 5 {
		t.Errorf("%d checks are shown", n)
	}
}

func testSameDevice(t *testing.T, w *browserWorld, p, other *browserPage) {
	link := w.begin(p, "adult_mdoc", "same-device")
	if p.has("qr") {
		t.Error("a code is shown, which somebody else could scan")
	}
	p.inspect("verifier-open")
	at := p.location()
	outcome, err := w.wallet.Present(t.Context(), link, holder.Approve())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(outcome.RedirectURI)
	if err != nil || u.Query().Get("response_code") == "" {
		t.Fatalf("the wallet is sent to %q", outcome.RedirectURI)
	}
	testStranger(t, other, outcome.RedirectURI)
	p.open(at)
	p.waitFor("state")
	if evaluate[string](p, `document.getElementById("state").dataset.state`) != "waiting" {
		t.Error("the outcome shows without the response code")
	}
	p.open(outcome.RedirectURI)
	p.waitForState("verified")
	wantResult(t, p, "identity_mdoc", "id.tegata.identity.jp.1-name")
	p.inspect("verifier-done")
}

func testDecline(t *testing.T, w *browserWorld, p *browserPage, flow string) {
	link := w.begin(p, "adult", flow)
	_, err := w.wallet.Present(t.Context(), link, func(context.Context, holder.Ask) holder.Decision { return holder.Decision{} })
	if !errors.Is(err, holder.ErrDeclined) {
		t.Fatalf("the wallet says %v", err)
	}
	p.waitForState("refused")
	if got := p.text("refusal-reason"); got != "declined" {
		t.Errorf("the reason is %q", got)
	}
	p.inspect("verifier-declined-" + flow)
}

// testRepresentative issues the credential of a company's representative and shows
// it together with the identity.
func testRepresentative(t *testing.T, w *browserWorld, p *browserPage) {
	offer, _ := w.offered(t, `{"credential_configuration_ids":["company_representative_sd_jwt"]}`)
	if _, err := w.wallet.AcceptOffer(t.Context(), offer, browserAgent(func(_ context.Context, address string) (string, error) {
		p.open(address)
		p.waitFor("person-hanako")
		p.click("person-hanako")
		p.waitFor("approve")
		p.inspect("issuer-review-representative")
		p.click("approve")
		p.waitFor("callback")
		return p.location(), nil
	})); err != nil {
		t.Fatal(err)
	}
	link := w.begin(p, "company_representative", "cross-device")
	p.inspect("verifier-wait-representative")
	if _, err := w.wallet.Present(t.Context(), link, holder.Approve()); err != nil {
		t.Fatal(err)
	}
	p.waitForState("verified")
	for id, want := range map[string]string{
		"claim-identity_sd_jwt-name": "山田　花子", "claim-company_representative_sd_jwt-organization-name": "手形商事株式会社",
		"claim-company_representative_sd_jwt-organization-corporate_number": "1700150099901", "claim-company_representative_sd_jwt-authority": "代表取締役",
	} {
		if got := p.text(id); got != want {
			t.Errorf("%s is %q, want %q", id, got, want)
		}
	}
	p.inspect("verifier-result-representative")
}

// withoutScripts turns off the scripts of the pages.
func (p *browserPage) withoutScripts() {
	p.t.Helper()
	callPage(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// waitForState waits until the verifier's page is in a state.
func (p *browserPage) waitForState(state string) {
	p.t.Helper()
	p.until(`document.readyState === "complete" && document.getElementById("state")?.dataset.state === "` + state + `"`)
}

// back goes back in the tab's history. It does not wait: a page that comes from
// the browser's memory does not load.
func (p *browserPage) back() {
	p.t.Helper()
	evaluate[chromedp.Void](p, `setTimeout(() => history.back())`)
}
