package verifier_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/verifier"
)

func codeOf(err error) verifier.Code {
	var e *verifier.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// wrongBindings change what a presentation is bound to.
var wrongBindings = map[string]func(b *credentials.Binding){
	"nonce":        func(b *credentials.Binding) { b.Nonce += "x" },
	"client_id":    func(b *credentials.Binding) { b.ClientID = "x509_hash:AAAA" },
	"short form":   func(b *credentials.Binding) { _, b.ClientID, _ = strings.Cut(b.ClientID, ":") },
	"response_uri": func(b *credentials.Binding) { b.ResponseURI += "x" },
	"thumbprint":   func(b *credentials.Binding) { b.EncryptionKeyThumbprint = make([]byte, 32) },
	"unencrypted":  func(b *credentials.Binding) { b.EncryptionKeyThumbprint = nil },
	"dc api": func(b *credentials.Binding) {
		b.Mode, b.Origin, b.ResponseURI = credentials.BindingDCAPI, origin, ""
	},
}

func TestNeg(t *testing.T) {
	t.Parallel()
	// One presentation bound to something else refuses the whole response.
	for id, names := range map[string][]string{"P02": {"nonce", "client_id", "dc api"}, "P04": {"short form"}} {
		for _, name := range names {
			t.Run(id+" sd-jwt with another "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				tx := w.start(strings.Replace(querySDJWT, `"meta"`, `"multiple":true,"meta"`, 1))
				r := w.fetch(tx)
				b := r.binding()
				wrongBindings[name](&b)
				w.refusedFor(tx, r, w.encrypted(r, w.presentSDJWT(r.binding()), w.presentSDJWT(b)), verifier.ReasonHolderBinding)
			})
		}
	}
	for name, spoil := range wrongBindings {
		t.Run("P05 mdoc with another "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tx := w.start(queryMdoc)
			r := w.fetch(tx)
			b := r.binding()
			spoil(&b)
			w.refusedFor(tx, r, w.encrypted(r, w.presentMdoc(b)), verifier.ReasonHolderBinding)
		})
	}
	t.Run("P02 honest twin with two presentations", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		tx := w.start(strings.Replace(querySDJWT, `"meta"`, `"multiple":true,"meta"`, 1))
		r := w.fetch(tx)
		if got := w.accepted(tx, r, w.encrypted(r, w.presentSDJWT(r.binding()), w.presentSDJWT(r.binding()))); len(got) != 2 {
			t.Errorf("%d credentials", len(got))
		}
	})
	t.Run("P02 no key binding", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		tx := w.start(querySDJWT)
		r := w.fetch(tx)
		raw := must(sdjwt.Present(w.issueSDJWT(w.draft(credentials.FormatSDJWTVC), w.sdjwtKey), pathsSDJWT(), nil, nil, w.clock()))(t)
		w.refusedFor(tx, r, w.encrypted(r, raw), verifier.ReasonHolderBinding)
	})
	t.Run("P08 replay", testReplay)
	t.Run("P08 exactly one of many", testOneOfMany)
	t.Run("P09", testState)
	t.Run("P12", testResultSecrets)
	t.Run("P13", testFetchedTwice)
	t.Run("P14", testEncryption)
	t.Run("P15", testToken)
	t.Run("P16", testQuery)
	t.Run("P17", testCredential)
	t.Run("P20", testWalletErrors)
	t.Run("P22", testTenants)
}

func testReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.start(querySDJWT), w.start(querySDJWT)
	a, b := w.fetch(first), w.fetch(second)
	form := w.encrypted(a, w.presentSDJWT(a.binding()))

	_, err := w.v.Respond(t.Context(), b.responseID, form)
	wantStatus(t, err, 400) // to another transaction, which goes on
	_, err = w.verifier("town").Respond(t.Context(), a.responseID, form)
	wantStatus(t, err, 400) // to another tenant
	w.accepted(first, a, form)
	_, err = w.v.Respond(t.Context(), a.responseID, form)
	wantStatus(t, err, 400) // twice

	// The presentation alone, encrypted for the other transaction.
	stolen := w.seal(b, &openid4vp.ResponseParams{
		VPToken: map[string][]string{"pid": {w.presentSDJWT(a.binding())}}, State: b.Parameters.State,
	})
	w.refusedFor(second, b, stolen, verifier.ReasonHolderBinding)

	third := w.start(querySDJWT)
	c := w.fetch(third)
	form = w.encrypted(c, w.presentSDJWT(c.binding()))
	w.advance(verifier.DefaultLifetimes.Request)
	_, err = w.v.Respond(t.Context(), c.responseID, form)
	wantStatus(t, err, 400)
	if got := must(w.v.Result(t.Context(), third.ID, ""))(t); got.State != verifier.StateExpired {
		t.Errorf("after expiry: %s", got.State)
	}
}

func testOneOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx := w.start(querySDJWT)
	r := w.fetch(tx)
	form := w.encrypted(r, w.presentSDJWT(r.binding()))
	replicas := []*verifier.Verifier{w.v, w.verifier("city")}
	var answers, results atomic.Int32
	var mu sync.Mutex
	var codes []string
	inParallel(64, func(i int) {
		reply, err := replicas[i%2].Respond(t.Context(), r.responseID, form)
		if err == nil {
			answers.Add(1)
			mu.Lock()
			codes = append(codes, reply.RedirectURI)
			mu.Unlock()
		} else if codeOf(err) != verifier.CodeInvalidRequest {
			t.Errorf("loser got %v", err)
		}
	})
	if answers.Load() != 1 {
		t.Fatalf("%d responses were accepted", answers.Load())
	}
	u := must(url.Parse(codes[0]))(t)
	inParallel(64, func(i int) {
		result, err := replicas[i%2].Result(t.Context(), tx.ID, u.Query().Get("response_code"))
		if err == nil && len(result.Credentials) > 0 {
			results.Add(1)
		}
	})
	if results.Load() != 1 {
		t.Errorf("the result was delivered %d times", results.Load())
	}
}

func inParallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

func testState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx := w.start(querySDJWT)
	r := w.fetch(tx)
	good := w.presentSDJWT(r.binding())
	for name, state := range map[string]string{"absent": "", "unknown": "abc", "nonce": r.Parameters.Nonce} {
		form := w.seal(r, &openid4vp.ResponseParams{VPToken: map[string][]string{"pid": {good}}, State: state})
		if _, err := w.v.Respond(t.Context(), r.responseID, form); codeOf(err) != verifier.CodeInvalidRequest {
			t.Errorf("state %s: %v", name, err)
		}
	}
	twice := w.encrypted(r, good)
	twice["response"] = append(twice["response"], twice["response"][0])
	_, err := w.v.Respond(t.Context(), r.responseID, twice)
	wantStatus(t, err, 400)

	reply := must(w.v.Respond(t.Context(), r.responseID, w.encrypted(r, good)))(t) // the honest twin
	for name, wrong := range map[string]string{"other": code(t, reply) + "x", "state": r.Parameters.State, "id": tx.ID} {
		if _, err := w.v.Result(t.Context(), tx.ID, wrong); codeOf(err) != verifier.CodeInvalidResponseCode {
			t.Errorf("response code %s: %v", name, err)
		}
	}
	if len(code(t, reply)) != 43 {
		t.Errorf("response code has %d characters", len(code(t, reply)))
	}
	must(w.v.Result(t.Context(), tx.ID, code(t, reply)))(t)
	_, err = w.v.Result(t.Context(), tx.ID, code(t, reply))
	wantStatus(t, err, 400) // used

	stray := w.start(querySDJWT)
	s := w.fetch(stray)
	for range 5 {
		_, err := w.v.Respond(t.Context(), s.responseID, w.seal(s, &openid4vp.ResponseParams{
			VPToken: map[string][]string{"pid": {good}}, State: "abc",
		}))
		wantStatus(t, err, 400)
	}
	if got := must(w.v.Result(t.Context(), stray.ID, ""))(t); got.State != verifier.StateRefused || got.Refusal.Reason != verifier.ReasonResponse {
		t.Errorf("after five stray responses: %+v", got)
	}
}

func testResultSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx := w.start(querySDJWT)
	r := w.fetch(tx)
	for name, id := range map[string]string{
		"state": r.Parameters.State, "nonce": r.Parameters.Nonce, "request": last(tx.RequestURI), "response": r.responseID, "": "",
	} {
		if _, err := w.v.Result(t.Context(), id, ""); codeOf(err) != verifier.CodeNotFound {
			t.Errorf("result by %s: %v", name, err)
		}
	}
	for name, id := range map[string]string{"transaction": tx.ID, "request": last(tx.RequestURI)} {
		if _, err := w.v.Respond(t.Context(), id, url.Values{}); codeOf(err) != verifier.CodeInvalidRequest {
			t.Errorf("response by %s: %v", name, err)
		}
	}
	if _, err := w.v.RequestObject(t.Context(), tx.ID, openid4vp.RequestURIPost{}); codeOf(err) != verifier.CodeNotFound {
		t.Errorf("request by transaction: %v", err)
	}
	must(w.v.Result(t.Context(), tx.ID, ""))(t)
}

func testFetchedTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx := w.start(querySDJWT)
	first := w.fetch(tx)
	object := must(w.v.RequestObject(t.Context(), last(tx.RequestURI), openid4vp.RequestURIPost{WalletNonce: "wallet-nonce-1"}))(t)
	second := w.parse(tx, object, "wallet-nonce-1")
	if second.Parameters.WalletNonce != "wallet-nonce-1" || first.Parameters.WalletNonce != "" ||
		second.Parameters.Nonce != first.Parameters.Nonce || second.responseID != first.responseID {
		t.Errorf("second fetch: %+v", second.Parameters)
	}
	w.accepted(tx, first, w.encrypted(first, w.presentSDJWT(first.binding())))
	_, err := w.v.RequestObject(t.Context(), last(tx.RequestURI), openid4vp.RequestURIPost{})
	wantStatus(t, err, 404)
}

func testEncryption(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := func(r *request) []byte {
		data, err := json.Marshal(openid4vp.ResponseParams{
			VPToken: map[string][]string{"pid": {w.presentSDJWT(r.binding())}}, State: r.Parameters.State,
		})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	post := func(r *request, jwe string) error {
		_, err := w.v.Respond(t.Context(), r.responseID, url.Values{"response": {jwe}})
		return err
	}
	tx := w.start(querySDJWT)
	r := w.fetch(tx)
	other := w.fetch(w.start(querySDJWT))
	foreign := *must(jose.NewJWK(must(keys.GenerateP256())(t).Public()))(t)
	foreign.Kid = r.encryption.Key.Kid
	noKid := *r.encryption.Key
	noKid.Kid = ""
	for name, key := range map[string]*jose.JWK{"other transaction": other.encryption.Key, "foreign key": &foreign, "no kid": &noKid} {
		if err := post(r, must(jose.Encrypt(token(r), key, jose.A256GCM, jose.EncryptOptions{}))(t)); codeOf(err) != verifier.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	honest := must(jose.Encrypt(token(r), r.encryption.Key, jose.A128GCM, jose.EncryptOptions{APU: []byte("u"), APV: []byte("v")}))(t)
	parts := strings.Split(honest, ".")
	var header map[string]any
	if err := json.Unmarshal(must(jose.DecodeBase64(parts[0]))(t), &header); err != nil {
		t.Fatal(err)
	}
	spoiled := maps.Clone(header)
	spoiled["apv"] = jose.EncodeBase64([]byte("w"))
	parts[0] = jose.EncodeBase64(must(json.Marshal(spoiled))(t))
	if err := post(r, strings.Join(parts, ".")); codeOf(err) != verifier.CodeInvalidRequest {
		t.Errorf("apv: %v", err)
	}
	w.accepted(tx, r, url.Values{"response": {honest}})

	tx = w.start(querySDJWT)
	r = w.fetch(tx)
	plain := must((&openid4vp.ResponseParams{
		VPToken: map[string][]string{"pid": {w.presentSDJWT(r.binding())}}, State: r.Parameters.State,
	}).Form())(t)
	w.refusedFor(tx, r, plain, verifier.ReasonNotEncrypted)

	tx = w.start(querySDJWT)
	r = w.fetch(tx)
	nested := must(jose.Sign(jose.Header{Typ: "JWT"}, token(r), w.holder))(t)
	w.refusedFor(tx, r, url.Values{"response": {must(jose.Encrypt([]byte(nested), r.encryption.Key, jose.A256GCM, jose.EncryptOptions{Cty: "JWT"}))(t)}}, verifier.ReasonResponse)
}

func testToken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		body func(p string) string
		want verifier.Reason
	}{
		{"unknown id", func(p string) string { return `{"other":["` + p + `"]}` }, verifier.ReasonQuery},
		{"extra id", func(p string) string { return `{"pid":["` + p + `"],"other":["` + p + `"]}` }, verifier.ReasonQuery},
		{"id twice", func(p string) string { return `{"pid":["` + p + `"],"pid":["` + p + `"]}` }, verifier.ReasonResponse},
		{"string", func(p string) string { return `{"pid":"` + p + `"}` }, verifier.ReasonResponse},
		{"object", func(p string) string { return `{"pid":{"0":"` + p + `"}}` }, verifier.ReasonResponse},
		{"two", func(p string) string { return `{"pid":["` + p + `","` + p + `"]}` }, verifier.ReasonQuery},
		{"none", func(string) string { return `{"pid":[]}` }, verifier.ReasonResponse},
		{"empty", func(string) string { return `{}` }, verifier.ReasonResponse},
		{"garbage", func(string) string { return `{"pid":["garbage"]}` }, verifier.ReasonCredential},
		{"honest", func(p string) string { return `{"pid":["` + p + `"]}` }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tx := w.start(querySDJWT)
			r := w.fetch(tx)
			payload := `{"state":"` + r.Parameters.State + `","vp_token":` + tt.body(w.presentSDJWT(r.binding())) + `}`
			form := url.Values{"response": {must(jose.Encrypt([]byte(payload), r.encryption.Key, jose.A256GCM, jose.EncryptOptions{}))(t)}}
			if tt.want == "" {
				w.accepted(tx, r, form)
				return
			}
			w.refusedFor(tx, r, form, tt.want)
		})
	}
}

