package openid_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/evidence/openid"
	"github.com/tegata-id/tegata/issuer/evidence/openid/openidtest"
)

const callback = "https://issuer.example/login/openid/callback"

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is a provider and its client.
type world struct {
	*openid.Provider
	op  *openidtest.Provider
	now time.Time
}

func newWorld(t *testing.T, edit func(*openid.Config)) *world {
	t.Helper()
	w := &world{now: start}
	clock := func() time.Time { return w.now }
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start.Add(-48 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueWalletProvider(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.NewRing(keys.Entry{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if w.op, err = openidtest.New(openidtest.Options{Now: clock, ClientID: "RP00000001", ClientKeys: []crypto.PublicKey{key.Signer.Public()}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.op.Close)
	client, err := fetch.New(fetch.Options{Purpose: "OpenID provider", ExtraRoots: []*x509.Certificate{w.op.Root()}, AllowedHosts: []string{w.op.Address()}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	cfg := openid.Config{
		Issuer: w.op.Issuer(), Endpoints: openid.EndpointsOf(w.op.Issuer()), ClientID: "RP00000001", Keys: ring, ACR: []string{"aal3"}, Client: client, Now: clock,
	}
	if edit != nil {
		edit(&cfg)
	}
	if w.Provider, err = openid.New(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

func challenge(session string) evidence.Challenge {
	return evidence.Challenge{
		Issuer: "https://issuer.example", Session: session, Nonce: "n-" + session, Expires: start.Add(5 * time.Minute),
		Wallet: "手形ウォレット", ClientKey: "k-1", Device: evidence.SameDevice,
	}
}

// visit sends a browser to the provider and returns what it comes back with.
func (w *world) visit(t *testing.T, location string) map[string]string {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(w.op.Root())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	browser := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, location, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	back, err := response.Location()
	if err != nil || !strings.HasPrefix(back.String(), callback+"?") {
		t.Fatalf("the provider answers %d, %v", response.StatusCode, err)
	}
	params := map[string]string{}
	for name, values := range back.Query() {
		params[name] = values[0]
	}
	return params
}

// login goes all the way.
func (w *world) login(t *testing.T, c evidence.Challenge) (*evidence.Evidence, error) {
	t.Helper()
	location, visit := w.Begin(c, callback)
	return w.Finish(t.Context(), c, visit, callback, w.visit(t, location))
}

func TestLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	got, err := w.login(t, challenge("a"))
	if err != nil {
		t.Fatal(err)
	}
	want := &evidence.Evidence{Kind: evidence.KindOpenID, VerifiedAt: start, Stated: &jpki.Attributes{
		Name: openidtest.Hanako.Name, Address: openidtest.Hanako.Address,
		BirthDate: &credentials.FullDate{Year: 1985, Month: time.April, Day: 1}, Gender: 2,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := w.login(t, challenge("b")); err != nil {
		t.Error(err)
	}
	// The keys are asked for once.
	if n := w.op.Requests("certs"); n != 1 {
		t.Errorf("the keys were asked for %d times", n)
	}
	location, visit := w.Begin(challenge("a"), callback)
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for _, secret := range []string{visit.Verifier, "n-a", "k-1"} {
		if strings.Contains(location, secret) {
			t.Errorf("the location gives %q away", secret)
		}
	}
	if q.Get("scope") != "openid name address birthdate gender" || q.Get("acr_values") != "aal3" || len(q.Get("state")) < 43 {
		t.Errorf("query %v", q)
	}
}

// set changes a claim, or removes it.
func set(name string, value any) func(map[string]any) {
	return func(m map[string]any) {
		if m[name] = value; value == nil {
			delete(m, name)
		}
	}
}

func TestNegIDToken(t *testing.T) {
	t.Parallel()
	stranger, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	strangerJWK, err := jose.NewJWK(stranger.Public())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	at := func(d time.Duration) int64 { return start.Add(d).Unix() }
	for _, tt := range []struct {
		name   string
		ok     bool
		faults openidtest.Faults
	}{
		{"honest twin", true, openidtest.Faults{}},
		{"audience in an array", true, openidtest.Faults{Claims: set("aud", []string{"RP00000001"})}},
		{"no azp", true, openidtest.Faults{Claims: set("azp", nil)}},
		{"no at_hash", true, openidtest.Faults{Claims: set("at_hash", nil)}},
		{"no typ", true, openidtest.Faults{Header: func(h *jose.Header) { h.Typ = "" }}},
		{"unknown claim", true, openidtest.Faults{Claims: set("foo", 1)}},
		{"ends in a second", true, openidtest.Faults{Claims: set("exp", at(time.Second))}},
		{"a clock that is fast", true, openidtest.Faults{Claims: set("iat", at(time.Minute))}},
		{"iss of another", false, openidtest.Faults{Claims: set("iss", "https://evil.example/api/realms/test")}},
		{"iss with a slash", false, openidtest.Faults{Claims: set("iss", w.op.Issuer()+"/")}},
		{"no iss", false, openidtest.Faults{Claims: set("iss", nil)}},
		{"aud of another", false, openidtest.Faults{Claims: set("aud", "RP00000002")}},
		{"two audiences", false, openidtest.Faults{Claims: set("aud", []string{"RP00000001", "RP00000002"})}},
		{"no audience", false, openidtest.Faults{Claims: set("aud", []string{})}},
		{"no aud", false, openidtest.Faults{Claims: set("aud", nil)}},
		{"azp of another", false, openidtest.Faults{Claims: set("azp", "RP00000002")}},
		{"empty azp", false, openidtest.Faults{Claims: set("azp", "")}},
		{"other nonce", false, openidtest.Faults{Claims: set("nonce", "x")}},
		{"no nonce", false, openidtest.Faults{Claims: set("nonce", nil)}},
		{"ends now", false, openidtest.Faults{Claims: set("exp", at(0))}},
		{"no exp", false, openidtest.Faults{Claims: set("exp", nil)}},
		{"exp as text", false, openidtest.Faults{Claims: set("exp", "9999999999")}},
		{"of the future", false, openidtest.Faults{Claims: set("iat", at(time.Minute+time.Second))}},
		{"older than the login", false, openidtest.Faults{Claims: set("iat", at(-time.Minute-time.Second))}},
		{"no iat", false, openidtest.Faults{Claims: set("iat", nil)}},
		{"not valid yet", false, openidtest.Faults{Claims: set("nbf", at(2*time.Minute))}},
		{"other at_hash", false, openidtest.Faults{Claims: set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")}},
		{"no sub", false, openidtest.Faults{Claims: set("sub", nil)}},
		{"long sub", false, openidtest.Faults{Claims: set("sub", strings.Repeat("s", 256))}},
		{"acr that was not asked for", false, openidtest.Faults{Claims: set("acr", "aal1")}},
		{"J05 key of a stranger under the name", false, openidtest.Faults{Key: stranger}},
		{"J05 key in the header", false, openidtest.Faults{Key: stranger, Header: func(h *jose.Header) { h.JWK = strangerJWK }}},
		{"J05 name that is not published", false, openidtest.Faults{Header: func(h *jose.Header) { h.Kid = "x" }}},
		{"J05 no name", false, openidtest.Faults{Header: func(h *jose.Header) { h.Kid = "" }}},
		{"J04 ES384", false, openidtest.Faults{Key: p384}},
		{"J08 token of another type", false, openidtest.Faults{Header: func(h *jose.Header) { h.Typ = "at+jwt" }}},
		{"J01 alg none", false, openidtest.Faults{IDToken: func(s string) string {
			return jose.EncodeBase64([]byte(`{"alg":"none","kid":"x"}`)) + "." + strings.Split(s, ".")[1] + "."
		}}},
		{"J03 signature changed", false, openidtest.Faults{IDToken: func(s string) string { return s[:len(s)-8] + "AAAAAAAA" }}},
		{"J11 three parts of nothing", false, openidtest.Faults{IDToken: func(string) string { return "a.b.c" }}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.op.Login(openidtest.Hanako, tt.faults)
			got, err := w.login(t, challenge("a"))
			if (err == nil) != tt.ok || (got != nil) != tt.ok {
				t.Fatalf("got %v, want ok %v", err, tt.ok)
			}
			if !tt.ok && !errors.Is(err, evidence.ErrRefused) {
				t.Errorf("%v is no refusal", err)
			}
		})
	}
}

func TestNegAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		want   error
		faults openidtest.Faults
	}{
		{"honest twin", nil, openidtest.Faults{}},
		{"address as an object", nil, openidtest.Faults{UserInfo: set("address", map[string]any{"formatted": "東京都"})}},
		{"birth date in digits", nil, openidtest.Faults{UserInfo: set("birthdate", "19850401")}},
		{"birth date in part", nil, openidtest.Faults{UserInfo: set("birthdate", "1985-00-00")}},
		{"gender in words", nil, openidtest.Faults{UserInfo: set("gender", "female")}},
		{"attributes of another subject", evidence.ErrRefused, openidtest.Faults{UserInfo: set("sub", "ppid-taro")}},
		{"attributes of nobody", evidence.ErrRefused, openidtest.Faults{UserInfo: set("sub", nil)}},
		{"no name", evidence.ErrRefused, openidtest.Faults{UserInfo: set("name", nil)}},
		{"I31 name with a bidirectional control", evidence.ErrRefused, openidtest.Faults{UserInfo: set("name", "山田\u202e花子")}},
		{"no address", evidence.ErrRefused, openidtest.Faults{UserInfo: set("address", nil)}},
		{"address of a number", evidence.ErrRefused, openidtest.Faults{UserInfo: set("address", 1)}},
		{"address of 201 characters", evidence.ErrRefused, openidtest.Faults{UserInfo: set("address", strings.Repeat("東", 201))}},
		{"no birth date", evidence.ErrRefused, openidtest.Faults{UserInfo: set("birthdate", nil)}},
		{"30 February", evidence.ErrRefused, openidtest.Faults{UserInfo: set("birthdate", "1985-02-30")}},
		{"birth date of another form", evidence.ErrRefused, openidtest.Faults{UserInfo: set("birthdate", "01/04/1985")}},
		{"gender 4", evidence.ErrRefused, openidtest.Faults{UserInfo: set("gender", "4")}},
		{"no gender", evidence.ErrRefused, openidtest.Faults{UserInfo: set("gender", nil)}},
		{"no ID token", evidence.ErrRefused, openidtest.Faults{Tokens: set("id_token", nil)}},
		{"another type of token", evidence.ErrRefused, openidtest.Faults{Tokens: set("token_type", "mac")}},
		{"no access token", evidence.ErrRefused, openidtest.Faults{Tokens: set("access_token", nil)}},
		{"token that splits a header", evidence.ErrRefused, openidtest.Faults{Tokens: set("access_token", "a\r\nX: y")}},
		{"provider says no", evidence.ErrRefused, openidtest.Faults{Status: map[string]int{"token": 400}}},
		{"no attributes", evidence.ErrRefused, openidtest.Faults{Status: map[string]int{"userinfo": 403}}},
		{"too many requests", evidence.ErrUnavailable, openidtest.Faults{Status: map[string]int{"token": 429}}},
		{"token endpoint away", evidence.ErrUnavailable, openidtest.Faults{Status: map[string]int{"token": 502}}},
		{"userinfo away", evidence.ErrUnavailable, openidtest.Faults{Status: map[string]int{"userinfo": 500}}},
		{"keys away", evidence.ErrUnavailable, openidtest.Faults{Status: map[string]int{"certs": 500}}},
		{"userinfo elsewhere", evidence.ErrUnavailable, openidtest.Faults{Status: map[string]int{"userinfo": 302}}},
		{"no keys", evidence.ErrRefused, openidtest.Faults{KeySet: set("keys", []any{})}},
		{"keys that are none", evidence.ErrUnavailable, openidtest.Faults{KeySet: set("keys", "x")}},
		{"a thousand keys", evidence.ErrUnavailable, openidtest.Faults{KeySet: set("keys", make([]any, 1000))}},
		{"one key twice", evidence.ErrUnavailable, openidtest.Faults{KeySet: func(m map[string]any) { k := m["keys"].([]any); m["keys"] = append(k, k[0]) }}},
		{"I08 iss of another provider", evidence.ErrRefused, openidtest.Faults{Callback: func(q url.Values) { q.Set("iss", "https://evil.example") }}},
		{"I08 state of another login", evidence.ErrRefused, openidtest.Faults{Callback: func(q url.Values) { q.Set("state", "x") }}},
		{"no state", evidence.ErrRefused, openidtest.Faults{Callback: func(q url.Values) { q.Del("state") }}},
		{"no code", evidence.ErrRefused, openidtest.Faults{Callback: func(q url.Values) { q.Del("code") }}},
		{"code that is none", evidence.ErrRefused, openidtest.Faults{Callback: func(q url.Values) { q.Set("code", "x") }}},
		{"the person says no", evidence.ErrRefused, openidtest.Faults{Callback: func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }}},
		{"an error beside the code", evidence.ErrRefused, openidtest.Faults{Callback: func(q url.Values) { q.Set("error", "access_denied") }}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.op.Login(openidtest.Hanako, tt.faults)
			got, err := w.login(t, challenge("a"))
			if !errors.Is(err, tt.want) || (got == nil) != (tt.want != nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "ppid") || strings.Contains(err.Error(), "山田")) {
				t.Errorf("error %q quotes", err)
			}
		})
	}
}

// TestNegVisits mixes the visits of two logins.
func TestNegVisits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	mine, other := challenge("a"), challenge("b")
	location, visit := w.Begin(mine, callback)
	_, otherVisit := w.Begin(other, callback)
	finish := func(c evidence.Challenge, v evidence.Visit, redirect string, params map[string]string) error {
		t.Helper()
		_, err := w.Finish(t.Context(), c, v, redirect, params)
		return err
	}
	for name, err := range map[string]error{
		"I08 the code in another login":        finish(other, otherVisit, callback, w.visit(t, location)),
		"I08 the challenge of another login":   finish(other, visit, callback, w.visit(t, location)),
		"I08 a wallet with another key":        finish(func() evidence.Challenge { c := mine; c.ClientKey = "k-2"; return c }(), visit, callback, w.visit(t, location)),
		"another redirect_uri":                 finish(mine, visit, callback+"/x", w.visit(t, location)),
		"code verifier of another login":       finish(mine, evidence.Visit{State: visit.State, Verifier: otherVisit.Verifier, Begun: visit.Begun}, callback, w.visit(t, location)),
		"state of the other, code of this one": finish(mine, otherVisit, callback, w.visit(t, location)),
	} {
		if !errors.Is(err, evidence.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	params := w.visit(t, location)
	if err := finish(mine, visit, callback, params); err != nil {
		t.Errorf("honest twin: %v", err)
	}
	if err := finish(mine, visit, callback, params); !errors.Is(err, evidence.ErrRefused) {
		t.Errorf("code twice: %v", err)
	}
}

// TestKeysFollowOneAnother asks for the keys again when they are old, and not
// with every token that names an unknown one.
func TestKeysFollowOneAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	unknown := openidtest.Faults{Header: func(h *jose.Header) { h.Kid = "x" }}
	for _, step := range []struct {
		name   string
		after  time.Duration
		faults openidtest.Faults
		asked  int
	}{
		{"the first token", 0, openidtest.Faults{}, 1},
		{"another", time.Second, openidtest.Faults{}, 1},
		{"an unknown key at once", time.Second, unknown, 1},
		{"an unknown key a little later", 10 * time.Second, unknown, 2},
		{"an unknown key again", time.Second, unknown, 2},
		{"a known key much later", 10 * time.Minute, openidtest.Faults{}, 3},
	} {
		w.now = w.now.Add(step.after)
		w.op.Login(openidtest.Hanako, step.faults)
		_, _ = w.login(t, challenge("a"))
		if got := w.op.Requests("certs"); got != step.asked {
			t.Errorf("%s: asked %d times, want %d", step.name, got, step.asked)
		}
	}
}

func TestNegConfig(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*openid.Config){
		"plain http":    func(c *openid.Config) { c.Endpoints.Token = "http://op.example/token" },
		"no issuer":     func(c *openid.Config) { c.Issuer = "" },
		"no client":     func(c *openid.Config) { c.ClientID = "" },
		"no keys":       func(c *openid.Config) { c.Keys = nil },
		"user in a URL": func(c *openid.Config) { c.Endpoints.Keys = "https://user@op.example/" },
		"no fetch":      func(c *openid.Config) { c.Client = nil },
		"no clock":      func(c *openid.Config) { c.Now = nil },
		"fragment":      func(c *openid.Config) { c.Endpoints.UserInfo += "#x" },
		"no scheme":     func(c *openid.Config) { c.Endpoints.Authorization = "op.example/auth" },
	} {
		cfg := openid.Config{Issuer: "https://op.example", Endpoints: openid.EndpointsOf("https://op.example"), ClientID: "x", Keys: &keys.Ring{}, Client: &fetch.Client{}, Now: time.Now}
		if _, err := openid.New(cfg); err != nil {
			t.Fatalf("honest twin: %v", err)
		}
		edit(&cfg)
		if _, err := openid.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
