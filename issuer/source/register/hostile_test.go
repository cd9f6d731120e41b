package register_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer/source"
	"github.com/tegata-id/tegata/issuer/source/register"
	"github.com/tegata-id/tegata/issuer/source/register/registertest"
)

// canaries are of the person and of the answers, and belong in no error.
var canaries = []string{"山田", "花子", "清瀬", "1985", "JP", "123456789018", "Kiyose"}

func noCanary(t *testing.T, name string, err error) {
	t.Helper()
	for _, canary := range canaries {
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("F04 %s: the error says %q: %v", name, canary, err)
		}
	}
}

// TestNegAnswers: what is not exactly an answer to the question is none.
func TestNegAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.client(t, nil)
	ask := func() (source.Claims, error) {
		return r.Claims(t.Context(), signed("x"), hanako(), []string{"nationality", "portrait"})
	}
	answer := func(edit func(map[string]any)) registertest.Faults { return registertest.Faults{Answer: edit} }
	claim := func(v any) registertest.Faults {
		return answer(func(a map[string]any) { a["claims"] = map[string]any{"nationality": v} })
	}
	person := func(edit func(map[string]any)) registertest.Faults {
		return answer(func(a map[string]any) { edit(a["person"].(map[string]any)) })
	}
	body := func(from, to string) registertest.Faults {
		return registertest.Faults{Body: func(b []byte) []byte { return bytes.Replace(b, []byte(from), []byte(to), 1) }}
	}
	for _, tt := range []struct {
		name    string
		faults  registertest.Faults
		want    error
		outcome register.Outcome
	}{
		{"honest twin", registertest.Faults{}, nil, register.Found},
		{"wrong request id", answer(func(a map[string]any) { a["request_id"] = "AAAAAAAAAAAAAAAAAAAAAA" }), register.ErrAnswer, register.Invalid},
		{"no request id", answer(func(a map[string]any) { delete(a, "request_id") }), register.ErrAnswer, register.Invalid},
		{"other person's name", person(func(p map[string]any) { p["name"] = "佐藤　太郎" }), source.ErrAmbiguous, register.Mismatch},
		{"other person's address", person(func(p map[string]any) { p["address"] = "北海道" }), source.ErrAmbiguous, register.Mismatch},
		{"other person's birth date", person(func(p map[string]any) { p["birth_date"] = "1985-04-02" }), source.ErrAmbiguous, register.Mismatch},
		{"other person's sex", person(func(p map[string]any) { p["sex"] = 1 }), source.ErrAmbiguous, register.Mismatch},
		{"without a birth date", person(func(p map[string]any) { delete(p, "birth_date") }), source.ErrAmbiguous, register.Mismatch},
		{"without a sex", person(func(p map[string]any) { delete(p, "sex") }), register.ErrAnswer, register.Invalid},
		{"person is a list", answer(func(a map[string]any) { a["person"] = []any{a["person"]} }), register.ErrAnswer, register.Invalid},
		{"no person", answer(func(a map[string]any) { delete(a, "person") }), register.ErrAnswer, register.Invalid},
		{"ambiguous with claims", answer(func(a map[string]any) { a["result"] = "ambiguous" }), register.ErrAnswer, register.Invalid},
		{"unknown result", answer(func(a map[string]any) { a["result"] = "likely" }), register.ErrAnswer, register.Invalid},
		{"unknown member", answer(func(a map[string]any) { a["score"] = 1 }), register.ErrAnswer, register.Invalid},
		{"unknown member of the person", person(func(p map[string]any) { p["kana"] = "x" }), register.ErrAnswer, register.Invalid},
		{"claim that was not asked for", answer(func(a map[string]any) { a["claims"].(map[string]any)["document_number"] = "1" }), register.ErrAnswer, register.Invalid},
		{"claims are a list", answer(func(a map[string]any) { a["claims"] = []any{} }), register.ErrAnswer, register.Invalid},
		{"old", answer(func(a map[string]any) {
			a["as_of"] = w.clock.Now().Add(-25 * time.Hour).UTC().Format("2006-01-02T15:04:05Z")
		}), source.ErrUnavailable, register.Stale},
		{"from the future", answer(func(a map[string]any) { a["as_of"] = w.clock.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z") }), register.ErrAnswer, register.Invalid},
		{"local time", answer(func(a map[string]any) { a["as_of"] = w.clock.Now().Format("2006-01-02T15:04:05") + "+09:00" }), register.ErrAnswer, register.Invalid},
		{"no time", answer(func(a map[string]any) { delete(a, "as_of") }), register.ErrAnswer, register.Invalid},
		{"duplicate member", body(`"result":`, `"result":"none","result":`), register.ErrAnswer, register.Invalid},
		{"duplicate member inside", body(`"claims":{`, `"claims":{"nationality":["US"],`), register.ErrAnswer, register.Invalid},
		{"not UTF-8", body("JP", "\xff"), register.ErrAnswer, register.Invalid},
		{"not JSON", registertest.Faults{Body: func([]byte) []byte { return []byte("<html>") }}, register.ErrAnswer, register.Invalid},
		{"two documents", registertest.Faults{Body: func(b []byte) []byte { return append(b, "{}"...) }}, register.ErrAnswer, register.Invalid},
		{"empty", registertest.Faults{Body: func([]byte) []byte { return nil }}, register.ErrAnswer, register.Invalid},
		{"huge", registertest.Faults{Body: func([]byte) []byte { return bytes.Repeat([]byte(" "), register.MaxAnswer+1) }}, source.ErrUnavailable, register.Invalid},
		{"HTML by its type", registertest.Faults{MediaType: "text/html"}, register.ErrAnswer, register.Invalid},
		{"redirect", registertest.Faults{Status: http.StatusTemporaryRedirect, Location: w.URL + "/claims"}, source.ErrUnavailable, register.Invalid},
		{"refused", registertest.Faults{Status: http.StatusForbidden}, source.ErrUnavailable, register.Refused},
		{"503", registertest.Faults{Status: http.StatusServiceUnavailable}, source.ErrUnavailable, register.Unavailable},
		{"too many requests", registertest.Faults{Status: http.StatusTooManyRequests}, source.ErrUnavailable, register.Unavailable},
		{"200 of another kind", registertest.Faults{Status: http.StatusNoContent}, register.ErrAnswer, register.Invalid},
		{"Individual Number", claim("１２３４ ５６７８ ９０１８"), register.ErrAnswer, register.Invalid},
		{"Individual Number inside", claim([]any{map[string]any{"object": map[string]any{"note": "123456789018"}}}), register.ErrAnswer, register.Invalid},
		{"name of the Individual Number", claim(map[string]any{"object": map[string]any{"my_number": true}}), register.ErrAnswer, register.Invalid},
		{"identifier of another kind", claim(map[string]any{"identifier": "123456789018"}), nil, register.Found},
		{"empty identifier", claim(map[string]any{"identifier": ""}), register.ErrAnswer, register.Invalid},
		{"null", claim(nil), register.ErrAnswer, register.Invalid},
		{"no whole number", claim(1.5), register.ErrAnswer, register.Invalid},
		{"number out of range", claim(1 << 60), register.ErrAnswer, register.Invalid},
		{"whole number", claim(7), nil, register.Found},
		{"no date", claim(map[string]any{"full-date": "2026-02-30"}), register.ErrAnswer, register.Invalid},
		{"date and time", claim(map[string]any{"time": "2026-02-03T04:05:06Z"}), nil, register.Found},
		{"no time in UTC", claim(map[string]any{"time": "2026-02-03T04:05:06+09:00"}), register.ErrAnswer, register.Invalid},
		{"base64 with padding", claim(map[string]any{"bytes": "AA=="}), register.ErrAnswer, register.Invalid},
		{"portrait of its greatest size", claim(map[string]any{"bytes": strings.Repeat("AAAA", 128<<10/3)}), nil, register.Found},
		{"portrait that is larger", claim(map[string]any{"bytes": strings.Repeat("AAAA", 128<<10/3+1)}), register.ErrAnswer, register.Invalid},
		{"unknown type", claim(map[string]any{"base64": "AA"}), register.ErrAnswer, register.Invalid},
		{"two types", claim(map[string]any{"identifier": "1", "bytes": "AA"}), register.ErrAnswer, register.Invalid},
		{"text that is too long", claim(strings.Repeat("あ", 2001)), register.ErrAnswer, register.Invalid},
		{"longest text", claim(strings.Repeat("あ", 2000)), nil, register.Found},
		{"long list", claim(make([]int, 101)), register.ErrAnswer, register.Invalid},
		{"deep", registertest.Faults{Body: func(b []byte) []byte {
			return bytes.Replace(b, []byte(`["JP"]`), []byte(strings.Repeat("[", 40)+strings.Repeat("]", 40)), 1)
		}}, register.ErrAnswer, register.Invalid},
	} {
		w.Set(tt.faults)
		w.outcomes = nil
		claims, err := ask()
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || (err == nil) != (claims != nil) || !slices.Equal(w.outcomes, []register.Outcome{tt.outcome}) {
			t.Errorf("%s: %v, outcomes %q", tt.name, err, w.outcomes)
		}
		if errors.Is(err, register.ErrAnswer) && !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("%s: a fault of the register looks like one of the person: %v", tt.name, err)
		}
		noCanary(t, tt.name, err)
		w.Set(registertest.Faults{})
		if _, err := ask(); err != nil { // and the register is not put to rest by its answers
			t.Fatalf("after %s: %v", tt.name, err)
		}
	}
}

// TestNegTLS: nothing is asked of strangers, and nothing told to them.
func TestNegTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	stranger, err := registertest.NewCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate := func(ca *trusttest.CA, lifetime time.Duration) *tls.Certificate { return w.certificate(t, ca, lifetime) }
	for _, tt := range []struct {
		name        string
		authority   *x509.Certificate
		certificate *tls.Certificate
		ok          bool
	}{
		{"honest twin", w.CA.Certificate, certificate(w.CA, time.Hour), true},
		{"wrong authority of the register", stranger.Certificate, certificate(w.CA, time.Hour), false},
		{"no client certificate", w.CA.Certificate, nil, false},
		{"client certificate of others", w.CA.Certificate, certificate(stranger, time.Hour), false},
		{"expired client certificate", w.CA.Certificate, certificate(w.CA, -time.Minute), false},
	} {
		r := w.client(t, func(c *register.Config) { c.Client = w.fetcher(t, fetch.Options{}, tt.authority, tt.certificate) })
		_, err := r.Claims(t.Context(), signed("x"), hanako(), []string{"portrait"})
		if tt.ok != (err == nil) || err != nil && !errors.Is(err, source.ErrUnavailable) {
			t.Errorf("%s: %v", tt.name, err)
		}
		noCanary(t, tt.name, err)
	}
	if n := len(w.Lookups()); n != 1 {
		t.Errorf("%d lookups arrived", n)
	}
}

