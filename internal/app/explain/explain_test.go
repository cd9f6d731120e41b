package explain_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/explain"
	"github.com/tegata-id/tegata/internal/app/report"
)

// world has one of everything that can be explained.
type world struct {
	now                  time.Time
	issuing, iaca, other *trusttest.CA
	sdjwt, mdoc, status  *keys.Key
	holder               *ecdsa.PrivateKey
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Now().Truncate(time.Second)}
	ca := func(p trusttest.Profile) *trusttest.CA {
		return must[*trusttest.CA](t)(trusttest.NewCA(trusttest.CAOptions{Profile: p, NotBefore: w.now.Add(-48 * time.Hour)}))
	}
	w.issuing, w.iaca, w.other = ca(trusttest.Generic), ca(trusttest.IACA), ca(trusttest.Generic)
	w.sdjwt = must[*keys.Key](t)(w.issuing.IssueSDJWTSigner(trusttest.LeafOptions{}))
	w.mdoc = must[*keys.Key](t)(w.iaca.IssueMdocSigner(trusttest.LeafOptions{}))
	w.status = must[*keys.Key](t)(w.issuing.IssueStatusSigner(trusttest.LeafOptions{}))
	w.holder = must[*ecdsa.PrivateKey](t)(keys.GenerateP256())
	return w
}

func (w *world) draft(typ string, claims credentials.Object, status *credentials.StatusRef) credentials.Draft {
	return credentials.Draft{
		Type: typ, Claims: claims, HolderKey: w.holder.Public(), Status: status,
		SignedAt: w.now.Add(-time.Hour), ValidFrom: w.now.Add(-time.Hour), ValidUntil: w.now.Add(24 * time.Hour),
	}
}

const secret = "架空の氏名"

func (w *world) issueSDJWT(t *testing.T, ref *credentials.StatusRef) string {
	t.Helper()
	return must[string](t)(sdjwt.Issue(w.draft("urn:tegata:identity:jp:1", credentials.Object{"name": credentials.Text(secret)}, ref), w.sdjwt))
}

func (w *world) issueMdoc(t *testing.T) []byte {
	t.Helper()
	claims := credentials.Object{"id.tegata.identity.jp.1": credentials.Object{"name": credentials.Text(secret)}}
	return must[[]byte](t)(mdoc.Issue(w.draft("id.tegata.identity.jp.1", claims, nil), w.mdoc))
}

func (w *world) run(t *testing.T, data []byte, change func(*explain.Options)) (*report.Report, string) {
	t.Helper()
	o := explain.Options{Now: func() time.Time { return w.now }, Anchors: []trust.Anchor{w.issuing.Anchor(), w.iaca.Anchor()}, Mode: jpki.Test}
	if change != nil {
		change(&o)
	}
	r := explain.Run(t.Context(), data, o)
	var b strings.Builder
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), secret) {
		t.Errorf("personal data in\n%s", b.String())
	}
	return r, b.String()
}

