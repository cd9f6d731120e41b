package holder_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/wallet/holder"
)

// presentLink lets the wallet answer whatever the link holds.
func (a *ask) presentLink(link openid4vp.RequestLink, consent holder.Consent) (holder.Outcome, error) {
	a.w.t.Helper()
	raw, err := link.URL(openid4vp.EndpointOpenID4VP)
	if err != nil {
		a.w.t.Fatal(err)
	}
	return a.w.wallet.Present(a.w.t.Context(), raw, consent)
}

// object signs the request.
func (a *ask) object() string {
	a.w.t.Helper()
	payload, err := json.Marshal(a.request)
	if err != nil {
		a.w.t.Fatal(err)
	}
	object, err := jose.Sign(jose.Header{Typ: a.typ, X5C: a.signer.Chain}, payload, a.signer.Signer)
	if err != nil {
		a.w.t.Fatal(err)
	}
	return object
}

// unsigned turns the request into one that only says where the answer goes.
func (a *ask) unsigned() openid4vp.RequestLink {
	a.request.ClientID = openid4vp.RedirectURIClientID(a.request.ResponseURI)
	a.request.Audience = nil
	return openid4vp.RequestLink{ClientID: a.request.ClientID, Parameters: &a.request}
}

var theAge = map[string]credentials.Object{"q": {"age": credentials.Int(41)}}

// TestRequestForms answers requests that are in the link.
func TestRequestForms(t *testing.T) {
	t.Parallel()
	byValue := func(a *ask) openid4vp.RequestLink {
		return openid4vp.RequestLink{ClientID: a.request.ClientID, Request: a.object()}
	}
	for name, tt := range map[string]struct {
		link func(a *ask) openid4vp.RequestLink
		edit func(w *world)
		// sent says whether the wallet tells the verifier anything.
		ok, sent bool
	}{
		"honest, by value": {byValue, nil, true, true},
		"honest, unsigned": {(*ask).unsigned, func(w *world) { w.wallet.AcceptUnsigned = true }, true, true},
		"honest, unsigned without response_uri": {func(a *ask) openid4vp.RequestLink {
			l := a.unsigned()
			p := a.request
			p.ResponseURI = ""
			l.Parameters = &p
			return l
		}, func(w *world) { w.wallet.AcceptUnsigned = true }, true, true},
		"TestNeg/J01 unsigned where that is not accepted": {(*ask).unsigned, nil, false, false},
		"TestNeg/VP-CI-10 unsigned under x509_hash": {func(a *ask) openid4vp.RequestLink {
			return openid4vp.RequestLink{ClientID: a.request.ClientID, Parameters: &a.request}
		}, func(w *world) { w.wallet.AcceptUnsigned = true }, false, false},
		"TestNeg/VP-CI-03 signed under redirect_uri": {func(a *ask) openid4vp.RequestLink {
			a.request.ClientID = openid4vp.RedirectURIClientID(a.request.ResponseURI)
			return openid4vp.RequestLink{ClientID: a.request.ClientID, Request: a.object()}
		}, func(w *world) { w.wallet.AcceptUnsigned = true }, false, false},
		"TestNeg/VP-RS-04 response_uri of another": {func(a *ask) openid4vp.RequestLink {
			l := a.unsigned()
			a.request.ClientID += "/other"
			l.ClientID = a.request.ClientID
			return l
		}, func(w *world) { w.wallet.AcceptUnsigned = true }, false, false},
		"TestNeg/VP-RU-05 by value, client_id of another": {func(a *ask) openid4vp.RequestLink {
			l := byValue(a)
			l.ClientID += "A"
			return l
		}, nil, false, false},
		"TestNeg/J05 by value, of a signer nobody trusts": {func(a *ask) openid4vp.RequestLink {
			l := byValue(a)
			l.Request = l.Request[:strings.LastIndexByte(l.Request, '.')+1] + strings.Repeat("A", 86)
			return l
		}, nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.hold("sd")
			if tt.edit != nil {
				tt.edit(w)
			}
			a := w.ask(querySD)
			_, err := a.presentLink(tt.link(a), holder.Approve())
			if (err == nil) != tt.ok || (a.form() != nil) != tt.sent {
				t.Fatalf("%v, sent %v", err, a.form())
			}
			if !tt.ok {
				return
			}
			got := map[string]credentials.Object{}
			for id, list := range a.verified() {
				got[id] = list[0].Claims
			}
			if diff := cmp.Diff(theAge, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTransactionData has the person authorize something, and holds that the
// wallet signs nothing that it does not know.
func TestTransactionData(t *testing.T) {
	t.Parallel()
	known := func(d openid4vp.TransactionData) error {
		if d.Type != "urn:test:payment" {
			return errors.New("unknown type")
		}
		return nil
	}
	const pid = "urn:eudi:pid:jp:1"
	const payment = `{"type":"urn:test:payment","credential_ids":["x","q"],"amount":1200}`
	for name, tt := range map[string]struct {
		query, data string
		types       func(openid4vp.TransactionData) error
		ok          bool
		// kind is the type of the credential, if not that of all tests.
		kind string
	}{
		"honest":                          {strings.Replace(queryBoth, `"credentials":[`, `"credential_sets":[{"options":[["q"]]},{"options":[["x"]],"required":false}],"credentials":[`, 1), payment, known, true, ""},
		"TestNeg/TXD-02 unknown type":     {querySD, `{"type":"other","credential_ids":["q"]}`, known, false, ""},
		"TestNeg/TXD-02 no types":         {querySD, `{"type":"urn:test:payment","credential_ids":["q"]}`, nil, false, ""},
		"TestNeg/TXD-02 other credential": {querySD, payment, known, false, ""},
		"TestNeg/TXD-06 mdoc":             {queryDoc, `{"type":"urn:test:payment","credential_ids":["q"]}`, known, false, ""},
		"TestNeg/TXD-02 not available": {
			strings.Replace(queryBoth, `"credentials":[`, `"credential_sets":[{"options":[["q"]]},{"options":[["x"]],"required":false}],"credentials":[`, 1),
			`{"type":"urn:test:payment","credential_ids":["x"]}`, known, false, "",
		},
		"TestNeg/EU-PP-10 person identification data": {
			strings.Replace(querySD, vct, pid, 1), `{"type":"urn:test:payment","credential_ids":["q"]}`, known, false, pid,
		},
		"EU-PP-10 twin, which is none": {
			strings.Replace(querySD, vct, "urn:test:pid:1", 1), `{"type":"urn:test:payment","credential_ids":["q"]}`, known, true, "urn:test:pid:1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tt.kind != "" {
				w.editIssuer = func(m *openid4vci.IssuerMetadata) { m.Configurations["sd"].VCT = tt.kind }
				w.draft = func(_ int, d *credentials.Draft) {
					if d.Type == vct {
						d.Type = tt.kind
					}
				}
			}
			w.hold("sd", "doc")
			w.wallet.TransactionData = tt.types
			a := w.ask(tt.query)
			a.request.TransactionData = []string{jose.EncodeBase64([]byte(tt.data))}
			asked := 0
			_, err := a.present(func(_ context.Context, ask holder.Ask) holder.Decision {
				asked = len(ask.TransactionData)
				return holder.Decision{Allow: true}
			})
			if !tt.ok {
				if err == nil || a.form().Get("error") != string(openid4vp.InvalidTransactionData) {
					t.Errorf("%v, sent %v", err, a.form())
				}
				return
			}
			if err != nil || asked != 1 {
				t.Fatalf("%v, asked about %d", err, asked)
			}
			a.data = []credentials.TransactionData{{Encoded: a.request.TransactionData[0]}}
			if got := a.verified()["q"][0].Authorized; len(got) != 1 || got[0] != a.request.TransactionData[0] {
				t.Errorf("authorized: %q", got)
			}
		})
	}
}

// TestNegPrefix has links of clients that no request object could prove. Nobody is
// asked for one (VP-RU-07, VP-CI-06 to VP-CI-10).
func TestNegPrefix(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]func(w *world) string{
		"honest":           func(w *world) string { return openid4vp.X509HashClientID(w.access.Leaf()) },
		"redirect_uri":     func(w *world) string { return "redirect_uri:" + w.base + "/response" },
		"DID":              func(*world) string { return "decentralized_identifier:did:web:verifier.example" },
		"federation":       func(w *world) string { return "openid_federation:" + w.base },
		"attestation":      func(*world) string { return "verifier_attestation:verifier.example" },
		"origin":           func(*world) string { return "origin:https://verifier.example" },
		"not registered":   func(*world) string { return "verifier.example" },
		"unknown prefix":   func(*world) string { return "x509_sum:AAAA" },
		"unknown, in caps": func(*world) string { return "X509_HASH:AAAA" },
	} {
		for _, method := range []string{"", openid4vp.MethodPost} {
			t.Run(name+" "+method, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.wallet.AcceptUnsigned = true
				w.hold("sd")
				w.request = func() string { return "x" }
				link := w.base + "/?client_id=" + url.QueryEscape(id(w)) + "&request_uri=" + url.QueryEscape(w.base+"/request")
				if method != "" {
					link += "&request_uri_method=" + method
				}
				_, err := w.wallet.Present(t.Context(), link, holder.Approve())
				if err == nil || w.called("/request") != (name == "honest") || len(w.posted) > 0 {
					t.Errorf("%v, asked for the request: %v, sent %v", err, w.called("/request"), w.posted)
				}
			})
		}
	}
}

