package sdjwt_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

type object = map[string]any
type array = []any

// TestNegDigests holds digests and disclosures against the rules of RFC 9901
// section 7.1. Each case is signed by the issuer and bound by the holder, so
// that nothing but the fault can be the reason.
func TestNegDigests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const a, b, element = `["s1","a",1]`, `["s2","b",2]`, `["s3","x"]`
	sd := func(disclosures ...string) array {
		out := array{}
		for _, d := range disclosures {
			out = append(out, digest(d))
		}
		return out
	}
	hole := func(d string) object { return object{"...": digest(d)} }
	parent := `["p","parent",{"_sd":["` + digest(a) + `"]}]`
	type tc struct {
		name        string
		add         object
		disclosures []string
	}
	honest := []tc{
		{"none", nil, nil},
		{"member", object{"_sd": sd(a)}, []string{a}},
		{"unmatched digests vanish", object{"_sd": sd(a, b), "l": array{hole(element)}}, nil},
		{"element", object{"l": array{"y", hole(element), hole(a)}}, []string{element}},
		{"nested", object{"_sd": sd(parent)}, []string{a, parent}},
		{"parent alone", object{"_sd": sd(parent)}, []string{parent}},
		{"algorithm named", object{"_sd": sd(a), "_sd_alg": "sha-256"}, []string{a}},
		{"same name at another level", object{"_sd": sd(a), "o": object{"a": 1}}, []string{a}},
		{"depth at the limit", nil, nil}, // filled in below
		{"10,000 decoys", object{"_sd": decoys(10_000)}, nil},
		{"empty list", object{"_sd": array{}}, nil},
		{"white space in a disclosure", object{"_sd": sd(` [ "s" , "a" , 1 ] `)}, []string{` [ "s" , "a" , 1 ] `}},
		{"registered names below the top", object{"o": object{"_sd": sd(`["s","exp",1]`)}}, []string{`["s","exp",1]`}},
		{"sub and iat may be disclosable", object{"iat": nil, "_sd": sd(`["s","iat",1793491200]`, `["s","sub","x"]`)}, []string{`["s","iat",1793491200]`, `["s","sub","x"]`}},
	}
	chain := func(n int) tc {
		disclosures := []string{`["s","leaf",1]`}
		for i := 1; i < n; i++ {
			disclosures = append(disclosures, fmt.Sprintf(`["s","n",{"_sd":["%s"]}]`, digest(disclosures[i-1])))
		}
		return tc{add: object{"_sd": sd(disclosures[n-1])}, disclosures: disclosures}
	}
	deepest := chain(sdjwt.MaxDepth)
	for i := range honest {
		if honest[i].name == "depth at the limit" {
			honest[i].add, honest[i].disclosures = deepest.add, deepest.disclosures
		}
	}
	many := make([]string, sdjwt.MaxDisclosures+1)
	for i := range many {
		many[i] = fmt.Sprintf(`["s","n%d",1]`, i)
	}
	honest = append(honest, tc{"as many as allowed", object{"_sd": sd(many[1:]...)}, many[1:]})

	deep, endless := chain(sdjwt.MaxDepth+1), chain(10_000)
	bad := []tc{
		{"S01 twice in one _sd", object{"_sd": sd(a, a)}, []string{a}},
		{"S01 decoy twice", object{"_sd": array{"x", "x"}}, nil},
		{"S01 in two objects", object{"_sd": sd(a), "o": object{"_sd": sd(a)}}, []string{a}},
		{"S01 payload and disclosure", object{"_sd": sd(parent, a)}, []string{parent, a}},
		{"S01 in a disclosure alone", object{"_sd": sd(`["p","q",{"_sd":["x","x"]}]`)}, []string{`["p","q",{"_sd":["x","x"]}]`}},
		{"S01 array and object", object{"_sd": sd(a), "l": array{hole(a)}}, nil},
		{"S02 not referenced", object{"_sd": sd(a)}, []string{a, b}},
		{"S02 referenced by an undisclosed parent", object{"_sd": sd(parent)}, []string{a}},
		{"S02 same disclosure twice", object{"_sd": sd(a)}, []string{a, a}},
		{"S03 _sd", object{"_sd": sd(`["s","_sd",[]]`)}, []string{`["s","_sd",[]]`}},
		{"S03 ...", object{"_sd": sd(`["s","...","x"]`)}, []string{`["s","...","x"]`}},
		{"S03 _sd_alg", object{"_sd": sd(`["s","_sd_alg","sha-256"]`)}, []string{`["s","_sd_alg","sha-256"]`}},
		{"S03 ... in the payload", object{"...": "x"}, nil},
		{"S04 collides with a permanent claim", object{"_sd": sd(a), "a": 0}, []string{a}},
		{"S04 collides with a sibling", object{"_sd": sd(a, `["s9","a",2]`)}, []string{a, `["s9","a",2]`}},
		{"S04 collides below", object{"o": object{"a": 0, "_sd": sd(a)}}, []string{a}},
		{"S05 element under _sd", object{"_sd": sd(element)}, []string{element}},
		{"S05 member under ...", object{"l": array{hole(a)}}, []string{a}},
		{"S05 no elements", object{"_sd": sd(`[]`)}, []string{`[]`}},
		{"S05 one element", object{"_sd": sd(`["s"]`)}, []string{`["s"]`}},
		{"S05 four elements", object{"_sd": sd(`["s","a",1,2]`)}, []string{`["s","a",1,2]`}},
		{"S05 object", object{"_sd": sd(`{"a":1}`)}, []string{`{"a":1}`}},
		{"S05 string", object{"_sd": sd(`"a"`)}, []string{`"a"`}},
		{"S05 salt is a number", object{"_sd": sd(`[1,"a",1]`)}, []string{`[1,"a",1]`}},
		{"S05 name is a number", object{"_sd": sd(`["s",1,1]`)}, []string{`["s",1,1]`}},
		{"S05 name is null", object{"_sd": sd(`["s",null,1]`)}, []string{`["s",null,1]`}},
		{"S06 ... beside another member", object{"l": array{object{"...": digest(element), "x": 1}}}, []string{element}},
		{"S06 ... is not a string", object{"l": array{object{"...": 1}}}, nil},
		{"S06 _sd is not an array", object{"_sd": digest(a)}, nil},
		{"S06 _sd is null", object{"_sd": json.RawMessage("null")}, nil},
		{"S06 _sd member is not a string", object{"_sd": array{1}}, nil},
		{"S06 _sd_alg nested", object{"o": object{"_sd_alg": "sha-256"}}, nil},
		{"S06 _sd_alg in a disclosure", object{"_sd": sd(`["s","a",{"_sd_alg":"sha-256"}]`)}, []string{`["s","a",{"_sd_alg":"sha-256"}]`}},
		{"S06 _sd_alg unknown", object{"_sd_alg": "sha-257"}, nil},
		{"S06 _sd_alg sha-1", object{"_sd_alg": "sha-1"}, nil},
		{"S06 _sd_alg truncated", object{"_sd_alg": "sha-256-128"}, nil},
		{"S06 _sd_alg in upper case", object{"_sd_alg": "SHA-256"}, nil},
		{"S06 _sd_alg is not a string", object{"_sd_alg": object{}}, nil},
		{"S07 nested too deeply", deep.add, deep.disclosures},
		{"S10 invalid UTF-8", object{"_sd": sd("[\"s\",\"a\",\"\xff\"]")}, []string{"[\"s\",\"a\",\"\xff\"]"}},
		{"S10 lone surrogate", object{"_sd": sd(`["s","a","\ud800"]`)}, []string{`["s","a","\ud800"]`}},
		{"S10 byte order mark", object{"_sd": sd("\ufeff" + a)}, []string{"\ufeff" + a}},
		{"S10 duplicate names", object{"_sd": sd(`["s","a",{"x":1,"x":2}]`)}, []string{`["s","a",{"x":1,"x":2}]`}},
		{"S10 number out of range", object{"_sd": sd(`["s","a",1e400]`)}, []string{`["s","a",1e400]`}},
		{"S10 data after the array", object{"_sd": sd(a + "[]")}, []string{a + "[]"}},
	}
	for _, name := range []string{"iss", "nbf", "exp", "cnf", "vct", "status", "vct#integrity", "aka_vcts", "aud"} {
		value, _ := json.Marshal(w.payload(t)[name])
		d := `["s","` + name + `",` + string(value) + `]`
		bad = append(bad, tc{"S08 " + name, object{name: nil, "_sd": sd(d)}, []string{d}})
	}
	jwk, err := json.Marshal(w.payload(t)["cnf"].(object)["jwk"])
	if err != nil {
		t.Fatal(err)
	}
	inCnf := `["s","jwk",` + string(jwk) + `]`
	bad = append(bad,
		tc{"S08 inside cnf", object{"cnf": object{"_sd": sd(inCnf)}}, []string{inCnf}},
		tc{"S08 hidden inside status", object{"status": object{"status_list": object{"_sd": sd(a)}}}, nil},
		tc{"S08 array inside aka_vcts", object{"aka_vcts": array{hole(element), "z"}}, []string{element}},
	)

	present := func(t *testing.T, c tc) error {
		_, err := w.verify(w.bind(t, w.sign(t, with(w.payload(t), c.add), c.disclosures...), nil))
		return err
	}
	for _, c := range honest {
		t.Run("honest "+c.name, func(t *testing.T) {
			t.Parallel()
			if err := present(t, c); err != nil {
				t.Error(err)
			}
		})
	}
	for _, c := range bad {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wantReason(t, present(t, c), sdjwt.ReasonDisclosure)
		})
	}
	t.Run("S07 too many disclosures", func(t *testing.T) {
		t.Parallel()
		wantReason(t, present(t, tc{add: object{"_sd": sd(many...)}, disclosures: many}), sdjwt.ReasonMalformed)
		wantReason(t, present(t, endless), sdjwt.ReasonMalformed)
	})
}

