package holder_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/wallet/holder"
)

const (
	querySD  = `{"credentials":[{"id":"q","format":"dc+sd-jwt","meta":{"vct_values":["urn:test:identity"]},"claims":[{"path":["age"]}]}]}`
	queryDoc = `{"credentials":[{"id":"q","format":"mso_mdoc","meta":{"doctype_value":"org.test.identity"},"claims":[{"path":["org.test.identity","age"],"intent_to_retain":true}]}]}`
	queryOpt = `{"credentials":[
		{"id":"q","format":"dc+sd-jwt","meta":{"vct_values":["urn:test:identity"]},"claims":[{"path":["age"]}]},
		{"id":"o","format":"mso_mdoc","meta":{"doctype_value":"org.test.identity"},"claims":[{"path":["org.test.identity","age"]}]}],
		"credential_sets":[{"options":[["q"]]},{"options":[["o"]],"required":false}]}`
	queryBoth = `{"credentials":[
		{"id":"q","format":"dc+sd-jwt","meta":{"vct_values":["urn:test:identity"]}},
		{"id":"x","format":"dc+sd-jwt","meta":{"vct_values":["urn:test:nobody-has-it"]}}]}`
	queryValue = `{"credentials":[{"id":"q","format":"dc+sd-jwt","meta":{"vct_values":["urn:test:identity"]},"claims":[{"path":["age"],"values":[17]}]}]}`
	// queryMany allows several presentations, but copies are one credential.
	queryMany = `{"credentials":[{"id":"q","format":"dc+sd-jwt","multiple":true,"meta":{"vct_values":["urn:test:identity"]},"claims":[{"path":["age"]}]}]}`
	queryNone = `{"credentials":[{"id":"q","format":"dc+sd-jwt","meta":{"vct_values":["urn:test:identity"]}}]}`
)

// ask is a verifier's request and the key that opens its answer.
type ask struct {
	w       *world
	request openid4vp.AuthorizationRequest
	signer  *keys.Key
	typ     string
	link    openid4vp.RequestLink
	key     *ecdsa.PrivateKey
	answers int
	data    []credentials.TransactionData
}

func (w *world) ask(query string) *ask {
	w.t.Helper()
	key, err := keys.GenerateP256()
	if err != nil {
		w.t.Fatal(err)
	}
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	metadata, err := openid4vp.NewClientMetadata(jwk, "k1")
	if err != nil {
		w.t.Fatal(err)
	}
	id := openid4vp.X509HashClientID(w.access.Leaf())
	return &ask{
		w: w, signer: w.access, typ: openid4vp.RequestObjectType, key: key, answers: len(w.posted),
		request: openid4vp.AuthorizationRequest{
			ClientID: id, ResponseType: openid4vp.ResponseTypeVPToken, ResponseMode: openid4vp.DirectPostJWT,
			ResponseURI: w.base + "/response", Nonce: "0123456789abcdefABCDEF", State: "the-state",
			DCQLQuery: json.RawMessage(query), ClientMetadata: metadata, Audience: openid4vp.Audience{openid4vp.AudienceSelfIssued},
		},
		link: openid4vp.RequestLink{ClientID: id, RequestURI: w.base + "/request"},
	}
}

// present serves the request and lets the wallet answer it.
func (a *ask) present(consent holder.Consent) (holder.Outcome, error) {
	a.w.t.Helper()
	a.w.request = func() string {
		payload, err := json.Marshal(a.request)
		if err != nil {
			a.w.t.Error(err)
		}
		compact, err := jose.Sign(jose.Header{Typ: a.typ, X5C: a.signer.Chain}, payload, a.signer.Signer)
		if err != nil {
			a.w.t.Error(err)
		}
		return compact
	}
	link, err := a.link.URL(openid4vp.EndpointHAIP)
	if err != nil {
		a.w.t.Fatal(err)
	}
	return a.w.wallet.Present(a.w.t.Context(), link, consent)
}

// form returns what the wallet posted since ask, which must be at most one
// thing.
func (a *ask) form() url.Values {
	a.w.t.Helper()
	posted := a.w.posted[a.answers:]
	if len(posted) > 1 {
		a.w.t.Fatalf("%d responses", len(posted))
	}
	if len(posted) == 0 {
		return nil
	}
	return posted[0]
}

