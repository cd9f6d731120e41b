package statuslist_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// signer keeps what it is given; the token is its number.
type signer struct {
	mu    sync.Mutex
	lists []statuslist.Unsigned
	err   error
	pause time.Duration
	// ends is when the key ends; zero for never.
	ends time.Time
}

func (s *signer) SignStatusList(_ context.Context, list statuslist.Unsigned) (statuslist.Signed, error) {
	time.Sleep(s.pause)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists = append(s.lists, list)
	expires := list.Expires
	if !s.ends.IsZero() && s.ends.Before(expires) {
		expires = s.ends
	}
	number := fmt.Sprint(len(s.lists) - 1)
	return statuslist.Signed{JWT: number, CWT: "\x00" + number, Expires: expires}, s.err
}

func (s *signer) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *signer) last() statuslist.Unsigned {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists[len(s.lists)-1]
}

func invalid(list statuslist.Unsigned, e statuslist.Entry) bool {
	return list.Bits[e.Index/8]>>(e.Index%8)&1 == 1
}

// clock is a settable clock.
type clock struct{ at atomic.Int64 }

func newClock(t time.Time) *clock {
	c := &clock{}
	c.at.Store(t.Unix())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(c.at.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d / time.Second)) }

func publisher(t testing.TB, db *database.DB, lists *statuslist.Lists, s statuslist.Signer, c *clock) *statuslist.Publisher {
	t.Helper()
	p, err := statuslist.NewPublisher(statuslist.PublisherConfig{
		DB: db, Lists: lists, Signer: s, Now: c.now, Log: slog.New(slog.DiscardHandler), Lifetime: time.Hour, Ahead: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func current(t *testing.T, p *statuslist.Publisher, id string) statuslist.Publication {
	t.Helper()
	pub, err := p.Current(t.Context(), "t", id)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

func TestPublicationWindows(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, s, c := newLists(t, statuslist.Config{}), &signer{}, newClock(start)
		p := publisher(t, db, lists, s, c)
		e := allocate(t, db, lists, "t", "k", 2)
		first := current(t, p, e[0].ListID)
		if want := start.Truncate(time.Minute); !first.IssuedAt.Equal(want) || !first.Expires.Equal(want.Add(time.Hour)) {
			t.Errorf("issued %v, expires %v", first.IssuedAt, first.Expires)
		}
		if list := s.last(); invalid(list, e[0]) || list.TTL != time.Minute || len(list.Bits) != 1250 || list.Tenant != "t" {
			t.Errorf("got %+v", list)
		}
		if _, err := revoke(db, lists, "t", e[0]); err != nil {
			t.Fatal(err)
		}
		if pub := current(t, p, e[0].ListID); pub != first {
			t.Error("changed within its window")
		}
		c.advance(49 * time.Second)
		if pub := current(t, p, e[0].ListID); pub != first {
			t.Error("changed within its window")
		}
		c.advance(time.Second)
		second := current(t, p, e[0].ListID)
		if second.Sequence <= first.Sequence || second.Version <= first.Version || !second.IssuedAt.After(first.IssuedAt) {
			t.Errorf("%+v after %+v", second, first)
		}
		if list := s.last(); !invalid(list, e[0]) || invalid(list, e[1]) {
			t.Error("the bits are wrong")
		}

		// Another process serves the same bytes, even if its clock is behind.
		behind := publisher(t, db, lists, &signer{}, newClock(start))
		if pub := current(t, behind, e[0].ListID); pub != second {
			t.Errorf("got %+v, want %+v", pub, second)
		}
	})
}

func TestPublishNow(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, s, c := newLists(t, statuslist.Config{}), &signer{}, newClock(start)
		p := publisher(t, db, lists, s, c)
		e := allocate(t, db, lists, "t", "k", 1)[0]
		last := current(t, p, e.ListID)
		if _, err := revoke(db, lists, "t", e); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			pub, err := p.Publish(t.Context(), "t", e.ListID)
			if err != nil || !invalid(s.last(), e) || pub.Sequence != last.Sequence+1 || pub.IssuedAt.Before(start) {
				t.Errorf("%+v after %+v, %v", pub, last, err)
			}
			if now := current(t, p, e.ListID); now != pub {
				t.Errorf("serves %+v, want %+v", now, pub)
			}
			last = pub
		}
	})
}

