package client_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/verifier/client"
)

// notifier is a verifier that publishes keys for its webhooks.
type notifier struct {
	*testing.T
	server    *httptest.Server
	now       time.Time
	published atomic.Pointer[jose.JWKSet]
	asked     atomic.Int32
}

func newNotifier(t *testing.T) *notifier {
	t.Helper()
	n := &notifier{T: t, now: time.Now()}
	n.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.asked.Add(1)
		set := n.published.Load()
		if r.URL.Path != "/webhooks/jwks" || set == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(set)
	}))
	t.Cleanup(n.server.Close)
	return n
}

func (n *notifier) webhook() *client.Webhook {
	return &client.Webhook{HTTP: n.server.Client(), BaseURL: n.server.URL, Party: "bank", Now: func() time.Time { return n.now }}
}

// newKey makes a key and its JWK.
func (n *notifier) newKey() (*ecdsa.PrivateKey, jose.JWK) {
	n.Helper()
	key, err := keys.GenerateP256()
	if err != nil {
		n.Fatal(err)
	}
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		n.Fatal(err)
	}
	jwk.Kid, jwk.Use, jwk.Alg = jose.EncodeBase64(jwk.Thumbprint()), "sig", "ES256"
	return key, *jwk
}

// claims are those of an honest notice.
func (n *notifier) claims() map[string]any {
	return map[string]any{
		"iss": n.server.URL, "aud": "bank", "jti": "message", "iat": n.now.Unix(),
		"events": map[string]any{"urn:tegata:verifier:event:transaction:1": map[string]any{"transaction": "t", "state": "verified"}},
	}
}

func (n *notifier) sign(key *ecdsa.PrivateKey, h jose.Header, claims map[string]any) string {
	n.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		n.Fatal(err)
	}
	token, err := jose.Sign(h, payload, key)
	if err != nil {
		n.Fatal(err)
	}
	return token
}

func posted(token string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/tegata", strings.NewReader(token))
	r.Header.Set("Content-Type", "application/secevent+jwt")
	return r
}

