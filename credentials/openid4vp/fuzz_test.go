package openid4vp_test

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// FuzzRequestObject signs any payload as a trusted verifier.
func FuzzRequestObject(f *testing.F) {
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		f.Fatal(err)
	}
	key, err := ca.IssueVerifierAccess(trusttest.LeafOptions{})
	if err != nil {
		f.Fatal(err)
	}
	id := openid4vp.X509HashClientID(key.Leaf())
	o := openid4vp.ParseOptions{ClientID: id, Now: clock, Trust: &trust.Policy{
		Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileVerifierAccess, Revocation: trust.NotChecked("test"), Now: clock,
	}}
	f.Add([]byte(`{"client_id":"` + id + `","response_type":"vp_token","response_mode":"direct_post","response_uri":"https://` + verifierHost + `/post",` +
		`"nonce":"n","aud":"https://self-issued.me/v2","state":"s","dcql_query":` + query + `}`))
	f.Add([]byte(`{"client_id":"` + id + `","transaction_data":["e30"],"verifier_info":[{"format":"jwt","data":"a"}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		object, err := jose.Sign(jose.Header{Typ: openid4vp.RequestObjectType, X5C: key.Chain}, payload, key.Signer)
		if err != nil {
			return
		}
		r, err := openid4vp.ParseRequest(context.Background(), object, o)
		if err != nil {
			if code(err) == "" {
				t.Errorf("error without a code: %v", err)
			}
			return
		}
		if r.ClientID.String() != id || r.Parameters.Nonce == "" || r.Query == nil || r.Parameters.ResponseURI == "" {
			t.Errorf("accepted %s", payload)
		}
	})
}

// FuzzRequestLink: a link that is accepted comes back the same.
func FuzzRequestLink(f *testing.F) {
	f.Add("openid4vp://?client_id=x509_san_dns%3Aclient.example.org&request_uri=https%3A%2F%2Fclient.example.org%2Frequest%2F1&request_uri_method=post")
	f.Add("haip-vp://authorize?client_id=a&client_id=b")
	f.Fuzz(func(t *testing.T, raw string) {
		l, err := openid4vp.ParseRequestLink(raw)
		if err != nil {
			return
		}
		if _, err := openid4vp.ParseClientID(l.ClientID); err != nil {
			t.Errorf("accepted %+v", l)
		}
		again, err := openid4vp.ParseRequestLink("openid4vp://?" + url.Values{
			"client_id": {l.ClientID}, "request_uri": {l.RequestURI}, "request_uri_method": {l.RequestURIMethod},
		}.Encode())
		if l.RequestURIMethod != "" && (err != nil || cmp.Diff(l, again) != "") {
			t.Errorf("%+v became %+v, %v", l, again, err)
		}
	})
}

// FuzzPost reads what wallets post, in the clear and to fetch a request.
func FuzzPost(f *testing.F) {
	f.Add("vp_token=%7B%22pid%22%3A%5B%22a~b%22%5D%7D&state=eyJhb")
	f.Add("error=invalid_request&error_description=unsupported&state=eyJhb")
	f.Add("response=eyJra.9t2LQ")
	f.Add("wallet_nonce=qPmxiNFCR3QTm19POc8u&wallet_metadata=%7B%7D")
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		if p, err := openid4vp.ParsePost(form, openid4vp.DirectPost); err == nil {
			if p.JWE != "" || (len(p.Params.VPToken) == 0) == (p.Params.Error == "") {
				t.Errorf("accepted %+v", p)
			}
		}
		if p, err := openid4vp.ParsePost(form, openid4vp.DirectPostJWT); err == nil && p.JWE == "" && p.Params.VPToken != nil {
			t.Errorf("accepted in the clear: %+v", p)
		}
		if p, err := openid4vp.ParseRequestURIPost(form); err == nil && len(p.WalletNonce) > 512 {
			t.Errorf("accepted %+v", p)
		}
	})
}

// FuzzEncryptedResponse encrypts any payload to the verifier.
func FuzzEncryptedResponse(f *testing.F) {
	key, err := keys.GenerateP256()
	if err != nil {
		f.Fatal(err)
	}
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	jwk.Kid = "k"
	f.Add([]byte(`{"vp_token":{"example_credential_id":["eyJhb...YMetA"]}}`))
	f.Add([]byte(`{"error":"access_denied","state":"s"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		jwe, err := jose.Encrypt(payload, jwk, jose.A128GCM, jose.EncryptOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := openid4vp.DecryptResponse(jwe, key, "k", jose.A128GCM)
		if err == nil && (len(p.VPToken) == 0) == (p.Error == "") {
			t.Errorf("accepted %s", payload)
		}
		if err != nil && code(err) == "" {
			t.Errorf("error without a code: %v", err)
		}
	})
}

// FuzzClientMetadata reads what verifiers say about themselves, and encrypts to
// whatever key it offers.
func FuzzClientMetadata(f *testing.F) {
	files, _ := filepath.Glob("testdata/*_verifier_metadata.json")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"jwks":{"keys":[{"kty":"EC","crv":"P-256","alg":"ECDH-ES","use":"enc","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m openid4vp.ClientMetadata
		if jose.UnmarshalJSON(data, &m) != nil {
			return
		}
		if _, err := json.Marshal(m); err != nil {
			t.Errorf("cannot be written again: %v", err)
		}
		jwe, thumbprint, err := openid4vp.EncryptResponse(response(), &m)
		if err == nil && (jwe == "" || len(thumbprint) != 32) {
			t.Errorf("encrypted to nobody: %q", jwe)
		}
	})
}
