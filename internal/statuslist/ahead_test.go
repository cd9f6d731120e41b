package statuslist_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// aheadPublisher has windows of a minute, tokens of an hour, and signs two of
// them ahead.
func aheadPublisher(t testing.TB, db *database.DB, lists *statuslist.Lists, s statuslist.Signer, c *clock) *statuslist.Publisher {
	t.Helper()
	p, err := statuslist.NewPublisher(statuslist.PublisherConfig{
		DB: db, Lists: lists, Signer: s, Now: c.now, Log: slog.New(slog.DiscardHandler), Lifetime: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A signer that is away does not blind verifiers before the last token that
// was signed ahead expires, two hours after the last publication.
func TestSignedAhead(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, s, c := newLists(t, statuslist.Config{}), &signer{}, newClock(start)
		p := aheadPublisher(t, db, lists, s, c)
		e := allocate(t, db, lists, "t", "k", 2)
		if _, err := revoke(db, lists, "t", e[0]); err != nil {
			t.Fatal(err)
		}
		first := current(t, p, e[0].ListID)
		if len(s.lists) != 3 {
			t.Fatalf("signed %d tokens, want 3", len(s.lists))
		}
		for i, list := range s.lists {
			if want := first.IssuedAt.Add(time.Duration(i) * 30 * time.Minute); !list.IssuedAt.Equal(want) || !list.Expires.Equal(want.Add(time.Hour)) {
				t.Errorf("token %d is from %v to %v", i, list.IssuedAt, list.Expires)
			}
			if !invalid(list, e[0]) || invalid(list, e[1]) || list.Version != 1 {
				t.Errorf("token %d has other bits", i)
			}
		}
		s.fail(errors.New("away"))
		// Another process, which has only the database, serves the same.
		other := aheadPublisher(t, db, lists, s, c)
		last := first
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{0, "0"}, {29 * time.Minute, "0"}, {30 * time.Minute, "1"}, {59 * time.Minute, "1"}, {61 * time.Minute, "2"}, {119 * time.Minute, "2"}} {
			c.at.Store(start.Add(step.after).Unix())
			for name, process := range map[string]*statuslist.Publisher{"the same process": p, "another process": other} {
				pub := current(t, process, e[0].ListID)
				if pub.JWT != step.want || pub.CWT != "\x00"+step.want || pub.IssuedAt.Before(last.IssuedAt) || pub.Version != 1 {
					t.Errorf("%s after %v: %+v, want token %s", name, step.after, pub, step.want)
				}
				last = pub
			}
		}
		// The signer comes back: nothing goes back.
		s.fail(nil)
		if pub := current(t, other, e[0].ListID); pub.IssuedAt.Before(last.IssuedAt) || pub.Sequence != first.Sequence+1 {
			t.Errorf("%+v after %+v", pub, last)
		}
		s.fail(errors.New("away"))
		c.at.Store(start.Add(5 * time.Hour).Unix())
		if pub, err := p.Current(t.Context(), "t", e[0].ListID); err == nil {
			t.Errorf("served %+v, which has expired", pub)
		}
	})
}

// What is signed ahead is in memory too, for when the database is away.
func TestSignedAheadWithoutDatabase(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, s, c := newLists(t, statuslist.Config{}), &signer{}, newClock(start)
		p := aheadPublisher(t, db, lists, s, c)
		e := allocate(t, db, lists, "t", "k", 1)[0]
		current(t, p, e.ListID)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		c.advance(110 * time.Minute)
		if pub := current(t, p, e.ListID); pub.JWT != "2" {
			t.Errorf("token %s, want 2", pub.JWT)
		}
	})
}

// ringSigner signs with a ring, as roles do.
type ringSigner struct {
	ring *keys.Ring
	now  func() time.Time
}

func (s ringSigner) SignStatusList(_ context.Context, list statuslist.Unsigned) (statuslist.Signed, error) {
	return list.SignAt(s.now(), status.TokenOptions{URI: "https://issuer.example/" + list.ListID, AggregationURI: "https://issuer.example/"}, s.ring)
}

