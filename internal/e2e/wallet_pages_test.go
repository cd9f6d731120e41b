package e2e_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/walletapp"
)

// TestWalletPages holds credentials in the wallet's own pages, in Chromium: an
// offer comes in, the person logs in at the issuer, a verifier's showcase asks,
// and the person looks, declines, shows, and tidies up.
func TestWalletPages(t *testing.T) {
	w := newBrowserWorld(t)
	origin := w.serveWallet(t)
	chromium := startChromium(t, w)
	p := newBrowserPage(t, chromium)

	p.open(origin + "/")
	p.waitFor("empty")
	p.inspect("wallet-empty")
	offer, err := url.Parse(w.offer(t))
	if err != nil {
		t.Fatal(err)
	}
	p.open(origin + "/credential-offer?" + offer.RawQuery)
	p.waitFor("accept")
	p.inspect("wallet-offer")
	if got := p.text("issuer"); !strings.Contains(got, "手形市") {
		t.Errorf("the offer is from %q", got)
	}
	p.click("accept")
	p.waitFor("person-hanako")
	p.click("person-hanako")
	p.waitFor("approve")
	p.click("approve")
	p.until(`document.querySelectorAll(".received").length === 2`)
	p.inspect("wallet-received")

	p.open(origin + "/")
	p.waitFor("ask-issuer")
	p.do(chromedp.SendKeys(chromedp.CSS("#ask-issuer"), w.box.Issuer))
	p.click("ask")
	p.waitFor("want-0")
	p.inspect("wallet-choose")
	p.click("want-0")
	p.click("accept")
	p.waitFor("person-hanako")
	p.click("person-hanako")
	p.waitFor("approve")
	p.click("approve")
	p.until(`document.querySelectorAll(".received").length === 1`)

	for _, decision := range []string{"decline", "allow"} {
		link, err := url.Parse(w.begin(p, "account_opening", "same-device"))
		if err != nil {
			t.Fatal(err)
		}
		p.open(origin + "/authorize?" + link.RawQuery)
		p.waitFor(decision)
		if decision == "allow" {
			p.inspect("wallet-ask")
		}
		if got := p.text("verifier"); !strings.Contains(got, "手形銀行") {
			t.Errorf("%q asks", got)
		}
		p.click(decision)
		p.until(`location.origin === "` + w.box.Verifier + `"`)
		if decision == "allow" {
			p.until(`document.body.textContent.includes("山田　花子")`)
		}
		p.forgive("status of 4")
	}

	p.open(origin + "/log")
	p.waitFor("log")
	p.inspect("wallet-log")
	for _, want := range []string{"received", "declined", "presented"} {
		if got := p.text("log"); !strings.Contains(got, want) || strings.Contains(got, "山田") {
			t.Errorf("the log: %s", got)
		}
	}
	p.click("delete-log")
	p.until(`!document.getElementById("log").textContent.includes("presented")`)
	p.open(origin + "/")
	p.until(`document.querySelectorAll(".card").length === 3`)
	p.click("check")
	p.until(`[...document.querySelectorAll(".status")].every(e => e.textContent.includes("失効していません"))`)
	p.inspect("wallet-home")
	p.do(chromedp.Click(chromedp.CSS(`.card a`)))
	p.waitFor("forget")
	p.inspect("wallet-credential")
	p.click("forget")
	p.until(`document.querySelectorAll(".card").length === 2`)

	p.open(origin + "/authorize?client_id=x")
	p.waitFor("error")
	p.inspect("wallet-failed")
	p.forgive("status of 4")
	p.open(origin + "/credential-offer?credential_offer=%7B%7D")
	p.waitFor("error")
	p.expectStatus(http.StatusBadRequest)
}

// serveWallet serves the pages of the sandbox's wallet and returns their origin.
func (w *browserWorld) serveWallet(t *testing.T) string {
	t.Helper()
	cfg, err := walletapp.Load(w.box.WalletFile)
	if err != nil {
		t.Fatal(err)
	}
	wallet, err := walletapp.Open(cfg, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.LoadFile(cfg.Web.KeyFile, cfg.Web.ChainFile)
	if err != nil {
		t.Fatal(err)
	}
	w.servers = append(w.servers, key.Leaf())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- walletapp.Serve(ctx, wallet, cfg.Web, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, wallet.Close()); err != nil {
			t.Error(err)
		}
	})
	return cfg.Web.Origin
}