// verified opens and verifies the answer.
func (a *ask) verified() map[string][]*credentials.Verified {
	t := a.w.t
	t.Helper()
	posted, err := openid4vp.ParsePost(a.form(), a.request.ResponseMode)
	if err != nil {
		t.Fatal(err)
	}
	binding := credentials.Binding{
		Mode: credentials.BindingRedirect, Nonce: a.request.Nonce, ClientID: a.request.ClientID, ResponseURI: a.request.ResponseURI,
		TransactionData: a.data,
	}
	params := posted.Params
	if posted.JWE != "" {
		if params, err = openid4vp.DecryptResponse(posted.JWE, a.key, "k1", jose.A256GCM); err != nil {
			t.Fatal(err)
		}
		jwk, err := jose.NewJWK(a.key.Public())
		if err != nil {
			t.Fatal(err)
		}
		binding.EncryptionKeyThumbprint = jwk.Thumbprint()
	}
	if params.State != a.request.State {
		t.Errorf("state %q", params.State)
	}
	out := map[string][]*credentials.Verified{}
	for id, list := range params.VPToken {
		for _, p := range list {
			v, err := a.w.verifyPresentation(p, binding)
			if err != nil {
				t.Errorf("%s: %v", id, err)
				continue
			}
			out[id] = append(out[id], v)
		}
	}
	return out
}

func (w *world) verifyPresentation(p string, b credentials.Binding) (*credentials.Verified, error) {
	if document, err := jose.DecodeBase64(p); err == nil {
		v := mdoc.Verifier{Trust: policy(w.iaca, trust.ProfileMdocSigner), Now: time.Now}
		return v.Verify(w.t.Context(), document, b)
	}
	v := sdjwt.Verifier{Trust: policy(w.ca, trust.ProfileSDJWTIssuer), Now: time.Now, RequireHolderBinding: true}
	return v.Verify(w.t.Context(), p, b)
}

