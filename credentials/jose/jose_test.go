package jose_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
)

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestUnmarshalJSON(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	type target struct {
		Aud string `json:"aud"`
	}
	for _, tc := range []struct {
		name, doc, want string
		bad             bool
	}{
		{name: "honest", doc: `{"aud":"good"}`, want: "good"},
		{name: "unknown member ignored", doc: `{"aud":"good","x":[1,{"y":2}]}`, want: "good"},
		{name: "other letter case is another member", doc: `{"aud":"good","AUD":"evil"}`, want: "good"},
		{name: "duplicate", doc: `{"aud":"good","aud":"evil"}`, bad: true},
		{name: "duplicate by escape", doc: `{"aud":"good","\u0061ud":"evil"}`, bad: true},
		{name: "duplicate deep in an unknown member", doc: `{"aud":"good","x":{"a":1,"a":2}}`, bad: true},
		{name: "invalid UTF-8", doc: "{\"aud\":\"\xff\"}", bad: true},
		{name: "lone surrogate", doc: `{"aud":"\ud800"}`, bad: true},
		{name: "trailing data", doc: `{"aud":"good"}{}`, bad: true},
		{name: "wrong type", doc: `{"aud":["good"]}`, bad: true},
		{name: "empty", doc: ``, bad: true},
		{name: "byte order mark", doc: "\ufeff{\"aud\":\"good\"}", bad: true},
		{name: "depth at the limit", doc: `{"aud":"good","x":` + deep(jose.MaxDepth-1) + `}`, want: "good"},
		{name: "brackets in a string", doc: `{"aud":"good","x":"` + deep(jose.MaxDepth) + `\"` + deep(jose.MaxDepth) + `\\"}`, want: "good"},
		{name: "depth above the limit after a backslash", doc: `{"aud":"good","w":"\\","x":` + deep(jose.MaxDepth) + `}`, bad: true},
		{name: "depth above the limit after a quote", doc: `{"aud":"good","w":"\\\"","x":` + deep(jose.MaxDepth) + `}`, bad: true},
		{name: "depth above the limit", doc: `{"aud":"good","x":` + deep(jose.MaxDepth) + `}`, bad: true},
		{name: "brackets in strings are not depth", doc: `{"aud":"good","x":"` + strings.Repeat("[", 99) + `"}`, want: "good"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got target
			err := jose.UnmarshalJSON([]byte(tc.doc), &got)
			if tc.bad {
				if !errors.Is(err, jose.ErrJSON) {
					t.Fatalf("error = %v, want ErrJSON", err)
				}
				if strings.Contains(err.Error(), "evil") {
					t.Fatalf("error quotes the document: %v", err)
				}
				return
			}
			if err != nil || got.Aud != tc.want {
				t.Fatalf("aud = %q, error %v, want %q", got.Aud, err, tc.want)
			}
		})
	}
}

func TestDecodeValue(t *testing.T) {
	t.Parallel()
	got, err := jose.DecodeValue([]byte(` {"n":9007199254740993,"f":1.5,"e":1e3,"z":-0,"s":"é","a":[null,true,{}]} `))
	if err != nil {
		t.Fatal(err)
	}
	want := credentials.Object{
		"n": credentials.Int(9007199254740993), "f": credentials.Float(1.5), "e": credentials.Int(1000),
		"z": credentials.Int(0), "s": credentials.Text("é"),
		"a": credentials.Array{credentials.Null{}, credentials.Bool(true), credentials.Object{}},
	}
	if diff := cmp.Diff(credentials.Value(want), got); diff != "" {
		t.Fatal(diff)
	}
	for _, doc := range []string{`1e400`, `{"a":1,"a":1}`, `[1,]`, `1 2`, `{}x`, "0\f", ``, strings.Repeat("[", 40)} {
		if v, err := jose.DecodeValue([]byte(doc)); err == nil {
			t.Errorf("%q decoded to %v", doc, v)
		}
	}
}