// What is signed ahead is signed by the signer of its own time, ends with it,
// and is left out where there is none yet.
func TestSignedAheadBySignersOfTheTime(t *testing.T) {
	t.Parallel()
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start.AddDate(0, -1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	issue := func(begins, ends time.Time) *keys.Key {
		key, err := ca.IssueStatusSigner(trusttest.LeafOptions{NotBefore: begins, Lifetime: ends.Sub(begins)})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := issue(start.Add(-time.Hour), start.Add(40*time.Minute))
	second := issue(start.Add(-time.Hour), start.Add(45*time.Minute))
	ring, err := keys.NewRing(keys.Entry{Key: first}, keys.Entry{Key: second, From: start.Add(20 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, c := newLists(t, statuslist.Config{}), newClock(start)
		e := allocate(t, db, lists, "t", "k", 1)[0]
		p := aheadPublisher(t, db, lists, ringSigner{ring, c.now}, c)
		check := func(after time.Duration, signer *keys.Key, ends time.Duration) {
			t.Helper()
			c.at.Store(start.Add(after).Unix())
			pub := current(t, p, e.ListID)
			policy := &trust.Policy{
				Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileStatusSigner, Revocation: trust.NotChecked("test"), Now: c.now,
			}
			jwt, errJWT := status.Verify(t.Context(), pub.JWT, "https://issuer.example/"+e.ListID, policy, c.now())
			cwt, errCWT := status.VerifyCWT(t.Context(), []byte(pub.CWT), "https://issuer.example/"+e.ListID, policy, c.now())
			if errJWT != nil || errCWT != nil {
				t.Fatal(errJWT, errCWT)
			}
			for _, token := range []*status.Token{jwt, cwt} {
				if !token.Expires.Equal(start.Add(ends)) || !token.Expires.Equal(pub.Expires) || !token.Chain.Certificates[0].Equal(signer.Leaf()) || token.AggregationURI == "" {
					t.Errorf("after %v: %+v", after, token)
				}
			}
		}
		check(0, first, 40*time.Minute)
		p = aheadPublisher(t, db, lists, &signer{err: errors.New("away")}, c) // another process
		check(30*time.Minute, second, 45*time.Minute)
		c.at.Store(start.Add(45 * time.Minute).Unix())
		if pub, err := p.Current(t.Context(), "t", e.ListID); err == nil {
			t.Errorf("served %v to %v after the last signer's end", pub.IssuedAt, pub.Expires)
		}
	})
}

func TestPublishDue(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, s, c := newLists(t, statuslist.Config{}), &signer{}, newClock(start)
		p := aheadPublisher(t, db, lists, s, c)
		due := func() int {
			t.Helper()
			before := len(s.lists)
			if err := p.PublishDue(t.Context(), "t"); err != nil {
				t.Fatal(err)
			}
			return (len(s.lists) - before) / 3
		}
		e := allocate(t, db, lists, "t", "k", 2)
		allocate(t, db, lists, "t", "other", 1)
		allocate(t, db, lists, "elsewhere", "k", 1)
		if n := due(); n != 2 {
			t.Errorf("at first: %d lists published, want 2", n)
		}
		if n := due(); n != 0 {
			t.Errorf("at once again: %d", n)
		}
		c.advance(time.Minute)
		if n := due(); n != 0 {
			t.Errorf("nothing changed: %d", n)
		}
		if _, err := revoke(db, lists, "t", e[0]); err != nil {
			t.Fatal(err)
		}
		if n := due(); n != 1 || !invalid(s.last(), e[0]) {
			t.Errorf("a revocation in the next window: %d", n)
		}
		if _, err := revoke(db, lists, "t", e[1]); err != nil {
			t.Fatal(err)
		}
		if n := due(); n != 0 {
			t.Errorf("a revocation in the same window: %d", n)
		}
		c.advance(time.Minute)
		if n := due(); n != 1 || !invalid(s.last(), e[1]) {
			t.Errorf("in the window after: %d", n)
		}
		c.advance(5 * time.Minute)
		if n := due(); n != 2 {
			t.Errorf("after a twelfth of the lifetime: %d", n)
		}
		s.fail(errors.New("away"))
		c.advance(time.Hour)
		if err := p.PublishDue(t.Context(), "t"); err == nil {
			t.Error("a signer that is away went unnoticed")
		}
	})
}

// A release that knows neither the CWT form nor tokens ahead may run beside
// this one: what it publishes is completed.
func TestPublishedByAnOlderRelease(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, s, c := newLists(t, statuslist.Config{}), &signer{}, newClock(start)
		p := aheadPublisher(t, db, lists, s, c)
		e := allocate(t, db, lists, "t", "k", 1)[0]
		first := current(t, p, e.ListID)
		err := db.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), `UPDATE status_publications SET sequence = sequence + 1, token = 'older' WHERE list_id = $1`, e.ListID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		pub := current(t, p, e.ListID)
		if pub.CWT == "" || pub.JWT == "older" || pub.JWT == first.JWT || pub.Sequence != first.Sequence+2 || !pub.IssuedAt.Equal(first.IssuedAt) {
			t.Errorf("%+v after %+v", pub, first)
		}
	})
}

func TestListsThatWentBackAreNotPublished(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, s, c := newLists(t, statuslist.Config{}), &signer{}, newClock(start)
		p := aheadPublisher(t, db, lists, s, c)
		e := allocate(t, db, lists, "t", "k", 1)[0]
		if _, err := revoke(db, lists, "t", e); err != nil {
			t.Fatal(err)
		}
		first := current(t, p, e.ListID)
		err := db.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), `UPDATE status_lists SET version = 0`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		c.advance(time.Minute)
		if pub := current(t, p, e.ListID); pub != first {
			t.Errorf("published %+v after %+v", pub, first)
		}
		if _, err := p.Publish(t.Context(), "t", e.ListID); err == nil {
			t.Error("published a list that went back")
		}
	})
}

func TestURIs(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists := newLists(t, statuslist.Config{})
		p := aheadPublisher(t, db, lists, &signer{}, newClock(start))
		if uris, err := p.URIs(t.Context(), "t", "https://i.example/"); err != nil || len(uris) != 0 || uris == nil {
			t.Errorf("without lists: %#v, %v", uris, err)
		}
		want := []string{
			"https://i.example/" + allocate(t, db, lists, "t", "k", 1)[0].ListID,
			"https://i.example/" + allocate(t, db, lists, "t", "l", 1)[0].ListID,
		}
		allocate(t, db, lists, "elsewhere", "k", 1)
		slices.Sort(want)
		if uris, err := p.URIs(t.Context(), "t", "https://i.example/"); err != nil || !slices.Equal(uris, want) {
			t.Errorf("%v, %v, want %v", uris, err, want)
		}
	})
}
