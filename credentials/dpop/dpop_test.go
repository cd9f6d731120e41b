package dpop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/jose"
)

//go:embed testdata/rfc9449.txt
var rfc9449 string

const (
	method = "POST"
	target = "https://issuer.example/credential"
	token  = "an-access-token"
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func expect() dpop.Expect {
	return dpop.Expect{Method: method, URL: target, AccessToken: token, Now: now}
}

func TestPublishedExamples(t *testing.T) {
	t.Parallel()
	example := map[string]string{}
	for line := range strings.Lines(rfc9449) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		example[name] = value
	}
	for _, tc := range []struct {
		name, method, url, token, id string
		at                           int64
	}{
		{"token-request", "POST", "https://server.example.com/token", "", "-BwC3ESc6acc2lTc", 1562262616},
		{"resource-request", "GET", "https://resource.example.org/protectedresource", example["access-token"], "e1j3V_bKic8-LAEB", 1562262618},
	} {
		t.Run("TV-30 RFC 9449 "+tc.name, func(t *testing.T) {
			t.Parallel()
			e := dpop.Expect{Method: tc.method, URL: tc.url, AccessToken: tc.token, Now: time.Unix(tc.at, 0)}
			v, err := dpop.Verify(example[tc.name], e)
			if err != nil {
				t.Fatal(err)
			}
			if v.ID != tc.id || v.KeyThumbprint != example["thumbprint"] || v.IssuedAt.Unix() != tc.at {
				t.Errorf("%+v", v)
			}
			e.Now = now
			if _, err := dpop.Verify(example[tc.name], e); dpop.CodeOf(err) != dpop.CodeInvalidProof {
				t.Errorf("years later: %v", err)
			}
		})
	}
}

func TestSignVerify(t *testing.T) {
	t.Parallel()
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key := newKey(t, curve)
		o := dpop.ProofOptions{Method: method, URL: target + "?a=b#c", Nonce: "n", AccessToken: token, Now: now}
		proof, err := dpop.Sign(o, key)
		if err != nil {
			t.Fatal(err)
		}
		v, err := dpop.Verify(proof, expect())
		if err != nil {
			t.Fatal(err)
		}
		thumbprint, _ := jose.ThumbprintOf(key.Public())
		if v.Nonce != "n" || len(v.ID) < 22 || v.KeyThumbprint != thumbprint || !key.PublicKey.Equal(v.Key) {
			t.Errorf("%+v", v)
		}
		again, err := dpop.Sign(o, key)
		if err != nil {
			t.Fatal(err)
		}
		if w, err := dpop.Verify(again, expect()); err != nil || w.ID == v.ID {
			t.Errorf("second proof: %+v, %v", w, err)
		}
	}
	if _, err := dpop.Sign(dpop.ProofOptions{URL: target, Now: now}, newKey(t, elliptic.P256())); err == nil {
		t.Error("signed without a method")
	}
}

func TestNormalizeURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://a.example/x":              "https://a.example/x",
		"HTTPS://A.Example:443/x?q=1#f":    "https://a.example/x",
		"http://a.example:80":              "http://a.example/",
		"https://a.example:8443/x":         "https://a.example:8443/x",
		"https://a.example:80/x":           "https://a.example:80/x",
		"https://[::1]:443/x":              "https://[::1]/x",
		"https://a.example/%7ex/%e3%81%82": "https://a.example/~x/%E3%81%82",
		"https://a.example/a%2fb":          "https://a.example/a%2Fb",
		"https://a.example/X":              "https://a.example/X",
		"https://a.example/a/../x":         "https://a.example/a/../x",
		"https://user@a.example/x":         "",
		"ftp://a.example/x":                "",
		"//a.example/x":                    "",
		"/x":                               "",
		"https:x":                          "",
		"https://a.example/%zz":            "",
	} {
		if got, err := dpop.NormalizeURL(raw); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
}

// forge signs a proof from parts, so that each part can be spoilt.
func forge(t testing.TB, signer crypto.Signer, header, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	h := jose.Header{Extra: header}
	compact, err := jose.Sign(h, payload, signer)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// rehead puts another header before payload and signature.
func rehead(compact, header string) string {
	parts := strings.Split(compact, ".")
	return jose.EncodeBase64([]byte(header)) + "." + parts[1] + "." + parts[2]
}

func honest(t testing.TB, key *ecdsa.PrivateKey) (header, claims map[string]any) {
	t.Helper()
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"typ": dpop.Type, "jwk": jwk}, map[string]any{
		"jti": "id", "htm": method, "htu": target, "iat": now.Unix(), "ath": dpop.Hash(token), "unknown": []int{1},
	}
}