func TestNumericDate(t *testing.T) {
	t.Parallel()
	for doc, ok := range map[string]bool{
		`1700000000`: true, `0`: true, `-1`: false, `1.5`: false, `1e9`: false, `"1700000000"`: false,
		`null`: false, `1e400`: false, `9223372036854775808`: false, `true`: false,
	} {
		var d jose.NumericDate
		if err := jose.UnmarshalJSON([]byte(doc), &d); (err == nil) != ok {
			t.Errorf("%s: error %v", doc, err)
		}
	}
}

func TestDecodeBase64(t *testing.T) {
	t.Parallel()
	for s, ok := range map[string]bool{"": true, "QQ": true, "QR": false, "QQ==": false, "Q\nQ": false, "Q": false, "+w": false, "-w": true} {
		if _, err := jose.DecodeBase64(s); (err == nil) != ok {
			t.Errorf("%q: error %v", s, err)
		}
	}
}

func TestSignVerify(t *testing.T) {
	t.Parallel()
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key := newKey(t, curve)
		jwk, err := jose.NewJWK(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		token, err := jose.Sign(jose.Header{Typ: "test+jwt", JWK: jwk, Extra: map[string]any{"nonce": "n"}}, []byte(`{}`), key)
		if err != nil {
			t.Fatal(err)
		}
		u, err := jose.Parse(token)
		if err != nil {
			t.Fatal(err)
		}
		if u.Header.Typ != "test+jwt" || u.Header.Extra["nonce"] != "n" || u.Header.JWK == nil {
			t.Errorf("header = %+v", u.Header)
		}
		if payload, err := u.Verify(key.Public()); err != nil || string(payload) != "{}" {
			t.Errorf("%s: payload %q, error %v", curve.Params().Name, payload, err)
		}
		if _, err := u.Verify(newKey(t, curve).Public()); !errors.Is(err, jose.ErrSignature) {
			t.Errorf("other key: error %v", err)
		}
		if _, err := u.Verify(newKey(t, elliptic.P224()).Public()); !errors.Is(err, jose.ErrSignature) {
			t.Errorf("other curve: error %v", err)
		}
	}
}

