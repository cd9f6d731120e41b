package verifier_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/verifier/webhook"
)

const (
	origin   = "https://verifier.example"
	apiToken = "relying-party-token-of-the-tests-0123456789"
	listURI  = "https://status.example/lists/1"
	vct      = "urn:tegata:identity:jp:1"
	doctype  = "id.tegata.identity.jp.1"
	redirect = "https://rp.example/back?order=7"

	querySDJWT = `{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["urn:tegata:identity:jp:1"]},` +
		`"claims":[{"path":["name"]},{"path":["age_equal_or_over","18"],"values":[true]}]}]}`
	queryMdoc = `{"credentials":[{"id":"pid","format":"mso_mdoc","meta":{"doctype_value":"id.tegata.identity.jp.1"},` +
		`"claims":[{"path":["id.tegata.identity.jp.1","name"]},{"path":["org.iso.23220.1","age_over_18"],"values":[true]}]}]}`

	validIndex, revokedIndex = 3, 5
)

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// world is a verifier with its relying party, two issuers, one of which nobody
// trusts, and a holder.
type world struct {
	t        testing.TB
	mu       sync.Mutex
	now      time.Time
	listDown bool

	ca, iaca, other  *trusttest.CA
	sdjwtKey, docKey *keys.Key
	otherKey         *keys.Key
	statusKey        *keys.Key
	requestKey       *keys.Key
	holder           *ecdsa.PrivateKey
	backend          session.Backend
	sessionKeys      session.Keys
	outbox           *webhook.Outbox
	webhookKeys      *keys.Ring
	v                *verifier.Verifier
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: start.Add(time.Hour), sessionKeys: session.NewRandomKeys()}
	w.backend = session.NewMemory(w.clock, 0)
	old := start.AddDate(0, -1, 0)
	w.ca = must(trusttest.NewCA(trusttest.CAOptions{NotBefore: old}))(t)
	w.other = must(trusttest.NewCA(trusttest.CAOptions{NotBefore: old}))(t) // the same name, another key
	w.iaca = must(trusttest.NewCA(trusttest.CAOptions{NotBefore: old, Profile: trusttest.IACA}))(t)
	w.sdjwtKey = must(w.ca.IssueSDJWTSigner(trusttest.LeafOptions{}))(t)
	w.otherKey = must(w.other.IssueSDJWTSigner(trusttest.LeafOptions{}))(t)
	w.docKey = must(w.iaca.IssueMdocSigner(trusttest.LeafOptions{}))(t)
	w.statusKey = must(w.ca.IssueStatusSigner(trusttest.LeafOptions{}))(t)
	w.requestKey = must(w.ca.IssueVerifierAccess(trusttest.LeafOptions{}))(t)
	w.holder = must(keys.GenerateP256())(t)
	w.v = w.verifier("city")
	return w
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// verifier makes a replica of a tenant's verifier.
func (w *world) verifier(tenant string) *verifier.Verifier {
	w.t.Helper()
	return must(verifier.New(w.config(tenant)))(w.t)
}

func (w *world) config(tenant string) verifier.Config {
	sdjwtAnchor, mdocAnchor := w.ca.Anchor(credentials.FormatSDJWTVC), w.iaca.Anchor(credentials.FormatMdoc)
	sdjwtTrust, mdocTrust := w.policy(trust.ProfileSDJWTIssuer, sdjwtAnchor), w.policy(trust.ProfileMdocSigner, mdocAnchor)
	sdjwtTrust.Known, mdocTrust.Known = &trust.KnownPaths{}, &trust.KnownPaths{}
	return verifier.Config{
		Tenant: tenant, BaseURL: origin, NameJA: "架空の店", NameEN: "A made-up shop",
		Keys: must(keys.NewRing(keys.Entry{Key: w.requestKey}))(w.t), Sessions: session.New(w.backend, w.sessionKeys, tenant, w.clock),
		Formats: map[credentials.Format]verifier.Format{
			credentials.FormatSDJWTVC: {
				Verifier: verifier.SDJWT(&sdjwt.Verifier{
					Trust: sdjwtTrust, Now: w.clock, RequireHolderBinding: true,
				}),
				Anchors: []trust.Anchor{sdjwtAnchor},
			},
			credentials.FormatMdoc: {
				Verifier: verifier.Mdoc(&mdoc.Verifier{Trust: mdocTrust, Now: w.clock}),
				Anchors:  []trust.Anchor{mdocAnchor},
			},
		},
		Status: &status.Checker{Fetch: w.fetchList, Policy: w.policy(trust.ProfileStatusSigner, w.ca.Anchor()), Now: w.clock},
		Outbox: w.outbox, WebhookKeys: w.webhookKeys,
		APIToken: apiToken, Lifetimes: verifier.DefaultLifetimes, Now: w.clock,
	}
}

