package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
)

// presentation is one combination of what a verifier and a wallet may do.
type presentation struct {
	format credentials.Format
	at     verifierForm
	// fetch is how the wallet gets the request: GET, POST, or "" if it is in the
	// link.
	fetch string
	flow  verifier.Flow
}

// presentations lists them all. Requests are in links for the same device alone,
// because a QR code can't hold them, unless they are not signed.
func presentations() (all []presentation) {
	for _, format := range []credentials.Format{credentials.FormatSDJWTVC, credentials.FormatMdoc} {
		for _, at := range verifierForms() {
			for _, flow := range []verifier.Flow{verifier.SameDevice, verifier.CrossDevice} {
				switch {
				case at.prefix == openid4vp.RedirectURI:
					all = append(all, presentation{format, at, "", flow})
				case !at.byValue:
					all = append(all, presentation{format, at, http.MethodGet, flow}, presentation{format, at, http.MethodPost, flow})
				case flow == verifier.SameDevice:
					all = append(all, presentation{format, at, "", flow})
				}
			}
		}
	}
	return all
}

func (p presentation) String() string {
	form := "by value"
	if p.fetch != "" {
		form = p.fetch
	}
	return strings.Join([]string{string(p.format), string(p.at.prefix), string(p.at.mode), form, string(p.flow)}, "/")
}

func (b *bothEnds) testPresentation(t *testing.T) {
	vault := b.receive(t, cardOf(t, "hanako")).Vault
	for _, p := range presentations() {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			b.show(t, vault, p)
			if !t.Failed() {
				b.presented.Add(1)
			}
		})
	}
}

// show runs one transaction.
func (b *bothEnds) show(t *testing.T, vault holder.Vault, p presentation) {
	t.Helper()
	tenant := b.verifiers[p.at]
	transactions := tenant.BaseURL + "/api/transactions"
	asked := map[string]any{"dcql_query": json.RawMessage(queries[p.format]), "flow": p.flow}
	if p.flow == verifier.SameDevice {
		asked["redirect_uri"] = "https://bank.example/done"
	}
	body := tmMust(json.Marshal(asked))(t)
	var transaction struct{ ID, Link string }
	b.send(t, http.MethodPost, transactions, bearer(tenant.Token, body), body).read(t, &transaction)
	link := transaction.Link
	if p.fetch == http.MethodGet {
		link = strings.Replace(link, "&request_uri_method=post", "", 1)
	}
	w, network := b.through(t, nil)
	w.Vault = vault
	outcome, err := w.Present(t.Context(), link, holder.Approve())
	if err != nil {
		t.Fatal(err)
	}
	p.check(t, transaction.Link, network)

	// On the same device the code in the address leads to the result; on another
	// the wallet ends at the verifier, and the relying party needs no code.
	back, code := tenant.BaseURL+"/done", ""
	if p.flow == verifier.SameDevice {
		back = "https://bank.example/done"
		code = "?" + tmMust(url.Parse(outcome.RedirectURI))(t).RawQuery
	}
	if !strings.HasPrefix(outcome.RedirectURI, back+"?response_code=") {
		t.Errorf("the wallet goes to %q", outcome.RedirectURI)
	}
	var result verifier.Result
	b.send(t, http.MethodGet, transactions+"/"+transaction.ID+code, bearer(tenant.Token, nil), nil).read(t, &result)
	if result.State != verifier.StateVerified || len(result.Credentials) != 1 || result.Credentials[0].Format != p.format {
		t.Fatalf("%s %+v", result.State, result.Refusal)
	}
	want := map[credentials.Format]string{
		credentials.FormatSDJWTVC: `{"name":"山田　花子"}`,
		credentials.FormatMdoc:    `{"id.tegata.identity.jp.1":{"name":"山田　花子"}}`,
	}[p.format]
	if diff := cmp.Diff(want, string(result.Credentials[0].Claims)); diff != "" {
		t.Error(diff)
	}
}

// check looks at the link and at what went over the network.
func (p presentation) check(t *testing.T, link string, network *wire) {
	t.Helper()
	u := tmMust(url.Parse(link))(t)
	query := u.Query()
	if !strings.HasPrefix(query.Get("client_id"), string(p.at.prefix)+":") {
		t.Errorf("client_id %q", query.Get("client_id"))
	}
	if query.Has("request") != p.at.byValue || query.Has("request_uri") != (p.fetch != "") || query.Has("response_type") != (p.at.prefix == openid4vp.RedirectURI) {
		t.Errorf("the link is of another form: %v", query)
	}
	calls := network.seen("")
	if want := map[bool]int{false: 1, true: 2}[p.fetch != ""]; len(calls) != want || p.fetch != "" && calls[0].method != p.fetch {
		t.Fatalf("%d requests, want %d, the first by %s", len(calls), want, p.fetch)
	}
	form := tmMust(url.ParseQuery(string(calls[len(calls)-1].body)))(t)
	if form.Has("response") != p.at.mode.Encrypted() || form.Has("vp_token") == p.at.mode.Encrypted() {
		t.Error("the answer is of another mode")
	}
}
