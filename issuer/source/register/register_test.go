package register_test

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
	"github.com/tegata-id/tegata/issuer/source/register"
	"github.com/tegata-id/tegata/issuer/source/register/registertest"
)

var _ source.Register = (*register.Register)(nil)

// TestClaims holds client and simulator against the contract and against each
// other.
func TestClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t, documented(t))
	r := w.client(t, nil)
	got, err := r.Claims(t.Context(), signed("issuer's own"), hanako(), []string{"nationality", "place_of_birth", "portrait", "document_number", "driving_privileges", "unheard_of", "portrait"})
	if err != nil {
		t.Fatal(err)
	}
	portrait, ok := got["portrait"].(credentials.Bytes)
	if _, err := jpeg.Decode(bytes.NewReader(portrait)); !ok || err != nil {
		t.Errorf("portrait: %v", err)
	}
	delete(got, "portrait")
	issued, ends := credentials.FullDate{Year: 2024, Month: time.May, Day: 1}, credentials.FullDate{Year: 2029, Month: time.May, Day: 1}
	want := source.Claims{
		"nationality":     credentials.Array{credentials.Text("JP")},
		"place_of_birth":  credentials.Object{"country": credentials.Text("JP"), "locality": credentials.Text("Kiyose-shi")},
		"document_number": credentials.Text("308800012345"),
		"driving_privileges": credentials.Array{credentials.Object{
			"vehicle_category_code": credentials.Text("B"), "issue_date": issued, "expiry_date": ends,
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	asked := w.Lookups()[0]
	asked.RequestID, asked.Pseudonym = "", ""
	wantAsked := registertest.Lookup{
		Person: registertest.Person{
			Name:      registertest.Written{Written: "山田　花子", Normalized: "山田 花子", Substitutes: "00000"},
			Address:   registertest.Written{Written: "東京都清瀬市中里五丁目８４２番地", Normalized: "東京都清瀬市中里五丁目842番地"},
			BirthDate: "1985-04-01", Sex: 2,
		},
		Claims: []string{"document_number", "driving_privileges", "nationality", "place_of_birth", "portrait", "unheard_of"},
	}
	if diff := cmp.Diff(wantAsked, asked); diff != "" {
		t.Error(diff)
	}
	if known, err := r.Known(t.Context()); err != nil || !slices.Contains(known, "driving_privileges") {
		t.Errorf("known claims %q, %v", known, err)
	}
}

// TestPseudonyms: a register can compare what it gets with nothing that anybody
// else has.
func TestPseudonyms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, documented(t))
	other := bytes.Repeat([]byte{7}, 32)
	for _, r := range []*register.Register{w.client(t, nil), w.client(t, nil), w.client(t, func(c *register.Config) { c.PseudonymKey = other })} {
		if _, err := r.Claims(t.Context(), signed("issuer's own"), hanako(), []string{"portrait"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.client(t, nil).Claims(t.Context(), stated(), hanako(), []string{"portrait"}); err != nil {
		t.Fatal(err)
	}
	asked := w.Lookups()
	one, again, elsewhere, none := asked[0], asked[1], asked[2], asked[3]
	if one.Pseudonym == "" || one.Pseudonym != again.Pseudonym {
		t.Errorf("one certificate is %q and %q", one.Pseudonym, again.Pseudonym)
	}
	if one.Pseudonym == elsewhere.Pseudonym || one.Pseudonym == "issuer's own" {
		t.Error("the pseudonym is not the register's alone")
	}
	if none.Pseudonym != "" || one.RequestID == again.RequestID {
		t.Errorf("pseudonym %q without a certificate, or request IDs that are not fresh", none.Pseudonym)
	}
}

// TestNegMatching: nobody is taken for somebody else.
func TestNegMatching(t *testing.T) {
	t.Parallel()
	w := newWorld(t, documented(t))
	r := w.client(t, nil)
	alias := &source.Person{
		Name: "李　明（田中　明）", Address: "京都府京都市中京区西ノ京職司町１番地", Sex: 1,
		BirthDate: &credentials.FullDate{Year: 1975, Month: time.September, Day: 9},
	}
	misaki := &source.Person{
		Name: "高橋　美咲", NameSubstitutes: "10000", Address: "京都府京都市中京区上本能寺前町４８８番地", Sex: 2,
		BirthDate: &credentials.FullDate{Year: 1995, Month: time.July, Day: 15},
	}
	with := func(p *source.Person, edit func(*source.Person)) *source.Person {
		changed := *p
		edit(&changed)
		return &changed
	}
	for _, tt := range []struct {
		name, pseudonym string
		person          *source.Person
		want            error
		outcome         register.Outcome
	}{
		{"honest twin", "h", hanako(), nil, register.Found},
		{"honest twin, a character that certificates can't hold", "m", misaki, nil, register.Found},
		{"that character is not a substitute", "m2", with(misaki, func(p *source.Person) { p.NameSubstitutes = "00000" }), source.ErrNoRecord, register.None},
		{"another name", "n", with(hanako(), func(p *source.Person) { p.Name = "山田　華子" }), source.ErrNoRecord, register.None},
		{"another address", "a", with(hanako(), func(p *source.Person) { p.Address = "東京都清瀬市中里五丁目８４３番地" }), source.ErrNoRecord, register.None},
		{"no address", "na", with(hanako(), func(p *source.Person) { p.Address = "" }), source.ErrNoRecord, register.None},
		{"another birth date", "b", with(hanako(), func(p *source.Person) { p.BirthDate = alias.BirthDate }), source.ErrNoRecord, register.None},
		{"no birth date", "nb", with(hanako(), func(p *source.Person) { p.BirthDate = nil }), source.ErrNoRecord, register.None},
		{"another sex", "s", with(hanako(), func(p *source.Person) { p.Sex = 1 }), source.ErrNoRecord, register.None},
		{"two who are the same on paper", "t", alias, source.ErrAmbiguous, register.Ambiguous},
		{"the certificate of somebody else", "h", misaki, source.ErrAmbiguous, register.Ambiguous},
	} {
		w.outcomes = nil
		claims, err := r.Claims(t.Context(), signed(tt.pseudonym), tt.person, []string{"portrait"})
		if !errors.Is(err, tt.want) || (tt.want == nil) != (len(claims) == 1) || !slices.Equal(w.outcomes, []register.Outcome{tt.outcome}) {
			t.Errorf("%s: %v, %d claims, outcomes %q", tt.name, err, len(claims), w.outcomes)
		}
	}
	lost := &evidence.Evidence{Kind: evidence.KindJPKISignature}
	for name, ask := range map[string]func() error{
		"nothing": func() error {
			_, err := r.Claims(t.Context(), signed("x"), hanako(), nil)
			return err
		},
		"nobody": func() error {
			_, err := r.Claims(t.Context(), signed("x"), &source.Person{}, []string{"portrait"})
			return err
		},
		"evidence that lost its certificate": func() error {
			_, err := r.Claims(t.Context(), lost, hanako(), []string{"portrait"})
			return err
		},
	} {
		if ask() == nil {
			t.Errorf("asked for %s", name)
		}
	}
}

// failing is a client whose first connections fail.
type failing struct {
	register.Client
	fail  func() error
	posts atomic.Int32
}

func (f *failing) Post(ctx context.Context, rawURL, contentType string, body []byte, headers http.Header) (*fetch.Response, error) {
	f.posts.Add(1)
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Client.Post(ctx, rawURL, contentType, body, headers)
}

// TestRetry: a lookup is sent again once, if it did not leave the machine.
func TestRetry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	dial, read := &net.OpError{Op: "dial", Err: errors.New("refused")}, &net.OpError{Op: "read", Err: errors.New("reset")}
	for _, tt := range []struct {
		name  string
		fails []error
		posts int32
		ok    bool
	}{
		{"none", nil, 1, true},
		{"one dial", []error{dial}, 2, true},
		{"two dials", []error{dial, dial}, 2, false},
		{"an answer that was cut off", []error{read}, 1, false},
	} {
		left := tt.fails
		f := &failing{fail: func() error {
			if len(left) == 0 {
				return nil
			}
			err := left[0]
			left = left[1:]
			return err
		}}
		r := w.client(t, func(c *register.Config) {
			f.Client = w.fetcher(t, fetch.Options{}, w.CA.Certificate, w.certificate(t, w.CA, time.Hour))
			c.Client = f
		})
		_, err := r.Claims(t.Context(), signed("x"), hanako(), []string{"portrait"})
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, source.ErrUnavailable) || f.posts.Load() != tt.posts {
			t.Errorf("%s: %v after %d requests", tt.name, err, f.posts.Load())
		}
	}
}

// TestRest: a register that is out of reach is not asked for every person.
func TestRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	away := true
	f := &failing{fail: func() error {
		if away {
			return errors.New("away")
		}
		return nil
	}}
	r := w.client(t, func(c *register.Config) {
		f.Client = w.fetcher(t, fetch.Options{}, w.CA.Certificate, w.certificate(t, w.CA, time.Hour))
		c.Client = f
	})
	ask := func(n int) (err error) {
		for range n {
			_, err = r.Claims(t.Context(), signed("x"), hanako(), []string{"portrait"})
		}
		return err
	}
	if err := ask(20); !errors.Is(err, source.ErrUnavailable) || f.posts.Load() != 5 {
		t.Errorf("%v after %d requests", err, f.posts.Load())
	}
	w.clock.advance(10 * time.Second)
	if err := ask(5); err == nil || f.posts.Load() != 6 {
		t.Errorf("%v after %d requests, want one more to see whether it is back", err, f.posts.Load())
	}
	away = false
	if err := ask(1); err == nil {
		t.Error("asked during the rest")
	}
	w.clock.advance(10 * time.Second)
	if err := ask(7); err != nil || f.posts.Load() != 13 {
		t.Errorf("%v after %d requests, want every lookup to be sent again", err, f.posts.Load())
	}
}

// TestCanceled: a person who goes away says nothing about the register.
func TestCanceled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.client(t, nil)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if _, err := r.Claims(gone, signed("x"), hanako(), []string{"portrait"}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if _, err := r.Claims(t.Context(), signed("x"), hanako(), []string{"portrait"}); err != nil {
		t.Error(err)
	}
}
