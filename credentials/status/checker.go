package status

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust"
)

// The bounds of a [Checker].
const (
	// DefaultMaxAge is how long a list is relied upon at most.
	DefaultMaxAge = time.Hour
	// FetchTimeout bounds one fetch, on behalf of everybody who waits for it.
	FetchTimeout = 15 * time.Second

	retryDelay = 5 * time.Second
	// What is kept at most: unpacked lists, their bytes together, and
	// addresses of which the newest time is remembered.
	maxLists     = 256
	maxKept      = 64 << 20
	maxAddresses = 16 << 10
)

var (
	// ErrUnavailable says that a list could not be fetched.
	ErrUnavailable = errors.New("status list is unavailable")
	// ErrRollback says that an older list was offered than one seen before.
	ErrRollback = errors.New("status list is older than one seen before")
)

// Fetch gets uri with an Accept header of media types, the one that is liked
// best first, and returns the body and the Content-Type of a successful response. It must bound time, size (of the body
// after any content encoding, too) and redirects, and keep away from addresses
// that the operator does not want to be reached.
type Fetch func(ctx context.Context, uri string, accept ...string) (body []byte, contentType string, err error)

// Checker resolves status references. Lists are cached per URI for as long as
// they allow, so that presentations do not tell their publisher about
// themselves; concurrent demands for a list share one fetch. It is safe for
// concurrent use, and must not be copied or changed after first use.
type Checker struct {
	// Fetch, Policy and Now are mandatory.
	Fetch  Fetch
	Policy *trust.Policy
	Now    func() time.Time
	// MaxAge is how long after its fetch a list is relied upon at most,
	// whatever it says itself; zero means [DefaultMaxAge].
	MaxAge time.Duration

	flights singleflight.Group
	mu      sync.Mutex
	lists   map[source]*cached
}

// source is where a list is, and of which kind: what one address serves as a
// status list says nothing about identifiers.
type source struct {
	uri         string
	identifiers bool
}

func (s source) name() string { return strconv.FormatBool(s.identifiers) + " " + s.uri }

// media lists what may be served, the one that is liked best first: some
// issuers serve one form of status lists alone.
func (s source) media() []string {
	if s.identifiers {
		return []string{IdentifierMediaType}
	}
	return []string{MediaType, CWTMediaType}
}

// cached is what is known of one list.
type cached struct {
	// token is nil if none was ever fetched, or if it was evicted.
	token *Token
	// newest is the newest iat seen. It survives eviction.
	newest time.Time
	// A token is used without a fetch until fresh, and until usable if the
	// fetch fails.
	fresh, usable time.Time
	// failure is returned without a fetch until retry.
	failure error
	retry   time.Time
}

// Result is the status of one credential.
type Result struct {
	Value Value
	// ListIssuedAt is the iat of the list that says so.
	ListIssuedAt time.Time
	// Stale is set if the list's ttl has passed and no newer one could be
	// fetched; its exp and the checker's MaxAge have not.
	Stale bool
	// Chain vouches for the signer of the list.
	Chain *trust.Chain
	// Checks lists what was verified.
	Checks []credentials.Check
}

// Check returns the status of a credential. It must be asked after the
// credential itself was verified (section 8.3). Whenever the status cannot be
// established, the error is not nil and the credential must not be accepted.
// A nil error says nothing by itself: see Result.Value.
func (c *Checker) Check(ctx context.Context, ref credentials.StatusRef) (Result, error) {
	if err := CheckURI(ref.URI); err != nil {
		return Result{}, err
	}
	now, at := c.Now(), source{ref.URI, ref.Identifier != ""}
	token, stale, err := c.cachedToken(at, now)
	if token == nil && err == nil {
		token, err = c.fetch(ctx, at)
		if err != nil {
			if old := c.fallback(at, err, c.Now()); old != nil {
				token, stale, err = old, true, nil
			}
		}
	}
	if err != nil {
		return Result{}, err
	}
	value, err := token.of(ref)
	if err != nil {
		return Result{}, err
	}
	return Result{
		Value: value, ListIssuedAt: token.IssuedAt, Stale: stale, Chain: token.Chain,
		Checks: []credentials.Check{{
			Name:   "status",
			Detail: fmt.Sprintf("the status list of %s says %s", token.IssuedAt.Format(time.RFC3339), value),
		}},
	}, nil
}

// Refresh fetches the status list now, whatever is cached.
func (c *Checker) Refresh(ctx context.Context, uri string) error {
	if err := CheckURI(uri); err != nil {
		return err
	}
	_, err := c.fetch(ctx, source{uri: uri})
	return err
}