func decoys(n int) array {
	out := array{}
	for i := range n {
		out = append(out, digest(fmt.Sprint(i)))
	}
	return out
}

// TestNegEncoding is S10 where the fault lies in base64url: the digest matches
// the received string, and still nobody may read it in two ways.
func TestNegEncoding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	encoded := jose.EncodeBase64([]byte(`["sa","a",1]`))
	spaced := jose.EncodeBase64([]byte(`["s","a",1]`)) // 11 bytes: two trailing bits
	trailing := spaced[:len(spaced)-1] + string(rune(spaced[len(spaced)-1]+1))
	present := func(d string) error {
		payload := with(w.payload(t), object{"_sd": array{sdjwt.DigestOf(d)}})
		_, err := w.verify(w.bind(t, w.signEncoded(t, "dc+sd-jwt", payload, d), nil))
		return err
	}
	for _, d := range []string{encoded, spaced} {
		if err := present(d); err != nil {
			t.Fatalf("honest twin: %v", err)
		}
	}
	for name, d := range map[string]string{
		"S10 padding": encoded + "==", "S10 one pad": spaced + "=", "S10 line break": encoded[:4] + "\n" + encoded[4:],
		"S10 carriage return": encoded + "\r", "S10 trailing bits": trailing, "S10 space": " " + encoded,
		"S10 standard alphabet": encoded[:4] + "+/" + encoded[6:], "S10 length": encoded + "A",
	} {
		t.Run(name, func(t *testing.T) { wantReason(t, present(d), sdjwt.ReasonDisclosure) })
	}
}

