package verifier_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/verifier"
)

// forming makes the verifier use a form of requests, with a certificate for its
// own host.
func (w *world) forming(f verifier.RequestForm) {
	w.t.Helper()
	w.requestKey = must(w.ca.IssueVerifierAccess(trusttest.LeafOptions{DNSNames: []string{"verifier.example"}}))(w.t)
	cfg := w.config("city")
	cfg.Request = f
	w.v = must(verifier.New(cfg))(w.t)
}

// follow reads the request behind a link in whatever form it is.
func (w *world) follow(tx *verifier.Transaction) *request {
	w.t.Helper()
	link := must(openid4vp.ParseRequestLink(tx.Link))(w.t)
	options := openid4vp.ParseOptions{
		ClientID: link.ClientID, Trust: w.policy(trust.ProfileVerifierAccess, w.ca.Anchor()), Now: w.clock,
		TransactionData: func(openid4vp.TransactionData) error { return nil },
	}
	var r *openid4vp.Request
	switch {
	case link.Parameters != nil:
		r = must(openid4vp.ParseUnsigned(link.Parameters, options))(w.t)
	case link.Request != "":
		r = must(openid4vp.ParseRequest(w.t.Context(), link.Request, options))(w.t)
	default:
		r = must(openid4vp.ParseRequest(w.t.Context(), must(w.v.RequestObject(w.t.Context(), last(link.RequestURI), openid4vp.RequestURIPost{}))(w.t), options))(w.t)
	}
	out := &request{Request: r, responseID: last(r.Parameters.ResponseURI)}
	if r.Parameters.ResponseMode.Encrypted() {
		out.encryption = must(r.Parameters.ClientMetadata.Encryption())(w.t)
	}
	return out
}

// answer is the form of a response in the mode of the request.
func (w *world) answer(r *request, p *openid4vp.ResponseParams) url.Values {
	w.t.Helper()
	if r.encryption == nil {
		return must(p.Form())(w.t)
	}
	return w.seal(r, p)
}

// TestRequestForms answers requests in every form, and holds that a
// presentation for one form is none for another.
func TestRequestForms(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		form   verifier.RequestForm
		client string
		inLink bool
	}{
		"x509_hash by reference":        {verifier.RequestForm{}, "x509_hash:", false},
		"x509_hash by value":            {verifier.RequestForm{ByValue: true}, "x509_hash:", true},
		"x509_san_dns by reference":     {verifier.RequestForm{Prefix: openid4vp.X509SanDNS}, "x509_san_dns:verifier.example", false},
		"x509_san_dns by value":         {verifier.RequestForm{Prefix: openid4vp.X509SanDNS, ByValue: true}, "x509_san_dns:verifier.example", true},
		"x509_san_dns in the clear":     {verifier.RequestForm{Prefix: openid4vp.X509SanDNS, Mode: openid4vp.DirectPost}, "x509_san_dns:verifier.example", false},
		"redirect_uri":                  {verifier.RequestForm{Prefix: openid4vp.RedirectURI}, "redirect_uri:" + origin + "/responses/", true},
		"redirect_uri in the clear":     {verifier.RequestForm{Prefix: openid4vp.RedirectURI, Mode: openid4vp.DirectPost}, "redirect_uri:" + origin + "/responses/", true},
		"x509_hash in the clear":        {verifier.RequestForm{Mode: openid4vp.DirectPost}, "x509_hash:", false},
		"x509_hash, with verifier_info": {verifier.RequestForm{VerifierInfo: []openid4vp.VerifierInfo{{Format: "registration_cert", Data: []byte(`"a.b.c"`)}}}, "x509_hash:", false},
	} {
		for format, query := range map[credentials.Format]string{credentials.FormatSDJWTVC: querySDJWT, credentials.FormatMdoc: queryMdoc} {
			t.Run(name+" "+string(format), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.forming(tt.form)
				present := w.presentSDJWT
				if format == credentials.FormatMdoc {
					present = w.presentMdoc
				}
				tx := w.start(query)
				r := w.follow(tx)
				if !strings.HasPrefix(r.Parameters.ClientID, tt.client) || (tx.RequestURI == "") != strings.HasPrefix(tt.client, "redirect_uri") ||
					(must(openid4vp.ParseRequestLink(tx.Link))(t).RequestURI == "") != tt.inLink || len(r.Parameters.VerifierInfo) != len(tt.form.VerifierInfo) {
					t.Errorf("client %s, link %s", r.Parameters.ClientID, tx.Link)
				}
				w.accepted(tx, r, w.answer(r, responseParams("pid", present(r.binding()), r.Parameters.State)))

				// TestNeg/P02, P04, P05: for another client, and with or without encryption
				// as it was not asked for.
				for name, spoil := range map[string]func(b *credentials.Binding){
					"client": func(b *credentials.Binding) { b.ClientID = "x509_hash:AAAA" },
					"short":  func(b *credentials.Binding) { _, b.ClientID, _ = strings.Cut(b.ClientID, ":") },
				} {
					r := w.follow(w.start(query))
					b := r.binding()
					spoil(&b)
					_, err := w.v.Respond(t.Context(), r.responseID, w.answer(r, responseParams("pid", present(b), r.Parameters.State)))
					if codeOf(err) != verifier.CodeAccessDenied {
						t.Errorf("another %s: %v", name, err)
					}
				}
			})
		}
	}
}

