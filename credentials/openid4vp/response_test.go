package openid4vp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
)

func response() *openid4vp.ResponseParams {
	return &openid4vp.ResponseParams{VPToken: map[string][]string{"pid": {"a~b~c"}, "mdl": {"x", "y"}}, State: "s"}
}

// TestPublishedJWE decrypts the example of section 8.3 (TV-07).
func TestPublishedJWE(t *testing.T) {
	t.Parallel()
	var v struct {
		Request  openid4vp.AuthorizationRequest `json:"request"`
		Response string                         `json:"response"`
		Key      struct{ X, Y, D string }       `json:"key"`
		Payload  openid4vp.ResponseParams       `json:"payload"`
	}
	if err := json.Unmarshal(must(os.ReadFile("testdata/encrypted_response.json"))(t), &v); err != nil {
		t.Fatal(err)
	}
	priv := must(ecdsa.ParseRawPrivateKey(elliptic.P256(), must(base64.RawURLEncoding.DecodeString(v.Key.D))(t)))(t)
	e := must(v.Request.ClientMetadata.Encryption())(t)
	if e.Key.X != v.Key.X || e.Key.Kid != "ac" || e.Enc != jose.A128GCM {
		t.Errorf("chose %+v", e)
	}
	// The example's presentation is shortened with dots, which is still text.
	got := must(openid4vp.DecryptResponse(v.Response, priv, "ac", jose.A128GCM))(t)
	if diff := cmp.Diff(&v.Payload, got); diff != "" {
		t.Errorf("payload (-want +got):\n%s", diff)
	}
}

