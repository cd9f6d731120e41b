package openid4vci_test

import (
	"bytes"
	"crypto/ecdsa"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// encryptionKey returns a key with the JWK that metadata would have of it.
func encryptionKey(t *testing.T, kid string) (*ecdsa.PrivateKey, *jose.JWK) {
	t.Helper()
	private, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jose.NewJWK(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk.Kid, jwk.Alg, jwk.Use = kid, jose.ECDHES, "enc"
	return private, jwk
}

func TestOpenRequest(t *testing.T) {
	t.Parallel()
	const limit = 1000
	private, jwk := encryptionKey(t, "k1")
	m := &openid4vci.RequestEncryption{
		Keys: openid4vci.KeySet{Keys: []jose.JWK{*jwk}},
		Enc:  []string{jose.A128GCM, jose.A256GCM}, Zip: []string{jose.DEF},
	}
	plain := &openid4vci.RequestEncryption{Keys: m.Keys, Enc: []string{jose.A256GCM}}
	_, stranger := encryptionKey(t, "k1")
	renamed := *jwk
	renamed.Kid = "k2"
	nameless := *jwk
	nameless.Kid = ""
	content := []byte(`{"credential_configuration_id":"a"}`)
	long := bytes.Repeat([]byte(" "), limit+1)
	for name, tc := range map[string]struct {
		m       *openid4vci.RequestEncryption
		to      *jose.JWK
		enc     string
		zip     string
		content []byte
		change  func(string) string
		ok      bool
	}{
		"A128GCM":                             {enc: jose.A128GCM, ok: true},
		"A256GCM":                             {ok: true},
		"compressed":                          {zip: jose.DEF, ok: true},
		"as long as allowed":                  {content: long[:limit], ok: true},
		"compressed, as long as allowed":      {zip: jose.DEF, content: long[:limit], ok: true},
		"VCI-EN-02 another key":               {to: stranger},
		"VCI-EN-02 another kid":               {to: &renamed},
		"VCI-EN-02 no kid":                    {to: &nameless},
		"VCI-EN-03 enc that was not offered":  {m: plain, enc: jose.A128GCM},
		"VCI-EN-03 enc that was offered":      {m: plain, ok: true},
		"VCI-EN-03 zip that was not offered":  {m: plain, zip: jose.DEF},
		"VCI-EN-09 too much decompressed":     {zip: jose.DEF, content: long},
		"VCI-EN-09 a bomb":                    {zip: jose.DEF, content: bytes.Repeat([]byte(" "), 8<<20)},
		"too long":                            {content: long},
		"not a JWE":                           {change: func(string) string { return "{}" }},
		"ciphertext changed":                  {change: func(s string) string { return s[:len(s)-30] + strings.Repeat("A", 8) + s[len(s)-22:] }},
		"compressed, but not what DEF yields": {change: notDeflated(t, jwk)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.m == nil {
				tc.m = m
			}
			if tc.to == nil {
				tc.to = jwk
			}
			if tc.enc == "" {
				tc.enc = jose.A256GCM
			}
			if tc.content == nil {
				tc.content = content
			}
			compact, err := jose.Encrypt(tc.content, tc.to, tc.enc, jose.EncryptOptions{Zip: tc.zip})
			if err != nil {
				t.Fatal(err)
			}
			if tc.change != nil {
				compact = tc.change(compact)
			}
			got, err := tc.m.Open(compact, private, limit)
			switch {
			case tc.ok && (err != nil || !bytes.Equal(got, tc.content)):
				t.Errorf("%d bytes, %v", len(got), err)
			case !tc.ok && openid4vci.CodeOf(err) != openid4vci.CodeInvalidEncryptionParameters:
				t.Errorf("error = %v", err)
			}
		})
	}
}

// notDeflated says DEF in the header of what is not compressed. The header is
// authenticated, so nothing of it is even decompressed.
func notDeflated(t *testing.T, to *jose.JWK) func(string) string {
	t.Helper()
	compact, err := jose.Encrypt([]byte("{}"), to, jose.A256GCM, jose.EncryptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return func(string) string {
		header, rest, _ := strings.Cut(compact, ".")
		raw, _ := jose.DecodeBase64(header)
		return jose.EncodeBase64([]byte(`{"zip":"DEF",`+string(raw[1:]))) + "." + rest
	}
}

func TestSealResponse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ kid, enc, zip string }{
		{"", jose.A128GCM, ""}, {"k", jose.A256GCM, ""}, {"k", jose.A256GCM, jose.DEF},
	} {
		private, jwk := encryptionKey(t, tc.kid)
		p := &openid4vci.EncryptionParameters{JWK: jwk, Enc: tc.enc, Zip: tc.zip}
		compact, err := p.Seal([]byte(`{"credentials":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		e, err := jose.ParseCompressed(compact, 100)
		if err != nil {
			t.Fatal(err)
		}
		if h := e.Header; h.Alg != jose.ECDHES || h.Enc != tc.enc || h.Kid != tc.kid || h.Zip != tc.zip {
			t.Errorf("header %+v", h)
		}
		if got, err := e.Decrypt(private, tc.enc); err != nil || string(got) != `{"credentials":[]}` {
			t.Errorf("%q, %v", got, err)
		}
	}
}