func TestPresent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		query   string
		edit    func(*ask)
		consent holder.Consent
		// want are the disclosed claims by query.
		want map[string]credentials.Object
	}{
		"SD-JWT VC": {query: querySD, want: map[string]credentials.Object{"q": {"age": credentials.Int(41)}}},
		"mdoc":      {query: queryDoc, want: map[string]credentials.Object{"q": {doctype: credentials.Object{"age": credentials.Int(41)}}}},
		"no claims": {query: queryNone, want: map[string]credentials.Object{"q": {}}},
		"multiple":  {query: queryMany, want: map[string]credentials.Object{"q": {"age": credentials.Int(41)}}},
		"direct_post": {
			query: querySD, edit: func(a *ask) { a.request.ResponseMode = openid4vp.DirectPost },
			want: map[string]credentials.Object{"q": {"age": credentials.Int(41)}},
		},
		"optional credential": {query: queryOpt, want: map[string]credentials.Object{
			"q": {"age": credentials.Int(41)}, "o": {doctype: credentials.Object{"age": credentials.Int(41)}},
		}},
		"optional credential declined": {
			query: queryOpt, want: map[string]credentials.Object{"q": {"age": credentials.Int(41)}},
			consent: func(context.Context, holder.Ask) holder.Decision {
				return holder.Decision{Allow: true, WithoutOptional: true}
			},
		},
		"unusable encryption keys beside a good one": {
			query: querySD, want: map[string]credentials.Object{"q": {"age": credentials.Int(41)}},
			edit: func(a *ask) {
				set := a.request.ClientMetadata.JWKS
				set.Keys = append([]json.RawMessage{
					json.RawMessage(`{"kty":"AKP","alg":"ML-KEM-768","kid":"a","pub":"AA"}`), json.RawMessage(`{"kty":"made-up","kid":"b"}`),
				}, set.Keys...)
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.hold("sd", "doc")
			a := w.ask(tt.query)
			if tt.edit != nil {
				tt.edit(a)
			}
			if tt.consent == nil {
				tt.consent = holder.Approve()
			}
			outcome, err := a.present(tt.consent)
			if err != nil {
				t.Fatal(err)
			}
			if outcome.RedirectURI != w.base+"/done#code" || len(outcome.Presented) != len(tt.want) {
				t.Errorf("outcome %+v", outcome)
			}
			got := map[string]credentials.Object{}
			for id, list := range a.verified() {
				if len(list) != 1 {
					t.Errorf("%s: %d presentations", id, len(list))
				}
				got[id] = list[0].Claims
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryCopyIsShownOnceBeforeOneIsShownTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hold("sd")
	var shown []string
	for range 4 {
		a := w.ask(querySD)
		if _, err := a.present(holder.Approve()); err != nil {
			t.Fatal(err)
		}
		thumbprint, err := jose.ThumbprintOf(a.verified()["q"][0].HolderKey)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, thumbprint)
	}
	first := slices.Compact(slices.Sorted(slices.Values(shown[:3])))
	if len(first) != 3 || !slices.Contains(first, shown[3]) {
		t.Errorf("keys shown: %v", shown)
	}
}

func TestConsentShowsWhoAsksForWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hold("doc")
	a := w.ask(queryDoc)
	var got holder.Ask
	if _, err := a.present(func(_ context.Context, ask holder.Ask) holder.Decision {
		got = ask
		return holder.Decision{Allow: true}
	}); err != nil {
		t.Fatal(err)
	}
	entity, ok := got.LegalEntity()
	if !ok || entity.Name != "手形市" || got.ClientID != a.request.ClientID || len(got.Items) != 1 {
		t.Fatalf("asked %+v", got)
	}
	item := got.Items[0]
	if item.QueryID != "q" || item.Credential.Key != nil || len(item.Paths) != 1 || len(item.Retained) != 1 || item.Paths[0].String() != doctype+".age" {
		t.Errorf("item %+v", item)
	}
}

// TestNegPresent has requests after which nothing is shown. An empty code
// means that nothing at all is posted.
func TestNegPresent(t *testing.T) {
	t.Parallel()
	no := func(context.Context, holder.Ask) holder.Decision { return holder.Decision{} }
	tests := map[string]struct {
		query   string
		edit    func(*ask)
		consent holder.Consent
		want    error
		code    openid4vp.ErrorCode
	}{
		"VP-CI-05 hash of another certificate": {query: querySD, edit: func(a *ask) { a.signer = a.w.rest }},
		"VP-CI-05 signed by another key": {query: querySD, edit: func(a *ask) {
			a.signer = &keys.Key{Signer: a.w.rest.Signer, Chain: a.w.access.Chain}
		}},
		"VP-CI-05 verifier that is not trusted": {query: querySD, edit: func(a *ask) {
			a.w.wallet.VerifierTrust.Anchors[0] = a.w.iaca.Anchor()
		}},
		"VP-RU-05 client_id differs from the link": {query: querySD, edit: func(a *ask) {
			a.link.ClientID = openid4vp.X509HashClientID(a.w.rest.Leaf())
		}},
		"VP-CI-01 unknown prefix": {query: querySD, edit: func(a *ask) {
			a.request.ClientID, a.link.ClientID = "made_up:x", "made_up:x"
		}},
		"VP-RQ-01 another typ": {query: querySD, edit: func(a *ask) { a.typ = "JWT" }},
		"VP-RU-02 wallet_nonce not echoed": {
			query: querySD, edit: func(a *ask) { a.link.RequestURIMethod = openid4vp.MethodPost }, code: openid4vp.InvalidRequest,
		},
		"VP-RQ-06 no nonce": {query: querySD, edit: func(a *ask) { a.request.Nonce = "" }, code: openid4vp.InvalidRequest},
		"VP-RS-03 redirect_uri with direct_post": {
			query: querySD, edit: func(a *ask) { a.request.RedirectURI = a.w.base + "/done" }, code: openid4vp.InvalidRequest,
		},
		"VP-RQ-13 for another wallet": {
			query: querySD, edit: func(a *ask) { a.request.Audience = openid4vp.Audience{"https://other.test.invalid"} }, code: openid4vp.InvalidRequest,
		},
		"VP-RQ-04 unknown transaction_data": {
			query: querySD, code: openid4vp.InvalidTransactionData,
			edit: func(a *ask) {
				a.request.TransactionData = []string{jose.EncodeBase64([]byte(`{"type":"made-up","credential_ids":["q"]}`))}
			},
		},
		"VP-RS-09 no usable encryption key": {
			query: querySD, code: openid4vp.InvalidRequest,
			edit: func(a *ask) {
				a.request.ClientMetadata.JWKS.Keys = []json.RawMessage{json.RawMessage(`{"kty":"made-up","kid":"b"}`)}
			},
		},
		"VP-RS-14 one of two required is missing": {query: queryBoth, want: holder.ErrNoMatch, code: openid4vp.AccessDenied},
		"DCQL-10 value differs":                   {query: queryValue, want: holder.ErrNoMatch, code: openid4vp.AccessDenied},
		"EU-W-07 declined":                        {query: querySD, consent: no, want: holder.ErrDeclined, code: openid4vp.AccessDenied},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.hold("sd")
			a := w.ask(tt.query)
			if tt.edit != nil {
				tt.edit(a)
			}
			asked := false
			consent := func(ctx context.Context, ask holder.Ask) holder.Decision {
				asked = true
				if tt.consent != nil {
					return tt.consent(ctx, ask)
				}
				return holder.Decision{Allow: true}
			}
			outcome, err := a.present(consent)
			if err == nil || outcome.Presented != nil {
				t.Fatalf("outcome %+v, %v", outcome, err)
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if asked != (tt.consent != nil) {
				t.Errorf("consent asked: %v", asked)
			}
			var want url.Values
			if tt.code != "" {
				want = url.Values{"error": {string(tt.code)}, "state": {"the-state"}}
			}
			if diff := cmp.Diff(want, a.form()); diff != "" {
				t.Errorf("posted: %s", diff)
			}
			if w.vault()[0].Uses != 0 {
				t.Error("a copy was used up")
			}
			// The honest twin.
			w = newWorld(t)
			w.hold("sd")
			a = w.ask(querySD)
			if _, err := a.present(holder.Approve()); err != nil || len(a.verified()["q"]) != 1 {
				t.Errorf("honest twin: %v", err)
			}
		})
	}
}

