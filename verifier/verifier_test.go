package verifier_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/verifier"
)

func TestHappyPath(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query, claims string
		present             func(w *world, r *request) string
	}{
		{
			"sd-jwt", querySDJWT, `{"age_equal_or_over":{"18":true},"name":"手形花子"}`,
			func(w *world, r *request) string { return w.presentSDJWT(r.binding()) },
		},
		{
			"mdoc", queryMdoc, `{"id.tegata.identity.jp.1":{"name":"手形花子"},"org.iso.23220.1":{"age_over_18":true}}`,
			func(w *world, r *request) string { return w.presentMdoc(r.binding()) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tx := w.start(tt.query)
			r := w.fetch(tx)
			got := w.accepted(tx, r, w.encrypted(r, tt.present(w, r)))
			if len(got) != 1 || got[0].QueryID != "pid" {
				t.Fatalf("credentials: %+v", got)
			}
			c := got[0]
			if diff := cmp.Diff(tt.claims, string(c.Claims)); diff != "" {
				t.Error(diff)
			}
			if c.Issuer.Statement != verifier.StatementNames || c.Issuer.LegalEntity == nil ||
				c.Issuer.LegalEntity.OrganizationIdentifier != "NTRJP-"+trusttest.CorporateNumber() || c.Issuer.Jurisdiction != "JP" {
				t.Errorf("issuer: %+v", c.Issuer)
			}
			if len(c.Issuer.Chain) != 2 || len(c.Issuer.Chain[0].SHA256) != 64 || c.Status == nil || c.Status.Value != "valid" || c.ValidUntil != nil {
				t.Errorf("chain %v, status %v, valid until %v", c.Issuer.Chain, c.Status, c.ValidUntil)
			}
			for _, name := range []string{"issuer_signature", "trust_anchor", "query", "status"} {
				if !slices.ContainsFunc(c.Checks, func(c verifier.Check) bool { return c.Name == name && c.Outcome == verifier.OutcomePassed }) {
					t.Errorf("check %s is missing", name)
				}
			}
			again := must(w.v.Result(t.Context(), tx.ID, ""))(t)
			if again.State != verifier.StateDelivered || again.Credentials != nil {
				t.Errorf("after delivery: %+v", again)
			}
			// The signer is known now, which changes nothing that is said.
			tx = w.start(tt.query)
			r = w.fetch(tx)
			if diff := cmp.Diff(got, w.accepted(tx, r, w.encrypted(r, tt.present(w, r)))); diff != "" {
				t.Errorf("presented again:\n%s", diff)
			}
		})
	}
}

func TestRequestObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx := w.start(querySDJWT)
	object := must(w.v.RequestObject(t.Context(), last(tx.RequestURI), openid4vp.RequestURIPost{}))(t)
	parsed := must(jose.Parse(object))(t)
	if parsed.Header.Typ != "oauth-authz-req+jwt" || len(parsed.Header.X5C) != 1 || parsed.Header.X5C[0].Equal(w.ca.Certificate) {
		t.Errorf("header: %+v", parsed.Header)
	}
	r := w.fetch(tx)
	p := r.Parameters
	if p.ClientID != openid4vp.X509HashClientID(w.requestKey.Leaf()) || !strings.HasPrefix(p.ClientID, "x509_hash:") || p.ResponseMode != openid4vp.DirectPostJWT ||
		p.Audience[0] != "https://self-issued.me/v2" || len(p.Nonce) != 43 || len(p.State) != 43 || p.Expires.Time() != tx.Expires ||
		!strings.HasPrefix(p.ResponseURI, origin+"/responses/") {
		t.Errorf("parameters: %+v", p)
	}
	if diff := cmp.Diff([]string{"A128GCM", "A256GCM"}, p.ClientMetadata.EncryptedResponseEncValuesSupported); diff != "" {
		t.Error(diff)
	}
	secrets := []string{tx.ID, last(tx.RequestURI), r.responseID, p.Nonce, p.State}
	slices.Sort(secrets)
	if len(slices.Compact(secrets)) != 5 {
		t.Error("secrets of the transaction are not independent")
	}
	link := must(openid4vp.ParseRequestLink(tx.Link))(t)
	if link.RequestURIMethod != "post" || !strings.HasPrefix(tx.Link, "openid4vp://?") {
		t.Errorf("link: %s", tx.Link)
	}
	other := w.fetch(w.start(querySDJWT))
	if string(other.encryption.Thumbprint()) == string(r.encryption.Thumbprint()) {
		t.Error("two requests share an encryption key")
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unbound := strings.Replace(querySDJWT, `"meta"`, `"require_cryptographic_holder_binding":false,"meta"`, 1)
	number := strings.Replace(querySDJWT, `["name"]`, `["individual_number"]`, 1)
	value := strings.Replace(querySDJWT, `{"path":["name"]}`, `{"path":["note"],"values":["123456789018"]}`, 1)
	tests := []struct {
		name, query, redirect string
		flow                  verifier.Flow
		want                  verifier.Code
	}{
		{"honest", querySDJWT, redirect, verifier.SameDevice, ""},
		{"cross device without redirect", querySDJWT, "", verifier.CrossDevice, ""},
		{"no query", ``, redirect, verifier.SameDevice, verifier.CodeInvalidQuery},
		{"empty query", `{"credentials":[]}`, redirect, verifier.SameDevice, verifier.CodeInvalidQuery},
		{"individual number", number, redirect, verifier.SameDevice, verifier.CodeIndividualNumber},
		{"value that is an individual number", value, redirect, verifier.SameDevice, verifier.CodeIndividualNumber},
		{"other format", strings.Replace(querySDJWT, "dc+sd-jwt", "jwt_vc_json", 1), redirect, verifier.SameDevice, verifier.CodeUnsupportedQuery},
		{"no holder binding", unbound, redirect, verifier.SameDevice, ""},
		{"no flow", querySDJWT, redirect, "", verifier.CodeInvalidRequest},
		{"same device without redirect", querySDJWT, "", verifier.SameDevice, verifier.CodeInvalidRedirectURI},
		{"http redirect", querySDJWT, "http://rp.example/", verifier.SameDevice, verifier.CodeInvalidRedirectURI},
		{"redirect with a fragment", querySDJWT, "https://rp.example/#x", verifier.SameDevice, verifier.CodeInvalidRedirectURI},
		{"redirect with its own code", querySDJWT, "https://rp.example/?response_code=1", verifier.SameDevice, verifier.CodeInvalidRedirectURI},
		{"script", querySDJWT, "javascript:alert(1)", verifier.SameDevice, verifier.CodeInvalidRedirectURI},
	}
	for _, tt := range tests {
		_, err := w.v.Start(t.Context(), verifier.StartRequest{DCQL: json.RawMessage(tt.query), RedirectURI: tt.redirect, Flow: tt.flow})
		if got := codeOf(err); got != tt.want {
			t.Errorf("%s: %q (%v), want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tests := map[string]func(c *verifier.Config){
		"no tenant":    func(c *verifier.Config) { c.Tenant = "" },
		"http":         func(c *verifier.Config) { c.BaseURL = "http://verifier.example" },
		"slash":        func(c *verifier.Config) { c.BaseURL += "/" },
		"no key":       func(c *verifier.Config) { c.Keys = nil },
		"no formats":   func(c *verifier.Config) { c.Formats = nil },
		"no status":    func(c *verifier.Config) { c.Status = nil },
		"no lifetimes": func(c *verifier.Config) { c.Lifetimes = verifier.Lifetimes{} },
		"short token":  func(c *verifier.Config) { c.APIToken = "secret" },
		"bad preset":   func(c *verifier.Config) { c.Presets = []verifier.Preset{{ID: "x", Query: json.RawMessage(`{}`)}} },
	}
	for name, spoil := range tests {
		c := w.config("city")
		spoil(&c)
		if _, err := verifier.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := verifier.New(w.config("city")); err != nil {
		t.Errorf("honest: %v", err)
	}
}

// TestResponseCode holds that an accepted presentation looks like none to
// whoever has not seen the browser come back.
func TestResponseCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx := w.start(querySDJWT)
	r := w.fetch(tx)
	reply := must(w.v.Respond(t.Context(), r.responseID, w.encrypted(r, w.presentSDJWT(r.binding()))))(t)
	if u := must(url.Parse(reply.RedirectURI))(t); u.Host != "rp.example" || u.Query().Get("order") != "7" {
		t.Errorf("redirect: %s", reply.RedirectURI)
	}
	if got := must(w.v.Result(t.Context(), tx.ID, ""))(t); got.State != verifier.StateWaiting {
		t.Errorf("without the code: %s", got.State)
	}
	got := must(w.v.Result(t.Context(), tx.ID, code(t, reply)))(t)
	if got.State != verifier.StateVerified {
		t.Errorf("with the code: %s", got.State)
	}
}

func TestResultLifetime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx := w.start(querySDJWT)
	w.advance(verifier.DefaultLifetimes.Request)
	if got := must(w.v.Result(t.Context(), tx.ID, ""))(t); got.State != verifier.StateExpired {
		t.Errorf("unanswered: %s", got.State)
	}
	tx = w.start(querySDJWT)
	r := w.fetch(tx)
	reply := must(w.v.Respond(t.Context(), r.responseID, w.encrypted(r, w.presentSDJWT(r.binding()))))(t)
	w.advance(verifier.DefaultLifetimes.Result + time.Second)
	if got := must(w.v.Result(t.Context(), tx.ID, code(t, reply)))(t); got.State != verifier.StateExpired || got.Credentials != nil {
		t.Errorf("too late: %+v", got)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx := w.start(querySDJWT)
	r := w.fetch(tx)
	if err := w.v.Cancel(t.Context(), tx.ID); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, w.v.Cancel(t.Context(), tx.ID), 404)
	_, err := w.v.Respond(t.Context(), r.responseID, w.encrypted(r, w.presentSDJWT(r.binding())))
	wantStatus(t, err, 400)
	_, err = w.v.RequestObject(t.Context(), last(tx.RequestURI), openid4vp.RequestURIPost{})
	wantStatus(t, err, 404)
}
