package verifier

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// pace is how a stream of events runs.
type pace struct {
	// poll is how often the store is asked, heartbeat how often a comment is
	// sent, and longest how long a stream lasts: less than it takes to drain.
	poll, heartbeat, longest time.Duration
}

var defaultPace = pace{500 * time.Millisecond, 5 * time.Second, 20 * time.Second}

// The most streams at a time, for each process: of programs and of pages, which
// don't take one another's places, and of each relying party and each page.
const (
	maxStreams      = 1000
	maxPartyStreams = 100
	maxPageStreams  = 3
)

// streams counts those that are open.
type streams struct {
	mu    sync.Mutex
	total int
	of    map[string]int // by who listens
}

// enter reports whether there is room for one more of who listens.
func (s *streams) enter(who string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= maxStreams || s.of[who] >= most {
		return false
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.total++
	s.of[who]++
	return true
}

func (s *streams) leave(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.of[who]--; s.of[who] == 0 {
		delete(s.of, who)
	}
}

// stateFor returns the state of a transaction as the relying party would see it
// without a response code.
func (v *Verifier) stateFor(ctx context.Context, p *Party, id string) (State, error) {
	t, _, err := v.ofParty(ctx, p, id)
	if err != nil {
		return "", stored(err, CodeNotFound, unknownTransaction)
	}
	return v.peek(id, t, t.Flow == SameDevice).State, nil
}

// events tells the relying party when the state of a transaction changes.
func (h *handler) events(c echo.Context) error {
	party, id := partyOf(c), c.Param("id")
	return h.stream(c, &h.v.streams, party.ID, maxPartyStreams, func(ctx context.Context) (State, error) {
		return h.v.stateFor(ctx, party, id)
	})
}

// pageEvents tells the page of a transaction the same.
func (h *handler) pageEvents(c echo.Context) error {
	cookie, id := h.readCookie(c), c.Param("id")
	return h.stream(c, &h.v.pageStreams, id, maxPageStreams, func(ctx context.Context) (State, error) {
		return h.v.stateInBrowser(ctx, cookie, id)
	})
}

// stream sends a state and its changes as events (HTML Living Standard,
// server-sent events). It asks the store, so that it does not matter which replica
// the wallet talks to.
func (h *handler) stream(c echo.Context, open *streams, who string, most int, ask func(context.Context) (State, error)) error {
	ctx := c.Request().Context()
	state, err := ask(ctx)
	if err != nil {
		return err
	}
	if !open.enter(who, most) {
		return tooMany("as many streams of events as there may be are open", 5*time.Second)
	}
	defer open.leave(who)
	header := c.Response().Header()
	header.Set(echo.HeaderContentType, "text/event-stream")
	header.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	send := func(format string, args ...any) bool {
		_, err := fmt.Fprintf(c.Response(), format, args...)
		c.Response().Flush()
		return err == nil // nobody listens any more
	}
	if !send("retry: 1000\nevent: state\ndata: {\"state\":%q}\n\n", state) {
		return nil
	}
	poll, heartbeat := time.NewTicker(h.v.pace.poll), time.NewTicker(h.v.pace.heartbeat)
	defer poll.Stop()
	defer heartbeat.Stop()
	end := time.After(h.v.pace.longest)
	for state == StateWaiting {
		select {
		case <-ctx.Done():
			return nil
		case <-end:
			return nil
		case <-heartbeat.C:
			if !send(": waiting\n\n") {
				return nil
			}
		case <-poll.C:
			next, err := ask(ctx)
			if err != nil {
				return nil // whoever connects again is told why
			}
			if next != state && !send("event: state\ndata: {\"state\":%q}\n\n", next) {
				return nil
			}
			state = next
		}
	}
	return nil
}
