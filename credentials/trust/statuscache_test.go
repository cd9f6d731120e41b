package trust_test

import (
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/ocsp"
)

// look asks the checker and returns the reason.
func look(t *testing.T, checker trust.StatusChecker, ref trust.CertRef) trust.Reason {
	t.Helper()
	status, err := checker.Status(t.Context(), ref)
	return reasonOf(t, status, err)
}

func TestOCSPCheckerOverTime(t *testing.T) {
	t.Parallel()
	w := newOCSPWorld(t, nil)
	w.options.Cache = trust.CacheOptions{Unavailable: trust.UseFresh, RefreshAfter: 15 * time.Minute, RetryAfter: time.Minute}
	checker := w.checker(t)
	begin := w.now
	step := func(name string, after time.Duration, want trust.Reason, asked int) {
		t.Helper()
		w.now = begin.Add(after)
		if got := look(t, checker, w.ref()); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		if w.asked != asked {
			t.Errorf("%s: asked %d times, want %d", name, w.asked, asked)
		}
	}
	step("first", 0, "", 1)
	step("from memory", 15*time.Minute-1, "", 1)
	step("again when due", 15*time.Minute, "", 2)
	w.err = errors.New("down")
	step("out of reach, answer at hand is good", 30*time.Minute, "", 3)
	step("left alone after a failure", 31*time.Minute-1, "", 3)
	step("asked again", 31*time.Minute, "", 4)
	step("last second of the answer", 75*time.Minute-time.Second, "", 5)
	step("left alone, but the answer has ended", 75*time.Minute, trust.ReasonRevocationUnavailable, 5)
	step("still out of reach", 76*time.Minute, trust.ReasonRevocationUnavailable, 6)
	w.err = nil
	step("back", 77*time.Minute, "", 7)
	w.ca.Revoke(w.leaf, begin, 1)
	step("revoked, as is learned when due", 92*time.Minute, trust.ReasonRevoked, 8)
	w.err = errors.New("down")
	step("K12 out of reach: still revoked", 100*time.Hour, trust.ReasonRevoked, 8)
	w.err = nil
	w.responder.Status = func(*big.Int) ocsp.Single { return ocsp.Single{Status: ocsp.Good} }
	step("K12 said to be good again: still revoked", 200*time.Hour, trust.ReasonRevoked, 8)
}

func TestNegOCSPHardFail(t *testing.T) {
	t.Parallel()
	for stance, reason := range map[trust.Unavailable]trust.Reason{trust.UseFresh: "", trust.HardFail: trust.ReasonRevocationUnavailable} {
		w := newOCSPWorld(t, nil)
		w.options.Cache.Unavailable = stance
		checker := w.checker(t)
		if got := look(t, checker, w.ref()); got != "" {
			t.Fatal(got)
		}
		w.err, w.now = errors.New("down"), w.now.Add(15*time.Minute)
		for _, name := range []string{"at once", "from memory"} {
			if got := look(t, checker, w.ref()); got != reason {
				t.Errorf("stance %d %s: got %q, want %q", stance, name, got, reason)
			}
		}
	}
}