func TestAClockThatWasWrongDoesNotFreezeTheList(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, s, c := newLists(t, statuslist.Config{}), &signer{}, newClock(start.Add(48*time.Hour))
		p := publisher(t, db, lists, s, c)
		e := allocate(t, db, lists, "t", "k", 1)[0]
		wrong := current(t, p, e.ListID)
		c.advance(-48 * time.Hour)
		pub := current(t, p, e.ListID)
		if !pub.IssuedAt.Equal(start.Truncate(time.Minute)) || pub.Sequence <= wrong.Sequence {
			t.Errorf("%+v after %+v", pub, wrong)
		}
	})
}

func TestOlderTokenIsServedUntilItExpires(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		boom := errors.New("boom")
		lists, s, c := newLists(t, statuslist.Config{}), &signer{}, newClock(start)
		p := publisher(t, db, lists, s, c)
		e := allocate(t, db, lists, "t", "k", 1)[0]
		first := current(t, p, e.ListID)
		s.err = boom
		c.advance(30 * time.Minute)
		if pub := current(t, p, e.ListID); pub != first {
			t.Errorf("got %+v", pub)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if pub := current(t, p, e.ListID); pub != first {
			t.Errorf("without a database: got %+v", pub)
		}
		c.advance(30 * time.Minute)
		if _, err := p.Current(t.Context(), "t", e.ListID); !errors.Is(err, database.ErrUnavailable) {
			t.Errorf("served an expired token: %v", err)
		}
	})
}

// TestSignerEndsWithinAWindow holds that a token which ends with its signer is
// not served afterwards, and that the next signer need not wait for the window.
func TestSignerEndsWithinAWindow(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, c := newLists(t, statuslist.Config{}), newClock(start)
		old := &signer{ends: start.Add(20 * time.Second)}
		p := publisher(t, db, lists, old, c)
		e := allocate(t, db, lists, "t", "k", 1)[0]
		first := current(t, p, e.ListID)
		if !first.Expires.Equal(old.ends) {
			t.Errorf("expires %v, its signer ends %v", first.Expires, old.ends)
		}
		c.advance(19 * time.Second)
		if pub := current(t, p, e.ListID); pub != first {
			t.Errorf("honest twin: %+v", pub)
		}
		c.advance(time.Second)
		old.err = errors.New("no key may sign now")
		if _, err := p.Current(t.Context(), "t", e.ListID); !errors.Is(err, old.err) {
			t.Errorf("after the end: %v", err)
		}
		next := current(t, publisher(t, db, lists, &signer{}, c), e.ListID)
		if !next.IssuedAt.After(first.IssuedAt) || !next.IssuedAt.Equal(c.now()) || next.Sequence != first.Sequence+1 {
			t.Errorf("%+v after %+v", next, first)
		}
	})
}

func TestWhatIsNotPublished(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, c := newLists(t, statuslist.Config{}), newClock(start)
		wallet := publisher(t, db, newLists(t, statuslist.Config{Owner: "wallet"}), &signer{}, c)
		p := publisher(t, db, lists, &signer{}, c)
		e := allocate(t, db, lists, "t", "k", 1)[0]
		current(t, p, e.ListID)
		for name, get := range map[string]func() (statuslist.Publication, error){
			"no such list": func() (statuslist.Publication, error) { return p.Current(t.Context(), "t", "x") },
			"other tenant": func() (statuslist.Publication, error) { return p.Current(t.Context(), "u", e.ListID) },
			"other owner":  func() (statuslist.Publication, error) { return wallet.Current(t.Context(), "t", e.ListID) },
		} {
			if _, err := get(); !errors.Is(err, statuslist.ErrUnknownList) {
				t.Errorf("%s: %v", name, err)
			}
		}
		strange := publisher(t, db, newLists(t, statuslist.Config{Keys: [][]byte{key(9)}}), &signer{}, c)
		if _, err := strange.Publish(t.Context(), "t", e.ListID); !errors.Is(err, statuslist.ErrUnknownKey) {
			t.Errorf("unknown key: %v", err)
		}
	})
}

