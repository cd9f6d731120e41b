package e2e_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/provider"
)

// newWallet returns a whole wallet, which trusts the authorities of the sandbox and
// may also talk to further addresses on loopback.
func (d *deployment) newWallet(t *testing.T, further ...string) *holder.Wallet {
	t.Helper()
	web, err := fetch.New(fetch.Options{
		Purpose: "the wallet", ExtraRoots: []*x509.Certificate{d.box.TLSRoot},
		AllowLoopback: append(further, d.cfg.Outbound.AllowLoopback...), Now: d.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(web.CloseIdleConnections)
	policy := func(profile trust.Profile, anchor trust.Anchor) *trust.Policy {
		return &trust.Policy{
			Anchors: []trust.Anchor{anchor}, Profile: profile, Now: d.clock.Now,
			Revocation: trust.NotChecked("the authorities of the sandbox publish no lists"),
		}
	}
	return &holder.Wallet{
		HTTP: web, Vault: &holder.Memory{}, BatchSize: 2, Now: d.clock.Now, RedirectURI: "https://wallet.example/callback",
		Attester: &holder.Provider{HTTP: web, URL: d.box.Provider, Platform: provider.SoftwarePlatform, Now: d.clock.Now},
		IssuerTrust: map[credentials.Format]*trust.Policy{
			credentials.FormatSDJWTVC: policy(trust.ProfileSDJWTIssuer, d.box.IssuerAnchors[credentials.FormatSDJWTVC]),
			credentials.FormatMdoc:    policy(trust.ProfileMdocSigner, d.box.IssuerAnchors[credentials.FormatMdoc]),
		},
		VerifierTrust: policy(trust.ProfileVerifierAccess, d.box.VerifierAnchor),
	}
}

// citizen is the person behind a wallet, with card and browser.
type citizen struct {
	t    *testing.T
	d    *deployment
	card *jpkitest.Card
}

// Authorize implements holder.UserAgent.
func (c citizen) Authorize(_ context.Context, address, _ string) (string, error) {
	callback := c.d.newBrowser(c.t).authorize(c.t, address, c.card)
	if callback == nil {
		return "", errors.New("no callback")
	}
	return callback.String(), nil
}

// offer makes an offer as the operator does, and returns the link.
func (d *deployment) offer(t *testing.T, configurations ...string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"credential_configuration_ids": configurations})
	if err != nil {
		t.Fatal(err)
	}
	var offer struct {
		Link string `json:"link"`
	}
	d.send(t, http.MethodPost, d.endpoint("/admin/offers"), http.Header{
		"Authorization": {"Bearer " + d.box.AdminToken}, "Content-Type": {"application/json"},
	}, body).read(t, &offer)
	return offer.Link
}

// receive has the person's wallet take credentials in both formats. Where they
// wait for the operator, it approves them.
func (d *deployment) receive(t *testing.T, card *jpkitest.Card) *holder.Wallet {
	t.Helper()
	w := d.newWallet(t)
	w.Wait = func(context.Context, time.Duration) error {
		for _, waits := range d.pending(t) {
			d.decide(t, waits.ID, "approve")
		}
		return nil
	}
	held, err := w.AcceptOffer(t.Context(), d.offer(t, "identity_sd_jwt", "identity_mdoc"), citizen{t, d, card})
	if err != nil {
		t.Fatal(err)
	}
	if len(held) != 4 {
		t.Fatalf("%d credentials", len(held))
	}
	return w
}

// The queries of the relying party, one for each format.
var queries = map[credentials.Format]string{
	credentials.FormatSDJWTVC: `{"credentials":[{"id":"person","format":"dc+sd-jwt","meta":{"vct_values":["urn:tegata:identity:jp:1"]},"claims":[{"path":["name"]}]}]}`,
	credentials.FormatMdoc:    `{"credentials":[{"id":"person","format":"mso_mdoc","meta":{"doctype_value":"id.tegata.identity.jp.1"},"claims":[{"path":["id.tegata.identity.jp.1","name"]}]}]}`,
}

// present runs a transaction of the relying party against a wallet.
func (d *deployment) present(t *testing.T, w *holder.Wallet, query string) *verifier.Result {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + d.box.APIToken}, "Content-Type": {"application/json"}}
	body, err := json.Marshal(map[string]any{
		"dcql_query": json.RawMessage(query), "flow": verifier.SameDevice, "redirect_uri": "https://bank.example/done",
	})
	if err != nil {
		t.Fatal(err)
	}
	var transaction struct{ ID, Link string }
	d.send(t, http.MethodPost, d.box.Verifier+"/api/transactions", header, body).read(t, &transaction)
	agree := func(context.Context, holder.Ask) holder.Decision { return holder.Decision{Allow: true} }
	outcome, presentErr := w.Present(t.Context(), transaction.Link, agree)
	back, err := url.Parse(outcome.RedirectURI)
	if err != nil {
		t.Fatal(err)
	}
	header.Del("Content-Type")
	var result verifier.Result
	a := d.send(t, http.MethodGet, d.box.Verifier+"/api/transactions/"+transaction.ID+"?"+back.RawQuery, header, nil)
	if a.status != http.StatusOK {
		t.Fatalf("%d %s after %v", a.status, a.body, presentErr)
	}
	a.read(t, &result)
	return &result
}