func TestPublishedMetadata(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/*_verifier_metadata.json")
	if len(files) != 4 {
		t.Fatalf("found %d files", len(files))
	}
	for _, file := range files {
		var m openid4vp.ClientMetadata
		if err := jose.UnmarshalJSON(must(os.ReadFile(file))(t), &m); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestEncryptedResponse(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	meta := s.request(t, openid4vp.DirectPostJWT).ClientMetadata
	both := []string{jose.A128GCM, jose.A256GCM}
	jwe, thumbprint, err := openid4vp.EncryptResponse(response(), meta)
	if err != nil {
		t.Fatal(err)
	}
	got := must(openid4vp.DecryptResponse(jwe, s.encryption, "k1", both...))(t)
	if diff := cmp.Diff(response(), got); diff != "" {
		t.Error(diff)
	}
	public := must(jose.NewJWK(&s.encryption.PublicKey))(t)
	if !bytes.Equal(thumbprint, public.Thumbprint()) {
		t.Error("thumbprint is not that of the key")
	}
	if h := must(jose.ParseEncrypted(jwe))(t).Header; h.Enc != jose.A256GCM || h.Kid != "k1" || h.Cty != "json" {
		t.Errorf("header %+v", h)
	}
	meta.EncryptedResponseEncValuesSupported = nil
	if e := must(meta.Encryption())(t); e.Enc != jose.A128GCM {
		t.Errorf("VP-RQ-09 default is %s", e.Enc)
	}

	public.Kid = "k1"
	seal := func(payload string) string {
		return must(jose.Encrypt([]byte(payload), public, jose.A128GCM, jose.EncryptOptions{}))(t)
	}
	tests := []struct {
		name, jwe, kid string
		priv           *ecdsa.PrivateKey
		encs           []string
		ok             bool
	}{
		{"honest twin", seal(`{"vp_token":{"a":["b"]},"iss":"x","unknown":1}`), "k1", s.encryption, both, true},
		{"honest error", seal(`{"error":"access_denied"}`), "k1", s.encryption, both, true},
		{"P14 other kid", jwe, "k2", s.encryption, both, false},
		{"P14 enc not offered", jwe, "k1", s.encryption, []string{jose.A128GCM}, false},
		{"P14 key of another transaction", jwe, "k1", must(keys.GenerateP256())(t), both, false},
		{"P14 altered", jwe[:len(jwe)-4] + "AAAA", "k1", s.encryption, both, false},
		{"P14 JWS inside", seal("a.b.c"), "k1", s.encryption, both, false},
		{"neither token nor error", seal(`{"state":"x"}`), "k1", s.encryption, both, false},
		{"both token and error", seal(`{"vp_token":{"a":["b"]},"error":"x"}`), "k1", s.encryption, both, false},
		{"duplicate member", seal(`{"vp_token":{"a":["b"],"a":["c"]}}`), "k1", s.encryption, both, false},
		{"P15 presentation outside an array", seal(`{"vp_token":{"a":"b"}}`), "k1", s.encryption, both, false},
		{"not a JWE", "x", "k1", s.encryption, both, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := openid4vp.DecryptResponse(tt.jwe, tt.priv, tt.kid, tt.encs...)
			if (err == nil) != tt.ok || (got == nil) == tt.ok || (!tt.ok && code(err) != openid4vp.InvalidRequest) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestParseVPToken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, token string
		ok          bool
	}{
		{"honest twin", `{"pid":["a","b"],"m-d_L1":["c"]}`, true},
		{"VP-RS-14 empty", `{}`, false},
		{"VP-RS-01 string", `{"pid":"a"}`, false},
		{"VP-RS-01 empty array", `{"pid":[]}`, false},
		{"VP-RS-01 object", `{"pid":[{"a":1}]}`, false},
		{"empty presentation", `{"pid":[""]}`, false},
		{"number", `{"pid":[1]}`, false},
		{"P15 id twice", `{"pid":["a"],"pid":["b"]}`, false},
		{"id with a dot", `{"p.id":["a"]}`, false},
		{"empty id", `{"":["a"]}`, false},
		{"array", `["a"]`, false},
		{"null", `null`, false},
		{"text", `"a"`, false},
		{"more after it", `{"pid":["a"]} x`, false},
		{"too many", `{"pid":[` + strings.Repeat(`"a",`, 40) + `"a"]}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := openid4vp.ParseVPToken([]byte(tt.token))
			if (err == nil) != tt.ok || (got == nil) == tt.ok || (!tt.ok && code(err) != openid4vp.InvalidRequest) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestParsePost(t *testing.T) {
	t.Parallel()
	const token = `{"pid":["a"]}`
	tests := []struct {
		name string
		mode openid4vp.ResponseMode
		form url.Values
		ok   bool
	}{
		{"honest, plain", openid4vp.DirectPost, url.Values{"vp_token": {token}, "state": {"s"}, "unknown": {"1", "2"}}, true},
		{"honest, encrypted", openid4vp.DirectPostJWT, url.Values{"response": {"a.b.c.d.e"}, "state": {"s"}}, true},
		{"VP-RS-10 error in the clear", openid4vp.DirectPostJWT, url.Values{"error": {"access_denied"}, "error_description": {"<b>"}}, true},
		{"error, plain", openid4vp.DirectPost, url.Values{"error": {"access_denied"}}, true},
		{"VP-RS-11 token in the clear", openid4vp.DirectPostJWT, url.Values{"vp_token": {token}}, false},
		{"VP-RS-11 token in the clear beside an error", openid4vp.DirectPostJWT, url.Values{"vp_token": {token}, "error": {"x"}}, false},
		{"VP-RS-11 token beside the JWE", openid4vp.DirectPostJWT, url.Values{"vp_token": {token}, "response": {"a.b.c.d.e"}}, false},
		{"JWE that nobody asked for", openid4vp.DirectPost, url.Values{"response": {"a.b.c.d.e"}}, false},
		{"nothing", openid4vp.DirectPost, url.Values{}, false},
		{"nothing, encrypted", openid4vp.DirectPostJWT, url.Values{"state": {"s"}}, false},
		{"token and error", openid4vp.DirectPost, url.Values{"vp_token": {token}, "error": {"x"}}, false},
		{"P09 state twice", openid4vp.DirectPost, url.Values{"vp_token": {token}, "state": {"s", "s"}}, false},
		{"token twice", openid4vp.DirectPost, url.Values{"vp_token": {token, token}}, false},
		{"state with a space", openid4vp.DirectPost, url.Values{"vp_token": {token}, "state": {"a b"}}, false},
		{"empty token", openid4vp.DirectPost, url.Values{"vp_token": {""}}, false},
		{"P20 odd error code", openid4vp.DirectPost, url.Values{"error": {"a\nb"}}, false},
		{"P20 endless description", openid4vp.DirectPost, url.Values{"error": {"x"}, "error_description": {strings.Repeat("a", 5000)}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := openid4vp.ParsePost(tt.form, tt.mode)
			if (err == nil) != tt.ok || (!tt.ok && code(err) != openid4vp.InvalidRequest) {
				t.Fatalf("got %+v, %v", got, err)
			}
			if tt.ok && (got.JWE != "") != tt.form.Has("response") {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("round trip", func(t *testing.T) {
		t.Parallel()
		got := must(openid4vp.ParsePost(must(response().Form())(t), openid4vp.DirectPost))(t)
		if diff := cmp.Diff(response(), got.Params); diff != "" {
			t.Error(diff)
		}
		if _, err := (&openid4vp.ResponseParams{VPToken: map[string][]string{}}).Form(); err == nil {
			t.Error("VP-RS-14 an empty vp_token was encoded")
		}
	})
}