func TestNegStructure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := w.issue(t)
	presented := w.present(t, raw, credentials.PathOf("age"), credentials.PathOf("adult"))
	if _, err := w.verify(presented); err != nil {
		t.Fatalf("honest twin: %v", err)
	}
	segments := strings.Split(presented, "~")
	jwt, kb := segments[0], segments[len(segments)-1]
	for name, tc := range map[string]struct {
		raw  string
		want sdjwt.Reason
	}{
		"S09 empty":                   {"", sdjwt.ReasonMalformed},
		"S09 bare JWT":                {jwt, sdjwt.ReasonMalformed},
		"S09 tilde alone":             {"~", sdjwt.ReasonMalformed},
		"S09 tildes alone":            {strings.Repeat("~", 1_000_000), sdjwt.ReasonMalformed},
		"S09 no JWT":                  {"~" + kb, sdjwt.ReasonMalformed},
		"S09 empty segment":           {strings.Replace(presented, "~", "~~", 1), sdjwt.ReasonMalformed},
		"S09 empty segment at end":    {raw + "~", sdjwt.ReasonMalformed},
		"S09 two KB-JWTs":             {presented + "~" + kb, sdjwt.ReasonDisclosure},
		"S09 tilde after the KB-JWT":  {presented + "~", sdjwt.ReasonKeyBindingMissing},
		"S09 disclosure is the JWT":   {jwt + "~" + jwt + "~" + kb, sdjwt.ReasonDisclosure},
		"S09 last tilde missing":      {strings.TrimSuffix(raw, "~"), sdjwt.ReasonKeyBinding},
		"S11 JSON serialization":      {`{"payload":"e30","signatures":[]}`, sdjwt.ReasonMalformed},
		"S11 JSON with disclosures":   {`{"payload":"e30","header":{"disclosures":["a~b"]}}`, sdjwt.ReasonMalformed},
		"S07 larger than the maximum": {jwt + "~" + strings.Repeat("A", sdjwt.MaxSize) + "~", sdjwt.ReasonMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := w.verify(tc.raw)
			wantReason(t, err, tc.want)
		})
	}
	for _, typ := range []string{"", "JWT", "vc+sd-jwt", "dc+sd-jwt2", "DC+SD-JWT", "application/dc+sd-jwt", "kb+jwt"} {
		_, err := w.verify(w.bind(t, w.signEncoded(t, typ, w.payload(t)), nil))
		wantReason(t, err, sdjwt.ReasonType) // S12
	}
	legacy := *w.verifier
	legacy.AcceptLegacyType = true
	if _, err := legacy.Verify(context.Background(), w.bind(t, w.signEncoded(t, "vc+sd-jwt", w.payload(t)), nil), w.binding); err != nil {
		t.Errorf("S12 honest twin: %v", err)
	}
}

