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
	// IssuedAt and Expires have whole seconds.
	IssuedAt, Expires time.Time
	// TTL is how long a client may keep the token before it asks again.
	TTL time.Duration
}

// Signer turns a list into a Status List Token for the URI it is served at.
// The token expires when the list says, or earlier where its signer ends; the
// Signer returns which.
type Signer interface {
	SignStatusList(ctx context.Context, list Unsigned) (token string, expires time.Time, err error)
}

// Publication is the token of a list that is served now.
type Publication struct {
	Token string
	// Sequence grows with every token of the list.
	Sequence int64
	// Version is that of the list when its bits were read.
	Version           int64
	IssuedAt, Expires time.Time
}

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
	last   map[listKey]Publication
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
	if c.TTL == 0 {
		c.TTL = c.Window
	}
	switch {
	case c.DB == nil || c.Lists == nil || c.Signer == nil || c.Now == nil || c.Log == nil:
		return nil, errors.New("statuslist: publisher lacks a database, lists, signer, clock or log")
	case c.Window < time.Second || c.Window > time.Hour || c.Window%time.Second != 0:
		return nil, fmt.Errorf("statuslist: window of %v, want 1s to 1h in whole seconds", c.Window)
	case c.Lifetime <= c.Window || c.Lifetime > 24*time.Hour || c.Lifetime%time.Second != 0:
		return nil, fmt.Errorf("statuslist: lifetime of %v, want more than the window of %v and at most 24h", c.Lifetime, c.Window)
	case c.TTL < time.Second || c.TTL > c.Lifetime || c.TTL%time.Second != 0:
		return nil, fmt.Errorf("statuslist: ttl of %v, want 1s to the lifetime of %v", c.TTL, c.Lifetime)
	}
	return &Publisher{c: c, last: map[listKey]Publication{}}, nil
}

// Token returns the Status List Token of a list and when it expires.
func (p *Publisher) Token(ctx context.Context, tenant, listID string) (token string, expires time.Time, err error) {
	pub, err := p.Current(ctx, tenant, listID)
	return pub.Token, pub.Expires, err
}

// Current returns what is published of a list in the present window, making it
// if need be. It fails with [ErrUnknownList]. If no token of this window can
// be had, the last one is returned for as long as it has not expired.
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
		last := p.lastOf(key)
		if last.Token == "" || errors.Is(result.Err, ErrUnknownList) || !p.c.Now().Before(last.Expires) {
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
		list, pub, err := p.load(ctx, key, forced)
		if err != nil || list == nil {
			return pub, err
		}
		next := Publication{Sequence: pub.Sequence + 1, Version: list.Version, IssuedAt: list.IssuedAt}
		if next.Token, next.Expires, err = p.c.Signer.SignStatusList(ctx, *list); err != nil {
			return Publication{}, fmt.Errorf("statuslist: sign: %w", err)
		}
		stored, err := p.store(ctx, key, next)
		if err != nil {
			return Publication{}, err
		}
		if stored {
			p.remember(key, next)
			p.c.Metrics.published(p.c.Lists.owner, key.tenant)
			return next, nil
		}
	}
}

// load reads what is published. If that will not do, it also reads the list
// to be signed.
func (p *Publisher) load(ctx context.Context, key listKey, forced bool) (list *Unsigned, pub Publication, err error) {
	err = p.c.DB.Read(ctx, func(tx *sql.Tx) error {
		if pub, err = p.readPublication(ctx, tx, key); err != nil {
			return err
		}
		issued, due := p.issueTime(pub, forced)
		if !due {
			return nil
		}
		list, err = p.c.Lists.read(ctx, tx, key.tenant, key.id, issued)
		return err
	})
	if list != nil {
		list.Expires, list.TTL = list.IssuedAt.Add(p.c.Lifetime), p.c.TTL
	}
	return list, pub, err
}

// issueTime says whether a new token is due after pub, and its time of issue.
func (p *Publisher) issueTime(pub Publication, forced bool) (issued time.Time, due bool) {
	now := p.c.Now()
	window := int64(p.c.Window / time.Second)
	issued = time.Unix(now.Unix()-now.Unix()%window, 0).UTC()
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
	return pub.IssuedAt, forced
}

// readPublication returns what is stored, the token from memory if it is still
// the same, and the zero value if there is none.
func (p *Publisher) readPublication(ctx context.Context, tx *sql.Tx, key listKey) (Publication, error) {
	last := p.lastOf(key)
	var pub Publication
	var issued, expires int64
	err := tx.QueryRowContext(ctx, `
		SELECT p.sequence, p.version, p.issued_at, p.expires_at, CASE WHEN p.sequence = $1 THEN '' ELSE p.token END
		FROM status_publications p JOIN status_lists l ON l.tenant = p.tenant AND l.id = p.list_id
		WHERE p.tenant = $2 AND p.list_id = $3 AND l.owner = $4`, last.Sequence, key.tenant, key.id, p.c.Lists.owner).
		Scan(&pub.Sequence, &pub.Version, &issued, &expires, &pub.Token)
	if errors.Is(err, sql.ErrNoRows) {
		return Publication{}, nil
	}
	if err != nil {
		return Publication{}, fmt.Errorf("statuslist: publication: %w", err)
	}
	if pub.Sequence == last.Sequence {
		return last, nil
	}
	pub.IssuedAt, pub.Expires = time.Unix(issued, 0).UTC(), time.Unix(expires, 0).UTC()
	p.remember(key, pub)
	return pub, nil
}

// store replaces the publication that came before pub. It returns false if
// another one has been stored meanwhile.
func (p *Publisher) store(ctx context.Context, key listKey, pub Publication) (stored bool, err error) {
	err = p.c.DB.Write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			INSERT INTO status_publications (tenant, list_id, sequence, version, issued_at, expires_at, token)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (tenant, list_id) DO UPDATE SET sequence = excluded.sequence, version = excluded.version,
				issued_at = excluded.issued_at, expires_at = excluded.expires_at, token = excluded.token
			WHERE status_publications.sequence = excluded.sequence - 1`,
			key.tenant, key.id, pub.Sequence, pub.Version, pub.IssuedAt.Unix(), pub.Expires.Unix(), pub.Token)
		if err != nil {
			return fmt.Errorf("statuslist: publication: %w", err)
		}
		n, err := result.RowsAffected()
		stored = n == 1
		return err
	})
	return stored, err
}

func (p *Publisher) lastOf(key listKey) Publication {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[key]
}

func (p *Publisher) remember(key listKey, pub Publication) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last[key].Sequence < pub.Sequence {
		p.last[key] = pub
	}
}
