package openid4vp_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

const origin = "https://" + verifierHost

func TestDCAPIUnsigned(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newScene(t)
	s.options.Trust = nil // nothing to verify
	honest := must(s.request(t, openid4vp.DCAPIJWT).Unsigned())(t)
	if strings.Contains(string(honest), "client_id") || strings.Contains(string(honest), "expected_origins") {
		t.Errorf("DCA-02 sent: %s", honest)
	}
	with := func(members string) []byte { return []byte("{" + members + "," + string(honest)[1:]) }
	parse := func(data []byte) (*openid4vp.Request, error) {
		return openid4vp.ParseDCAPIRequest(ctx, openid4vp.ProtocolUnsigned, data, origin, s.options)
	}
	for _, data := range [][]byte{honest, with(`"client_id":"origin:x","expected_origins":["https://other.example"],"state":"/","redirect_uri":"x"`)} {
		got := must(parse(data))(t)
		want := credentials.Binding{Mode: credentials.BindingDCAPI, Nonce: got.Parameters.Nonce, Origin: origin}
		if diff := cmp.Diff(want, got.Binding(nil)); diff != "" {
			t.Errorf("binding (-want +got):\n%s", diff)
		}
		if b := got.Binding(nil); b.Audience() != "origin:"+origin {
			t.Errorf("DCA-09 audience %s", b.Audience())
		}
	}
	for name, data := range map[string][]byte{
		"DCA-05 direct_post":      []byte(strings.Replace(string(honest), `"dc_api.jwt"`, `"direct_post.jwt"`, 1)),
		"MissingNonce":            []byte(strings.Replace(string(honest), `"nonce"`, `"once"`, 1)),
		"DCA-01 signed after all": with(`"request":"a.b.c"`),
		"duplicate member":        with(`"nonce":"x"`),
		"not JSON":                honest[1:],
	} {
		if got, err := parse(data); code(err) != openid4vp.InvalidRequest || got != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := openid4vp.ParseDCAPIRequest(ctx, "openid4vp", honest, origin, s.options); code(err) != openid4vp.InvalidRequest {
		t.Errorf("DCA-01 unknown protocol: %v", err)
	}
	if _, err := openid4vp.ParseDCAPIRequest(ctx, openid4vp.ProtocolSigned, honest, origin, s.options); code(err) != openid4vp.InvalidRequest {
		t.Errorf("DCA-01 unsigned after all: %v", err)
	}
}

func TestDCAPISigned(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newScene(t)
	object := must(openid4vp.SignRequest(s.request(t, openid4vp.DCAPIJWT), s.key))(t)
	honest := must(openid4vp.SignedData(object))(t)
	got := must(openid4vp.ParseDCAPIRequest(ctx, openid4vp.ProtocolSigned, honest, origin, s.options))(t)
	if b := got.Binding(nil); b.Audience() != "origin:"+origin || got.ClientID.String() != s.options.ClientID {
		t.Errorf("DCA-09 audience %s, client %s", b.Audience(), got.ClientID)
	}
	if _, err := openid4vp.ParseRequest(ctx, object, s.options); code(err) != openid4vp.InvalidRequest {
		t.Errorf("request of the API over redirects: %v", err)
	}
	tests := []struct {
		name   string
		change map[string]any
		origin string
	}{
		{"WrongExpectedOrigins", map[string]any{"expected_origins": []string{"https://other.example"}}, origin},
		{"DCA-03 no expected_origins", map[string]any{"expected_origins": nil}, origin},
		{"DCA-03 empty expected_origins", map[string]any{"expected_origins": []string{}}, origin},
		{"DCA-03 no client_id", map[string]any{"client_id": nil}, origin},
		{"DCA-04 trailing slash", map[string]any{"expected_origins": []string{origin + "/"}}, origin},
		{"DCA-04 other case", map[string]any{"expected_origins": []string{strings.ToUpper(origin)}}, origin},
		{"DCA-04 http", map[string]any{"expected_origins": []string{"http://a.example"}}, "http://a.example"},
		{"DCA-04 wss", map[string]any{"expected_origins": []string{origin, "wss://a.example"}}, origin},
		{"DCA-05 direct_post", map[string]any{"response_mode": "direct_post", "response_uri": origin}, origin},
		{"VP-RQ-13 other aud", map[string]any{"aud": "x"}, origin},
		{"VP-CI-09 origin", map[string]any{"client_id": "origin:" + origin}, origin},
		{"no origin", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			data := must(openid4vp.SignedData(s.forge(t, s.request(t, openid4vp.DCAPIJWT), tt.change, nil)))(t)
			got, err := openid4vp.ParseDCAPIRequest(ctx, openid4vp.ProtocolSigned, data, tt.origin, s.options)
			if code(err) != openid4vp.InvalidRequest || got != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("honest http origin in development", func(t *testing.T) {
		t.Parallel()
		o := s.options
		o.AllowHTTPOrigins = true
		data := must(openid4vp.SignedData(s.forge(t, s.request(t, openid4vp.DCAPIJWT), map[string]any{"expected_origins": []string{"http://localhost:8080"}}, nil)))(t)
		if _, err := openid4vp.ParseDCAPIRequest(ctx, openid4vp.ProtocolSigned, data, "http://localhost:8080", o); err != nil {
			t.Error(err)
		}
	})
}

// multisigned signs one payload by several scenes, each with its client_id in
// the protected header.
func multisigned(t *testing.T, inPayload map[string]any, signers ...*scene) []byte {
	t.Helper()
	type signature struct {
		Protected string `json:"protected"`
		Signature string `json:"signature"`
	}
	var list []signature
	var payload string
	r := signers[0].request(t, openid4vp.DCAPIJWT)
	change := map[string]any{"client_id": nil}
	for name, v := range inPayload {
		change[name] = v
	}
	for _, s := range signers {
		parts := strings.Split(s.forge(t, r, change, func(h *jose.Header) {
			h.Extra = map[string]any{"client_id": openid4vp.X509HashClientID(s.key.Leaf())}
		}), ".")
		payload = parts[1]
		list = append(list, signature{parts[0], parts[2]})
	}
	return must(json.Marshal(map[string]any{"request": map[string]any{"payload": payload, "signatures": list}}))(t)
}

func TestDCAPIMultisigned(t *testing.T) {
	t.Parallel()
	s, stranger := newScene(t), newScene(t)
	broken := *s
	broken.key = must(s.ca.IssueVerifierAccess(trusttest.LeafOptions{}))(t)
	broken.key.Signer = stranger.key.Signer
	tests := []struct {
		name string
		data []byte
		ok   bool
	}{
		{"honest twin", multisigned(t, nil, s), true},
		{"MultiSignedOneInvalidSignature", multisigned(t, nil, &broken, s), true},
		{"DCA-08 stranger first", multisigned(t, nil, stranger, s), true},
		{"DCA-08 none trusted", multisigned(t, nil, stranger, &broken), false},
		{"DCA-07 client_id in the payload", multisigned(t, map[string]any{"client_id": s.options.ClientID}, s), false},
		{"DCA-07 verifier_info in the payload", multisigned(t, map[string]any{"verifier_info": []any{map[string]any{"format": "x", "data": "y"}}}, s), false},
		{"DCA-04 other origin", multisigned(t, map[string]any{"expected_origins": []string{"https://other.example"}}, s), false},
		{"no signatures", []byte(`{"request":{"payload":"e30","signatures":[]}}`), false},
		{"compact", []byte(`{"request":"a.b.c"}`), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := openid4vp.ParseDCAPIRequest(context.Background(), openid4vp.ProtocolMultisigned, tt.data, origin, s.options)
			if (err == nil) != tt.ok || (!tt.ok && code(err) != openid4vp.InvalidRequest) {
				t.Fatalf("got %v", err)
			}
			if tt.ok && got.ClientID.String() != s.options.ClientID {
				t.Errorf("client %s", got.ClientID)
			}
		})
	}
}

func TestDCAPIResponse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, data string
		mode       openid4vp.ResponseMode
		ok         bool
	}{
		{"honest, plain", `{"vp_token":{"pid":["a"]}}`, openid4vp.DCAPI, true},
		{"honest, encrypted", `{"response":"a.b.c.d.e"}`, openid4vp.DCAPIJWT, true},
		{"DCA-11 error", `{"error":"access_denied"}`, openid4vp.DCAPIJWT, true},
		{"VP-RS-11 in the clear", `{"vp_token":{"pid":["a"]}}`, openid4vp.DCAPIJWT, false},
		{"encrypted, not asked for", `{"response":"a.b.c.d.e"}`, openid4vp.DCAPI, false},
		{"empty", `{}`, openid4vp.DCAPI, false},
		{"not JSON", `x`, openid4vp.DCAPI, false},
	}
	for _, tt := range tests {
		if got, err := openid4vp.ParseDCAPIResponse([]byte(tt.data), tt.mode); (err == nil) != tt.ok || (got == nil) == tt.ok {
			t.Errorf("%s: got %v, %v", tt.name, got, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"response_type":"vp_token","response_mode":"dc_api","nonce":"x","dcql_query":`+query+`}`), `{"vp_token":{"a":["b"]}}`)
	f.Fuzz(func(t *testing.T, data []byte, response string) {
		r, err := openid4vp.ParseDCAPIRequest(context.Background(), openid4vp.ProtocolUnsigned, data, origin, openid4vp.ParseOptions{Now: clock})
		if err == nil && (r.Query == nil || r.Parameters.Nonce == "") {
			t.Fatal("accepted without query or nonce")
		}
		p, err := openid4vp.ParseDCAPIResponse([]byte(response), openid4vp.DCAPI)
		if err == nil && (len(p.Params.VPToken) == 0) == (p.Params.Error == "") {
			t.Fatal("accepted neither or both of vp_token and error")
		}
	})
}