// TestNegClaims is about the claims that describe the credential.
func TestNegClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	jwk := w.payload(t)["cnf"].(object)["jwk"]
	issuerJWK, err := jose.NewJWK(w.issuer.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) int64 { return w.now.Add(d).Unix() }
	list := func(idx any) object {
		return object{"status_list": object{"idx": idx, "uri": "https://status.example/1"}}
	}
	private := object{}
	encoded, _ := json.Marshal(jwk)
	if err := json.Unmarshal(encoded, &private); err != nil {
		t.Fatal(err)
	}
	private["d"] = private["x"]
	for name, change := range map[string]object{
		"as it is": nil, "exp in a second": {"exp": at(time.Second)}, "nbf within the skew": {"nbf": at(time.Minute)},
		"iat within the skew": {"iat": at(time.Minute)}, "no iat": {"iat": nil}, "status instead of exp": {"exp": nil, "status": list(7)},
		"cnf with an unknown member": {"cnf": object{"jwk": jwk, "x": 1}}, "aka_vcts": {"aka_vcts": array{"urn:other"}},
		"aud of this verifier": {"aud": array{"x", w.binding.ClientID}}, "unknown claims": {"x": object{"y": 1}},
	} {
		if _, err := w.verify(w.bind(t, w.sign(t, with(w.payload(t), change)), nil)); err != nil {
			t.Errorf("honest twin %s: %v", name, err)
		}
	}
	for name, tc := range map[string]struct {
		change object
		want   sdjwt.Reason
	}{
		"SVC-02 no vct":              {object{"vct": nil}, sdjwt.ReasonMalformed},
		"SVC-02 empty vct":           {object{"vct": ""}, sdjwt.ReasonMalformed},
		"SVC-02 vct is an array":     {object{"vct": array{testType}}, sdjwt.ReasonMalformed},
		"SVC-03 aka_vcts empty":      {object{"aka_vcts": array{}}, sdjwt.ReasonMalformed},
		"SVC-03 aka_vcts repeats":    {object{"aka_vcts": array{testType}}, sdjwt.ReasonMalformed},
		"SVC-03 aka_vcts is text":    {object{"aka_vcts": "x"}, sdjwt.ReasonMalformed},
		"iss is a number":            {object{"iss": 1}, sdjwt.ReasonMalformed},
		"P17 expired by nothing":     {object{"exp": at(0)}, sdjwt.ReasonExpired},
		"P17 expired by a second":    {object{"exp": at(-time.Second)}, sdjwt.ReasonExpired},
		"P17 nbf beyond the skew":    {object{"nbf": at(61 * time.Second)}, sdjwt.ReasonNotYetValid},
		"SDV-10 iat beyond the skew": {object{"iat": at(61 * time.Second)}, sdjwt.ReasonNotYetValid},
		"SDV-10 exp is text":         {object{"exp": "never"}, sdjwt.ReasonMalformed},
		"SDV-10 exp is null":         {object{"exp": json.RawMessage("null")}, sdjwt.ReasonMalformed},
		"SDV-10 exp is a fraction":   {object{"exp": 1.5}, sdjwt.ReasonMalformed},
		"SDV-10 exp is enormous":     {object{"exp": json.RawMessage("1e300")}, sdjwt.ReasonMalformed},
		"S08 neither exp nor status": {object{"exp": nil}, sdjwt.ReasonUnlimited},
		"T02 idx negative":           {object{"status": list(-1)}, sdjwt.ReasonStatus},
		"T02 idx fraction":           {object{"status": list(1.5)}, sdjwt.ReasonStatus},
		"T02 idx text":               {object{"status": list("1")}, sdjwt.ReasonStatus},
		"T05 two mechanisms":         {object{"status": with(list(1), object{"other": object{}})}, sdjwt.ReasonStatus},
		"T05 unknown mechanism":      {object{"status": object{"other": object{}}}, sdjwt.ReasonStatus},
		"P18 no cnf":                 {object{"cnf": nil}, sdjwt.ReasonHolderKey},
		"P18 cnf is null":            {object{"cnf": json.RawMessage("null")}, sdjwt.ReasonHolderKey},
		"P18 kid alone":              {object{"cnf": object{"kid": "1"}}, sdjwt.ReasonHolderKey},
		"P18 jwk and kid":            {object{"cnf": object{"jwk": jwk, "kid": "1"}}, sdjwt.ReasonHolderKey},
		"P18 issuer's key":           {object{"cnf": object{"jwk": issuerJWK}}, sdjwt.ReasonHolderKey},
		"P18 private key":            {object{"cnf": object{"jwk": private}}, sdjwt.ReasonHolderKey},
		"P18 RSA":                    {object{"cnf": object{"jwk": object{"kty": "RSA", "n": "AQAB", "e": "AQAB"}}}, sdjwt.ReasonHolderKey},
		"P18 symmetric":              {object{"cnf": object{"jwk": object{"kty": "oct", "k": "AQAB"}}}, sdjwt.ReasonHolderKey},
		"P18 curve":                  {object{"cnf": object{"jwk": with(private, object{"d": nil, "crv": "secp256k1"})}}, sdjwt.ReasonHolderKey},
		"P18 off the curve":          {object{"cnf": object{"jwk": with(private, object{"d": nil, "y": private["x"]})}}, sdjwt.ReasonHolderKey},
		"P18 jwk is text":            {object{"cnf": object{"jwk": "x"}}, sdjwt.ReasonHolderKey},
		"aud of another verifier":    {object{"aud": "x509_san_dns:other.example"}, sdjwt.ReasonAudience},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := w.verify(w.bind(t, w.sign(t, with(w.payload(t), tc.change)), nil))
			wantReason(t, err, tc.want)
		})
	}
	unlimited := *w.verifier
	unlimited.AllowUnlimited = true
	if _, err := unlimited.Verify(context.Background(), w.bind(t, w.sign(t, with(w.payload(t), object{"exp": nil})), nil), w.binding); err != nil {
		t.Errorf("S08 honest twin, allowed: %v", err)
	}
	_, err = w.verify(w.bind(t, w.sign(t, array{1}), nil))
	wantReason(t, err, sdjwt.ReasonMalformed)
}