// TestNeg holds header and signature faults against an honest twin that differs
// only in the fault.
func TestNeg(t *testing.T) {
	t.Parallel()
	key := newKey(t, elliptic.P256())
	signature := func(t *testing.T, header string) string {
		t.Helper()
		honest, err := jose.Sign(jose.Header{Typ: "t"}, []byte(`{"a":1}`), key)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(honest, ".")
		return jose.EncodeBase64([]byte(header)) + "." + parts[1] + "." + parts[2]
	}
	if _, err := jose.Parse(signature(t, `{"alg":"ES256","typ":"t"}`)); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	private := newKey(t, elliptic.P256())
	jwk, _ := jose.NewJWK(private.Public())
	for name, header := range map[string]string{
		"J01 none":                 `{"alg":"none"}`,
		"J01 nOnE":                 `{"alg":"nOnE"}`,
		"J01 no alg":               `{"typ":"t"}`,
		"J01 alg array":            `{"alg":["ES256"]}`,
		"J02 HS256":                `{"alg":"HS256"}`,
		"J04 RS256":                `{"alg":"RS256"}`,
		"J04 PS256":                `{"alg":"PS256"}`,
		"J05 jku":                  `{"alg":"ES256","jku":"https://127.0.0.1/k"}`,
		"J05 x5u":                  `{"alg":"ES256","x5u":"https://127.0.0.1/c"}`,
		"J05 private jwk":          `{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"` + jwk.X + `","y":"` + jwk.Y + `","d":"AA"}}`,
		"J05 symmetric jwk":        `{"alg":"ES256","jwk":{"kty":"oct","k":"AA"}}`,
		"J05 jwk off the curve":    `{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"` + jwk.X + `","y":"` + jwk.X + `"}}`,
		"J06 x5c base64url":        `{"alg":"ES256","x5c":["_-_-"]}`,
		"J06 x5c PEM":              `{"alg":"ES256","x5c":["-----BEGIN CERTIFICATE-----"]}`,
		"J06 x5c empty":            `{"alg":"ES256","x5c":[]}`,
		"J06 x5c of 9":             `{"alg":"ES256","x5c":["","","","","","","","",""]}`,
		"J07 crit unknown":         `{"alg":"ES256","crit":["x"],"x":1}`,
		"J07 crit empty":           `{"alg":"ES256","crit":[]}`,
		"J07 crit null":            `{"alg":"ES256","crit":null}`,
		"J06 x5c null":             `{"alg":"ES256","x5c":null}`,
		"J06 x5c of null":          `{"alg":"ES256","x5c":[null]}`,
		"J01 unknown member twice": `{"alg":"ES256","x":1,"x":1}`,
		"J07 b64":                  `{"alg":"ES256","b64":false}`,
		"J08 duplicate member":     `{"alg":"ES256","alg":"none"}`,
		"J08 other letter case":    `{"ALG":"ES256"}`,
		"J08 not an object":        `["ES256"]`,
		"J08 header over the size": `{"alg":"ES256","x":"` + strings.Repeat("x", jose.MaxHeaderSize) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := jose.Parse(signature(t, header)); !errors.Is(err, jose.ErrToken) {
				t.Errorf("error = %v, want ErrToken", err)
			}
		})
	}
	t.Run("J03 signature encodings", func(t *testing.T) {
		t.Parallel()
		honest, err := jose.Sign(jose.Header{}, []byte("x"), key)
		if err != nil {
			t.Fatal(err)
		}
		head := honest[:strings.LastIndex(honest, ".")+1]
		der, err := ecdsa.SignASN1(rand.Reader, key, make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		for name, sig := range map[string][]byte{"empty": {}, "zero": make([]byte, 64), "DER": der, "short": make([]byte, 63), "ff": []byte(strings.Repeat("\xff", 64))} {
			u, err := jose.Parse(head + jose.EncodeBase64(sig))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := u.Verify(key.Public()); !errors.Is(err, jose.ErrSignature) {
				t.Errorf("%s: error %v", name, err)
			}
		}
	})
	t.Run("J11 dots and size", func(t *testing.T) {
		t.Parallel()
		for _, s := range []string{"", ".", "..", strings.Repeat(".", 1e6), strings.Repeat("A", jose.MaxTokenSize+1), "a.b", "a.b.c.d"} {
			if _, err := jose.Parse(s); !errors.Is(err, jose.ErrToken) {
				t.Errorf("%d bytes: error %v", len(s), err)
			}
		}
	})
}