// TestTrustedAuthorities shows credentials of the authorities that a verifier names
// (HAIP-21).
func TestTrustedAuthorities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hold("sd")
	query := func(key []byte) string {
		return strings.Replace(querySD, `"meta"`, `"trusted_authorities":[{"type":"aki","values":["`+jose.EncodeBase64(key)+`"]}],"meta"`, 1)
	}
	if _, err := w.ask(query(w.sd.Leaf().AuthorityKeyId)).present(holder.Approve()); err != nil {
		t.Errorf("of the authority: %v", err)
	}
	if _, err := w.ask(query([]byte("another authority"))).present(holder.Approve()); !errors.Is(err, holder.ErrNoMatch) {
		t.Errorf("of another: %v", err)
	}
}

// TestResource tells a server of several issuers which one is meant (VCI-AZ-05).
func TestResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.hold("sd"); w.par.Has("resource") {
		t.Errorf("pushed %v to the issuer's own server", w.par)
	}
	w.tenant = "/tenant"
	offer, err := w.wallet.AskIssuer(t.Context(), w.base+w.tenant, "sd")
	if err != nil {
		t.Fatal(err)
	}
	if held, err := offer.Accept(t.Context(), w); err != nil || len(held) != 3 || w.par.Get("resource") != w.base+w.tenant {
		t.Errorf("%d credentials, %v, pushed %v", len(held), err, w.par)
	}
}
