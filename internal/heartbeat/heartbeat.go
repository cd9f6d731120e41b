// Package heartbeat notices that a session store has lost data: that it was
// emptied, started again without everything it was told, replaced by another,
// or set back to an older state. What was issued before that is then refused,
// because the mark that it was used may be among what is gone.
//
// A [Guard] keeps a beat in the session store and, where there is one, in the
// database. The beat names an epoch, the run of the server it was written to,
// and the time until which something may have been accepted in that epoch; so it
// moves with every second in which something is. It is looked at after every
// mark that is set. As soon as it is missing, is of another run of the server,
// or is behind what this process or the database knows, a new epoch begins. It starts after the last time that the old one had
// accepted; whatever was issued earlier is not trusted again. Until then, a
// second or two, the store counts as away.
package heartbeat

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/session"
)

const (
	// step is how far, in seconds, a beat reaches beyond what made it necessary:
	// the least time between two beats, and about the time that a new epoch
	// needs to start.
	step = 1
	// renewal is how long, in seconds, a beat that the database does not know
	// yet may be that of another process that is about to tell it.
	renewal = 5
	// patience bounds what one caller does on behalf of all.
	patience = 3 * time.Second
	// attempts bounds how often a caller looks again after something changed.
	attempts = 40
	pause    = 25 * time.Millisecond
	// lifetime of the beat in the session store; a new epoch begins after it.
	lifetime = 10 * 365 * 24 * time.Hour
)

// Config is what a [Guard] is made of. Every field is needed unless it says
// otherwise.
type Config struct {
	// Sessions is the store to be watched.
	Sessions *session.Store
	// DB is the other half of the beat. Without it a store that was set back
	// together with its server's memory, or exchanged for another, goes
	// unnoticed by a process that started after that. Optional.
	DB *database.DB
	// Tenant and Name name the beat in the database: all that share a beat share
	// the store.
	Tenant, Name string
	Log          *slog.Logger
	Now          func() time.Time
}

// Guard watches the session store of one tenant. It implements [session.Fence]
// and is safe for concurrent use.
type Guard struct {
	cfg     Config
	beats   *session.Objects[beat]
	ledger  ledger
	flights singleflight.Group

	mu    sync.Mutex
	known epoch
}

// beat is what lies in the session store. Times are Unix seconds.
type beat struct {
	Epoch string
	// Run is the run of the server that the epoch began on.
	Run string
	// Bound is no earlier than anything accepted in this epoch was issued, and
	// not behind the time by more than step when something is accepted.
	Bound int64
	Made  int64
}

// epoch is what this process goes by. Nothing issued before start is trusted.
type epoch struct {
	name         string
	start, bound int64
}

// beatKey names the beat among the objects of its kind.
const beatKey = "sessions"

// New returns a guard. It asks nothing before it is asked.
func New(cfg Config) *Guard {
	return &Guard{
		cfg:    cfg,
		beats:  session.NewObjects[beat](cfg.Sessions, "heartbeat", lifetime),
		ledger: ledger{db: cfg.DB, tenant: cfg.Tenant, name: cfg.Name},
	}
}

// errLost says that the beat is not what it should be.
var errLost = errors.New("heartbeat: the session store has lost data")

// Trusts implements [session.Fence].
func (g *Guard) Trusts(ctx context.Context, issued time.Time) (bool, error) {
	at := issued.Unix()
	for range attempts {
		known, now := g.current(), g.cfg.Now().Unix()
		err := errLost
		switch {
		case known.name == "":
		case now < known.start:
			return false, fmt.Errorf("%w: a new epoch is about to start", session.ErrUnavailable)
		case at < known.start:
			return false, nil
		case max(at, now) > known.bound:
			err = g.together(ctx, "extend", func(ctx context.Context) error { return g.extend(ctx, known, max(at, now)+step) })
			if err == nil {
				continue
			}
		default:
			if _, _, err = g.look(ctx, known); err == nil {
				return true, nil
			}
		}
		if errors.Is(err, errLost) {
			err = g.together(ctx, "settle", g.settle)
		}
		if err != nil {
			return false, err
		}
	}
	return false, fmt.Errorf("%w: the epoch does not settle", session.ErrUnavailable)
}

// together does something once for all that need it at the same time.
func (g *Guard) together(ctx context.Context, what string, do func(context.Context) error) error {
	result := g.flights.DoChan(what, func() (any, error) {
		// The first caller's leaving is no reason for the others to fail.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return nil, do(ctx)
	})
	select {
	case r := <-result:
		if errors.Is(r.Err, database.ErrUnavailable) || errors.Is(r.Err, context.DeadlineExceeded) {
			return fmt.Errorf("%w: %w", session.ErrUnavailable, r.Err)
		}
		return r.Err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", session.ErrUnavailable, ctx.Err())
	}
}