// TestNegAddress: personal data goes by https to the configured address alone.
func TestNegAddress(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	w := newWorld(t, nil)
	client := w.fetcher(t, fetch.Options{}, w.CA.Certificate, nil)
	key := make([]byte, 32)
	for url, ok := range map[string]bool{w.URL: true, w.URL + "/": true, plain.URL: false, "https://127.0.0.1:1/": false, "https://user@register.example": false, "": false} {
		if _, err := register.New(register.Config{URL: url, Client: client, PseudonymKey: key}); (err == nil) != ok {
			t.Errorf("X01 %q: %v", url, err)
		}
	}
	if _, err := register.New(register.Config{URL: w.URL, Client: client, PseudonymKey: key[1:]}); err == nil {
		t.Error("a short key")
	}
}

// TestNegSlow: a slow register delays people no longer than was configured, and
// holds no more requests than were allowed.
func TestNegSlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	wait := make(chan struct{})
	w.Set(registertest.Faults{Wait: wait})
	r := w.client(t, func(c *register.Config) {
		c.Client = w.fetcher(t, fetch.Options{Timeout: 300 * time.Millisecond, Concurrency: 1}, w.CA.Certificate, w.certificate(t, w.CA, time.Hour))
	})
	for range 2 {
		if _, err := r.Claims(t.Context(), signed("x"), hanako(), []string{"portrait"}); !errors.Is(err, source.ErrUnavailable) {
			t.Error(err)
		}
	}
	close(wait)
	w.Set(registertest.Faults{})
	if _, err := w.client(t, nil).Claims(t.Context(), signed("x"), hanako(), []string{"portrait"}); err != nil {
		t.Errorf("honest twin: %v", err)
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, substitutes, record string
		want                      bool
	}{
		{"山田　花子", "00000", "山田　花子", true},
		{"山田　花子", "", "山田 花子", true},
		{"山田　花子", "", "山田花子", false},
		{"ＳＭＩＴＨ　ＪＯＨＮ", "", "SMITH JOHN", true},
		{"ｶﾀｶﾅ", "", "カタカナ", true},
		{"Smith", "", "SMITH", false},
		{"高橋", "10", "髙橋", true},
		{"高橋", "10", "高橋", true},
		{"高橋", "10", "𠮷橋", true},
		{"高橋", "00", "髙橋", false},
		{"高橋", "10", "髙田", false},
		{"高橋", "10", "髙々橋", false},
		{"高橋", "100", "髙橋", false},
		{"高橋", "11", "髙 ", false},
		{"葛城", "10", "葛\U000E0100城", true},
		{"葛城", "00", "葛\U000E0100城", true},
		{"", "", "", true},
		{"", "", "山", false},
		{"山", "1", "", false},
		{"\uffff", "", "山", false},
	} {
		if got := register.Fits(tt.text, tt.substitutes, tt.record); got != tt.want {
			t.Errorf("%q (%s) and %q: %v", tt.text, tt.substitutes, tt.record, got)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	const id = "9W5m0Qb3o3Jv1k0eVt7p9w"
	f.Add([]byte(`{"request_id":"` + id + `","result":"none"}`))
	f.Add([]byte(`{"request_id":"` + id + `","result":"found","as_of":"2026-11-22T18:00:00Z","person":{"name":"x","sex":2},"claims":{"a":[{"object":{"b":{"full-date":"2026-01-01"}}}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := register.ParseAnswer(raw, id, []string{"a"}); err != nil && !errors.Is(err, register.ErrAnswer) {
			t.Error(err)
		}
	})
}