// TestNeg spoils one member at a time; the cases with an empty want are the
// honest twins.
func TestNeg(t *testing.T) {
	t.Parallel()
	key := newKey(t, elliptic.P256())
	private, _ := jose.NewJWK(key.Public())
	privateJWK := map[string]any{"kty": "EC", "crv": "P-256", "x": private.X, "y": private.Y, "d": private.X}
	other, _ := jose.NewJWK(newKey(t, elliptic.P256()).Public())
	const gone = "\x00" // marks a member to leave out
	for _, tc := range []struct {
		name   string
		header map[string]any
		claims map[string]any
		want   string
	}{
		{name: "O08 honest"},
		{name: "O08 typ missing", header: map[string]any{"typ": gone}, want: dpop.CodeInvalidProof},
		{name: "O08 typ JWT", header: map[string]any{"typ": "JWT"}, want: dpop.CodeInvalidProof},
		{name: "O08 jwk missing", header: map[string]any{"jwk": gone}, want: dpop.CodeInvalidProof},
		{name: "O08 jwk private", header: map[string]any{"jwk": privateJWK}, want: dpop.CodeInvalidProof},
		{name: "O08 jwk symmetric", header: map[string]any{"jwk": map[string]any{"kty": "oct", "k": "AAAA"}}, want: dpop.CodeInvalidProof},
		{name: "O08 signed by another key", header: map[string]any{"jwk": other}, want: dpop.CodeInvalidProof},
		{name: "O08 jti missing", claims: map[string]any{"jti": gone}, want: dpop.CodeInvalidProof},
		{name: "O08 jti empty", claims: map[string]any{"jti": ""}, want: dpop.CodeInvalidProof},
		{name: "O08 jti number", claims: map[string]any{"jti": 1}, want: dpop.CodeInvalidProof},
		{name: "O08 jti at the limit", claims: map[string]any{"jti": strings.Repeat("x", dpop.MaxIDLength)}},
		{name: "O08 jti too long", claims: map[string]any{"jti": strings.Repeat("x", dpop.MaxIDLength+1)}, want: dpop.CodeInvalidProof},
		{name: "O08 htm missing", claims: map[string]any{"htm": gone}, want: dpop.CodeInvalidProof},
		{name: "O08 htm other", claims: map[string]any{"htm": "GET"}, want: dpop.CodeInvalidProof},
		{name: "O08 htm lower case", claims: map[string]any{"htm": "post"}, want: dpop.CodeInvalidProof},
		{name: "O08 htu missing", claims: map[string]any{"htu": gone}, want: dpop.CodeInvalidProof},
		{name: "O08 htu other host", claims: map[string]any{"htu": "https://other.example/credential"}, want: dpop.CodeInvalidProof},
		{name: "O08 htu other path", claims: map[string]any{"htu": "https://issuer.example/token"}, want: dpop.CodeInvalidProof},
		{name: "O08 htu trailing slash", claims: map[string]any{"htu": target + "/"}, want: dpop.CodeInvalidProof},
		{name: "O08 htu other scheme", claims: map[string]any{"htu": "http://issuer.example/credential"}, want: dpop.CodeInvalidProof},
		{name: "O08 htu other port", claims: map[string]any{"htu": "https://issuer.example:8443/credential"}, want: dpop.CodeInvalidProof},
		{name: "O08 htu user information", claims: map[string]any{"htu": "https://issuer.example@other.example/credential"}, want: dpop.CodeInvalidProof},
		{name: "O08 htu query and fragment", claims: map[string]any{"htu": target + "?x=1#y"}},
		{name: "O08 htu upper-case host, default port", claims: map[string]any{"htu": "HTTPS://Issuer.Example:443/credential"}},
		{name: "O08 iat missing", claims: map[string]any{"iat": gone}, want: dpop.CodeInvalidProof},
		{name: "O08 iat an hour ago", claims: map[string]any{"iat": now.Unix() - 3600}, want: dpop.CodeInvalidProof},
		{name: "O08 iat in an hour", claims: map[string]any{"iat": now.Unix() + 3600}, want: dpop.CodeInvalidProof},
		{name: "O08 iat in 60 s", claims: map[string]any{"iat": now.Unix() + 60}, want: dpop.CodeInvalidProof},
		{name: "O08 iat in 10 s", claims: map[string]any{"iat": now.Unix() + 10}},
		{name: "O08 iat 10 s ago", claims: map[string]any{"iat": now.Unix() - 10}},
		{name: "O08 iat at the limit", claims: map[string]any{"iat": now.Unix() - 60}},
		{name: "O08 iat beyond the limit", claims: map[string]any{"iat": now.Unix() - 61}, want: dpop.CodeInvalidProof},
		{name: "O08 iat string", claims: map[string]any{"iat": fmt.Sprint(now.Unix())}, want: dpop.CodeInvalidProof},
		{name: "O08 iat float", claims: map[string]any{"iat": float64(now.Unix()) + 0.5}, want: dpop.CodeInvalidProof},
		{name: "O08 exp passed", claims: map[string]any{"exp": now.Unix() - 40}, want: dpop.CodeInvalidProof},
		{name: "O08 exp ahead", claims: map[string]any{"exp": now.Unix() + 40}},
		{name: "O08 nbf ahead", claims: map[string]any{"nbf": now.Unix() + 40}, want: dpop.CodeInvalidProof},
		{name: "O08 ath missing", claims: map[string]any{"ath": gone}, want: dpop.CodeInvalidProof},
		{name: "O08 ath of another token", claims: map[string]any{"ath": dpop.Hash("other")}, want: dpop.CodeInvalidProof},
		{name: "O08 ath is the token", claims: map[string]any{"ath": token}, want: dpop.CodeInvalidProof},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			header, claims := honest(t, key)
			maps.Copy(header, tc.header)
			maps.Copy(claims, tc.claims)
			drop := func(_ string, v any) bool { return v == gone }
			maps.DeleteFunc(header, func(n string, v any) bool { s, ok := v.(string); return ok && drop(n, s) })
			maps.DeleteFunc(claims, func(n string, v any) bool { s, ok := v.(string); return ok && drop(n, s) })
			_, err := dpop.Verify(forge(t, key, header, claims), expect())
			if got := dpop.CodeOf(err); got != tc.want || (err == nil) != (tc.want == "") {
				t.Errorf("code %q, error %v, want %q", got, err, tc.want)
			}
		})
	}
}

