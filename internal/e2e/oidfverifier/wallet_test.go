package oidfverifier_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/e2e/wire"
)

func unb64(t testing.TB, s string) []byte {
	t.Helper()
	return check(wire.UnB64(s))(t)
}

// request is a request of the verifier as the wallet reads it.
type request struct {
	ClientID       string          `json:"client_id"`
	ResponseType   string          `json:"response_type"`
	ResponseMode   string          `json:"response_mode"`
	ResponseURI    string          `json:"response_uri"`
	Nonce          string          `json:"nonce"`
	State          string          `json:"state"`
	Audience       string          `json:"aud"`
	Issued         int64           `json:"iat"`
	Expires        int64           `json:"exp"`
	WalletNonce    string          `json:"wallet_nonce"`
	DCQL           json.RawMessage `json:"dcql_query"`
	ClientMetadata struct {
		JWKS    *jwkSet                     `json:"jwks"`
		Formats map[string]map[string][]any `json:"vp_formats_supported"`
		Encs    []string                    `json:"encrypted_response_enc_values_supported"`
	} `json:"client_metadata"`
	// members are all of them, in the order of nothing.
	members map[string]json.RawMessage
}

type jwkSet struct {
	Keys []map[string]string `json:"keys"`
}

// walletPost makes the wallet fetch the request by POST.
type walletPost struct{ nonce, metadata string }

// read follows the link and checks everything that the suite checks.
func (s *suite) read(t testing.TB, v variant, tx transaction, post *walletPost) *request {
	t.Helper()
	link := check(url.Parse(tx.Link))(t)
	if !strings.HasPrefix(tx.Link, walletURL+"?") {
		t.Fatalf("the link does not go to the wallet: %s", tx.Link)
	}
	query := link.Query()
	if !v.signed() {
		return s.readQuery(t, v, query)
	}
	for name := range query {
		if !slices.Contains([]string{"client_id", "request_uri", "request_uri_method"}, name) {
			t.Errorf("the link has the parameter %s", name)
		}
	}
	address := query.Get("request_uri")
	if u := check(url.Parse(address))(t); u.Scheme != "https" || u.Fragment != "" {
		t.Errorf("request_uri %s", address)
	}
	var a *answer
	if post == nil {
		a = s.do(t, http.MethodGet, address, nil, "")
	} else {
		form := url.Values{"wallet_nonce": {post.nonce}}
		if post.metadata != "" {
			form.Set("wallet_metadata", post.metadata)
		}
		a = s.do(t, http.MethodPost, address, http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/oauth-authz-req+jwt"},
		}, form.Encode())
	}
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/oauth-authz-req+jwt" {
		t.Fatalf("request object: %d, %s, %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	r := s.readObject(t, v, string(a.body))
	if r.ClientID != query.Get("client_id") {
		t.Errorf("client_id %s in the request object and %s in the link", r.ClientID, query.Get("client_id"))
	}
	if want := ""; post == nil && r.WalletNonce != want || post != nil && r.WalletNonce != post.nonce {
		t.Errorf("wallet_nonce %q", r.WalletNonce)
	}
	r.check(t, v)
	return r
}

// readQuery reads a request that is not signed.
func (s *suite) readQuery(t testing.TB, v variant, query url.Values) *request {
	t.Helper()
	members := map[string]any{}
	for name := range query {
		members[name] = query.Get(name)
		if json.Valid([]byte(query.Get(name))) && strings.HasPrefix(query.Get(name), "{") {
			members[name] = json.RawMessage(query.Get(name))
		}
	}
	r := decode(t, check(json.Marshal(members))(t))
	if r.ClientID != "redirect_uri:"+r.ResponseURI {
		t.Errorf("client_id %s", r.ClientID)
	}
	for _, name := range []string{"iat", "exp", "aud", "iss", "request_uri", "request", "redirect_uri"} {
		if query.Has(name) {
			t.Errorf("the unsigned request has %s", name)
		}
	}
	r.check(t, v)
	return r
}

func decode(t testing.TB, payload []byte) *request {
	t.Helper()
	r := &request{}
	for _, into := range []any{r, &r.members} {
		if err := json.Unmarshal(payload, into); err != nil {
			t.Fatalf("%v in %s", err, payload)
		}
	}
	return r
}

