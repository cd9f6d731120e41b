package openid4vp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

func TestRequestRoundTrip(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	sent := s.request(t, openid4vp.DirectPostJWT)
	sent.WalletNonce = "qPmxiNFCR3QTm19POc8u"
	sent.VerifierInfo = []openid4vp.VerifierInfo{{Format: "jwt", Data: json.RawMessage(`"x"`), CredentialIDs: []string{"pid"}}}
	s.options.WalletNonce = sent.WalletNonce
	object := must(openid4vp.SignRequest(sent, s.key))(t)
	got := must(openid4vp.ParseRequest(context.Background(), object, s.options))(t)
	if diff := cmp.Diff(*sent, got.Parameters); diff != "" {
		t.Errorf("parameters (-sent +got):\n%s", diff)
	}
	if got.ClientID.Prefix != openid4vp.X509Hash || got.ClientID.String() != sent.ClientID {
		t.Errorf("client id %+v", got.ClientID)
	}
	e := must(got.Parameters.ClientMetadata.Encryption())(t)
	want := credentials.Binding{
		Mode: credentials.BindingRedirect, Nonce: sent.Nonce, ClientID: sent.ClientID,
		ResponseURI: sent.ResponseURI, EncryptionKeyThumbprint: e.Key.Thumbprint(),
	}
	if diff := cmp.Diff(want, got.Binding(e)); diff != "" {
		t.Errorf("binding (-want +got):\n%s", diff)
	}
	if e.Enc != jose.A256GCM || e.Key.Kid != "k1" {
		t.Errorf("encryption %+v", e)
	}
}