// TestNegClearResponse holds the modes apart and the state to its transaction.
func TestNegClearResponse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.forming(verifier.RequestForm{Mode: openid4vp.DirectPost})
	tx := w.start(querySDJWT)
	r := w.follow(tx)
	honest := responseParams("pid", w.presentSDJWT(r.binding()), r.Parameters.State)

	key := must(jose.NewJWK(must(keys.GenerateP256())(t).Public()))(t)
	e := must(must(openid4vp.NewClientMetadata(key, "k"))(t).Encryption())(t)
	for name, form := range map[string]url.Values{
		"P14 encrypted although nobody asked": {"response": {must(e.Encrypt(honest))(t)}},
		"P09 another state":                   must(responseParams("pid", honest.VPToken["pid"][0], "other").Form())(t),
		"P09 no state":                        must(responseParams("pid", honest.VPToken["pid"][0], "").Form())(t),
	} {
		if _, err := w.v.Respond(t.Context(), r.responseID, form); codeOf(err) != verifier.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.accepted(tx, r, must(honest.Form())(t))
}

// TestNegForm holds what the configuration must not say.
func TestNegForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, f := range map[string]verifier.RequestForm{
		"prefix":                  {Prefix: openid4vp.DecentralizedIdentifier},
		"reserved prefix":         {Prefix: openid4vp.Origin},
		"mode":                    {Mode: openid4vp.DCAPI},
		"unsigned by value":       {Prefix: openid4vp.RedirectURI, ByValue: true},
		"certificate without DNS": {Prefix: openid4vp.X509SanDNS},
	} {
		cfg := w.config("city")
		cfg.Request = f
		if _, err := verifier.New(cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestWalletMetadata has wallets say what they can do (OpenID4VP 1.0 section
// 5.10).
func TestWalletMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	private := must(keys.GenerateP256())(t)
	key := must(jose.NewJWK(private.Public()))(t)
	for name, tt := range map[string]struct {
		edit func(m *openid4vp.WalletMetadata)
		ok   bool
	}{
		"honest":                    {func(*openid4vp.WalletMetadata) {}, true},
		"honest, says nothing":      {func(m *openid4vp.WalletMetadata) { *m = openid4vp.WalletMetadata{} }, true},
		"honest, one size is known": {func(m *openid4vp.WalletMetadata) { m.ResponseEncryptionEncs = []string{"A128GCM"} }, true},
		"other prefix":              {func(m *openid4vp.WalletMetadata) { m.ClientIDPrefixes = []openid4vp.Prefix{"pre-registered"} }, false},
		"other signature":           {func(m *openid4vp.WalletMetadata) { m.RequestSigningAlgs = []string{"EdDSA"} }, false},
		"other mode":                {func(m *openid4vp.WalletMetadata) { m.ResponseModes = []string{"fragment"} }, false},
		"other format":              {func(m *openid4vp.WalletMetadata) { m.VPFormatsSupported.SDJWT = nil }, false},
		"other issuer's algorithm": {func(m *openid4vp.WalletMetadata) {
			m.VPFormatsSupported.SDJWT = &openid4vp.SDJWTFormat{IssuerAlgs: []string{"EdDSA"}}
		}, false},
		"other key agreement":                {func(m *openid4vp.WalletMetadata) { m.ResponseEncryptionAlgs = []string{"RSA-OAEP-256"} }, false},
		"other content encryption":           {func(m *openid4vp.WalletMetadata) { m.ResponseEncryptionEncs = []string{"A256CBC-HS512"} }, false},
		"honest, a key and nothing about it": {func(m *openid4vp.WalletMetadata) { m.RequestEncryptionAlgs, m.RequestEncryptionEncs = nil, nil }, true},
		"other encryption of requests":       {func(m *openid4vp.WalletMetadata) { m.RequestEncryptionAlgs = []string{"RSA-OAEP-256"} }, false},
		"no key that can be used":            {func(m *openid4vp.WalletMetadata) { m.JWKS.Keys[0] = []byte(`{"kty":"OKP"}`) }, false},
	} {
		tx := w.start(querySDJWT)
		metadata := must(openid4vp.NewWalletMetadata(key))(t)
		tt.edit(metadata)
		object, err := w.v.RequestObject(t.Context(), last(tx.RequestURI), openid4vp.RequestURIPost{WalletNonce: "a-nonce", WalletMetadata: metadata})
		if (err == nil) != tt.ok || (!tt.ok && codeOf(err) != verifier.CodeInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			w.accepted(tx, w.fetch(tx), w.answerTo(tx)) // the refusal changed nothing
			continue
		}
		if metadata.JWKS != nil {
			object = must(openid4vp.DecryptRequest(object, private))(t)
		}
		w.parse(tx, object, "a-nonce")
	}
}

// answerTo answers a transaction honestly.
func (w *world) answerTo(tx *verifier.Transaction) url.Values {
	w.t.Helper()
	r := w.fetch(tx)
	return w.encrypted(r, w.presentSDJWT(r.binding()))
}

// TestCrossDeviceCode holds that the response code is needed on the same device
// alone, also if the relying party named a redirect URI (HAIP 1.0 section 5.1).
func TestCrossDeviceCode(t *testing.T) {
	t.Parallel()
	for flow, want := range map[verifier.Flow]verifier.State{verifier.CrossDevice: verifier.StateVerified, verifier.SameDevice: verifier.StateWaiting} {
		w := newWorld(t)
		tx := must(w.v.Start(t.Context(), verifier.StartRequest{DCQL: []byte(querySDJWT), RedirectURI: redirect, Flow: flow}))(t)
		r := w.fetch(tx)
		reply := must(w.v.Respond(t.Context(), r.responseID, w.encrypted(r, w.presentSDJWT(r.binding()))))(t)
		if code(t, reply) == "" {
			t.Errorf("%s: no code in %s", flow, reply.RedirectURI)
		}
		if got := must(w.v.Result(t.Context(), tx.ID, ""))(t); got.State != want {
			t.Errorf("%s without the code: %s", flow, got.State)
		}
	}
}

// TestHolderBindingWaived holds that what is asked for decides, and not what
// comes.
func TestHolderBindingWaived(t *testing.T) {
	t.Parallel()
	waived := strings.Replace(querySDJWT, `"meta"`, `"require_cryptographic_holder_binding":false,"meta"`, 1)
	for name, tt := range map[string]struct {
		query string
		bind  func(b credentials.Binding) *credentials.Binding
		want  verifier.Reason
	}{
		"waived, none":        {waived, func(credentials.Binding) *credentials.Binding { return nil }, ""},
		"waived, right":       {waived, func(b credentials.Binding) *credentials.Binding { return &b }, ""},
		"P01 not waived":      {querySDJWT, func(credentials.Binding) *credentials.Binding { return nil }, verifier.ReasonHolderBinding},
		"P02 waived, a wrong": {waived, func(b credentials.Binding) *credentials.Binding { b.Nonce += "x"; return &b }, verifier.ReasonHolderBinding},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tx := w.start(tt.query)
			r := w.fetch(tx)
			raw := w.issueSDJWT(w.draft(credentials.FormatSDJWTVC), w.sdjwtKey)
			form := w.encrypted(r, must(sdjwt.Present(raw, pathsSDJWT(), tt.bind(r.binding()), w.holder, w.clock()))(t))
			if tt.want != "" {
				w.refusedFor(tx, r, form, tt.want)
				return
			}
			w.accepted(tx, r, form)
		})
	}
}