// TestNegBinding is about the KB-JWT.
func TestNegBinding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := w.issue(t)
	presented, err := sdjwt.Present(raw, []credentials.Path{credentials.PathOf("age")}, nil, nil, w.now)
	if err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) int64 { return w.now.Add(d).Unix() }
	for name, change := range map[string]object{
		"as it is": nil, "5 minutes old": {"iat": at(-5 * time.Minute)}, "a minute ahead": {"iat": at(time.Minute)},
		"with exp and nbf": {"exp": at(time.Second), "nbf": at(0)}, "with an unknown claim": {"x": 1},
	} {
		if _, err := w.verify(w.bind(t, presented, change)); err != nil {
			t.Errorf("honest twin %s: %v", name, err)
		}
	}
	for name, tc := range map[string]struct {
		change object
		want   sdjwt.Reason
	}{
		"P02 nonce":            {object{"nonce": "other"}, sdjwt.ReasonNonce},
		"P02 no nonce":         {object{"nonce": nil}, sdjwt.ReasonNonce},
		"P02 nonce is a list":  {object{"nonce": array{w.binding.Nonce}}, sdjwt.ReasonNonce},
		"P02 aud":              {object{"aud": "x509_san_dns:other.example"}, sdjwt.ReasonAudience},
		"P02 no aud":           {object{"aud": nil}, sdjwt.ReasonAudience},
		"P02 aud is a list":    {object{"aud": array{w.binding.ClientID}}, sdjwt.ReasonAudience},
		"P02 response_uri":     {object{"aud": w.binding.ResponseURI}, sdjwt.ReasonAudience},
		"P04 without prefix":   {object{"aud": "verifier.example"}, sdjwt.ReasonAudience},
		"P02 sd_hash":          {object{"sd_hash": sdjwt.DigestOf("x")}, sdjwt.ReasonHash},
		"P02 no sd_hash":       {object{"sd_hash": nil}, sdjwt.ReasonHash},
		"P02 hash of no tilde": {object{"sd_hash": sdjwt.DigestOf(strings.TrimSuffix(presented, "~"))}, sdjwt.ReasonHash},
		"P03 hash of all":      {object{"sd_hash": sdjwt.DigestOf(raw)}, sdjwt.ReasonHash},
		"P02 typ JWT":          {object{"typ": "JWT"}, sdjwt.ReasonKeyBinding},
		"P02 no typ":           {object{"typ": ""}, sdjwt.ReasonKeyBinding},
		"P02 typ of an issuer": {object{"typ": "dc+sd-jwt"}, sdjwt.ReasonKeyBinding},
		"P02 other key":        {object{"key": newKey(t)}, sdjwt.ReasonKeyBinding},
		"P02 issuer's key":     {object{"key": w.issuer.Signer.(*ecdsa.PrivateKey)}, sdjwt.ReasonKeyBinding},
		"P02 other curve":      {object{"key": newP384(t)}, sdjwt.ReasonKeyBinding},
		"P02 a year old":       {object{"iat": at(-365 * 24 * time.Hour)}, sdjwt.ReasonKeyBindingTime},
		"P02 a year ahead":     {object{"iat": at(365 * 24 * time.Hour)}, sdjwt.ReasonKeyBindingTime},
		"P02 too old by 1 s":   {object{"iat": at(-5*time.Minute - time.Second)}, sdjwt.ReasonKeyBindingTime},
		"P02 ahead by 1 s":     {object{"iat": at(time.Minute + time.Second)}, sdjwt.ReasonKeyBindingTime},
		"P02 no iat":           {object{"iat": nil}, sdjwt.ReasonKeyBinding},
		"P02 iat is text":      {object{"iat": "now"}, sdjwt.ReasonKeyBinding},
		"P02 expired":          {object{"exp": at(0)}, sdjwt.ReasonKeyBindingTime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := w.verify(w.bind(t, presented, tc.change))
			wantReason(t, err, tc.want)
		})
	}
	kb := w.bind(t, presented, nil)[len(presented):]
	t.Run("P01 missing", func(t *testing.T) {
		t.Parallel()
		_, err := w.verify(presented)
		wantReason(t, err, sdjwt.ReasonKeyBindingMissing)
		// SDP-04 and SDV-15: not required is not unchecked.
		relaxed := *w.verifier
		relaxed.RequireHolderBinding = false
		if got, err := relaxed.Verify(context.Background(), presented, w.binding); err != nil || got.HolderKey != nil {
			t.Errorf("not required: %v", err)
		}
		_, err = relaxed.Verify(context.Background(), w.bind(t, presented, object{"nonce": "other"}), w.binding)
		wantReason(t, err, sdjwt.ReasonNonce)
		_, err = relaxed.Verify(context.Background(), w.bind(t, presented, nil), credentials.Binding{})
		wantReason(t, err, sdjwt.ReasonConfiguration)
	})
	t.Run("P02 alg none", func(t *testing.T) {
		t.Parallel()
		parts := strings.Split(kb, ".")
		none := jose.EncodeBase64([]byte(`{"alg":"none","typ":"kb+jwt"}`)) + "." + parts[1] + "."
		_, err := w.verify(presented + none)
		wantReason(t, err, sdjwt.ReasonKeyBinding)
	})
	t.Run("P02 signature", func(t *testing.T) {
		t.Parallel()
		parts := strings.Split(kb, ".")
		_, err := w.verify(presented + parts[0] + "." + parts[1] + "." + jose.EncodeBase64(make([]byte, 64)))
		wantReason(t, err, sdjwt.ReasonKeyBinding)
	})
	t.Run("P03 fewer, more and reordered disclosures", func(t *testing.T) {
		t.Parallel()
		two, err := sdjwt.Present(raw, []credentials.Path{credentials.PathOf("age"), credentials.PathOf("adult")}, nil, nil, w.now)
		if err != nil {
			t.Fatal(err)
		}
		none := presented[:strings.Index(presented, "~")+1]
		s := strings.Split(two, "~")
		swapped := s[0] + "~" + s[2] + "~" + s[1] + "~"
		for _, other := range []string{none, two} {
			_, err := w.verify(other + kb)
			wantReason(t, err, sdjwt.ReasonHash)
		}
		kbTwo := w.bind(t, two, nil)[len(two):]
		_, err = w.verify(swapped + kbTwo)
		wantReason(t, err, sdjwt.ReasonHash)
		if _, err := w.verify(w.bind(t, swapped, nil)); err != nil {
			t.Errorf("honest twin: order does not matter: %v", err)
		}
	})
}

