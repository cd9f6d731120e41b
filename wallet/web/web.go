// Package web is a wallet for one person in the browser, with an address that
// issuers send offers to, one that verifiers send requests to, and one that
// browsers come back to from an issuer's login. It is for development,
// demonstrations and conformance suites.
package web

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/registration"
	"github.com/tegata-id/tegata/internal/pages"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/vault"
)

// Wallet is the wallet behind the pages.
type Wallet interface {
	Now() time.Time
	ReadOffer(ctx context.Context, link string) (*holder.Offer, error)
	// AskIssuer begins without an offer.
	AskIssuer(ctx context.Context, issuer string, configurations ...string) (*holder.Offer, error)
	Receive(ctx context.Context, offer *holder.Offer, agent holder.UserAgent) ([]*holder.Held, error)
	Present(ctx context.Context, link string, consent holder.Consent) (holder.Outcome, error)
	List(ctx context.Context) ([]*holder.Held, error)
	// Upkeep looks up what was revoked and renews what is due.
	Upkeep(ctx context.Context) (holder.Upkeep, error)
	// Forget deletes a batch.
	Forget(ctx context.Context, batch string) error
	Log(ctx context.Context) ([]vault.Entry, error)
	DeleteLog(ctx context.Context) error
}

//go:embed templates/*.html
var templates embed.FS

//go:embed static/wallet.css
var stylesheet []byte

type page string

const (
	pageHome       page = "home.html"
	pageCredential page = "credential.html"
	pageOffer      page = "offer.html"
	pageAsk        page = "ask.html"
	pageLeave      page = "leave.html"
	pageBusy       page = "busy.html"
	pageReceived   page = "received.html"
	pageShown      page = "shown.html"
	pageFailed     page = "failed.html"
	pageLog        page = "log.html"
	pageError      page = "error.html"
)

var parsed = template.Must(template.New("").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.In(japan).Format("2006年1月2日 15時04分") },
}).ParseFS(templates, "templates/*.html"))

var japan = time.FixedZone("JST", 9*60*60)

func (p page) render(data pageData) ([]byte, error) {
	var b bytes.Buffer
	err := parsed.ExecuteTemplate(&b, string(p), data)
	return b.Bytes(), err
}

func assetNamed(name string) (content []byte, mediaType string, ok bool) {
	switch name {
	case "wallet.css":
		return pages.Stylesheet(stylesheet), "text/css; charset=utf-8", true
	case "wallet.js":
		return pages.Script(nil), "text/javascript; charset=utf-8", true
	}
	return nil, "", false
}

// pageData is what the templates get.
type pageData struct {
	Batches []holder.Batch
	Claims  []claim
	Log     []vault.Entry
	FlowID  string
	// Next is where the browser goes now.
	Next string
	// IssuerName and Issuer are of an offer, and Offered what it has, of which the
	// person can choose where Chosen says so. Vouched says that a trusted
	// certificate vouches for the issuer, IssuerEntity the legal entity in it.
	IssuerName, Issuer, IssuerEntity string
	Offered                          []string
	Chosen, Vouched                  bool
	TxCode                           *openid4vci.TxCode
	// Verifier is who asks. Legal says that the certificate names that legal
	// entity.
	Verifier, ClientID string
	Legal              bool
	// Registered is the name under which the verifier is registered, Purpose and
	// PurposeEN what for; Unregistered says that it should be and is not.
	Registered, Purpose, PurposeEN string
	Unregistered                   bool
	Items                          []item
	Optional                       bool
	Error                          string
}

// item is a presentation that is asked for.
type item struct {
	Name, NameEN, Type string
	Optional, Revoked  bool
	Claims             []itemClaim
}

type itemClaim struct {
	Name, NameEN, Path            string
	Kept, Biometric, Unregistered bool
}

// claim is a leaf of what a credential says.
type claim struct{ Name, NameEN, Path, Value string }