// TestNegOCSPOrder: no answer counts that is older than one known, and a hold
// is taken back by a later answer only.
func TestNegOCSPOrder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		shift time.Duration // of the second answer's thisUpdate from the first
		first int           // reason code, -1 for good
		want  trust.Reason
	}{
		{"honest twin: later answer", time.Minute, -1, ""},
		{"honest twin: same answer", 0, -1, ""},
		{"K12 older answer", -time.Second, -1, trust.ReasonRevocationStale},
		{"honest twin: hold released", time.Minute, 6, ""},
		{"K12 hold: older good answer", -time.Second, 6, trust.ReasonRevoked},
		{"K12 hold: good answer of the same second", 0, 6, trust.ReasonRevoked},
		{"K12 revoked: later good answer", time.Minute, 1, trust.ReasonRevoked},
	} {
		w := newOCSPWorld(t, nil)
		w.options.Cache.Unavailable = trust.HardFail
		checker := w.checker(t)
		begin := w.now
		if tt.first >= 0 {
			w.ca.Revoke(w.leaf, begin, tt.first)
		}
		look(t, checker, w.ref())
		w.now = w.now.Add(20 * time.Minute)
		w.responder.Status = func(*big.Int) ocsp.Single { return ocsp.Single{Status: ocsp.Good} }
		w.responder.Edit = func(b *ocsp.Basic) { b.Singles[0].ThisUpdate = begin.Add(tt.shift) }
		if got := look(t, checker, w.ref()); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestStatusCacheLimit: with room for one, the other is forgotten and asked
// about again.
func TestStatusCacheLimit(t *testing.T) {
	t.Parallel()
	for limit, asked := range map[int]int{1: 4, 2: 2} {
		w := newOCSPWorld(t, nil)
		w.options.Cache.MaxEntries = limit
		checker := w.checker(t)
		other := w.ref()
		other.Serial = big.NewInt(7)
		for range 2 {
			for _, ref := range []trust.CertRef{w.ref(), other} {
				if got := look(t, checker, ref); got != "" {
					t.Error(got)
				}
			}
		}
		if w.asked != asked {
			t.Errorf("room for %d: asked %d times, want %d", limit, w.asked, asked)
		}
	}
}

// TestSameSerialOfAnotherIssuer: answers are kept by the issuer's key.
func TestSameSerialOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	a, b := newOCSPWorld(t, nil), newOCSPWorld(t, nil) // the CAs have the same name
	a.ca.Revoke(a.leaf, start, 1)
	o := a.options
	o.Source = trust.OCSPSourceFunc(func(ctx context.Context, issuer *x509.Certificate, request []byte) ([]byte, error) {
		if issuer.Equal(a.ca.Certificate) {
			return a.options.Source.OCSP(ctx, issuer, request)
		}
		return b.options.Source.OCSP(ctx, issuer, request)
	})
	checker, err := trust.NewOCSPChecker(o)
	if err != nil {
		t.Fatal(err)
	}
	if got := look(t, checker, a.ref()); got != trust.ReasonRevoked {
		t.Error(got)
	}
	if got := look(t, checker, trust.CertRef{Issuer: b.ca.Certificate, Serial: a.leaf.SerialNumber}); got != "" {
		t.Errorf("K09 equal serial number under another issuer: %q", got)
	}
}

// slowSource answers when it is let, and counts.
type slowSource struct {
	inner   trust.OCSPSource
	asked   atomic.Int32
	ended   atomic.Int32
	release chan struct{}
}

func (s *slowSource) OCSP(ctx context.Context, issuer *x509.Certificate, request []byte) ([]byte, error) {
	s.asked.Add(1)
	select {
	case <-s.release:
		return s.inner.OCSP(ctx, issuer, request)
	case <-ctx.Done():
		s.ended.Add(1)
		return nil, ctx.Err()
	}
}

// TestSingleFlight: many who ask at the same time share one attempt, which
// survives the one who began it and ends when nobody is left.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOCSPWorld(t, nil)
		source := &slowSource{inner: w.options.Source, release: make(chan struct{})}
		w.options.Source = source
		checker := w.checker(t)
		first, cancelFirst := context.WithCancel(t.Context())
		firstErr := make(chan error, 1)
		go func() {
			_, err := checker.Status(first, w.ref())
			firstErr <- err
		}()
		synctest.Wait()
		var others sync.WaitGroup
		for range 10 {
			others.Go(func() {
				if got := look(t, checker, w.ref()); got != "" {
					t.Errorf("one of those who stayed: %q", got)
				}
			})
		}
		synctest.Wait()
		cancelFirst()
		if err := <-firstErr; !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left: %v", err)
		}
		close(source.release)
		others.Wait()
		if n := source.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestSingleFlightAllLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOCSPWorld(t, nil)
		source := &slowSource{inner: w.options.Source, release: make(chan struct{})}
		w.options.Source = source
		checker := w.checker(t)
		ctx, cancel := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() {
				if _, err := checker.Status(ctx, w.ref()); !errors.Is(err, context.Canceled) {
					t.Errorf("%v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		callers.Wait()
		synctest.Wait()
		if source.ended.Load() != 1 {
			t.Error("the attempt goes on although nobody waits for it")
		}
		// An attempt that nobody waited for says nothing about the source.
		close(source.release)
		if got := look(t, checker, w.ref()); got != "" {
			t.Errorf("after everybody left: %q", got)
		}
	})
}