// R4: revocations of one list at the same moment, through several processes'
// worth of values, are all in the next token, which one process makes.
func TestConcurrentRevocationsAndReaders(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s, c := &signer{pause: 5 * time.Millisecond}, newClock(start)
		lists := newLists(t, statuslist.Config{})
		p := publisher(t, db, lists, s, c)
		entries := allocate(t, db, lists, "t", "k", 300)
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() {
				if n, err := revoke(db, lists, "t", entries[i]); n != 1 || err != nil {
					t.Errorf("%d, %v", n, err)
				}
			})
		}
		wg.Wait()
		c.advance(time.Minute)
		var signed sync.Map
		for range 50 {
			wg.Go(func() { signed.Store(current(t, p, entries[0].ListID).JWT, true) })
		}
		wg.Wait()
		if len(s.lists) != 1 || s.last().Version != 300 {
			t.Errorf("signed %d times, version %d", len(s.lists), s.last().Version)
		}
		for _, e := range entries {
			if !invalid(s.last(), e) {
				t.Errorf("%v was lost", e)
			}
		}
	})
}

func TestPublishersRaceForAWindow(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		lists, s, c := newLists(t, statuslist.Config{}), &signer{pause: 5 * time.Millisecond}, newClock(start)
		e := allocate(t, db, lists, "t", "k", 1)[0]
		var wg sync.WaitGroup
		got := make([]statuslist.Publication, 8)
		for i := range got {
			p := publisher(t, db, lists, s, c)
			wg.Go(func() { got[i] = current(t, p, e.ListID) })
		}
		wg.Wait()
		for _, pub := range got {
			if pub != got[0] || pub.Sequence != 1 {
				t.Errorf("%+v and %+v in one window", pub, got[0])
			}
		}
	})
}

func TestPublisherConfig(t *testing.T) {
	t.Parallel()
	lists := newLists(t, statuslist.Config{})
	for name, test := range map[string]struct {
		window, lifetime, ttl, ahead time.Duration
		ok                           bool
	}{
		"defaults":        {0, 0, 0, 0, true},
		"demo":            {time.Second, time.Minute, time.Second, 0, true},
		"longest":         {time.Hour, 24 * time.Hour, 24 * time.Hour, 0, true},
		"too long":        {time.Minute, 24*time.Hour + time.Second, 0, 0, false},
		"part of seconds": {1500 * time.Millisecond, time.Hour, 0, 0, false},
		"window too long": {2 * time.Hour, 24 * time.Hour, 0, 0, false},
		"expires early":   {time.Minute, time.Minute, 0, 0, false},
		"all day":         {time.Hour, 18 * time.Hour, 0, 6 * time.Hour, true},
		"beyond a day":    {time.Hour, 18 * time.Hour, 0, 6*time.Hour + 1, false},
		"ttl over exp":    {time.Minute, time.Hour, 2 * time.Hour, 0, false},
	} {
		_, err := statuslist.NewPublisher(statuslist.PublisherConfig{
			DB: &database.DB{}, Lists: lists, Signer: &signer{}, Now: newClock(start).now, Log: slog.New(slog.DiscardHandler),
			Window: test.window, Lifetime: test.lifetime, TTL: test.ttl, Ahead: test.ahead,
		})
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