// describe returns the page for where a flow has come to.
func describe(f *flow) (page, pageData) {
	data := pageData{FlowID: f.id}
	switch {
	case f.ended() && f.err != nil:
		data.Error, data.Next = f.err.Error(), f.outcome.RedirectURI
		return pageFailed, data
	case f.ended() && f.offer != nil:
		data.Batches = holder.Batches(f.received)
		return pageReceived, data
	case f.ended():
		data.Next = f.outcome.RedirectURI
		return pageShown, data
	case f.offer != nil && !f.hasBegun():
		data.offer(f.offer)
		data.Chosen = f.chosen && len(data.Offered) > 1
		return pageOffer, data
	}
	if ask := f.wanted(); ask != nil {
		data.ask(*ask)
		return pageAsk, data
	}
	return pageBusy, data
}

func (f *flow) hasBegun() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begun
}

func (f *flow) setTxCode(code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.txCode = strings.TrimSpace(code)
}

func (d *pageData) offer(o *holder.Offer) {
	metadata := o.Issuer()
	d.Issuer, d.IssuerName = metadata.CredentialIssuer, openid4vci.DisplayName(metadata.Display, "ja", metadata.CredentialIssuer)
	if chain := o.Signer(); chain != nil {
		entity, _ := chain.LegalEntity()
		d.Vouched, d.IssuerEntity = true, entity.Name
	}
	d.TxCode = o.TxCode()
	offered := o.Configurations()
	for _, id := range configurationIDs(o) {
		name := id
		if m := offered[id].Metadata; m != nil {
			name = openid4vci.DisplayName(m.Display, "ja", id)
		}
		d.Offered = append(d.Offered, fmt.Sprintf("%s (%s)", name, offered[id].Format))
	}
}

// configurationIDs are the IDs of what is offered, in the order of the page.
func configurationIDs(o *holder.Offer) []string { return slices.Sorted(maps.Keys(o.Configurations())) }

func (d *pageData) ask(ask holder.Ask) {
	d.ClientID = ask.ClientID
	if entity, ok := ask.LegalEntity(); ok {
		d.Verifier, d.Legal = entity.Name, true
	}
	if r := ask.Registration; r != nil && r.Certificate != nil {
		d.Registered = cmp.Or(r.Certificate.Name, r.Certificate.LegalName)
		d.Purpose, d.PurposeEN = registration.In(r.Certificate.Purposes, "ja"), registration.In(r.Certificate.Purposes, "en")
	} else {
		d.Unregistered = r != nil
	}
	for _, i := range ask.Items {
		shown := item{
			Name: i.Credential.Name("ja"), NameEN: i.Credential.Name("en"), Type: i.Credential.Type,
			Optional: i.Optional, Revoked: i.Credential.Revoked(),
		}
		d.Optional = d.Optional || i.Optional
		for _, path := range i.Paths {
			shown.Claims = append(shown.Claims, itemClaim{
				Name: i.Credential.ClaimName(path, "ja"), NameEN: i.Credential.ClaimName(path, "en"), Path: path.String(),
				Kept:      slices.ContainsFunc(i.Retained, path.Equal),
				Biometric: slices.ContainsFunc(i.Biometric, path.Equal), Unregistered: slices.ContainsFunc(i.Unregistered, path.Equal),
			})
		}
		d.Items = append(d.Items, shown)
	}
}

func decisionOf(decision, withoutOptional string) holder.Decision {
	return holder.Decision{Allow: decision == "allow", WithoutOptional: withoutOptional != ""}
}

// isOffer tells the links of issuers from those of verifiers.
func isOffer(link string) bool {
	_, query, _ := strings.Cut(link, "?")
	return strings.Contains(query, "credential_offer=") || strings.Contains(query, "credential_offer_uri=")
}

// flatten lists the leaves of the claims, by what people read and by their paths.
func flatten(h *holder.Held) []claim {
	var out []claim
	var walk func(path credentials.Path, v any)
	walk = func(path credentials.Path, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(append(slices.Clone(path), credentials.Name(name)), v[name])
			}
		case []any:
			for n, element := range v {
				walk(append(slices.Clone(path), credentials.Index(n)), element)
			}
		default:
			out = append(out, claim{h.ClaimName(path, "ja"), h.ClaimName(path, "en"), path.String(), fmt.Sprint(v)})
		}
	}
	walk(nil, h.Claims.JSON())
	return out
}