// TestAccepts holds requests that look odd and must be accepted.
func TestAccepts(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	object := map[string]any{}
	tests := map[string]map[string]any{
		"VP-RQ-02 iss is ignored":                  {"iss": "https://somebody.else"},
		"VP-RQ-04 unknown parameters":              {"random_param": []any{1, nil}},
		"VP-RQ-11 unknown metadata":                {"client_metadata": map[string]any{"jwks": s.metadata(t)["jwks"], "client_name": object}},
		"aud as an array":                          {"aud": []string{"x", openid4vp.AudienceSelfIssued}},
		"no state":                                 {"state": nil},
		"no exp, iat":                              {"exp": nil, "iat": nil},
		"request_uri_method inside":                {"request_uri_method": "post"},
		"direct_post without metadata":             {"response_mode": "direct_post", "client_metadata": nil},
		"wallet_nonce that nobody asked for":       {"wallet_nonce": "x"},
		"a format that is not known beside others": {"client_metadata": map[string]any{"jwks": s.metadata(t)["jwks"], "vp_formats_supported": map[string]any{"ldp_vc": object, "dc+sd-jwt": object}}},
		"within the clock skew":                    {"iat": clock().Add(30 * time.Second).Unix(), "exp": clock().Add(-30 * time.Second).Unix()},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := openid4vp.ParseRequest(context.Background(), s.forge(t, s.request(t, openid4vp.DirectPostJWT), change, nil), s.options); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("IgnoresUnusableEncryptionKey", func(t *testing.T) {
		t.Parallel()
		r := s.request(t, openid4vp.DirectPostJWT)
		usable := r.ClientMetadata.JWKS.Keys[0]
		r.ClientMetadata.JWKS.Keys = []json.RawMessage{
			json.RawMessage(`{"kty":"AKP","alg":"ML-KEM-768","kid":"a","pub":"AA"}`),
			json.RawMessage(`{"kty":"made-up","kid":"b"}`),
			json.RawMessage(strings.Replace(string(usable), `"use":"enc"`, `"use":"sig"`, 1)),
			json.RawMessage(strings.Replace(string(usable), `"ECDH-ES"`, `"ECDH-ES+A128KW"`, 1)),
			json.RawMessage(strings.Replace(strings.Replace(string(usable), `"use":"enc",`, ``, 1), `"k1"`, `"k2"`, 1)),
		}
		got := must(openid4vp.ParseRequest(context.Background(), s.forge(t, r, nil, nil), s.options))(t)
		if e := must(got.Parameters.ClientMetadata.Encryption())(t); e.Key.Kid != "k2" {
			t.Errorf("chose key %q", e.Key.Kid)
		}
	})
}

func (s *scene) metadata(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(must(json.Marshal(s.request(t, openid4vp.DirectPostJWT).ClientMetadata))(t), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestNegRequest changes one thing at a time in a request that is accepted;
// reply says whether the verifier is told.
func TestNegRequest(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	object := func(text string) any {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	with := func(name string, value any) map[string]any {
		m := s.metadata(t)
		if m[name] = value; value == nil {
			delete(m, name)
		}
		return map[string]any{"client_metadata": m}
	}
	transaction := base64.RawURLEncoding.EncodeToString([]byte(`{"type":"x","credential_ids":["pid"]}`))
	tests := []struct {
		name   string
		change map[string]any
		header func(*jose.Header)
		code   openid4vp.ErrorCode
		reply  bool
	}{
		{"VP-RQ-01 no typ", nil, func(h *jose.Header) { h.Typ = "" }, "invalid_request", false},
		{"VP-RQ-01 other typ", nil, func(h *jose.Header) { h.Typ = "jwt" }, "invalid_request", false},
		{"HAIP-18 no x5c", nil, func(h *jose.Header) { h.X5C = nil }, "invalid_request", false},
		{"HAIP-18 anchor in x5c", nil, func(h *jose.Header) { h.X5C = append(h.X5C[:1:1], s.ca.Certificate) }, "invalid_request", false},
		{"MismatchedClientIdInRequestObject", map[string]any{"client_id": "x509_san_dns:" + verifierHost}, nil, "invalid_request", false},
		{"client_id missing", map[string]any{"client_id": nil}, nil, "invalid_request", false},
		{"MissingNonce", map[string]any{"nonce": nil}, nil, "invalid_request", true},
		{"VP-RQ-06 nonce with a space", map[string]any{"nonce": "a b"}, nil, "invalid_request", true},
		{"VP-RQ-07 state with a slash", map[string]any{"state": "a/b"}, nil, "invalid_request", true},
		{"VP-RQ-05 no response_type", map[string]any{"response_type": nil}, nil, "unsupported_response_type", true},
		{"VP-RQ-05 other response_type", map[string]any{"response_type": "code"}, nil, "unsupported_response_type", true},
		{"VP-RQ-05 no response_mode", map[string]any{"response_mode": nil}, nil, "invalid_request", true},
		{"other response_mode", map[string]any{"response_mode": "fragment"}, nil, "invalid_request", true},
		{"response_mode of the DC API", map[string]any{"response_mode": "dc_api.jwt"}, nil, "invalid_request", true},
		{"VP-RQ-03 neither dcql_query nor scope", map[string]any{"dcql_query": nil}, nil, "invalid_request", true},
		{"VP-RQ-03 both dcql_query and scope", map[string]any{"scope": "x"}, nil, "invalid_request", true},
		{"VP-RQ-03 unknown scope", map[string]any{"scope": "x", "dcql_query": nil}, nil, "invalid_scope", true},
		{"dcql_query as a string", map[string]any{"dcql_query": query}, nil, "invalid_request", true},
		{"DCQL-03 in the query", map[string]any{"dcql_query": object(strings.Replace(query, `"vct_values":["urn:a"]`, ``, 1))}, nil, "invalid_request", true},
		{"RedirectUriWithDirectPost", map[string]any{"redirect_uri": "https://" + verifierHost + "/cb"}, nil, "invalid_request", true},
		{"VP-RS-03 no response_uri", map[string]any{"response_uri": nil}, nil, "invalid_request", false},
		{"response_uri over http", map[string]any{"response_uri": "http://" + verifierHost}, nil, "invalid_request", false},
		{"response_uri with a fragment", map[string]any{"response_uri": "https://" + verifierHost + "/#x"}, nil, "invalid_request", false},
		{"response_uri with userinfo", map[string]any{"response_uri": "https://a@" + verifierHost + "/"}, nil, "invalid_request", false},
		{"UnknownTransactionDataType", map[string]any{"transaction_data": []any{transaction}}, nil, "invalid_transaction_data", true},
		{"TXD-01 empty transaction_data", map[string]any{"transaction_data": []any{}}, nil, "invalid_transaction_data", true},
		{"VP-RQ-13 aud missing", map[string]any{"aud": nil}, nil, "invalid_request", true},
		{"VP-RQ-13 other aud", map[string]any{"aud": "https://wallet.example"}, nil, "invalid_request", true},
		{"expired", map[string]any{"exp": clock().Add(-61 * time.Second).Unix()}, nil, "invalid_request", true},
		{"exp is zero", map[string]any{"exp": 0}, nil, "invalid_request", true},
		{"exp is a string", map[string]any{"exp": "1"}, nil, "invalid_request", false},
		{"iat in the future", map[string]any{"iat": clock().Add(61 * time.Second).Unix()}, nil, "invalid_request", true},
		{"nbf in the future", map[string]any{"nbf": clock().Add(61 * time.Second).Unix()}, nil, "invalid_request", true},
		{"RFC 9101 request_uri inside", map[string]any{"request_uri": "https://x.example"}, nil, "invalid_request", false},
		{"VP-RQ-10 formats not in common", with("vp_formats_supported", object(`{"ldp_vc":{}}`)), nil, "vp_formats_not_supported", true},
		{"only an unknown format is requested", map[string]any{"dcql_query": object(`{"credentials":[{"id":"a","format":"ldp_vc","meta":{}}]}`)}, nil, "vp_formats_not_supported", true},
		{"VP-RS-08 no keys", with("jwks", nil), nil, "invalid_request", true},
		{"VP-RS-09 no usable key", with("jwks", object(`{"keys":[{"kty":"AKP","alg":"x","kid":"y"}]}`)), nil, "invalid_request", true},
		{"VP-RQ-09 no usable enc", with("encrypted_response_enc_values_supported", object(`["A128CBC-HS256"]`)), nil, "invalid_request", true},
		{"VP-RQ-09 empty list of enc", with("encrypted_response_enc_values_supported", object(`[]`)), nil, "invalid_request", true},
		{"VP-RQ-16 empty verifier_info", map[string]any{"verifier_info": []any{}}, nil, "invalid_request", true},
		{"VP-RQ-16 verifier_info without data", map[string]any{"verifier_info": object(`[{"format":"x"}]`)}, nil, "invalid_request", true},
		{"VP-RQ-16 verifier_info for nothing", map[string]any{"verifier_info": object(`[{"format":"x","data":"y","credential_ids":["z"]}]`)}, nil, "invalid_request", true},
		{
			"VP-RQ-07 no holder binding and no state",
			map[string]any{"state": nil, "dcql_query": object(strings.Replace(query, `"meta"`, `"require_cryptographic_holder_binding":false,"meta"`, 1))},
			nil, "invalid_request", true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := s.request(t, openid4vp.DirectPostJWT)
			if _, err := openid4vp.ParseRequest(context.Background(), s.forge(t, r, nil, nil), s.options); err != nil {
				t.Fatalf("honest twin: %v", err)
			}
			got, err := openid4vp.ParseRequest(context.Background(), s.forge(t, r, tt.change, tt.header), s.options)
			var e *openid4vp.Error
			if !errors.As(err, &e) || got != nil {
				t.Fatalf("got %v, %v, want *openid4vp.Error", got, err)
			}
			if e.Code != tt.code || (e.Reply != nil) != tt.reply {
				t.Errorf("got %v (reply %v), want %s (reply %v)", e, e.Reply, tt.code, tt.reply)
			}
		})
	}
}

// TestNegAuthentication has requests whose sender is not who it claims to be.
func TestNegAuthentication(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newScene(t)
	stranger := must(must(trusttest.NewCA(trusttest.CAOptions{NotBefore: start}))(t).IssueVerifierAccess(trusttest.LeafOptions{}))(t)
	neighbour := must(s.ca.IssueVerifierAccess(trusttest.LeafOptions{DNSNames: []string{"other.test.invalid"}}))(t)
	san := "x509_san_dns:" + verifierHost
	wildcard := must(s.ca.IssueVerifierAccess(trusttest.LeafOptions{DNSNames: []string{"*.test.invalid"}}))(t)
	tests := []struct {
		name     string
		key      *keys.Key
		clientID string
		uri      string
		ok       bool
	}{
		{"honest x509_hash", s.key, s.options.ClientID, "", true},
		{"honest x509_hash, another host", s.key, s.options.ClientID, "https://other.test.invalid/post", true},
		{"honest x509_san_dns", s.key, san, "", true},
		{"VP-CI-04 ResponseUriNotClientId", s.key, san, "https://other.test.invalid/post", false},
		{"VP-CI-04 subdomain", s.key, san, "https://a." + verifierHost + "/post", false},
		{"VP-CI-04 name of another", neighbour, san, "", false},
		{"VP-CI-04 wildcard certificate", wildcard, san, "", false},
		{"VP-CI-04 wildcard client", wildcard, "x509_san_dns:*.test.invalid", "", false},
		{"VP-CI-05 hash of another", neighbour, s.options.ClientID, "", false},
		{"VP-CI-05 hash in hex", s.key, "x509_hash:00", "", false},
		{"untrusted CA", stranger, openid4vp.X509HashClientID(stranger.Leaf()), "", false},
		{"InvalidClientIdPrefix", s.key, "made_up:" + verifierHost, "", false},
		{"VP-CI-01 no prefix", s.key, "client", "", false},
		{"VP-CI-03 redirect_uri signed", s.key, "redirect_uri:https://" + verifierHost + "/post", "", false},
		{"VP-CI-09 origin", s.key, "origin:https://" + verifierHost, "", false},
		{"decentralized_identifier", s.key, "decentralized_identifier:did:example:1", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			forger := *s
			forger.key = tt.key
			change := map[string]any{"client_id": tt.clientID}
			if tt.uri != "" {
				change["response_uri"] = tt.uri
			}
			o := s.options
			o.ClientID = tt.clientID
			_, err := openid4vp.ParseRequest(ctx, forger.forge(t, s.request(t, openid4vp.DirectPostJWT), change, nil), o)
			if (err == nil) != tt.ok {
				t.Fatalf("got %v", err)
			}
			var e *openid4vp.Error
			if !tt.ok && (!errors.As(err, &e) || e.Code != openid4vp.InvalidRequest || e.Reply != nil) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("InvalidRequestObjectSignature", func(t *testing.T) {
		t.Parallel()
		object := s.forge(t, s.request(t, openid4vp.DirectPostJWT), nil, nil)
		parts := strings.Split(object, ".")
		other := strings.Split(s.forge(t, s.request(t, openid4vp.DirectPost), nil, nil), ".")
		if _, err := openid4vp.ParseRequest(ctx, parts[0]+"."+other[1]+"."+parts[2], s.options); !errors.Is(err, jose.ErrSignature) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("VP-CI-10 unsigned", func(t *testing.T) {
		t.Parallel()
		parts := strings.Split(s.forge(t, s.request(t, openid4vp.DirectPostJWT), nil, nil), ".")
		none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"oauth-authz-req+jwt"}`))
		if _, err := openid4vp.ParseRequest(ctx, none+"."+parts[1]+".", s.options); code(err) != openid4vp.InvalidRequest {
			t.Errorf("got %v", err)
		}
	})
	t.Run("expired certificate", func(t *testing.T) {
		t.Parallel()
		late := *s.options.Trust
		late.Now = func() time.Time { return start.Add(20 * 365 * 24 * time.Hour) }
		o := s.options
		o.Trust = &late
		_, err := openid4vp.ParseRequest(ctx, s.forge(t, s.request(t, openid4vp.DirectPostJWT), nil, nil), o)
		var e *trust.Error
		if !errors.As(err, &e) || code(err) != openid4vp.InvalidRequest {
			t.Errorf("got %v", err)
		}
	})
}

func TestWalletNonce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.options.WalletNonce = "expected"
	for value, ok := range map[string]bool{"expected": true, "other": false, "": false} {
		r := s.request(t, openid4vp.DirectPostJWT)
		r.WalletNonce = value
		_, err := openid4vp.ParseRequest(context.Background(), s.forge(t, r, nil, nil), s.options)
		if (err == nil) != ok || (!ok && code(err) != openid4vp.InvalidRequest) {
			t.Errorf("VP-RU-02 %q: %v", value, err)
		}
	}
}

func TestTransactionData(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.options.TransactionData = func(d openid4vp.TransactionData) error {
		if d.Type != "known" {
			return errors.New("unknown type")
		}
		return nil
	}
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	tests := []struct {
		name, element string
		ok            bool
	}{
		{"honest twin", encode(`{"type":"known","credential_ids":["pid"],"amount":1}`), true},
		{"TXD-01 not base64url", `{"type":"known","credential_ids":["pid"]}`, false},
		{"TXD-01 not JSON", encode(`x`), false},
		{"TXD-01 no credential_ids", encode(`{"type":"known"}`), false},
		{"TXD-02 unknown type", encode(`{"type":"other","credential_ids":["pid"]}`), false},
		{"TXD-02 unknown credential", encode(`{"type":"known","credential_ids":["dip"]}`), false},
		{"TXD-05 without holder binding", encode(`{"type":"known","credential_ids":["free"]}`), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := s.request(t, openid4vp.DirectPostJWT)
			r.TransactionData = []string{tt.element}
			r.DCQLQuery = json.RawMessage(strings.Replace(query, `[{"id"`, `[{"id":"free","format":"dc+sd-jwt","meta":{"vct_values":["urn:b"]},"require_cryptographic_holder_binding":false},{"id"`, 1))
			got, err := openid4vp.ParseRequest(context.Background(), s.forge(t, r, nil, nil), s.options)
			if tt.ok {
				if err != nil || got.TransactionData[0].Encoded != tt.element {
					t.Fatalf("got %v, %v", got, err)
				}
				return
			}
			if code(err) != openid4vp.InvalidTransactionData {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestNegSignRequest has requests that a verifier must not send.
func TestNegSignRequest(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	tests := map[string]func(*openid4vp.AuthorizationRequest, *keys.Key){
		"foreign client_id": func(r *openid4vp.AuthorizationRequest, _ *keys.Key) { r.ClientID = "x509_san_dns:other.test.invalid" },
		"no chain":          func(_ *openid4vp.AuthorizationRequest, k *keys.Key) { k.Chain = nil },
		"HAIP-18 anchor in chain": func(_ *openid4vp.AuthorizationRequest, k *keys.Key) {
			k.Chain = append(k.Chain[:1:1], s.ca.Certificate)
		},
		"VP-RQ-13 no aud":          func(r *openid4vp.AuthorizationRequest, _ *keys.Key) { r.Audience = nil },
		"VP-RQ-10 no formats":      func(r *openid4vp.AuthorizationRequest, _ *keys.Key) { r.ClientMetadata.VPFormatsSupported = nil },
		"format not claimed":       func(r *openid4vp.AuthorizationRequest, _ *keys.Key) { r.ClientMetadata.VPFormatsSupported.SDJWT = nil },
		"no nonce":                 func(r *openid4vp.AuthorizationRequest, _ *keys.Key) { r.Nonce = "" },
		"VP-RQ-08 key without kid": func(r *openid4vp.AuthorizationRequest, _ *keys.Key) { editKey(r, `"kid":"k1",`, ``) },
		"VP-RQ-08 key without alg": func(r *openid4vp.AuthorizationRequest, _ *keys.Key) { editKey(r, `,"alg":"ECDH-ES"`, ``) },
		"VP-RQ-08 kid twice": func(r *openid4vp.AuthorizationRequest, _ *keys.Key) {
			j := r.ClientMetadata.JWKS
			j.Keys = append(j.Keys, j.Keys[0])
		},
		"VP-RQ-08 private key":    func(r *openid4vp.AuthorizationRequest, _ *keys.Key) { editKey(r, `"kty"`, `"d":"AA","kty"`) },
		"TXD-01 transaction_data": func(r *openid4vp.AuthorizationRequest, _ *keys.Key) { r.TransactionData = []string{"x"} },
		"VP-CI-04 foreign response": func(r *openid4vp.AuthorizationRequest, _ *keys.Key) {
			r.ClientID, r.ResponseURI = "x509_san_dns:"+verifierHost, "https://o.invalid/"
		},
		"DCA-03 expected_origins": func(r *openid4vp.AuthorizationRequest, _ *keys.Key) { r.ResponseMode = openid4vp.DCAPIJWT },
	}
	if _, err := openid4vp.SignRequest(s.request(t, openid4vp.DirectPostJWT), s.key); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, key := s.request(t, openid4vp.DirectPostJWT), *s.key
			change(r, &key)
			if _, err := openid4vp.SignRequest(r, &key); err == nil {
				t.Error("was signed")
			}
		})
	}
}

func editKey(r *openid4vp.AuthorizationRequest, old, replacement string) {
	k := r.ClientMetadata.JWKS.Keys
	edited := strings.Replace(string(k[0]), old, replacement, 1)
	if edited == string(k[0]) {
		panic("edit changes nothing: " + edited)
	}
	k[0] = json.RawMessage(edited)
}
