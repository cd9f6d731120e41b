package sdjwt_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.verifier.MatchIssuer = true
	raw := w.issue(t)
	got, err := w.verify(w.present(t, raw, everything...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asJSON(t, w.draft().Claims), credentials.Value(got.Claims)); diff != "" {
		t.Error(diff)
	}
	d := w.draft()
	if got.Format != credentials.FormatSDJWTVC || got.Type != d.Type || got.Issuer != d.Issuer || len(got.Chain) != 2 ||
		!got.SignedAt.Equal(d.SignedAt) || !got.ValidFrom.Equal(d.ValidFrom) || !got.ValidUntil.Equal(d.ValidUntil) ||
		!w.holder.PublicKey.Equal(got.HolderKey) {
		t.Errorf("verified = %+v", got)
	}
	if diff := cmp.Diff(d.Status, got.Status); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, check := range got.Checks {
		names = append(names, check.Name)
	}
	if want := []string{"issuer_signature", "disclosures", "validity", "holder_binding"}; len(names) < 5 || !slices.Equal(names[len(names)-4:], want) {
		t.Errorf("checks = %v", names)
	}
}

func TestVerifyIssued(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := w.issue(t)
	got, err := w.verifier.VerifyIssued(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	u, err := sdjwt.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(u.Claims, got.Claims); diff != "" {
		t.Error(diff)
	}
	if !w.holder.PublicKey.Equal(got.HolderKey) || !w.holder.PublicKey.Equal(u.HolderKey) || len(u.X5C) != 1 {
		t.Error("holder key or chain is missing")
	}
	_, err = w.verifier.VerifyIssued(context.Background(), w.present(t, raw))
	wantReason(t, err, sdjwt.ReasonMalformed)
	later := w.draft()
	later.ValidFrom = start.AddDate(0, 0, 7)
	if raw, err = sdjwt.Issue(later, w.issuer); err != nil {
		t.Fatal(err)
	}
	if _, err := w.verifier.VerifyIssued(context.Background(), raw); err != nil {
		t.Errorf("valid from next week: %v", err)
	}
	_, err = w.verify(w.present(t, raw))
	wantReason(t, err, sdjwt.ReasonNotYetValid)
	w.now = start.AddDate(0, 0, 30)
	_, err = w.verifier.VerifyIssued(context.Background(), raw)
	wantReason(t, err, sdjwt.ReasonExpired)
}

// TestPayload looks at what is signed, byte for byte where wallets and the
// conformance suite do.
func TestPayload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := w.issue(t)
	if !strings.HasSuffix(raw, "~") {
		t.Error("no ~ at the end")
	}
	segments := strings.Split(strings.TrimSuffix(raw, "~"), "~")
	token, err := jose.Parse(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	if token.Header.Typ != "dc+sd-jwt" || token.Header.Alg != "ES256" || len(token.Header.X5C) != 1 || len(token.Header.Extra) != 0 {
		t.Errorf("header = %+v", token.Header)
	}
	var payload map[string]any
	if err := json.Unmarshal(token.UnverifiedPayload(), &payload); err != nil {
		t.Fatal(err)
	}
	digests := payload["_sd"].([]any)
	if len(digests) != len(w.draft().Claims) {
		t.Errorf("%d digests", len(digests))
	}
	if !slices.IsSortedFunc(digests, func(a, b any) int { return strings.Compare(a.(string), b.(string)) }) {
		t.Error("SDJ-08: digests are not sorted")
	}
	jwk, err := jose.NewJWK(w.holder.Public())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"_sd": digests, "_sd_alg": "sha-256", "vct": testType, "iss": issuer,
		"iat": float64(start.Unix()), "nbf": float64(start.Unix()), "exp": float64(start.AddDate(0, 0, 30).Unix()),
		"cnf":    map[string]any{"jwk": map[string]any{"kty": "EC", "crv": "P-256", "x": jwk.X, "y": jwk.Y}},
		"status": map[string]any{"status_list": map[string]any{"idx": 42.0, "uri": "https://status.example/1"}},
	}
	if diff := cmp.Diff(want, payload); diff != "" {
		t.Error(diff)
	}
	salts := map[string]bool{}
	for _, encoded := range segments[1:] {
		data, err := jose.DecodeBase64(encoded)
		if err != nil {
			t.Fatal(err)
		}
		var array []any
		if err := json.Unmarshal(data, &array); err != nil {
			t.Fatal(err)
		}
		salt := array[0].(string)
		if decoded, err := jose.DecodeBase64(salt); err != nil || len(decoded) != 16 || salts[salt] {
			t.Errorf("SDJ-06: salt %q of %d bytes, repeated %v", salt, len(decoded), salts[salt])
		}
		salts[salt] = true
	}
	// 13 members, 2 in address, 2 lines, 2 nationalities, 1 pet with 2 members.
	if len(salts) != 22 {
		t.Errorf("%d disclosures", len(salts))
	}
}

func TestIssueWithoutClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draft()
	d.Claims, d.Issuer, d.Status = nil, "", nil
	raw, err := sdjwt.Issue(d, w.issuer)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Parse(strings.TrimSuffix(raw, "~"))
	if err != nil {
		t.Fatal(err)
	}
	if payload := string(token.UnverifiedPayload()); strings.Contains(payload, "_sd") || strings.Contains(payload, `"iss"`) || strings.Contains(payload, "status") {
		t.Errorf("SVC-06: payload %s", payload)
	}
	if _, err := w.verify(w.present(t, raw)); err != nil {
		t.Error(err)
	}
}

func TestDecoys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw, err := sdjwt.Options{Decoys: 5}.Issue(w.draft(), w.issuer)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Parse(raw[:strings.Index(raw, "~")])
	if err != nil {
		t.Fatal(err)
	}
	var payload struct {
		SD []string `json:"_sd"`
	}
	if err := json.Unmarshal(token.UnverifiedPayload(), &payload); err != nil {
		t.Fatal(err)
	}
	if len(payload.SD) != len(w.draft().Claims)+5 || !slices.IsSorted(payload.SD) {
		t.Errorf("%d digests", len(payload.SD))
	}
	got, err := w.verify(w.present(t, raw, everything...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asJSON(t, w.draft().Claims), credentials.Value(got.Claims)); diff != "" {
		t.Error(diff)
	}
}

// TestIssueRefuses is about drafts that must not become credentials.
func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	claim := func(name string, v credentials.Value) func(*credentials.Draft) {
		return func(d *credentials.Draft) { d.Claims[name] = v }
	}
	deep, wide := credentials.Value(credentials.Text("x")), credentials.Array{}
	for range sdjwt.MaxDepth {
		deep = credentials.Array{deep}
	}
	for range sdjwt.MaxDisclosures {
		wide = append(wide, credentials.Int(1))
	}
	text := credentials.Text("x")
	for name, spoil := range map[string]func(*credentials.Draft){
		"no type":           func(d *credentials.Draft) { d.Type = "" },
		"no holder key":     func(d *credentials.Draft) { d.HolderKey = nil },
		"nil holder key":    func(d *credentials.Draft) { d.HolderKey = (*ecdsa.PublicKey)(nil) },
		"P18 issuer's key":  func(d *credentials.Draft) { d.HolderKey = w.issuer.Signer.Public() },
		"ends at start":     func(d *credentials.Draft) { d.ValidUntil = d.ValidFrom },
		"status over http":  func(d *credentials.Draft) { d.Status = &credentials.StatusRef{URI: "http://status.example/1"} },
		"S03 _sd":           claim("_sd", text),
		"S03 ...":           claim("...", text),
		"S03 _sd_alg":       claim("_sd_alg", text),
		"S03 nested _sd":    claim("a", credentials.Object{"_sd": text}),
		"S03 in array":      claim("a", credentials.Array{credentials.Object{"...": text}}),
		"S08 exp":           claim("exp", credentials.Int(1)),
		"S08 cnf":           claim("cnf", credentials.Object{}),
		"S08 vct":           claim("vct", text),
		"S08 iss":           claim("iss", text),
		"S08 iat":           claim("iat", credentials.Int(1)),
		"S08 status":        claim("status", text),
		"S08 vct#integrity": claim("vct#integrity", text),
		"invalid UTF-8":     claim("a", credentials.Text("\xff")),
		"name in bad UTF-8": claim("\xff", text),
		"NaN":               claim("a", credentials.Float(math.NaN())),
		"infinite":          claim("a", credentials.Float(math.Inf(1))),
		"no value":          claim("a", nil),
		"too deep":          claim("a", deep),
		"too many":          claim("a", wide),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := w.draft()
			spoil(&d)
			if raw, err := sdjwt.Issue(d, w.issuer); err == nil {
				t.Errorf("issued %d bytes", len(raw))
			}
		})
	}
	nested := w.draft()
	nested.Claims["address"] = credentials.Object{"status": text, "exp": credentials.Int(1)}
	if _, err := sdjwt.Issue(nested, w.issuer); err != nil {
		t.Errorf("honest twin, the names below the top level: %v", err)
	}
	for name, key := range map[string]*keys.Key{
		"no chain":        {Signer: w.issuer.Signer},
		"other key":       {Signer: newKey(t), Chain: w.issuer.Chain},
		"anchor in chain": {Signer: w.issuer.Signer, Chain: append(w.issuer.Chain[:1:1], w.ca.Certificate)},
	} {
		if _, err := sdjwt.Issue(w.draft(), key); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
}

