package status_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
)

// fixture is a checker with a clock, before a server.
type fixture struct {
	*publisher
	*server
	checker *status.Checker
	now     time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{publisher: newPublisher(t), now: start}
	f.server = &server{token: f.sign(t, status.TokenType, claims(t)), contentType: status.MediaType}
	f.checker = &status.Checker{Fetch: f.fetch, Policy: f.policy, Now: func() time.Time { return f.now }}
	return f
}

func (f *fixture) check(index uint64) (status.Result, error) {
	return f.checker.Check(context.Background(), credentials.StatusRef{URI: listURI, Index: index})
}

func TestChecker(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for index, want := range map[uint64]status.Value{4: status.Valid, 5: status.Invalid} {
		got, err := f.check(index)
		if err != nil || got.Value != want || !got.ListIssuedAt.Equal(start) || got.Stale || got.Chain == nil || len(got.Checks) != 1 {
			t.Errorf("status[%d] = %+v, %v", index, got, err)
		}
	}
	if f.fetched != 1 {
		t.Errorf("T06: %d fetches for two presentations", f.fetched)
	}
	if _, err := f.check(64); !errors.Is(err, status.ErrIndex) {
		t.Errorf("T02 index out of range: %v", err)
	}
	f.now = start.Add(10 * time.Minute) // ttl
	if _, err := f.check(4); err != nil || f.fetched != 2 {
		t.Errorf("after ttl: %d fetches, %v", f.fetched, err)
	}
	if err := f.checker.Refresh(context.Background(), listURI); err != nil || f.fetched != 3 {
		t.Errorf("Refresh: %d fetches, %v", f.fetched, err)
	}
	f.token, f.contentType = string(f.signCWT(t, status.CWTMediaType, claimsCWT(t))), status.CWTMediaType
	f.now = start.Add(time.Hour)
	if got, err := f.check(5); err != nil || got.Value != status.Invalid || f.fetched != 4 {
		t.Errorf("the same list in CWT form: %+v, %v", got, err)
	}
}

func TestNegChecker(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(*testing.T, *fixture)
		want  error
	}{
		"T04 away":         {func(_ *testing.T, f *fixture) { f.err = errors.New("refused") }, status.ErrUnavailable},
		"T04 content type": {func(_ *testing.T, f *fixture) { f.contentType = "text/html" }, status.ErrUnavailable},
		"T04 JWT as CWT":   {func(_ *testing.T, f *fixture) { f.contentType = status.CWTMediaType }, status.ErrToken},
		"T04 CWT as JWT": {func(t *testing.T, f *fixture) {
			f.token = string(f.signCWT(t, status.CWTMediaType, claimsCWT(t)))
		}, status.ErrToken},
		"T04 not a token": {func(_ *testing.T, f *fixture) { f.token = "<html>" }, status.ErrToken},
		"T03 expired": {func(t *testing.T, f *fixture) {
			f.token = f.sign(t, status.TokenType, with(claims(t), map[string]any{"exp": start.Unix()}))
		}, status.ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			tc.spoil(t, f)
			if _, err := f.check(4); !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if _, err := f.check(4); !errors.Is(err, tc.want) || f.fetched != 1 {
				t.Errorf("second: %d fetches, error %v", f.fetched, err)
			}
			// Later, the honest twin.
			f.err, f.contentType, f.now = nil, status.MediaType+"; charset=utf-8", start.Add(6*time.Second)
			f.token = f.sign(t, status.TokenType, claims(t))
			if got, err := f.check(4); err != nil || !got.Value.IsValid() {
				t.Errorf("honest twin: %+v, %v", got, err)
			}
		})
	}
	t.Run("T04 plain http is never fetched", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		_, err := f.checker.Check(context.Background(), credentials.StatusRef{URI: "http://status.example/lists/1"})
		if !errors.Is(err, status.ErrReference) || f.fetched != 0 {
			t.Errorf("%d fetches, %v", f.fetched, err)
		}
	})
}

func TestCheckerRollback(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := f.token
	f.now = start.Add(time.Minute)
	f.token = f.sign(t, status.TokenType, with(claims(t), map[string]any{"iat": start.Add(time.Minute).Unix()}))
	if _, err := f.check(5); err != nil {
		t.Fatal(err)
	}
	f.token = old
	if err := f.checker.Refresh(context.Background(), listURI); !errors.Is(err, status.ErrRollback) {
		t.Errorf("T03 older list: %v", err)
	}
	f.now = f.now.Add(11 * time.Minute)
	got, err := f.check(5)
	if err != nil || !got.Stale || !got.ListIssuedAt.Equal(start.Add(time.Minute)) {
		t.Errorf("T03 the newer list stays: %+v, %v", got, err)
	}
	f.now = f.now.Add(time.Hour)
	if _, err := f.check(5); !errors.Is(err, status.ErrRollback) {
		t.Errorf("T03 but not for ever: %v", err)
	}
}

func TestCheckerStale(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.token = f.sign(t, status.TokenType, with(claims(t), map[string]any{"exp": start.Add(30 * time.Minute).Unix()}))
	if _, err := f.check(4); err != nil {
		t.Fatal(err)
	}
	f.err = errors.New("away")
	f.now = start.Add(29 * time.Minute)
	if got, err := f.check(4); err != nil || !got.Stale {
		t.Errorf("within exp: %+v, %v", got, err)
	}
	f.now = start.Add(30 * time.Minute)
	if _, err := f.check(4); !errors.Is(err, status.ErrUnavailable) {
		t.Errorf("T06 beyond exp: %v", err)
	}

	f = newFixture(t)
	if _, err := f.check(4); err != nil {
		t.Fatal(err)
	}
	other := newPublisher(t)
	f.token, f.now = other.sign(t, status.TokenType, claims(t)), start.Add(11*time.Minute)
	var untrusted *trust.Error
	if _, err := f.check(4); !errors.As(err, &untrusted) {
		t.Errorf("an unacceptable list is no reason to use the old one: %v", err)
	}
}

func TestCheckerSharesFetches(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.wait = make(chan struct{})
	gone, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			ctx := context.Background()
			if i == 0 {
				ctx = gone
			}
			_, err := f.checker.Check(ctx, credentials.StatusRef{URI: listURI, Index: 4})
			if i == 0 && !errors.Is(err, context.Canceled) {
				t.Errorf("who gave up: %v", err)
			}
			if i != 0 && err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	cancel()
	time.Sleep(20 * time.Millisecond)
	close(f.wait)
	group.Wait()
	if f.fetched != 1 {
		t.Errorf("%d fetches", f.fetched)
	}
}