func (w *world) policy(profile trust.Profile, anchors ...trust.Anchor) *trust.Policy {
	return &trust.Policy{Anchors: anchors, Profile: profile, Revocation: trust.NotChecked("test"), Now: w.clock}
}

func (w *world) fetchList(context.Context, string, ...string) ([]byte, string, error) {
	now := w.clock()
	if w.listDown {
		return nil, "", errors.New("connection refused")
	}
	list, err := status.NewList(64, 1)
	if err == nil {
		err = list.Set(revokedIndex, status.Invalid)
	}
	if err != nil {
		return nil, "", err
	}
	token, err := status.Sign(status.TokenOptions{URI: listURI, IssuedAt: now, Expires: now.Add(time.Hour)}, list, w.statusKey)
	return []byte(token), status.MediaType, err
}

// draft returns the honest credential of a format, for a test to change.
func (w *world) draft(format credentials.Format) credentials.Draft {
	d := credentials.Draft{
		Type: vct, HolderKey: w.holder.Public(),
		SignedAt: start, ValidFrom: start, ValidUntil: start.AddDate(0, 0, 30),
		Status: &credentials.StatusRef{URI: listURI, Index: validIndex},
		Claims: credentials.Object{
			"name":              credentials.Text("手形花子"),
			"birthdate":         credentials.FullDate{Year: 1980, Month: 2, Day: 29},
			"age_equal_or_over": credentials.Object{"18": credentials.Bool(true), "65": credentials.Bool(false)},
		},
	}
	if format == credentials.FormatMdoc {
		d.Type = doctype
		d.Claims = credentials.Object{
			doctype:           credentials.Object{"name": credentials.Text("手形花子")},
			"org.iso.23220.1": credentials.Object{"age_over_18": credentials.Bool(true), "birth_date": credentials.FullDate{Year: 1980, Month: 2, Day: 29}},
		}
	}
	return d
}

func (w *world) issueSDJWT(d credentials.Draft, key *keys.Key) string {
	w.t.Helper()
	return must(sdjwt.Issue(d, key))(w.t)
}

// start begins a transaction on the same device.
func (w *world) start(query string) *verifier.Transaction {
	w.t.Helper()
	return must(w.v.Start(w.t.Context(), verifier.StartRequest{
		DCQL: json.RawMessage(query), RedirectURI: redirect, Flow: verifier.SameDevice,
	}))(w.t)
}

// request is what the wallet read.
type request struct {
	*openid4vp.Request
	encryption *openid4vp.Encryption
	responseID string
}

func (w *world) fetch(t *verifier.Transaction) *request {
	w.t.Helper()
	return w.parse(t, must(w.v.RequestObject(w.t.Context(), last(t.RequestURI), openid4vp.RequestURIPost{}))(w.t), "")
}

func (w *world) parse(t *verifier.Transaction, object, walletNonce string) *request {
	w.t.Helper()
	link := must(openid4vp.ParseRequestLink(t.Link))(w.t)
	r := must(openid4vp.ParseRequest(w.t.Context(), object, openid4vp.ParseOptions{
		ClientID: link.ClientID, WalletNonce: walletNonce,
		Trust: w.policy(trust.ProfileVerifierAccess, w.ca.Anchor()), Now: w.clock,
	}))(w.t)
	e := must(r.Parameters.ClientMetadata.Encryption())(w.t)
	return &request{Request: r, encryption: e, responseID: last(r.Parameters.ResponseURI)}
}