func testQuery(t *testing.T) {
	t.Parallel()
	authority := func(w *world, key []byte) string {
		return strings.Replace(querySDJWT, `"meta"`, `"trusted_authorities":[{"type":"aki","values":["`+jose.EncodeBase64(key)+`"]}],"meta"`, 1)
	}
	tests := []struct {
		name    string
		query   func(w *world) string
		draft   func(d *credentials.Draft)
		refused bool
	}{
		{"honest", nil, nil, false},
		{"claim missing", nil, func(d *credentials.Draft) {
			delete(d.Claims, "name")
		}, true},
		{"wrong value", nil, func(d *credentials.Draft) {
			d.Claims["age_equal_or_over"] = credentials.Object{"18": credentials.Bool(false)}
		}, true},
		{"wrong vct", nil, func(d *credentials.Draft) { d.Type = "urn:other" }, true},
		{"wrong authority", func(w *world) string { return authority(w, w.other.Certificate.SubjectKeyId) }, nil, true},
		{"right authority", func(w *world) string { return authority(w, w.ca.Certificate.SubjectKeyId) }, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			query := querySDJWT
			if tt.query != nil {
				query = tt.query(w)
			}
			tx := w.start(query)
			r := w.fetch(tx)
			d := w.draft(credentials.FormatSDJWTVC)
			paths := pathsSDJWT()
			if tt.draft != nil {
				tt.draft(&d)
			}
			if _, ok := d.Claims["name"]; !ok {
				paths = paths[1:]
			}
			b := r.binding()
			form := w.encrypted(r, must(sdjwt.Present(w.issueSDJWT(d, w.sdjwtKey), paths, &b, w.holder, w.clock()))(t))
			if tt.refused {
				w.refusedFor(tx, r, form, verifier.ReasonQuery)
			} else {
				w.accepted(tx, r, form)
			}
		})
	}
	t.Run("more than asked for is dropped", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		tx := w.start(querySDJWT)
		r := w.fetch(tx)
		b := r.binding()
		paths := append(pathsSDJWT(), credentials.PathOf("birthdate"), credentials.PathOf("age_equal_or_over", "65"))
		raw := must(sdjwt.Present(w.issueSDJWT(w.draft(credentials.FormatSDJWTVC), w.sdjwtKey), paths, &b, w.holder, w.clock()))(t)
		got := w.accepted(tx, r, w.encrypted(r, raw))
		if claims := string(got[0].Claims); claims != `{"age_equal_or_over":{"18":true},"name":"手形花子"}` {
			t.Errorf("claims: %s", claims)
		}
	})
	t.Run("individual number in free text is blotted out", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		tx := w.start(querySDJWT)
		r := w.fetch(tx)
		d := w.draft(credentials.FormatSDJWTVC)
		d.Claims["name"] = credentials.Text("手形 1234 5678 9018")
		got := w.accepted(tx, r, w.encrypted(r, w.presentDraft(d, w.sdjwtKey, r.binding())))
		if strings.Contains(string(got[0].Claims), "9018") {
			t.Errorf("claims: %s", got[0].Claims)
		}
	})
}