func TestEncrypt(t *testing.T) {
	t.Parallel()
	key := newKey(t, elliptic.P256())
	to, err := jose.NewJWK(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	to.Kid, to.Alg = "k1", jose.ECDHES
	for _, enc := range []string{jose.A128GCM, jose.A256GCM} {
		token, err := jose.Encrypt([]byte("secret"), to, enc, jose.EncryptOptions{Cty: "json", APU: []byte("u"), APV: []byte("v")})
		if err != nil {
			t.Fatal(err)
		}
		e, err := jose.ParseEncrypted(token)
		if err != nil {
			t.Fatal(err)
		}
		want := jose.EncryptedHeader{Alg: jose.ECDHES, Enc: enc, Kid: "k1", Cty: "json"}
		if diff := cmp.Diff(want, e.Header); diff != "" {
			t.Error(diff)
		}
		if out, err := e.Decrypt(key, enc); err != nil || string(out) != "secret" {
			t.Errorf("%q, %v", out, err)
		}
		if _, err := e.Decrypt(key, "A192GCM"); !errors.Is(err, jose.ErrDecrypt) {
			t.Errorf("enc that was not offered: %v", err)
		}
		if agreement, err := key.ECDH(); err != nil {
			t.Error(err)
		} else if out, err := e.Decrypt(agreement, enc); err != nil || string(out) != "secret" {
			t.Errorf("%q, %v", out, err)
		}
		for name, other := range map[string]crypto.PrivateKey{
			"another key": newKey(t, elliptic.P256()), "another curve": newKey(t, elliptic.P384()), "no key": nil,
		} {
			if _, err := e.Decrypt(other, enc); !errors.Is(err, jose.ErrDecrypt) {
				t.Errorf("%s: %v", name, err)
			}
		}
		parts := strings.Split(token, ".")
		parts[4] = jose.EncodeBase64(make([]byte, 16))
		if e, err = jose.ParseEncrypted(strings.Join(parts, ".")); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Decrypt(key, enc); !errors.Is(err, jose.ErrDecrypt) {
			t.Errorf("tag: %v", err)
		}
	}
}

func TestCompressed(t *testing.T) {
	t.Parallel()
	key := newKey(t, elliptic.P256())
	to, err := jose.NewJWK(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("a"), 5000)
	token, err := jose.Encrypt(content, to, jose.A128GCM, jose.EncryptOptions{Zip: jose.DEF})
	if err != nil || len(token) > 1000 {
		t.Fatalf("%d characters, %v", len(token), err)
	}
	if _, err := jose.Encrypt(content, to, jose.A128GCM, jose.EncryptOptions{Zip: "GZIP"}); err == nil {
		t.Error("another compression is used")
	}
	if _, err := jose.ParseEncrypted(token); !errors.Is(err, jose.ErrToken) {
		t.Errorf("J10 zip where it is not expected: %v", err)
	}
	for limit, ok := range map[int64]bool{5000: true, 4999: false, 0: false} {
		e, err := jose.ParseCompressed(token, limit)
		if err != nil || e.Header.Zip != jose.DEF {
			t.Fatalf("%v, %v", e, err)
		}
		out, err := e.Decrypt(key, jose.A128GCM)
		if ok && (err != nil || !bytes.Equal(out, content)) || !ok && !errors.Is(err, jose.ErrDecrypt) {
			t.Errorf("limit %d: %d bytes, %v", limit, len(out), err)
		}
	}
	header, rest, _ := strings.Cut(token, ".")
	raw, err := jose.DecodeBase64(header)
	if err != nil {
		t.Fatal(err)
	}
	for _, zip := range []string{`"GZIP"`, `""`, `null`, `["DEF"]`, `"def"`} {
		bent := jose.EncodeBase64([]byte(strings.Replace(string(raw), `"DEF"`, zip, 1)))
		if _, err := jose.ParseCompressed(bent+"."+rest, 5000); !errors.Is(err, jose.ErrToken) {
			t.Errorf("zip %s: %v", zip, err)
		}
	}
}

func TestNegEncrypted(t *testing.T) {
	t.Parallel()
	key := newKey(t, elliptic.P256())
	epk, _ := jose.NewJWK(key.Public())
	epkJSON, _ := json.Marshal(epk)
	build := func(header string) string {
		return jose.EncodeBase64([]byte(header)) + ".." + jose.EncodeBase64(make([]byte, 12)) + ".AA." + jose.EncodeBase64(make([]byte, 16))
	}
	if _, err := jose.ParseEncrypted(build(`{"alg":"ECDH-ES","enc":"A128GCM","epk":` + string(epkJSON) + `}`)); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	for name, token := range map[string]string{
		"J10 PBES2":         build(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":1000000,"p2s":"AA"}`),
		"J10 RSA1_5":        build(`{"alg":"RSA1_5","enc":"A128GCM"}`),
		"J10 dir":           build(`{"alg":"dir","enc":"A128GCM"}`),
		"J10 zip":           build(`{"alg":"ECDH-ES","enc":"A128GCM","zip":"DEF","epk":` + string(epkJSON) + `}`),
		"J10 epk off curve": build(`{"alg":"ECDH-ES","enc":"A128GCM","epk":{"kty":"EC","crv":"P-256","x":"` + epk.X + `","y":"` + epk.X + `"}}`),
		"J10 no epk":        build(`{"alg":"ECDH-ES","enc":"A128GCM"}`),
		"J10 short tag":     strings.TrimSuffix(build(`{"alg":"ECDH-ES","enc":"A128GCM","epk":`+string(epkJSON)+`}`), "AA"),
		"J10 JSON":          `{"protected":"e30","ciphertext":"AA"}`,
		"J07 crit":          build(`{"alg":"ECDH-ES","enc":"A128GCM","crit":["exp"],"epk":` + string(epkJSON) + `}`),
		"J07 crit null":     build(`{"alg":"ECDH-ES","enc":"A128GCM","crit":null,"epk":` + string(epkJSON) + `}`),
		"J10 zip null":      build(`{"alg":"ECDH-ES","enc":"A128GCM","zip":null,"epk":` + string(epkJSON) + `}`),
		"J10 epk private":   build(`{"alg":"ECDH-ES","enc":"A128GCM","epk":{"d":null,` + string(epkJSON[1:]) + `}`),
		"J10 apu":           build(`{"alg":"ECDH-ES","enc":"A128GCM","apu":"+","epk":` + string(epkJSON) + `}`),
		"J10 apv":           build(`{"alg":"ECDH-ES","enc":"A128GCM","apv":["AA"],"epk":` + string(epkJSON) + `}`),
		"J10 epk twice":     build(`{"alg":"ECDH-ES","enc":"A128GCM","epk":` + string(epkJSON) + `,"epk":` + string(epkJSON) + `}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := jose.ParseEncrypted(token); !errors.Is(err, jose.ErrToken) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

// TestNegKeyUse has keys that say what they are not for.
func TestNegKeyUse(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		limit      func(k *jose.JWK)
		sign, open bool
	}{
		"no limit":            {func(*jose.JWK) {}, true, true},
		"use sig":             {func(k *jose.JWK) { k.Use = "sig" }, true, false},
		"use enc":             {func(k *jose.JWK) { k.Use = "enc" }, false, true},
		"alg of the curve":    {func(k *jose.JWK) { k.Alg = "ES256" }, true, false},
		"alg of other curve":  {func(k *jose.JWK) { k.Alg = "ES384" }, false, false},
		"alg ECDH-ES":         {func(k *jose.JWK) { k.Alg = "ECDH-ES" }, false, true},
		"key_ops verify":      {func(k *jose.JWK) { k.KeyOps = []string{"verify"} }, true, false},
		"key_ops deriveBits":  {func(k *jose.JWK) { k.KeyOps = []string{"deriveBits"} }, false, true},
		"key_ops encrypt":     {func(k *jose.JWK) { k.KeyOps = []string{"encrypt"} }, false, false},
		"use sig, ops derive": {func(k *jose.JWK) { k.Use, k.KeyOps = "sig", []string{"deriveKey"} }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jwk, err := jose.NewJWK(key.Public())
			if err != nil {
				t.Fatal(err)
			}
			tc.limit(jwk)
			data, err := json.Marshal(jwk)
			if err != nil {
				t.Fatal(err)
			}
			if jwk, err = jose.ParseJWK(data); err != nil {
				t.Fatal(err)
			}
			if _, err := jwk.VerificationKey(); (err == nil) != tc.sign || (err != nil && !errors.Is(err, jose.ErrKey)) {
				t.Errorf("to verify with: %v", err)
			}
			if _, err := jose.Encrypt([]byte("x"), jwk, jose.A128GCM, jose.EncryptOptions{}); (err == nil) != tc.open {
				t.Errorf("to encrypt to: %v", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("e30.e30.AA")
	f.Add("eyJhbGciOiJFUzI1NiJ9.e30.AA")
	f.Add("eyJhbGciOiJFUzI1NiJ9." + claims + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
	f.Add("eyJhbGciOiJub25lIn0." + claims + ".")
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := jose.Parse(s); err == nil && !slices.Contains([]string{"ES256", "ES384", "ES512"}, u.Header.Alg) {
			t.Errorf("accepted with alg %q", u.Header.Alg)
		}
		_, _ = jose.ParseEncrypted(s)
	})
}

func FuzzDecodeValue(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5,"x",null,true]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := jose.DecodeValue(data)
		var plain any
		if err == nil {
			if json.Unmarshal(data, &plain) != nil {
				t.Errorf("strict decoder accepted what encoding/json refuses: %q", data)
			}
			_ = v.JSON()
		}
	})
}