// TestTimeout: a source that never answers is out of reach, and others wait for
// no more than their turn.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOCSPWorld(t, nil)
		w.options.Source = &slowSource{inner: w.options.Source, release: make(chan struct{})}
		w.options.Cache.Concurrency = 1
		checker := w.checker(t)
		var callers sync.WaitGroup
		for serial := range 3 {
			callers.Go(func() {
				ref := w.ref()
				ref.Serial = big.NewInt(int64(serial + 1))
				if got := look(t, checker, ref); got != trust.ReasonRevocationUnavailable {
					t.Errorf("got %q", got)
				}
			})
		}
		begin := time.Now()
		callers.Wait()
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("took %v, want the timeout", took)
		}
	})
}

// TestSourcePanics: what a source does wrong comes back to who asked it.
func TestSourcePanics(t *testing.T) {
	t.Parallel()
	w := newOCSPWorld(t, nil)
	w.options.Source = trust.OCSPSourceFunc(func(context.Context, *x509.Certificate, []byte) ([]byte, error) { panic("boo") })
	checker := w.checker(t)
	defer func() {
		if recover() == nil {
			t.Error("the panic is lost")
		}
	}()
	checker.Status(t.Context(), w.ref())
}

// stub answers always the same.
type stub struct {
	status trust.CertStatus
	err    error
	asked  int
}

func (s *stub) Status(context.Context, trust.CertRef) (trust.CertStatus, error) {
	s.asked++
	return s.status, s.err
}

func TestFallback(t *testing.T) {
	t.Parallel()
	good, revoked := &stub{}, &stub{status: trust.CertStatus{Revoked: true}}
	because := func(r trust.Reason) *stub { return &stub{err: &trust.Error{Reason: r}} }
	for _, tt := range []struct {
		name        string
		first, then *stub
		want        trust.Reason
		asked       int // the second
	}{
		{"first answers", good, revoked, "", 0},
		{"first says revoked", revoked, good, trust.ReasonRevoked, 0},
		{"unavailable", because(trust.ReasonRevocationUnavailable), good, "", 1},
		{"stale", because(trust.ReasonRevocationStale), revoked, trust.ReasonRevoked, 1},
		{"both fail", because(trust.ReasonRevocationUnavailable), because(trust.ReasonRevocationStale), trust.ReasonRevocationUnavailable, 1},
		{"unknown is not passed over", because(trust.ReasonRevocationUnknown), good, trust.ReasonRevocationUnknown, 0},
		{"invalid is not passed over", because(trust.ReasonRevocationInvalid), good, trust.ReasonRevocationInvalid, 0},
		{"mismatch is not passed over", because(trust.ReasonRevocationMismatch), good, trust.ReasonRevocationMismatch, 0},
	} {
		tt.then.asked = 0
		if got := look(t, trust.Fallback(tt.first, tt.then), trust.CertRef{}); got != tt.want || tt.then.asked != tt.asked {
			t.Errorf("%s: got %q, second asked %d times", tt.name, got, tt.then.asked)
		}
	}
	if got := look(t, trust.Fallback(), trust.CertRef{}); got != trust.ReasonConfiguration {
		t.Errorf("empty: %q", got)
	}
	if got := look(t, trust.Fallback(good, nil), trust.CertRef{}); got != trust.ReasonConfiguration {
		t.Errorf("with nothing in it: %q", got)
	}
	if _, err := trust.Fallback(&stub{err: context.Canceled}, good).Status(t.Context(), trust.CertRef{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