func testCredential(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		draft  func(w *world, d *credentials.Draft)
		key    func(w *world) *keys.Key
		before func(w *world)
		want   verifier.Reason
	}{
		{name: "honest"},
		{name: "same name, other CA", key: func(w *world) *keys.Key { return w.otherKey }, want: verifier.ReasonIssuerUntrusted},
		{
			name:   "expired",
			draft:  func(w *world, d *credentials.Draft) { d.ValidUntil = w.now.Add(time.Second) },
			before: func(w *world) { w.advance(2 * time.Second) }, want: verifier.ReasonExpired,
		},
		{
			name:  "not yet valid",
			draft: func(w *world, d *credentials.Draft) { d.ValidFrom = w.now.Add(time.Hour) }, want: verifier.ReasonNotYetValid,
		},
		{
			name:  "revoked",
			draft: func(_ *world, d *credentials.Draft) { d.Status.Index = revokedIndex }, want: verifier.ReasonRevoked,
		},
		{
			name:  "outside the list",
			draft: func(_ *world, d *credentials.Draft) { d.Status.Index = 1 << 20 }, want: verifier.ReasonStatusUnavailable,
		},
		{name: "list away", before: func(w *world) { w.listDown = true }, want: verifier.ReasonStatusUnavailable},
		{
			name:  "list of another",
			draft: func(_ *world, d *credentials.Draft) { d.Status.URI = "https://status.example/lists/2" },
			want:  verifier.ReasonStatusUnavailable,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tx := w.start(querySDJWT)
			r := w.fetch(tx)
			d, key := w.draft(credentials.FormatSDJWTVC), w.sdjwtKey
			if tt.draft != nil {
				tt.draft(w, &d)
			}
			if tt.key != nil {
				key = tt.key(w)
			}
			form := w.encrypted(r, w.presentDraft(d, key, r.binding()))
			if tt.before != nil {
				tt.before(w)
			}
			if tt.want == "" {
				w.accepted(tx, r, form)
				return
			}
			w.refusedFor(tx, r, form, tt.want)
		})
	}
}

func testWalletErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, encrypted := range map[string]bool{"in the clear": false, "encrypted": true} {
		for sent, want := range map[openid4vp.ErrorCode]verifier.Reason{
			openid4vp.AccessDenied: verifier.ReasonDeclined, openid4vp.WalletUnavailable: verifier.ReasonWalletError, "made_up": verifier.ReasonWalletError,
		} {
			tx := w.start(querySDJWT)
			r := w.fetch(tx)
			params := &openid4vp.ResponseParams{Error: sent, ErrorDescription: "<script>alert(1)</script>", State: r.Parameters.State}
			form := must(params.Form())(t)
			if encrypted {
				form = w.seal(r, params)
			}
			reply := must(w.v.Respond(t.Context(), r.responseID, form))(t)
			result := must(w.v.Result(t.Context(), tx.ID, code(t, reply)))(t)
			if result.State != verifier.StateRefused || result.Refusal.Reason != want || strings.Contains(result.Refusal.Detail, "script") {
				t.Errorf("%s %s: %+v", sent, name, result.Refusal)
			}
			_, err := w.v.Respond(t.Context(), r.responseID, w.encrypted(r, w.presentSDJWT(r.binding())))
			wantStatus(t, err, 400)
		}
	}
	tx := w.start(querySDJWT)
	r := w.fetch(tx)
	_, err := w.v.Respond(t.Context(), r.responseID, url.Values{"error": {"access_denied"}})
	wantStatus(t, err, 400) // without the state it is anybody's
	w.accepted(tx, r, w.encrypted(r, w.presentSDJWT(r.binding())))
}

func testTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	town := w.verifier("town")
	tx := w.start(querySDJWT)
	r := w.fetch(tx)
	_, foreign := town.Result(t.Context(), tx.ID, "")
	_, never := town.Result(t.Context(), "never-existed", "")
	if codeOf(foreign) != verifier.CodeNotFound || foreign.Error() != never.Error() {
		t.Errorf("other tenant's: %v, never existed: %v", foreign, never)
	}
	wantStatus(t, town.Cancel(t.Context(), tx.ID), 404)
	_, err := town.RequestObject(t.Context(), last(tx.RequestURI), openid4vp.RequestURIPost{})
	wantStatus(t, err, 404)
	w.accepted(tx, r, w.encrypted(r, w.presentSDJWT(r.binding())))
}