func TestPresentSelects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := w.issue(t)
	text := func(s string) credentials.Value { return credentials.Text(s) }
	for name, tc := range map[string]struct {
		paths []credentials.Path
		want  credentials.Object
	}{
		"nothing": {nil, credentials.Object{}},
		"signed payload": {
			[]credentials.Path{credentials.PathOf("vct")}, credentials.Object{},
		},
		"one": {[]credentials.Path{credentials.PathOf("age")}, credentials.Object{"age": credentials.Int(46)}},
		"object with everything beneath": {
			[]credentials.Path{credentials.PathOf("address")},
			credentials.Object{"address": credentials.Object{"region": text("京都府"), "lines": credentials.Array{text("一"), text("二")}}},
		},
		"inside an object, with its parent alone": {
			[]credentials.Path{credentials.PathOf("address", "region")},
			credentials.Object{"address": credentials.Object{"region": text("京都府")}},
		},
		"array element by index": {
			[]credentials.Path{{credentials.Name("nationalities"), credentials.Index(1)}},
			credentials.Object{"nationalities": credentials.Array{text("FR")}},
		},
		"all elements": {
			[]credentials.Path{{credentials.Name("address"), credentials.Name("lines"), credentials.All()}},
			credentials.Object{"address": credentials.Object{"lines": credentials.Array{text("一"), text("二")}}},
		},
		"member of all elements": {
			[]credentials.Path{{credentials.Name("pets"), credentials.All(), credentials.Name("kind")}},
			credentials.Object{"pets": credentials.Array{credentials.Object{"kind": text("cat")}}},
		},
		"two that overlap": {
			[]credentials.Path{credentials.PathOf("address", "region"), credentials.PathOf("adult"), credentials.PathOf("address", "region")},
			credentials.Object{"adult": credentials.Bool(true), "address": credentials.Object{"region": text("京都府")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := w.verify(w.present(t, raw, tc.paths...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Claims); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, path := range []credentials.Path{
		credentials.PathOf("missing"), credentials.PathOf("age", "x"), {credentials.Name("nationalities"), credentials.Index(2)},
		{credentials.All()}, credentials.PathOf("nationalities", "0"),
	} {
		if _, err := sdjwt.Present(raw, []credentials.Path{path}, nil, nil, w.now); !errors.Is(err, sdjwt.ErrPath) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestPresentBinding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := w.issue(t)
	unbound, err := sdjwt.Present(raw, nil, nil, nil, w.now)
	if err != nil || !strings.HasSuffix(unbound, "~") {
		t.Errorf("without binding: %v", err)
	}
	if _, err := sdjwt.Present(raw, nil, &w.binding, newKey(t), w.now); err == nil {
		t.Error("presented with a foreign key")
	}
	if _, err := sdjwt.Present(raw, nil, &w.binding, nil, w.now); err == nil {
		t.Error("presented without a key")
	}
	if _, err := sdjwt.Present(raw, nil, &credentials.Binding{Nonce: "n"}, w.holder, w.now); err == nil {
		t.Error("presented for nobody")
	}
	if _, err := sdjwt.Present(w.present(t, raw), nil, nil, nil, w.now); err == nil {
		t.Error("SDV-11: took a credential with a KB-JWT")
	}
	dcapi := credentials.Binding{Mode: credentials.BindingDCAPI, Nonce: "n", Origin: "https://verifier.example"}
	presented, err := sdjwt.Present(raw, nil, &dcapi, w.holder, w.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.verifier.Verify(context.Background(), presented, dcapi); err != nil {
		t.Errorf("digital credentials API: %v", err)
	}
	_, err = w.verify(presented)
	wantReason(t, err, sdjwt.ReasonNonce)
}

// TestBatch holds copies of one credential against one another: nothing but
// what the issuer put into both may be shared.
func TestBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.issue(t), w.issue(t)
	for _, disclosure := range strings.Split(a, "~") {
		if disclosure != "" && strings.Contains(b, disclosure) {
			t.Error("I29: the same segment in two credentials")
		}
	}
}

func TestCurves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.verifier.RequireHolderBinding = false
	key, err := w.ca.IssueSDJWTSigner(trusttest.LeafOptions{Signer: newP384(t)})
	if err != nil {
		t.Fatal(err)
	}
	w.issuer = key
	presented, err := sdjwt.Present(w.issue(t), everything, nil, nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.verify(presented)
	if err != nil {
		t.Fatal(err)
	}
	if got.HolderKey != nil {
		t.Error("SDP-04: a holder key though nobody proved to have it")
	}
}

func Example() {
	// Errors are left out for brevity.
	ca, _ := trusttest.NewCA(trusttest.CAOptions{NotBefore: start.AddDate(0, -1, 0)})
	key, _ := ca.IssueSDJWTSigner(trusttest.LeafOptions{})
	holder, _ := keys.GenerateP256()
	raw, _ := sdjwt.Issue(credentials.Draft{
		Type: "urn:example:membership:1", HolderKey: holder.Public(),
		SignedAt: start, ValidUntil: start.AddDate(0, 1, 0),
		Claims: credentials.Object{"name": credentials.Text("Hanako"), "level": credentials.Int(3)},
	}, key)
	u, _ := sdjwt.Parse(raw)
	fmt.Println(u.Type, u.Claims.Names())

	presented, _ := u.Present([]credentials.Path{credentials.PathOf("level")}, nil, nil, start)
	other, _ := sdjwt.Parse(presented)
	fmt.Println(other.Claims)
	// Output:
	// urn:example:membership:1 [level name]
	// map[level:3]
}

func BenchmarkIssue(b *testing.B) {
	w := newWorld(b)
	d := tenClaims(w)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sdjwt.Issue(d, w.issuer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	raw, err := sdjwt.Issue(tenClaims(w), w.issuer)
	if err != nil {
		b.Fatal(err)
	}
	presented := w.present(b, raw, everything...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.verify(presented); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPresent(b *testing.B) {
	w := newWorld(b)
	raw, err := sdjwt.Issue(tenClaims(w), w.issuer)
	if err != nil {
		b.Fatal(err)
	}
	path := credentials.PathOf("claim_3")
	b.ReportAllocs()
	for b.Loop() {
		w.present(b, raw, path)
	}
}

func tenClaims(w *world) credentials.Draft {
	d := w.draft()
	d.Claims = credentials.Object{}
	for i := range 10 {
		d.Claims[fmt.Sprintf("claim_%d", i)] = credentials.Text("value of some length")
	}
	return d
}

func FuzzParse(f *testing.F) {
	w := newWorld(f)
	f.Add(w.issue(f))
	f.Add(w.sign(f, w.payload(f)))
	f.Add(w.present(f, w.issue(f)))
	f.Add("e30.e30.AA~WyJhIiwxXQ~")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := sdjwt.Parse(raw)
		if err != nil {
			var e *sdjwt.Error
			if !errors.As(err, &e) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		presented, err := u.Present(everything, nil, nil, start)
		if err != nil {
			t.Fatal(err)
		}
		again, err := sdjwt.Parse(presented)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(u.Claims, again.Claims); diff != "" {
			t.Error(diff)
		}
	})
}

// FuzzDisclosure has a disclosure in an honest credential, as the wallet reads
// it: only the one whose digest was signed is accepted.
func FuzzDisclosure(f *testing.F) {
	w := newWorld(f)
	const honest = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
	payload := w.payload(f)
	payload["_sd"] = []string{sdjwt.DigestOf(honest)}
	token := w.sign(f, payload)
	f.Add(honest)
	f.Add("WyJuUHVvUW5rUkZxM0JJZUFtN0FuWEZBIiwgIkRFIl0")
	f.Add("W10=")
	f.Fuzz(func(t *testing.T, disclosure string) {
		if _, err := sdjwt.Parse(token + disclosure + "~"); err == nil && disclosure != honest {
			t.Errorf("accepted %q", disclosure)
		}
	})
}

// FuzzBinding signs any KB-JWT with the holder's key.
func FuzzBinding(f *testing.F) {
	w := newWorld(f)
	presented := w.sign(f, w.payload(f))
	bound := w.bind(f, presented, nil)
	honest, err := jose.Parse(bound[strings.LastIndex(bound, "~")+1:])
	if err != nil {
		f.Fatal(err)
	}
	f.Add("kb+jwt", string(honest.UnverifiedPayload()))
	f.Add("kb+jwt", `{"nonce":"1234567890","aud":"https://verifier.example.org","iat":1748537244,"sd_hash":"0_Af-2B-EhLWX5ydh_w2xzwmO6iM66B_2QCEanI4fUY"}`)
	f.Fuzz(func(t *testing.T, typ, payload string) {
		token, err := jose.Sign(jose.Header{Typ: typ}, []byte(payload), w.holder)
		if err != nil {
			return
		}
		if _, err := w.verify(presented + token); err != nil {
			return
		}
		var c struct{ Nonce, Aud string }
		if err := json.Unmarshal([]byte(payload), &c); err != nil || typ != "kb+jwt" || c.Nonce != w.binding.Nonce || c.Aud != w.binding.Audience() {
			t.Errorf("accepted %s %s", typ, payload)
		}
	})
}

// FuzzVerify signs any payload, so that the fuzzer gets behind the signature.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	honest, err := json.Marshal(w.payload(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(honest), `["s","n",1]`)
	f.Add(strings.Replace(string(honest), "{", `{"_sd":["`+digest(`["s","n",1]`)+`"],`, 1), `["s","n",1]`)
	f.Add(strings.Replace(string(honest), "{", `{"a":[{"...":"`+digest(`["s",{"_sd":[]}]`)+`"}],`, 1), `["s",{"_sd":[]}]`)
	f.Fuzz(func(t *testing.T, payload, disclosure string) {
		token, err := jose.Sign(jose.Header{Typ: "dc+sd-jwt", X5C: w.issuer.Chain}, []byte(payload), w.issuer.Signer)
		if err != nil {
			t.Fatal(err)
		}
		presented := token + "~"
		if disclosure != "" {
			presented += jose.EncodeBase64([]byte(disclosure)) + "~"
		}
		got, err := w.verify(w.bind(t, presented, nil))
		if err != nil {
			return
		}
		text, err := json.Marshal(got.Claims.JSON())
		if err != nil {
			t.Fatal(err)
		}
		for _, left := range []string{`"_sd":`, `"...":`, `"_sd_alg":`} {
			if strings.Contains(string(text), left) {
				t.Errorf("%s is left in %s", left, text)
			}
		}
		if got.Type == "" || got.HolderKey == nil {
			t.Errorf("accepted without type or holder: %+v", got)
		}
	})
}