// cachedToken returns a token that needs no fetch. After a failed fetch it
// returns, for a while, the old token if it is still usable, else the failure.
func (c *Checker) cachedToken(at source, now time.Time) (*Token, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.lists[at]
	switch {
	case entry == nil:
		return nil, false, nil
	case entry.token != nil && now.Before(entry.fresh):
		return entry.token, false, nil
	case !now.Before(entry.retry):
		return nil, false, nil
	case entry.bridges(entry.failure, now):
		return entry.token, true, nil
	}
	return nil, false, entry.failure
}

// bridges reports whether the old token may stand in after a failure: a
// publisher that is away or behind is waited for, but once it serves something
// unacceptable, nothing of it is relied upon.
func (e *cached) bridges(failure error, now time.Time) bool {
	waits := errors.Is(failure, ErrUnavailable) || errors.Is(failure, ErrRollback)
	return waits && e.token != nil && now.Before(e.usable)
}

func (c *Checker) fallback(at source, failure error, now time.Time) *Token {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry := c.lists[at]; entry != nil && entry.bridges(failure, now) {
		return entry.token
	}
	return nil
}

// fetch shares one fetch among all who wait for the list. A caller who gives up
// does not end it for the others.
func (c *Checker) fetch(ctx context.Context, at source) (*Token, error) {
	shared := context.WithoutCancel(ctx)
	result := c.flights.DoChan(at.name(), func() (any, error) {
		ctx, cancel := context.WithTimeout(shared, FetchTimeout)
		defer cancel()
		token, err := c.fetchOnce(ctx, at)
		if err == nil {
			err = c.store(at, token)
		}
		if err != nil {
			c.remember(at, err)
			return nil, err
		}
		return token, nil
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*Token), nil
	}
}

func (c *Checker) fetchOnce(ctx context.Context, at source) (*Token, error) {
	accepted := at.media()
	body, contentType, err := c.Fetch(ctx, at.uri, accepted...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil || !slices.Contains(accepted, media):
		return nil, fmt.Errorf("%w: it was not served as one of %q", ErrUnavailable, accepted)
	case media == MediaType:
		return Verify(ctx, string(body), at.uri, c.Policy, c.Now())
	}
	return verifyCWT(ctx, body, media, at.uri, c.Policy, c.Now())
}

// store keeps a verified token unless a newer one was seen.
func (c *Checker) store(at source, token *Token) error {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.entry(at)
	if token.IssuedAt.Before(entry.newest) {
		return ErrRollback
	}
	maxAge := c.MaxAge
	if maxAge <= 0 {
		maxAge = DefaultMaxAge
	}
	usable := now.Add(maxAge)
	if !token.Expires.IsZero() && token.Expires.Before(usable) {
		usable = token.Expires
	}
	fresh := usable
	if token.TTL > 0 && now.Add(token.TTL).Before(usable) {
		fresh = now.Add(token.TTL)
	}
	if token.Expires.IsZero() {
		// Nothing vouches for an old list that does not say when it ends.
		usable = fresh
	}
	*entry = cached{token: token, newest: token.IssuedAt, fresh: fresh, usable: usable}
	c.evict(at)
	return nil
}

// remember keeps a failure for a short time, so that a dead publisher is not
// asked again for every presentation.
func (c *Checker) remember(at source, err error) {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.entry(at)
	entry.failure, entry.retry = err, now.Add(retryDelay)
	c.evict(at)
}

func (c *Checker) entry(at source) *cached {
	if c.lists == nil {
		c.lists = map[source]*cached{}
	}
	if c.lists[at] == nil {
		c.lists[at] = &cached{}
	}
	return c.lists[at]
}

// evict drops the tokens that end first while there are too many or they take
// too much memory. What was the newest list is remembered still, unless there
// are too many addresses for that: issuers choose them.
func (c *Checker) evict(keep source) {
	for c.crowded() {
		victim := (*cached)(nil)
		for at, entry := range c.lists {
			if entry.token != nil && at != keep && (victim == nil || entry.usable.Before(victim.usable)) {
				victim = entry
			}
		}
		if victim == nil {
			break
		}
		victim.token = nil
	}
	for at, entry := range c.lists {
		if len(c.lists) <= maxAddresses {
			break
		}
		if entry.token == nil && at != keep {
			delete(c.lists, at)
		}
	}
}

func (c *Checker) crowded() bool {
	count, size := 0, 0
	for _, entry := range c.lists {
		if entry.token != nil {
			count++
			size += entry.token.size()
		}
	}
	return count > maxLists || size > maxKept
}
