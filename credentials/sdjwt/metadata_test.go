package sdjwt_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/sdjwt"
)

func TestIssuerMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, err := sdjwt.NewIssuerMetadata(issuer, []*keys.Key{w.issuer})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jose.NewJWK(w.issuer.Leaf().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want = map[string]any{"issuer": issuer, "jwks": map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "x": jwk.X, "y": jwk.Y, "use": "sig", "alg": "ES256",
		"kid": jose.EncodeBase64(jwk.Thumbprint()), "x5c": []any{base64.StdEncoding.EncodeToString(w.issuer.Leaf().Raw)},
	}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var read sdjwt.IssuerMetadata
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, &read); diff != "" {
		t.Error(diff)
	}
	if none, err := sdjwt.NewIssuerMetadata(issuer, nil); err != nil || none.JWKS.Keys == nil {
		t.Errorf("without keys: %+v, %v", none, err)
	}
	if err := json.Unmarshal([]byte(`{"jwks":{"keys":[{"kty":"oct","k":"AA"}]}}`), &read); err == nil {
		t.Error("read a secret key")
	}
}

// TestIssuerMetadataURL has the examples of the specification's rule (SVC-09).
func TestIssuerMetadataURL(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://example.com":           "https://example.com/.well-known/jwt-vc-issuer",
		"https://example.com/":          "https://example.com/.well-known/jwt-vc-issuer",
		"https://example.com/tenant/1":  "https://example.com/.well-known/jwt-vc-issuer/tenant/1",
		"https://example.com/tenant/1/": "https://example.com/.well-known/jwt-vc-issuer/tenant/1",
		"https://example.com:8443/a%2F": "https://example.com:8443/.well-known/jwt-vc-issuer/a%2F",
		"http://example.com":            "",
		"https://":                      "",
		"https://user@example.com":      "",
		"https://example.com?":          "",
		"https://example.com#":          "",
		"":                              "",
	} {
		if got, err := sdjwt.IssuerMetadataURL(issuer); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v", issuer, got, err)
		}
	}
}