// TestExplain asks about each kind of thing, good and bad.
func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := &credentials.StatusRef{URI: "https://issuer.example/status-lists/1", Index: 7}
	binding := credentials.Binding{
		Mode: credentials.BindingRedirect, Nonce: "a-nonce-of-the-verifier", ClientID: "x509_hash:abc", ResponseURI: "https://verifier.example/r",
	}
	paths := []credentials.Path{{credentials.Name("name")}}
	presented := must[string](t)(sdjwt.Present(w.issueSDJWT(t, nil), paths, &binding, w.holder, w.now))
	document := w.issueMdoc(t)
	mdocPaths := []credentials.Path{{credentials.Name("id.tegata.identity.jp.1"), credentials.Name("name")}}
	response := must[[]byte](t)(mdoc.Present(document, mdocPaths, binding, w.holder))
	list := must[*status.List](t)(status.NewList(64, 1))
	statusToken := must[string](t)(status.Sign(status.TokenOptions{URI: ref.URI, IssuedAt: w.now, Expires: w.now.Add(time.Hour)}, list, w.status))
	nation := must[*jpkitest.JPKI](t)(jpkitest.New(jpkitest.Options{Now: time.Now}))
	person, _ := jpkitest.PersonByKey("hanako")
	card := must[*jpkitest.Card](t)(nation.NewCard(person, jpkitest.CardOptions{}))

	answer := func(state string, err error) func(*explain.Options) {
		return func(o *explain.Options) {
			o.Status = func(context.Context, credentials.StatusRef) (string, error) { return state, err }
		}
	}
	asked := func(o *explain.Options) { o.Binding = binding }
	stranger := func(o *explain.Options) { o.Anchors = []trust.Anchor{w.other.Anchor()} }
	later := func(o *explain.Options) { o.Now = func() time.Time { return w.now.Add(30 * 24 * time.Hour) } }
	for name, tc := range map[string]struct {
		data   []byte
		change func(*explain.Options)
		faults bool
		want   string
	}{
		"sd-jwt vc":                       {[]byte(w.issueSDJWT(t, nil)), nil, false, "trusted under the anchor"},
		"sd-jwt vc of strangers":          {[]byte(w.issueSDJWT(t, nil)), stranger, true, "not trusted: untrusted"},
		"sd-jwt vc after its end":         {[]byte(w.issueSDJWT(t, nil)), later, true, "not trusted: expired"},
		"sd-jwt vc changed":               {[]byte(strings.Replace(w.issueSDJWT(t, nil), ".", ".e", 1)), nil, true, "not trusted"},
		"sd-jwt vc without anchors":       {[]byte(w.issueSDJWT(t, nil)), func(o *explain.Options) { o.Anchors = nil }, false, "nothing can be trusted"},
		"sd-jwt vc with a list, offline":  {[]byte(w.issueSDJWT(t, ref)), nil, false, "whether it was revoked was not looked at"},
		"sd-jwt vc that is valid":         {[]byte(w.issueSDJWT(t, ref)), answer("VALID", nil), false, "status list says VALID"},
		"sd-jwt vc that was revoked":      {[]byte(w.issueSDJWT(t, ref)), answer("INVALID", nil), true, "its status is INVALID"},
		"sd-jwt vc whose list is away":    {[]byte(w.issueSDJWT(t, ref)), answer("", errors.New("away")), true, "can't be found out"},
		"presentation as asked for":       {[]byte(presented), asked, false, "holder_binding: signed by the holder"},
		"presentation by itself":          {[]byte(presented), nil, false, "was not judged"},
		"presentation for somebody else":  {[]byte(presented), func(o *explain.Options) { o.Binding = binding; o.Binding.Nonce = "another" }, true, "key_binding_nonce"},
		"mdoc":                            {document, nil, false, "trusted under the anchor"},
		"mdoc in base64url":               {[]byte(base64.RawURLEncoding.EncodeToString(document) + "\n"), nil, false, "trusted under the anchor"},
		"mdoc of strangers":               {document, stranger, true, "not trusted"},
		"mdoc presented as asked for":     {response, asked, false, "trusted under the anchor"},
		"mdoc presented by itself":        {response, nil, false, "was not judged"},
		"mdoc presented to somebody else": {response, func(o *explain.Options) { o.Binding = binding; o.Binding.ResponseURI += "x" }, true, "device_signature"},
		"signer":                          {keys.EncodeChainPEM(w.sdjwt.Chain), nil, false, "trusted for this use"},
		"signer in DER":                   {w.sdjwt.Leaf().Raw, nil, false, "trusted for this use"},
		"signer of strangers":             {keys.EncodeChainPEM(w.sdjwt.Chain), stranger, true, "untrusted"},
		"CA that is an anchor":            {keys.EncodeChainPEM([]*x509.Certificate{w.issuing.Certificate}), nil, false, "one of the given anchors"},
		"CA of strangers":                 {keys.EncodeChainPEM([]*x509.Certificate{w.other.Certificate}), nil, false, "none of the given anchors"},
		"status list":                     {[]byte(statusToken), nil, false, "a list for https://issuer.example/status-lists/1"},
		"status list of strangers":        {[]byte(statusToken), stranger, true, "not trusted"},
		"certificate of a citizen": {card.SignatureCertificate().Raw, func(o *explain.Options) { o.Anchors = nation.Anchors(jpki.Signature) },
			false, "trusted for this use"},
		"certificate of a citizen in production": {card.SignatureCertificate().Raw, func(o *explain.Options) {
			o.Anchors, o.Mode = nation.Anchors(jpki.Signature), jpki.Production
		}, true, "fits none of the uses"},
		"nothing":       {nil, nil, true, "empty"},
		"something":     {[]byte("hello, world"), nil, true, "neither base64 nor"},
		"a private key": {must[[]byte](t)(keys.EncodeKeyPEM(w.holder)), nil, true, "block of type"},
		"random":        {[]byte{0xff, 0x00, 0x80, 0x12}, nil, true, "neither an mdoc nor"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, text := w.run(t, tc.data, tc.change)
			if (r.Count(report.Fault) > 0) != tc.faults || !strings.Contains(text, tc.want) {
				t.Errorf("want %q, faults %t, in\n%s", tc.want, tc.faults, text)
			}
			if strings.Contains(text, person.Name) {
				t.Errorf("a person's name in\n%s", text)
			}
			for _, f := range r.Findings {
				if f.Level != report.OK && f.Fix == "" {
					t.Errorf("no fix for %q", f.What)
				}
			}
		})
	}
}
