package e2e_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// walletLink finds the link on the page of an offer.
var walletLink = regexp.MustCompile(`id="wallet-link" href="([^"]+)"`)

// TestOfferPage shows offers to people: by reference, in both schemes, for a
// wallet on the same device and on another.
func TestOfferPage(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	show := func(t *testing.T, address string) *answer {
		t.Helper()
		return d.send(t, http.MethodGet, address, nil, nil)
	}
	for scheme, begins := range map[string]string{"openid-credential-offer": openid4vci.SchemeOffer, "haip-vci": openid4vci.SchemeHAIP} {
		c, v := d.newClient(t), d.vouch(t, map[string]any{
			"by_reference": true, "scheme": scheme, "credential_configuration_ids": []string{"identity_sd_jwt", "identity_mdoc"},
		})
		page := show(t, v.Page)
		found := walletLink.FindSubmatch(page.body)
		if page.status != http.StatusOK || found == nil {
			t.Fatalf("%s: %d %s", scheme, page.status, page.body)
		}
		text := string(page.body)
		if link := html.UnescapeString(string(found[1])); link != v.Link || !strings.HasPrefix(link, begins) {
			t.Errorf("%s: the page links to %s, the operator was told %s", scheme, link, v.Link)
		}
		if strings.Contains(text, v.TxCode) || strings.Contains(text, v.code()) || strings.Contains(text, "佐藤") {
			t.Errorf("%s: the page shows the transaction code, the code or the person", scheme)
		}
		if n := strings.Count(text, `class="offered"`); n != 1 {
			t.Errorf("%s: a type in two formats is shown %d times", scheme, n)
		}
		for _, want := range []string{`<svg class="qr" id="qr"`, `id="tx-code-hint"`, "本人確認証明書"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the page lacks %s", scheme, want)
			}
		}
		if page.header.Get("Cache-Control") != "no-store" || page.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", scheme, page.header)
		}
		c.take(t, v) // the offer is as good as before it was looked at
	}
	byValue := d.vouch(t, map[string]any{"scheme": "haip-vci"})
	if link, err := openid4vci.ParseOfferLink(byValue.Link); err != nil || link.Offer == nil || byValue.Page != "" || !strings.HasPrefix(byValue.Link, openid4vci.SchemeHAIP) {
		t.Errorf("by value: %+v, page %q, %v", link, byValue.Page, err)
	}
	d.admin(t, map[string]any{"scheme": "javascript"}).want(t, http.StatusBadRequest, "invalid_request")

	v := d.vouch(t, map[string]any{"by_reference": true})
	for name, address := range map[string]string{
		"O16 another scheme": v.Page + "?scheme=javascript", "guessed": d.endpoint("/offers/x/page"),
	} {
		if a := show(t, address); a.status != http.StatusNotFound || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", name, a.status, a.header.Get("Content-Type"))
		}
	}
	if a := show(t, v.Page+"?scheme=haip-vci&scheme=haip-vci"); a.status != http.StatusBadRequest {
		t.Errorf("a parameter twice: %d", a.status)
	}
	d.clock.advance(6 * time.Minute)
	if a := show(t, v.Page); a.status != http.StatusNotFound {
		t.Errorf("expired: %d", a.status)
	}
	if strings.Contains(d.log.String(), strings.TrimSuffix(strings.TrimPrefix(v.Page, d.box.Issuer+"/offers/"), "/page")) {
		t.Error("the address of an offer is in the log")
	}
}
