package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/wallet/holder"
)

// postedAnswer is what a wallet posted, and to what request.
type postedAnswer struct {
	Format      credentials.Format `json:"format"`
	ClientID    string             `json:"clientId"`
	Nonce       string             `json:"nonce"`
	ResponseURI string             `json:"responseUri"`
	// Response is the vp_token, or a JWE to the key.
	Response string            `json:"response"`
	Key      map[string]string `json:"key"`
}

// letterbox keeps what a wallet posts.
type letterbox struct {
	holder.HTTP
	posted url.Values
}

// Post implements holder.HTTP.
func (l *letterbox) Post(_ context.Context, _, _ string, body []byte, _ http.Header) (*fetch.Response, error) {
	var err error
	l.posted, err = url.ParseQuery(string(body))
	return &fetch.Response{Status: http.StatusOK, ContentType: "application/json", Body: []byte("{}")}, err
}

// TestPythonVerifier has Python libraries verify what the wallet engine presents
// of what our issuer issued: both formats in both response modes. They refuse it
// for another nonce and with one bit changed.
func TestPythonVerifier(t *testing.T) {
	t.Parallel()
	python := findPython(t)
	d := deploy(t, deployOptions{direct: true})
	vault := d.receive(t, cardOf(t, "hanako")).Vault
	world := struct {
		Answers []postedAnswer                `json:"answers"`
		Anchors map[credentials.Format]string `json:"anchors"`
		VCT     string                        `json:"vct"`
		Doctype string                        `json:"doctype"`
	}{Anchors: map[credentials.Format]string{}, VCT: issuer.IdentityVCT, Doctype: issuer.IdentityDoctype}
	var want []any
	for format, claims := range map[credentials.Format]string{
		credentials.FormatSDJWTVC: `{"name":"山田　花子"}`,
		credentials.FormatMdoc:    `{"id.tegata.identity.jp.1":{"name":"山田　花子"}}`,
	} {
		world.Anchors[format] = anchorPEM(d.box.IssuerAnchors[format])
		for _, mode := range []openid4vp.ResponseMode{openid4vp.DirectPost, openid4vp.DirectPostJWT} {
			world.Answers = append(world.Answers, d.post(t, vault, format, mode))
			want = append(want, decoded(t, claims))
		}
	}
	got := decoded(t, string(runPythonProgram(t, python, "verify.py", d.box.TLSRoot, world)))
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Error(diff)
	}
}

// post has a wallet answer a request that nobody has signed.
func (d *deployment) post(t *testing.T, vault holder.Vault, format credentials.Format, mode openid4vp.ResponseMode) postedAnswer {
	t.Helper()
	a := postedAnswer{Format: format, Nonce: rand.Text(), ResponseURI: "https://verifier.example/responses"}
	a.ClientID = openid4vp.RedirectURIClientID(a.ResponseURI)
	metadata := tmMust(openid4vp.NewClientMetadata(nil, ""))(t)
	if mode.Encrypted() {
		key := newKey(t)
		a.Key = privateJWK(t, key)
		metadata = tmMust(openid4vp.NewClientMetadata(publicJWK(t, key.Public()), "response"))(t)
	}
	link := tmMust(openid4vp.UnsignedLink(&openid4vp.AuthorizationRequest{
		ClientID: a.ClientID, ResponseType: openid4vp.ResponseTypeVPToken, ResponseMode: mode, ResponseURI: a.ResponseURI,
		Nonce: a.Nonce, DCQLQuery: json.RawMessage(queries[format]), ClientMetadata: metadata,
	}))(t)
	w := d.newWallet(t)
	box := &letterbox{HTTP: w.HTTP}
	w.HTTP, w.Vault, w.AcceptUnsigned = box, vault, true
	if _, err := w.Present(t.Context(), tmMust(link.URL(openid4vp.EndpointOpenID4VP))(t), holder.Approve()); err != nil {
		t.Fatal(err)
	}
	if a.Response = box.posted.Get("vp_token"); mode.Encrypted() {
		a.Response = box.posted.Get("response")
	}
	return a
}
