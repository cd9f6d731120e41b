package statuslist

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/internal/database"
)

// Unsigned is a status list that is about to be signed.
type Unsigned struct {
	Tenant, ListID string
	// Version counts the revocations in it. It is for the log, not the token.
	Version int64
	// Bits holds one bit per entry, the first entry in the least significant
	// bit of the first byte; 1 is INVALID.
	Bits []byte
	// IssuedAt and Expires have whole seconds. IssuedAt may lie ahead: see
	// [PublisherConfig.Ahead].
	IssuedAt, Expires time.Time
	// TTL is how long a client may keep the token before it asks again.
	TTL time.Duration
}

// Signed is one list as a Status List Token in both forms.
type Signed struct {
	// JWT is the token in JWT form (section 5.1).
	JWT string
	// CWT is the token in CWT form (section 5.2), which is binary. It is a
	// string because it is shared and must not be changed.
	CWT string
	// Expires is the exp of both: what the list says, or earlier where the
	// signer ends.
	Expires time.Time
}

// Signer turns a list into Status List Tokens for the URI it is served at.
type Signer interface {
	SignStatusList(ctx context.Context, list Unsigned) (Signed, error)
}

// SignAt signs a list in both forms with the key of the ring that signs at now,
// or when the list is issued if that lies ahead. Of the options, URI and
// AggregationURI are the caller's; the times are those of the list. See
// [status.SignAt].
func (u Unsigned) SignAt(now time.Time, o status.TokenOptions, ring *keys.Ring) (s Signed, err error) {
	if u.IssuedAt.After(now) {
		now = u.IssuedAt
	}
	o.IssuedAt, o.Expires, o.TTL = u.IssuedAt, u.Expires, u.TTL
	list := status.FromBits(u.Bits, 8*len(u.Bits))
	if s.JWT, s.Expires, err = status.SignAt(now, o, list, ring); err != nil {
		return Signed{}, err
	}
	cwt, _, err := status.SignCWTAt(now, o, list, ring)
	s.CWT = string(cwt)
	return s, err
}

// Publication is the token of a list that is served now.
type Publication struct {
	Signed
	// Sequence grows with every publication of the list.
	Sequence int64
	// Version is that of the list when its bits were read.
	Version int64
	// IssuedAt is the iat of the tokens.
	IssuedAt time.Time
}

// maxLife is the longest that anything is said about bits after they were read.
const maxLife = 24 * time.Hour

// PublisherConfig says when tokens are made and how long they live.
type PublisherConfig struct {
	DB     *database.DB
	Lists  *Lists
	Signer Signer
	// Window is how long one token is served: changes become visible at its
	// end. Windows begin at whole multiples since the Unix epoch. It is 1
	// second to 1 hour, in whole seconds; 1 minute if zero.
	Window time.Duration
	// Lifetime is the time from a token's issuing to its expiry: more than
	// Window, at most 24 hours; 12 hours if zero. When the database is away
	// the last token is served until then.
	Lifetime time.Duration
	// Ahead is how far ahead tokens are signed, for when none can be: with
	// every token, further ones are signed that begin half a lifetime later,
	// and so on up to Ahead later, and kept. They say of the list what is known
	// now, so Ahead and Lifetime together are 24 hours at most. The lesser of
	// Lifetime and what is left of 24 hours if zero; none if negative.
	Ahead time.Duration
	// TTL is the ttl claim; Window if zero.
	TTL time.Duration
	Now func() time.Time
	// Log is told when an older token is served because no new one could be
	// made.
	Log *slog.Logger
	// Metrics are optional.
	Metrics *Metrics
}

// Publisher makes the tokens of the lists of one owner. Its methods may be
// used concurrently and by several processes on one database.
type Publisher struct {
	c      PublisherConfig
	flight singleflight.Group
	mu     sync.Mutex
	last   map[listKey]held
}

type listKey struct{ tenant, id string }

// NewPublisher checks the configuration.
func NewPublisher(c PublisherConfig) (*Publisher, error) {
	if c.Window == 0 {
		c.Window = time.Minute
	}
	if c.Lifetime == 0 {
		c.Lifetime = 12 * time.Hour
	}
	if c.Ahead == 0 {
		c.Ahead = min(c.Lifetime, maxLife-c.Lifetime)
	}
	if c.TTL == 0 {
		c.TTL = c.Window
	}
	switch {
	case c.DB == nil || c.Lists == nil || c.Signer == nil || c.Now == nil || c.Log == nil:
		return nil, errors.New("statuslist: publisher lacks a database, lists, signer, clock or log")
	case c.Window < time.Second || c.Window > time.Hour || c.Window%time.Second != 0:
		return nil, fmt.Errorf("statuslist: window of %v, want 1s to 1h in whole seconds", c.Window)
	case c.Lifetime <= c.Window || c.Lifetime > maxLife || c.Lifetime%time.Second != 0:
		return nil, fmt.Errorf("statuslist: lifetime of %v, want more than the window of %v and at most 24h", c.Lifetime, c.Window)
	case c.Ahead > maxLife-c.Lifetime:
		return nil, fmt.Errorf("statuslist: signed %v ahead, want at most %v", c.Ahead, maxLife-c.Lifetime)
	case c.TTL < time.Second || c.TTL > c.Lifetime || c.TTL%time.Second != 0:
		return nil, fmt.Errorf("statuslist: ttl of %v, want 1s to the lifetime of %v", c.TTL, c.Lifetime)
	}
	return &Publisher{c: c, last: map[listKey]held{}}, nil
}