// readObject verifies a request object and its chain.
func (s *suite) readObject(t testing.TB, v variant, signed string) *request {
	t.Helper()
	header, _, err := wire.ReadJWS(signed)
	if err != nil || wire.Text(header, "typ") != "oauth-authz-req+jwt" {
		t.Fatalf("header %+v, %v", header, err)
	}
	leaf, key, err := wire.Leaf(check(wire.ReadX5C(header))(t), s.access.Certificate, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := wire.VerifyJWS(key, signed); err != nil {
		t.Fatal(err)
	}
	r := decode(t, unb64(t, strings.Split(signed, ".")[1]))
	switch v.prefix {
	case "x509_hash":
		if r.ClientID != "x509_hash:"+wire.B64(wire.Digest(leaf.Raw)) {
			t.Errorf("client_id %s", r.ClientID)
		}
	case "x509_san_dns":
		if r.ClientID != "x509_san_dns:localhost" || !slices.Contains(leaf.DNSNames, "localhost") {
			t.Errorf("client_id %s for %v", r.ClientID, leaf.DNSNames)
		}
	}
	now := time.Now().Unix()
	if r.Audience != "https://self-issued.me/v2" || r.Issued > now+60 || r.Issued < now-600 || r.Expires <= now {
		t.Errorf("aud %s, iat %d, exp %d", r.Audience, r.Issued, r.Expires)
	}
	return r
}

var (
	urlSafe = regexp.MustCompile(`^[A-Za-z0-9._~-]{16,43}$`)
	queryID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

// check holds the parameters to the suite's conditions.
func (r *request) check(t testing.TB, v variant) {
	t.Helper()
	for _, name := range []string{"sub", "scope", "redirect_uri", "client_id_scheme", "transaction_data", "request_uri_method", "iss"} {
		if r.members[name] != nil {
			t.Errorf("the request has %s", name)
		}
	}
	if r.ResponseType != "vp_token" || r.ResponseMode != v.mode || !urlSafe.MatchString(r.Nonce) {
		t.Errorf("response_type %s, response_mode %s, nonce %s", r.ResponseType, r.ResponseMode, r.Nonce)
	}
	if u := check(url.Parse(r.ResponseURI))(t); u.Scheme != "https" || u.Fragment != "" {
		t.Errorf("response_uri %s", r.ResponseURI)
	}
	var metadata map[string]json.RawMessage
	if err := json.Unmarshal(r.members["client_metadata"], &metadata); err != nil {
		t.Fatal(err)
	}
	for name := range metadata {
		if !slices.Contains([]string{"jwks", "vp_formats_supported", "encrypted_response_enc_values_supported"}, name) {
			t.Errorf("client_metadata has %s", name)
		}
	}
	formats := r.ClientMetadata.Formats
	if len(formats["dc+sd-jwt"]["sd-jwt_alg_values"]) == 0 || len(formats["dc+sd-jwt"]["kb-jwt_alg_values"]) == 0 ||
		len(formats["mso_mdoc"]["issuerauth_alg_values"]) == 0 || len(formats["mso_mdoc"]["deviceauth_alg_values"]) == 0 {
		t.Errorf("vp_formats_supported: %v", formats)
	}
	r.checkKeys(t, v)
	r.checkQuery(t)
}

func (r *request) checkKeys(t testing.TB, v variant) {
	t.Helper()
	if v.mode != "direct_post.jwt" {
		if r.ClientMetadata.JWKS != nil {
			t.Error("there are keys though nothing is encrypted")
		}
		return
	}
	if r.ClientMetadata.JWKS == nil || len(r.ClientMetadata.JWKS.Keys) == 0 {
		t.Fatal("there is no key to encrypt to")
	}
	seen := map[string]bool{}
	for _, key := range r.ClientMetadata.JWKS.Keys {
		if key["kid"] == "" || seen[key["kid"]] || key["alg"] != "ECDH-ES" || key["crv"] != "P-256" || key["d"] != "" || key["use"] != "" && key["use"] != "enc" {
			t.Errorf("key %v", key)
		}
		seen[key["kid"]] = true
	}
	for _, enc := range []string{"A128GCM", "A256GCM"} {
		if !slices.Contains(r.ClientMetadata.Encs, enc) {
			t.Errorf("%s is not offered", enc)
		}
	}
}

func (r *request) checkQuery(t testing.TB) {
	t.Helper()
	var q struct {
		Credentials []struct {
			ID     string         `json:"id"`
			Format string         `json:"format"`
			Meta   map[string]any `json:"meta"`
			Claims []struct {
				Path []any `json:"path"`
			} `json:"claims"`
		} `json:"credentials"`
	}
	if err := json.Unmarshal(r.DCQL, &q); err != nil || len(q.Credentials) != 1 {
		t.Fatalf("dcql_query: %v, %s", err, r.DCQL)
	}
	c := q.Credentials[0]
	if !queryID.MatchString(c.ID) || c.Meta["vct_values"] == nil && c.Meta["doctype_value"] == nil {
		t.Errorf("credential query %+v", c)
	}
	for _, claim := range c.Claims {
		if c.Format == "mso_mdoc" && len(claim.Path) != 2 || slices.Contains([]any{"iss", "nbf", "exp", "cnf", "vct", "status"}, claim.Path[0]) {
			t.Errorf("path %v", claim.Path)
		}
	}
}

// thumbprint is that of the key that the response is encrypted to, nil if it is
// not encrypted.
func (r *request) thumbprint() []byte {
	if r.ClientMetadata.JWKS == nil {
		return nil
	}
	return wire.Thumbprint(wire.Must(wire.Key(jwk(r.ClientMetadata.JWKS.Keys[0]))))
}

// form is the response in the mode of the request.
func (r *request) form(t testing.TB, presentations ...string) url.Values {
	t.Helper()
	return r.formOf(t, map[string]any{"vp_token": map[string]any{credential: presentations}, "state": r.State})
}

func (r *request) formOf(t testing.TB, members map[string]any) url.Values {
	t.Helper()
	if r.ClientMetadata.JWKS != nil {
		return url.Values{"response": {encrypt(t, r.ClientMetadata.JWKS.Keys[0], r.ClientMetadata.Encs[0], check(json.Marshal(members))(t), nil)}}
	}
	out := url.Values{}
	for name, value := range members {
		if text, ok := value.(string); ok {
			out.Set(name, text)
			continue
		}
		out.Set(name, string(check(json.Marshal(value))(t)))
	}
	return out
}

// encrypt makes a JWE by ECDH-ES with random apu and apv, as the suite does.
func encrypt(t testing.TB, key map[string]string, enc string, plaintext []byte, lie func(header object)) string {
	t.Helper()
	header := object{"enc": enc, "cty": "json", "apu": wire.B64([]byte(rand.Text())), "apv": wire.B64([]byte(rand.Text()))}
	return check(wire.Encrypt(plaintext, header, jwk(key), lie))(t)
}

// jwk is a key of the request as the JSON object that it was.
func jwk(key map[string]string) object {
	out := object{}
	for name, value := range key {
		out[name] = value
	}
	return out
}