func last(uri string) string { return uri[strings.LastIndexByte(uri, '/')+1:] }

func pathsSDJWT() []credentials.Path {
	return []credentials.Path{credentials.PathOf("name"), credentials.PathOf("age_equal_or_over", "18")}
}

func pathsMdoc() []credentials.Path {
	return []credentials.Path{credentials.PathOf(doctype, "name"), credentials.PathOf("org.iso.23220.1", "age_over_18")}
}

// presentSDJWT presents the honest credential.
func (w *world) presentSDJWT(b credentials.Binding) string {
	w.t.Helper()
	return w.presentDraft(w.draft(credentials.FormatSDJWTVC), w.sdjwtKey, b)
}

func (w *world) presentDraft(d credentials.Draft, key *keys.Key, b credentials.Binding) string {
	w.t.Helper()
	return must(sdjwt.Present(w.issueSDJWT(d, key), pathsSDJWT(), &b, w.holder, w.clock()))(w.t)
}

func (w *world) presentMdoc(b credentials.Binding) string {
	w.t.Helper()
	issued := must(mdoc.Issue(w.draft(credentials.FormatMdoc), w.docKey))(w.t)
	return jose.EncodeBase64(must(mdoc.Present(issued, pathsMdoc(), b, w.holder))(w.t))
}

func (r *request) binding() credentials.Binding { return r.Binding(r.encryption) }

// encrypted makes the form of a response with one presentation.
func (w *world) encrypted(r *request, presentations ...string) url.Values {
	w.t.Helper()
	return w.seal(r, &openid4vp.ResponseParams{
		VPToken: map[string][]string{"pid": presentations}, State: r.Parameters.State,
	})
}

func (w *world) seal(r *request, p *openid4vp.ResponseParams) url.Values {
	w.t.Helper()
	return url.Values{"response": {must(r.encryption.Encrypt(p))(w.t)}}
}

func responseParams(queryID, presentation, state string) *openid4vp.ResponseParams {
	return &openid4vp.ResponseParams{VPToken: map[string][]string{queryID: {presentation}}, State: state}
}

// code returns the response code of a reply.
func code(t testing.TB, reply *verifier.Reply) string {
	t.Helper()
	u, err := url.Parse(reply.RedirectURI)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("response_code")
}

// accepted answers a request honestly and returns the credentials.
func (w *world) accepted(t *verifier.Transaction, r *request, form url.Values) []verifier.Credential {
	w.t.Helper()
	reply, err := w.v.Respond(w.t.Context(), r.responseID, form)
	if err != nil {
		w.t.Fatalf("honest response: %v", err)
	}
	result := must(w.v.Result(w.t.Context(), t.ID, code(w.t, reply)))(w.t)
	if result.State != verifier.StateVerified || len(result.Credentials) == 0 {
		w.t.Fatalf("honest response: state %s with %d credentials", result.State, len(result.Credentials))
	}
	return result.Credentials
}

// refusedFor posts a response that must be refused for good with 400.
func (w *world) refusedFor(t *verifier.Transaction, r *request, form url.Values, want verifier.Reason) {
	w.t.Helper()
	_, err := w.v.Respond(w.t.Context(), r.responseID, form)
	wantStatus(w.t, err, 400)
	result := must(w.v.Result(w.t.Context(), t.ID, ""))(w.t)
	if result.State != verifier.StateRefused || result.Refusal == nil || result.Refusal.Reason != want || result.Credentials != nil {
		w.t.Errorf("result is %s, %+v; want refused for %s", result.State, result.Refusal, want)
	}
}

func wantStatus(t testing.TB, err error, want int) {
	t.Helper()
	var e *verifier.Error
	if !errors.As(err, &e) || e.Status != want {
		t.Fatalf("error is %v, want one with status %d", err, want)
	}
}