func TestNegForm(t *testing.T) {
	t.Parallel()
	key := newKey(t, elliptic.P256())
	header, claims := honest(t, key)
	good := forge(t, key, header, claims)
	if _, err := dpop.Verify(good, expect()); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	jwk, _ := json.Marshal(header["jwk"])
	with := func(alg string) string {
		return rehead(good, `{"typ":"dpop+jwt",`+alg+`"jwk":`+string(jwk)+`}`)
	}
	for name, proof := range map[string]string{
		"O08 empty":                    "",
		"O08 not a JWT":                "abc",
		"O08 two proofs in one header": good + "," + good,
		"O08 alg missing":              with(``),
		"O08 alg none":                 with(`"alg":"none",`),
		"O08 alg RS256":                with(`"alg":"RS256",`),
		"O08 alg HS256":                with(`"alg":"HS256",`),
		"O08 alg of another curve":     with(`"alg":"ES384",`),
		"O08 bad signature":            with(`"alg":"ES256","x":1,`),
		"O08 signature left out":       good[:strings.LastIndex(good, ".")+1],
		"O08 too large":                good + strings.Repeat("A", dpop.MaxSize),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := dpop.Verify(proof, expect()); dpop.CodeOf(err) != dpop.CodeInvalidProof {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestNegNonce(t *testing.T) {
	t.Parallel()
	key := newKey(t, elliptic.P256())
	errStale := errors.New("stale")
	e := expect()
	e.CheckNonce = func(nonce string) error {
		if nonce != "current" {
			return errStale
		}
		return nil
	}
	for nonce, want := range map[string]string{"current": "", "": dpop.CodeUseNonce, "old": dpop.CodeUseNonce} {
		proof, err := dpop.Sign(dpop.ProofOptions{Method: method, URL: target, Nonce: nonce, AccessToken: token, Now: now}, key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = dpop.Verify(proof, e)
		if dpop.CodeOf(err) != want || (want != "" && !errors.Is(err, errStale)) {
			t.Errorf("O08 nonce %q: %v", nonce, err)
		}
	}
	// A proof that is bad in another way must not be answered with a new nonce.
	proof, err := dpop.Sign(dpop.ProofOptions{Method: "GET", URL: target, AccessToken: token, Now: now}, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dpop.Verify(proof, e); dpop.CodeOf(err) != dpop.CodeInvalidProof {
		t.Errorf("wrong method and no nonce: %v", err)
	}
}

func TestForgetAfter(t *testing.T) {
	t.Parallel()
	key := newKey(t, elliptic.P256())
	proof, err := dpop.Sign(dpop.ProofOptions{Method: method, URL: target, AccessToken: token, Now: now}, key)
	if err != nil {
		t.Fatal(err)
	}
	v, err := dpop.Verify(proof, expect())
	if err != nil {
		t.Fatal(err)
	}
	e := expect()
	e.Now = v.ForgetAfter.Add(-time.Nanosecond)
	if _, err := dpop.Verify(proof, e); err != nil {
		t.Errorf("just before: %v", err)
	}
	e.Now = v.ForgetAfter
	if _, err := dpop.Verify(proof, e); err == nil {
		t.Error("a proof may be forgotten while it is still accepted")
	}
}

func Example() {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	proof, _ := dpop.Sign(dpop.ProofOptions{Method: "POST", URL: "https://as.example/token", Now: now}, key)
	v, err := dpop.Verify(proof, dpop.Expect{Method: "POST", URL: "https://as.example/token", Now: now})
	fmt.Println(v.ID != "", err)
	_, err = dpop.Verify(proof, dpop.Expect{Method: "POST", URL: "https://as.example/par", Now: now})
	fmt.Println(err)
	// Output:
	// true <nil>
	// dpop: htu is not the URL of the request
}

func FuzzVerify(f *testing.F) {
	for line := range strings.Lines(rfc9449) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, proof string) {
		v, err := dpop.Verify(proof, dpop.Expect{Method: "POST", URL: "https://server.example.com/token", Now: time.Unix(1562262616, 0)})
		if err != nil && dpop.CodeOf(err) == "" {
			t.Errorf("error without a code: %v", err)
		}
		if err == nil && (v.ID == "" || v.KeyThumbprint == "") {
			t.Errorf("%+v", v)
		}
	})
}