// Current returns what is published of a list in the present window, making it
// if need be. It fails with [ErrUnknownList]. If no token of this window can
// be had, the newest is returned whose time has come, of those that were signed
// ahead too, for as long as it has not expired.
func (p *Publisher) Current(ctx context.Context, tenant, listID string) (Publication, error) {
	key := listKey{tenant, listID}
	made := p.flight.DoChan(tenant+"\x00"+listID, func() (any, error) {
		// Others wait for this token too, so it outlives the first who asked.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		return p.publish(ctx, key, false)
	})
	select {
	case <-ctx.Done():
		return Publication{}, ctx.Err()
	case result := <-made:
		if result.Err == nil {
			pub := result.Val.(Publication)
			p.c.Metrics.served(p.c.Lists.owner, tenant, pub, p.c.Now())
			return pub, nil
		}
		if !errors.Is(result.Err, ErrUnknownList) {
			p.c.Metrics.failed(p.c.Lists.owner, tenant)
		}
		last, ok := p.lastOf(key).at(p.c.Now())
		if !ok || errors.Is(result.Err, ErrUnknownList) {
			return Publication{}, result.Err
		}
		p.c.Log.WarnContext(ctx, "serving an older status list", "tenant", tenant, "list", listID,
			"issued", last.IssuedAt, "expires", last.Expires, "error", result.Err)
		p.c.Metrics.served(p.c.Lists.owner, tenant, last, p.c.Now())
		return last, nil
	}
}

// Publish makes a token at once, within the window, with every change that was
// committed before the call. Use it where a change must be seen now; everybody
// can tell then that something may have changed.
func (p *Publisher) Publish(ctx context.Context, tenant, listID string) (Publication, error) {
	return p.publish(ctx, listKey{tenant, listID}, true)
}

// publish returns the token of this window, or always a new one if forced.
// Whoever stores a token first wins; the others read again.
func (p *Publisher) publish(ctx context.Context, key listKey, forced bool) (Publication, error) {
	for {
		list, pub, issued, err := p.load(ctx, key, forced)
		if err != nil || list == nil {
			return pub, err
		}
		next, err := p.sign(ctx, key, list, issued, pub.Sequence+1)
		if err != nil {
			return Publication{}, fmt.Errorf("statuslist: sign: %w", err)
		}
		stored, err := p.store(ctx, key, next)
		if err != nil {
			return Publication{}, err
		}
		if stored {
			p.remember(key, next)
			p.c.Metrics.published(p.c.Lists.owner, key.tenant)
			return next.tokens[0], nil
		}
	}
}

// load reads what is published. If that will not do, it also reads the list
// to be signed.
func (p *Publisher) load(ctx context.Context, key listKey, forced bool) (list *snapshot, pub Publication, issued time.Time, err error) {
	err = p.c.DB.Read(ctx, func(tx *sql.Tx) error {
		if pub, err = p.readPublication(ctx, tx, key); err != nil {
			return err
		}
		var due bool
		if issued, due = p.issueTime(pub, forced); !due {
			return nil
		}
		if list, err = p.c.Lists.read(ctx, tx, key.tenant, key.id); err != nil {
			return err
		}
		if list.version < pub.Version {
			return fmt.Errorf("statuslist: list %s has gone back from version %d to %d", key.id, pub.Version, list.version)
		}
		return nil
	})
	return list, pub, issued, err
}

// issueTime says whether a new token is due after pub, and its time of issue.
func (p *Publisher) issueTime(pub Publication, forced bool) (issued time.Time, due bool) {
	now := p.c.Now()
	issued = startOf(now, p.c.Window)
	if forced {
		issued = time.Unix(now.Unix(), 0).UTC()
	}
	switch {
	case pub.Sequence == 0:
		return issued, true
	case pub.IssuedAt.After(now.Add(p.c.Window)):
		// A clock was wrong. Waiting for that moment to come would hide every
		// revocation until then.
		return issued, true
	case pub.IssuedAt.Before(issued):
		return issued, true
	case !now.Before(pub.Expires):
		// Its signer ended within the window, and another may go on.
		return time.Unix(now.Unix(), 0).UTC(), true
	}
	// A program that knows only one form has published in this window.
	return pub.IssuedAt, forced || pub.CWT == ""
}

// startOf returns when the window of a moment began.
func startOf(t time.Time, window time.Duration) time.Time {
	return time.Unix(t.Unix()-t.Unix()%int64(window/time.Second), 0).UTC()
}

// sign makes the tokens for a moment and those ahead, as far as there will be
// signers for these.
func (p *Publisher) sign(ctx context.Context, key listKey, list *snapshot, issued time.Time, sequence int64) (held, error) {
	h := held{sequence: sequence}
	for i, at := range p.moments(issued) {
		u := Unsigned{
			Tenant: key.tenant, ListID: key.id, Version: list.version, Bits: list.at(at),
			IssuedAt: at, Expires: at.Add(p.c.Lifetime), TTL: p.c.TTL,
		}
		signed, err := p.c.Signer.SignStatusList(ctx, u)
		if i > 0 && errors.Is(err, keys.ErrNoSigner) {
			break
		}
		if err != nil {
			return held{}, err
		}
		h.tokens = append(h.tokens, Publication{Signed: signed, Sequence: sequence, Version: list.version, IssuedAt: at})
	}
	return h, nil
}

// moments returns the times of issue of the tokens that are signed together.
// Those ahead are at the beginnings of windows, so that the token that follows
// them, when tokens can be made again, is never the earlier one.
func (p *Publisher) moments(issued time.Time) []time.Time {
	moments := []time.Time{issued}
	step := max(p.c.Lifetime/2/p.c.Window*p.c.Window, p.c.Window)
	for later := step; later <= p.c.Ahead; later += step {
		moments = append(moments, startOf(issued.Add(later), p.c.Window))
	}
	return moments
}