// TestNegExpired: what has ended is as good as not there.
func TestNegExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hold("sd")
	now := time.Now
	w.wallet.Now = func() time.Time { return now().Add(300 * time.Hour) }
	a := w.ask(querySD)
	if _, err := a.present(holder.Approve()); !errors.Is(err, holder.ErrNoMatch) {
		t.Errorf("after the end: %v", err)
	}
	w.wallet.Now = now
	if _, err := w.ask(querySD).present(holder.Approve()); err != nil {
		t.Errorf("honest twin: %v", err)
	}
}

func TestNegRedirectURI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hold("sd")
	for _, redirect := range []string{"javascript:alert(1)", "http://verifier.test.invalid/", "https:", "/relative"} {
		w.redirect = redirect
		if outcome, err := w.ask(querySD).present(holder.Approve()); err == nil || outcome.RedirectURI != "" {
			t.Errorf("%s: %+v, %v", redirect, outcome, err)
		}
	}
	w.redirect = ""
	if _, err := w.ask(querySD).present(holder.Approve()); err != nil {
		t.Errorf("honest twin: %v", err)
	}
}

func TestRequestURIMethodPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hold("sd")
	a := w.ask(querySD)
	a.link.RequestURIMethod = openid4vp.MethodPost
	// The server learns the nonce only from the form, so the request is made
	// when it is fetched.
	inner := w.wallet.HTTP
	w.wallet.HTTP = spy{inner, func(_ string, body []byte) {
		if form, err := url.ParseQuery(string(body)); err == nil && form.Has("wallet_nonce") {
			a.request.WalletNonce = form.Get("wallet_nonce")
		}
	}}
	if _, err := a.present(holder.Approve()); err != nil || a.request.WalletNonce == "" {
		t.Errorf("wallet_nonce %q, %v", a.request.WalletNonce, err)
	}
}

func TestDCAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hold("sd")
	const origin = "https://shop.test.invalid"
	a := w.ask(querySD)
	a.request.ResponseMode, a.request.ResponseURI, a.request.State, a.request.Audience = openid4vp.DCAPIJWT, "", "", nil
	data, err := a.request.Unsigned()
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.wallet.PresentDCAPI(t.Context(), openid4vp.ProtocolUnsigned, data, origin, holder.Approve())
	if err != nil {
		t.Fatal(err)
	}
	posted, err := openid4vp.ParseDCAPIResponse(got, openid4vp.DCAPIJWT)
	if err != nil {
		t.Fatal(err)
	}
	params, err := openid4vp.DecryptResponse(posted.JWE, a.key, "k1", jose.A256GCM)
	if err != nil {
		t.Fatal(err)
	}
	b := credentials.Binding{Mode: credentials.BindingDCAPI, Nonce: a.request.Nonce, Origin: origin}
	if _, err := w.verifyPresentation(params.VPToken["q"][0], b); err != nil {
		t.Error(err)
	}
	t.Run("DCA-11 no match", func(t *testing.T) {
		a.request.DCQLQuery = json.RawMessage(queryValue)
		data, err := a.request.Unsigned()
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.wallet.PresentDCAPI(t.Context(), openid4vp.ProtocolUnsigned, data, origin, holder.Approve())
		if !errors.Is(err, holder.ErrNoMatch) || string(got) != `{"error":"access_denied"}` {
			t.Errorf("%s, %v", got, err)
		}
	})
}

// spy looks at what the wallet posts.
type spy struct {
	holder.HTTP
	posting func(address string, body []byte)
}

func (s spy) Post(ctx context.Context, address, contentType string, body []byte, headers http.Header) (*fetch.Response, error) {
	s.posting(address, body)
	return s.HTTP.Post(ctx, address, contentType, body, headers)
}