// TestNegNotice tampers with everything about a notice.
func TestNegNotice(t *testing.T) {
	t.Parallel()
	n := newNotifier(t)
	key, jwk := n.newKey()
	other, otherJWK := n.newKey()
	encryption, encryptionJWK := n.newKey()
	encryptionJWK.Use, encryptionJWK.Alg = "enc", ""
	n.published.Store(&jose.JWKSet{Keys: []jose.JWK{jwk, encryptionJWK}})
	header := jose.Header{Typ: "secevent+jwt", Kid: jwk.Kid}
	honest := n.sign(key, header, n.claims())
	changed := func(change func(claims map[string]any)) *http.Request {
		claims := n.claims()
		change(claims)
		return posted(n.sign(key, header, claims))
	}
	part := func(i int, with string) *http.Request {
		parts := strings.Split(honest, ".")
		parts[i] = with
		return posted(strings.Join(parts, "."))
	}
	late := n.claims()
	late["iat"] = n.now.Add(time.Hour).Unix()
	event := func(value any) func(map[string]any) {
		return func(c map[string]any) { c["events"] = value }
	}
	for name, request := range map[string]*http.Request{
		"":                    posted(honest),
		"four minutes old":    changed(func(c map[string]any) { c["iat"] = n.now.Add(-4 * time.Minute).Unix() }),
		"further event":       changed(func(c map[string]any) { c["events"].(map[string]any)["urn:x"] = map[string]any{} }),
		"-six minutes old":    changed(func(c map[string]any) { c["iat"] = n.now.Add(-6 * time.Minute).Unix() }),
		"-six minutes ahead":  changed(func(c map[string]any) { c["iat"] = n.now.Add(6 * time.Minute).Unix() }),
		"-no time":            changed(func(c map[string]any) { delete(c, "iat") }),
		"-another verifier":   changed(func(c map[string]any) { c["iss"] = "https://other.example" }),
		"-another party":      changed(func(c map[string]any) { c["aud"] = "shop" }),
		"-several parties":    changed(func(c map[string]any) { c["aud"] = []string{"bank", "shop"} }),
		"-no identifier":      changed(func(c map[string]any) { delete(c, "jti") }),
		"-no event":           changed(event(map[string]any{})),
		"-another event":      changed(event(map[string]any{"urn:x": map[string]any{"transaction": "t", "state": "verified"}})),
		"-no state":           changed(event(map[string]any{"urn:tegata:verifier:event:transaction:1": map[string]any{"transaction": "t"}})),
		"-payload":            part(1, strings.Split(n.sign(key, header, late), ".")[1]),
		"-signature":          part(2, strings.Split(n.sign(key, header, late), ".")[2]),
		"-no signature":       part(2, ""),
		"-alg none":           part(0, jose.EncodeBase64([]byte(`{"alg":"none","typ":"secevent+jwt","kid":"`+jwk.Kid+`"}`))),
		"-signed by another":  posted(n.sign(other, header, n.claims())),
		"-key in the header":  posted(n.sign(other, jose.Header{Typ: header.Typ, Kid: otherJWK.Kid, JWK: &otherJWK}, n.claims())),
		"-key for encryption": posted(n.sign(encryption, jose.Header{Typ: header.Typ, Kid: encryptionJWK.Kid}, n.claims())),
		"-no kid":             posted(n.sign(key, jose.Header{Typ: header.Typ}, n.claims())),
		"-another typ":        posted(n.sign(key, jose.Header{Typ: "oauth-authz-req+jwt", Kid: jwk.Kid}, n.claims())),
		"-no typ":             posted(n.sign(key, jose.Header{Kid: jwk.Kid}, n.claims())),
		"-no token":           posted("hello"),
		"-nothing":            posted(""),
		"-too long":           posted(honest + strings.Repeat("A", 17<<10)),
		"-by GET":             httptest.NewRequest(http.MethodGet, "/tegata", strings.NewReader(honest)),
		"-content type":       httptest.NewRequest(http.MethodPost, "/tegata", strings.NewReader(honest)),
	} {
		notice, err := n.webhook().Read(request)
		if bad := strings.HasPrefix(name, "-"); bad != errors.Is(err, client.ErrNotice) || bad == (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (notice.ID != "message" || notice.Transaction != "t" || notice.State != client.Verified) {
			t.Errorf("%s: %+v", name, notice)
		}
	}
}

// TestNoticeKeys follows the keys of the verifier, without asking for them each
// time.
func TestNoticeKeys(t *testing.T) {
	t.Parallel()
	n := newNotifier(t)
	w := n.webhook()
	first, firstJWK := n.newKey()
	second, secondJWK := n.newKey()
	forger, _ := n.newKey()
	read := func(key *ecdsa.PrivateKey, kid string) error {
		_, err := w.Read(posted(n.sign(key, jose.Header{Typ: "secevent+jwt", Kid: kid}, n.claims())))
		return err
	}
	if err := read(first, firstJWK.Kid); err == nil || errors.Is(err, client.ErrNotice) {
		t.Errorf("without keys: %v", err)
	}
	n.published.Store(&jose.JWKSet{Keys: []jose.JWK{firstJWK}})
	n.asked.Store(0)
	for range 5 {
		if err := read(first, firstJWK.Kid); err != nil {
			t.Error(err)
		}
		if err := read(forger, "forged"); !errors.Is(err, client.ErrNotice) {
			t.Errorf("forged: %v", err)
		}
	}
	if n.asked.Load() != 1 {
		t.Errorf("asked %d times", n.asked.Load())
	}
	n.published.Store(&jose.JWKSet{Keys: []jose.JWK{secondJWK}})
	n.now = n.now.Add(time.Minute)
	if err := read(second, secondJWK.Kid); err != nil {
		t.Errorf("the next key: %v", err)
	}
	if err := read(first, firstJWK.Kid); !errors.Is(err, client.ErrNotice) {
		t.Errorf("a key that was taken out: %v", err)
	}
	n.published.Store(&jose.JWKSet{Keys: []jose.JWK{firstJWK}})
	n.now = n.now.Add(5 * time.Minute)
	if err := read(second, secondJWK.Kid); !errors.Is(err, client.ErrNotice) {
		t.Errorf("a key that was taken out five minutes ago: %v", err)
	}
}
