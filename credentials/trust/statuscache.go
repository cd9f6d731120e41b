package trust

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// reasonHold is certificateHold, the one revocation that a CA may take back.
const reasonHold = 6

// CacheOptions say how answers about single certificates are kept. The zero
// value of everything but Unavailable stands for its default.
type CacheOptions struct {
	// Unavailable is mandatory.
	Unavailable Unavailable
	// RefreshAfter is how long an answer serves before the source is asked
	// again, as long as it is good; 15 minutes by default.
	RefreshAfter time.Duration
	// MaxAge is how long after its thisUpdate an answer is good at most,
	// whatever it says itself; 24 hours by default.
	MaxAge time.Duration
	// RetryAfter is how long a failure is remembered before the source is asked
	// about the same certificate again; 5 seconds by default.
	RetryAfter time.Duration
	// Timeout bounds one attempt to get an answer; 10 seconds by default.
	Timeout time.Duration
	// Concurrency is how many attempts run at once; 16 by default.
	Concurrency int
	// MaxEntries is how many certificates are remembered; 100,000 by default.
	// Those that were not asked about for longest are forgotten first.
	MaxEntries int
}

func (o *CacheOptions) fill() error {
	for _, d := range []struct {
		value     *time.Duration
		otherwise time.Duration
	}{
		{&o.RefreshAfter, 15 * time.Minute}, {&o.MaxAge, 24 * time.Hour},
		{&o.RetryAfter, 5 * time.Second}, {&o.Timeout, 10 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.otherwise
		}
		if *d.value < 0 {
			return errors.New("a duration is negative")
		}
	}
	if o.Concurrency == 0 {
		o.Concurrency = 16
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = 100_000
	}
	if o.Concurrency < 0 || o.MaxEntries < 0 {
		return errors.New("a limit is negative")
	}
	return o.Unavailable.validate()
}

// statusCache remembers what a source said about single certificates.
type statusCache struct {
	options CacheOptions
	now     func() time.Time
	flight  *flight[statusKey, CertStatus]

	mu      sync.Mutex
	entries map[statusKey]*list.Element // of *statusEntry
	recent  list.List                   // most recently used first
}

// statusEntry is what is remembered of one certificate. Either part may be
// missing.
type statusEntry struct {
	key       statusKey
	known     bool
	status    CertStatus
	renewAt   time.Time
	failure   error
	failUntil time.Time
}

func newStatusCache(o CacheOptions, now func() time.Time) (*statusCache, error) {
	if now == nil {
		return nil, errors.New("no clock")
	}
	if err := o.fill(); err != nil {
		return nil, err
	}
	return &statusCache{
		options: o, now: now, entries: map[statusKey]*list.Element{},
		flight: newFlight[statusKey, CertStatus](o.Concurrency),
	}, nil
}

// status answers from memory or by asking. What ask returns was verified, but
// for its order after what is remembered.
func (c *statusCache) status(ctx context.Context, key statusKey, ask func(context.Context) (CertStatus, error)) (CertStatus, error) {
	entry, now := c.look(key), c.now()
	switch {
	case entry.final():
		return entry.status, nil
	case entry.failure != nil && now.Before(entry.failUntil):
		return c.settle(entry, now, entry.failure)
	case entry.known && now.Before(entry.renewAt) && now.Before(entry.status.NextUpdate):
		return entry.status, nil
	}
	status, err := c.flight.do(ctx, key, c.options.Timeout, func(ctx context.Context) (CertStatus, error) {
		status, err := ask(ctx)
		if abandoned(ctx) {
			return CertStatus{}, err
		}
		return c.learn(key, status, err)
	})
	var e *Error
	if err == nil || !errors.As(err, &e) {
		return status, err // the answer, or the context's error
	}
	return c.settle(c.look(key), c.now(), err)
}

// settle says what counts after a failure.
func (c *statusCache) settle(entry statusEntry, now time.Time, failure error) (CertStatus, error) {
	switch {
	case entry.known && entry.status.Revoked:
		return entry.status, nil
	case entry.known && now.Before(entry.status.NextUpdate) && c.options.Unavailable == UseFresh:
		return entry.status, nil
	}
	return CertStatus{}, failure
}

// final reports whether the certificate is revoked for good.
func (e statusEntry) final() bool {
	return e.known && e.status.Revoked && e.status.Revocation.ReasonCode != reasonHold
}

// look returns what is remembered of a certificate.
func (c *statusCache) look(key statusKey) statusEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	element := c.entries[key]
	if element == nil {
		return statusEntry{}
	}
	c.recent.MoveToFront(element)
	return *element.Value.(*statusEntry)
}

// learn remembers an answer or a failure, and refuses an answer that is older
// than one known.
func (c *statusCache) learn(key statusKey, status CertStatus, err error) (CertStatus, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.entry(key)
	now := c.now()
	if err == nil && entry.known && status.ThisUpdate.Before(entry.status.ThisUpdate) {
		err = fail(ReasonRevocationStale, "an older answer than before was offered")
	}
	if err == nil && entry.known && entry.status.Revoked && !status.Revoked && !status.ThisUpdate.After(entry.status.ThisUpdate) {
		err = fail(ReasonRevocationInvalid, "an answer contradicts one of the same time")
	}
	if err != nil {
		entry.failure, entry.failUntil = err, now.Add(c.options.RetryAfter)
		return CertStatus{}, err
	}
	if entry.final() {
		return entry.status, nil // learned by somebody else meanwhile
	}
	if status.OperatorHandle == "" {
		status.OperatorHandle = entry.status.OperatorHandle
	}
	entry.known, entry.status, entry.renewAt = true, status, now.Add(c.options.RefreshAfter)
	entry.failure = nil
	return status, nil
}

// entry returns the entry of a certificate, for which the one that was not used
// for longest has to go if there is no room.
func (c *statusCache) entry(key statusKey) *statusEntry {
	if element := c.entries[key]; element != nil {
		return element.Value.(*statusEntry)
	}
	if len(c.entries) >= c.options.MaxEntries {
		oldest := c.recent.Back()
		delete(c.entries, oldest.Value.(*statusEntry).key)
		c.recent.Remove(oldest)
	}
	entry := &statusEntry{key: key}
	c.entries[key] = c.recent.PushFront(entry)
	return entry
}

// maxClockSkew is how far ahead of ours a source's clock may be configured to
// be.
const maxClockSkew = 5 * time.Minute

// freshUntil returns when an answer stops being good: at its nextUpdate, which
// may be zero, or maxAge after thisUpdate. It is an error if that is past or
// the answer is from the future.
func freshUntil(thisUpdate, nextUpdate, now time.Time, skew, maxAge time.Duration, what string) (time.Time, error) {
	if thisUpdate.After(now.Add(skew)) {
		return time.Time{}, fail(ReasonRevocationInvalid, "%s is from the future", what)
	}
	until := thisUpdate.Add(maxAge)
	if !nextUpdate.IsZero() {
		if !nextUpdate.After(thisUpdate) {
			return time.Time{}, fail(ReasonRevocationInvalid, "%s ends before it begins", what)
		}
		if nextUpdate.Before(until) {
			until = nextUpdate
		}
	}
	if !now.Before(until) {
		return time.Time{}, fail(ReasonRevocationStale, "%s is too old", what)
	}
	return until, nil
}