func (g *Guard) current() epoch {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known
}

func (g *Guard) adopt(e epoch) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known = e
}

// look returns the beat if nothing was lost since it was known to be as given,
// and errLost otherwise.
func (g *Guard) look(ctx context.Context, known epoch) (beat, session.Version, error) {
	b, version, run, err := g.beats.GetRun(ctx, beatKey)
	switch {
	case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrSealed):
		return b, version, errLost
	case err != nil:
		return b, version, err
	case b.Epoch != known.name || b.Run != run || b.Bound < known.bound:
		return b, version, errLost
	}
	return b, version, nil
}

// extend moves the bound. The session store comes first: if this
// process ends in between, the database must not be ahead of it.
func (g *Guard) extend(ctx context.Context, known epoch, bound int64) error {
	for {
		b, version, err := g.look(ctx, known)
		if err != nil {
			return err
		}
		if b.Bound >= bound {
			break
		}
		b.Bound = bound
		err = g.beats.Swap(ctx, beatKey, version, b)
		if err == nil {
			break
		}
		if !errors.Is(err, session.ErrConflict) && !errors.Is(err, session.ErrNotFound) {
			return err
		}
	}
	if err := g.ledger.extend(ctx, known.name, bound); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known.name == known.name {
		g.known.bound = max(g.known.bound, bound)
	}
	return nil
}

// settle finds out which epoch it is, and begins a new one if something was
// lost. If somebody else was faster it returns nil and changes nothing, and the
// caller looks again.
func (g *Guard) settle(ctx context.Context) error {
	b, version, run, err := g.beats.GetRun(ctx, beatKey)
	missing := errors.Is(err, session.ErrNotFound)
	// A beat from before the session keys were rotated says nothing any more.
	sealed := errors.Is(err, session.ErrSealed)
	if err != nil && !missing && !sealed {
		return err
	}
	row, err := g.ledger.read(ctx)
	if err != nil {
		return err
	}
	known := g.current()
	now := g.cfg.Now().Unix()
	if !missing && !sealed && b.Run == run {
		switch {
		case g.agree(b, row, known):
			g.adopt(epoch{name: b.Epoch, start: startOf(b.Epoch), bound: b.Bound})
			return nil
		case g.ledger.db != nil && b.Epoch != row.name && b.Epoch != known.name && now-b.Made < renewal:
			return wait(ctx)
		}
	}
	var start int64
	if !missing || known.name != "" || row.name != "" {
		start = max(now, known.bound, row.bound, b.Bound) + 1
		start = max(start, known.start, row.start, startOf(b.Epoch))
	}
	return g.begin(ctx, row, version, beat{Epoch: nameEpoch(start), Run: run, Made: now}, missing)
}

// agree tells whether the beat is one that was followed by no loss.
func (g *Guard) agree(b beat, row, known epoch) bool {
	switch {
	case g.ledger.db != nil && (b.Epoch != row.name || b.Bound < row.bound):
		return false
	case b.Epoch == known.name:
		return b.Bound >= known.bound
	}
	return startOf(b.Epoch) >= known.start
}

// begin writes a new epoch. Of several processes, the session store lets one.
func (g *Guard) begin(ctx context.Context, row epoch, version session.Version, b beat, missing bool) error {
	var err error
	if missing {
		err = g.beats.Add(ctx, beatKey, b)
	} else {
		err = g.beats.Swap(ctx, beatKey, version, b)
	}
	switch {
	case errors.Is(err, session.ErrExists), errors.Is(err, session.ErrConflict), errors.Is(err, session.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	begun, err := g.ledger.begin(ctx, row.name, b.Epoch)
	if err != nil || !begun {
		return err
	}
	next := epoch{name: b.Epoch, start: startOf(b.Epoch)}
	g.adopt(next)
	if next.start != 0 {
		g.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "the session store has lost data or was started again; what was issued before is refused",
			slog.String("store", g.cfg.Name), slog.String("tenant", g.cfg.Tenant), slog.Time("before", time.Unix(next.start, 0).UTC()))
	}
	return nil
}

func wait(ctx context.Context) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// nameEpoch returns a name that no other epoch has. It tells the start.
func nameEpoch(start int64) string { return strconv.FormatInt(start, 10) + "." + rand.Text() }

func startOf(name string) int64 {
	text, _, _ := strings.Cut(name, ".")
	start, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0 // there is no epoch
	}
	return start
}
