package openid4vp_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
)

func TestRequestLink(t *testing.T) {
	t.Parallel()
	link := openid4vp.RequestLink{
		ClientID: "x509_hash:Uvo3HtuIxuhC92rShpgqcT3YXwrqRxWEviRiA0OZszk", RequestURI: "https://v.example/r?id=1&x=ü",
		RequestURIMethod: openid4vp.MethodPost,
	}
	for _, endpoint := range []string{
		openid4vp.EndpointOpenID4VP, openid4vp.EndpointHAIP, "https://wallet.example/test/a/x/authorize", "https://wallet.example/?app=1",
	} {
		for _, method := range []string{"", openid4vp.MethodGet, openid4vp.MethodPost} {
			link.RequestURIMethod = method
			raw := must(link.URL(endpoint))(t)
			if !strings.HasPrefix(raw, endpoint) {
				t.Errorf("%s is not under %s", raw, endpoint)
			}
			if diff := cmp.Diff(link, must(openid4vp.ParseRequestLink(raw))(t)); diff != "" {
				t.Errorf("%s:\n%s", raw, diff)
			}
		}
	}
	if raw, err := link.URL("https://wallet.example/#x"); err == nil {
		t.Errorf("endpoint with fragment: %s", raw)
	}
}

func TestNegRequestLink(t *testing.T) {
	t.Parallel()
	const honest = "haip-vp://?client_id=x509_hash%3Aa&request_uri=https%3A%2F%2Fv.example%2Fr&request_uri_method=post&extra=1"
	if _, err := openid4vp.ParseRequestLink(honest); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	tests := []struct {
		name, old, new string
		code           openid4vp.ErrorCode
	}{
		{"VP-RQ-12 other method", "=post", "=put", openid4vp.InvalidRequestURIMethod},
		{"VP-RQ-12 method in capitals", "=post", "=POST", openid4vp.InvalidRequestURIMethod},
		{"VP-RQ-12 empty method", "=post", "=", openid4vp.InvalidRequestURIMethod},
		{"VP-RQ-12 method without request_uri", "request_uri=", "request_url=", openid4vp.InvalidRequest},
		{"no client_id", "client_id", "client", openid4vp.InvalidRequest},
		{"client_id twice", "&extra=1", "&client_id=b", openid4vp.InvalidRequest},
		{"VP-CI-09 origin", "x509_hash%3A", "origin%3A", openid4vp.InvalidRequest},
		{"by value and by reference", "&extra=1", "&request=a.b.c", openid4vp.InvalidRequest},
		{"VP-RQ-12 method beside a value", "request_uri=https%3A%2F%2Fv.example%2Fr", "request=a.b.c", openid4vp.InvalidRequest},
		{"neither way", "request_uri=https%3A%2F%2Fv.example%2Fr&request_uri_method=post", "x=y", openid4vp.InvalidRequest},
		{"VP-RU-01 http", "https%3A", "http%3A", openid4vp.InvalidRequest},
		{"fragment in request_uri", "%2Fr&", "%2Fr%23x&", openid4vp.InvalidRequest},
		{"malformed query", "&extra=1", "&extra=%zz", openid4vp.InvalidRequest},
		{"too long", "&extra=1", "&extra=" + strings.Repeat("a", 70000), openid4vp.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := openid4vp.ParseRequestLink(strings.Replace(honest, tt.old, tt.new, 1)); code(err) != tt.code {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestParseClientID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, value string
		prefix    openid4vp.Prefix
		ok        bool
	}{
		{"x509_hash:abc", "abc", openid4vp.X509Hash, true},
		{"x509_san_dns:a.example", "a.example", openid4vp.X509SanDNS, true},
		{"redirect_uri:https://a.example/cb", "https://a.example/cb", openid4vp.RedirectURI, true},
		{"decentralized_identifier:did:example:1", "did:example:1", openid4vp.DecentralizedIdentifier, true},
		{"verifier_attestation:x", "x", openid4vp.VerifierAttestation, true},
		{"openid_federation:https://a.example", "https://a.example", openid4vp.OpenIDFederation, true},
		{"client", "client", openid4vp.PreRegistered, true},
		{"https://a.example", "https://a.example", openid4vp.PreRegistered, true},
		{"X509_HASH:abc", "X509_HASH:abc", openid4vp.PreRegistered, true},
		{"origin:https://a.example", "", "", false},
		{"x509_hash:", "", "", false},
		{"", "", "", false},
		{strings.Repeat("a", 3000), "", "", false},
	}
	for _, tt := range tests {
		got, err := openid4vp.ParseClientID(tt.in)
		if (err == nil) != tt.ok || got.Value != tt.value || got.Prefix != tt.prefix || (tt.ok && got.String() != tt.in) {
			t.Errorf("%.40q: got %+v, %v", tt.in, got, err)
		}
	}
}

func TestRequestURIPost(t *testing.T) {
	t.Parallel()
	key := must(jose.NewJWK(must(keys.GenerateP256())(t).Public()))(t)
	sent := openid4vp.RequestURIPost{WalletNonce: "kxbJ//QQ/==", WalletMetadata: must(openid4vp.NewWalletMetadata(key))(t)}
	if diff := cmp.Diff(sent, must(openid4vp.ParseRequestURIPost(must(sent.Form())(t)))(t)); diff != "" {
		t.Error(diff)
	}
	if _, err := openid4vp.ParseRequestURIPost(url.Values{"unknown": {"x", "y"}}); err != nil {
		t.Errorf("VP-RU-08: %v", err)
	}
	for name, form := range map[string]url.Values{
		"nonce twice":         {"wallet_nonce": {"a", "b"}},
		"empty nonce":         {"wallet_nonce": {""}},
		"long nonce":          {"wallet_nonce": {strings.Repeat("a", 600)}},
		"metadata is a list":  {"wallet_metadata": {"[]"}},
		"metadata is null":    {"wallet_metadata": {"null"}},
		"metadata is no JSON": {"wallet_metadata": {"{"}},
		"list is a text":      {"wallet_metadata": {`{"client_id_prefixes_supported":"x509_hash"}`}},
	} {
		if _, err := openid4vp.ParseRequestURIPost(form); code(err) != openid4vp.InvalidRequest {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