// TestNegIssuer is about who signed.
func TestNegIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := func(t *testing.T, w *world, v *sdjwt.Verifier, payload object, want sdjwt.Reason) {
		t.Helper()
		_, err := v.Verify(context.Background(), w.bind(t, w.sign(t, payload), nil), w.binding)
		if want == "" {
			if err != nil {
				t.Errorf("honest twin: %v", err)
			}
			return
		}
		wantReason(t, err, want)
	}
	signedBy := func(key *keys.Key) *world {
		other := *w
		other.issuer = key
		return &other
	}
	check(t, w, w.verifier, w.payload(t), "")
	stranger := newWorld(t)
	check(t, signedBy(stranger.issuer), w.verifier, w.payload(t), sdjwt.ReasonUntrustedIssuer)
	check(t, signedBy(&keys.Key{Signer: w.issuer.Signer}), w.verifier, w.payload(t), sdjwt.ReasonUntrustedIssuer)
	check(t, signedBy(&keys.Key{Signer: stranger.issuer.Signer, Chain: w.issuer.Chain}), w.verifier, w.payload(t), sdjwt.ReasonSignature)
	anchored := append(w.issuer.Chain[:1:1], w.ca.Certificate)
	check(t, signedBy(&keys.Key{Signer: w.issuer.Signer, Chain: anchored}), w.verifier, w.payload(t), sdjwt.ReasonUntrustedIssuer)
	tls, err := w.ca.IssueTLS(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, signedBy(tls), w.verifier, w.payload(t), sdjwt.ReasonUntrustedIssuer)

	limited := func(a trust.Anchor) *sdjwt.Verifier {
		v, policy := *w.verifier, *w.verifier.Trust
		policy.Anchors = []trust.Anchor{a}
		v.Trust = &policy
		return &v
	}
	anchor := w.ca.Anchor(credentials.FormatSDJWTVC)
	anchor.Types = []string{testType}
	check(t, w, limited(anchor), w.payload(t), "")
	anchor.Types = []string{testType + "0"}
	check(t, w, limited(anchor), w.payload(t), sdjwt.ReasonUntrustedIssuer)
	check(t, w, limited(w.ca.Anchor(credentials.FormatMdoc)), w.payload(t), sdjwt.ReasonUntrustedIssuer)

	strict := *w.verifier
	strict.MatchIssuer = true
	for iss, want := range map[string]sdjwt.Reason{
		issuer: "", "https://issuer.example": "", "https://other.example": sdjwt.ReasonIssuer,
		"http://issuer.example": sdjwt.ReasonIssuer, "https://issuer.example.other.example": sdjwt.ReasonIssuer,
		"https://issuer.example@other.example": sdjwt.ReasonIssuer, "did:web:issuer.example": sdjwt.ReasonIssuer,
	} {
		check(t, w, &strict, with(w.payload(t), object{"iss": iss}), want)
		check(t, w, w.verifier, with(w.payload(t), object{"iss": iss}), "")
	}
	check(t, w, &strict, w.payload(t), "")

	for _, v := range []*sdjwt.Verifier{{}, {Trust: w.verifier.Trust}, {Now: w.verifier.Now}} {
		check(t, w, v, w.payload(t), sdjwt.ReasonConfiguration)
		_, err := v.VerifyIssued(context.Background(), w.issue(t))
		wantReason(t, err, sdjwt.ReasonConfiguration)
	}
}

// TestOneParse is S13: what was verified is what the caller gets, and the
// received text plays no further part.
func TestOneParse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got, err := w.verify(w.present(t, w.issue(t), everything...))
	if err != nil {
		t.Fatal(err)
	}
	for name := range maps.Keys(got.Claims) {
		for _, hidden := range []string{"iss", "iat", "nbf", "exp", "cnf", "vct", "status", "_sd", "_sd_alg"} {
			if name == hidden {
				t.Errorf("S13: %s is among the claims", name)
			}
		}
	}
}
