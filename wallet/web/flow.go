package web

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/wallet/holder"
)

// flowLifetime is how long a person may take from the first page to the last,
// and maxFlows how many things can be going on.
const (
	flowLifetime = 10 * time.Minute
	maxFlows     = 32
)

// flow is one thing that is going on between the person at the browser and the
// engine, which runs in a goroutine of its own and waits for the person.
type flow struct {
	id string
	// offer is what is offered, nil in a presentation. With chosen the person
	// picks of it: they asked the issuer, which offered nothing.
	offer  *holder.Offer
	chosen bool

	// visit receives the address that the browser must open to log in, ask what
	// a verifier wants; both once at most.
	visit chan string
	ask   chan holder.Ask
	// callback and decision bring back what the person did.
	callback chan string
	decision chan holder.Decision

	// done is closed when the engine has ended; the rest is set before.
	done     chan struct{}
	err      error
	received []*holder.Held
	outcome  holder.Outcome

	mu      sync.Mutex
	begun   bool
	asked   *holder.Ask
	txCode  string
	expires time.Time
	cancel  context.CancelFunc
}

// flows are those that are going on, and those that ended not long ago.
type flows struct {
	now func() time.Time

	mu   sync.Mutex
	list []*flow // oldest first
}

func (fs *flows) add(offer *holder.Offer) *flow {
	f := &flow{
		id: rand.Text(), offer: offer, expires: fs.now().Add(flowLifetime), cancel: func() {},
		visit: make(chan string, 1), ask: make(chan holder.Ask, 1),
		callback: make(chan string, 1), decision: make(chan holder.Decision, 1), done: make(chan struct{}),
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for len(fs.list) > 0 && (len(fs.list) >= maxFlows || fs.now().After(fs.list[0].expires)) {
		fs.list[0].stop()
		fs.list = fs.list[1:]
	}
	fs.list = append(fs.list, f)
	return f
}

func (fs *flows) get(id string) *flow {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if f.id == id && !fs.now().After(f.expires) {
			return f
		}
	}
	return nil
}

func (fs *flows) stopAll() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		f.stop()
	}
}

func (f *flow) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancel()
}

// begin runs the engine, once: it reports whether this was the time.
func (f *flow) begin(run func(ctx context.Context) error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.begun {
		return false
	}
	f.begun = true
	// The engine goes on while the browser is elsewhere.
	ctx, cancel := context.WithTimeout(context.Background(), flowLifetime)
	f.cancel = cancel
	go func() {
		defer cancel()
		f.err = run(ctx)
		close(f.done)
	}()
	return true
}

func (f *flow) ended() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// wanted returns what a verifier asks for, or nil.
func (f *flow) wanted() *holder.Ask {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case ask := <-f.ask:
		f.asked = &ask
	default:
	}
	return f.asked
}

// Authorize implements [holder.UserAgent].
func (f *flow) Authorize(ctx context.Context, authorizationURL, _ string) (string, error) {
	f.visit <- authorizationURL
	select {
	case callback := <-f.callback:
		return callback, nil
	case <-ctx.Done():
		return "", errors.New("the person did not come back in time")
	}
}

// TxCode implements [holder.TxCodeReader].
func (f *flow) TxCode(context.Context, openid4vci.TxCode) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.txCode, nil
}

// consent is a [holder.Consent].
func (f *flow) consent(ctx context.Context, ask holder.Ask) holder.Decision {
	f.ask <- ask
	select {
	case decision := <-f.decision:
		return decision
	case <-ctx.Done():
		return holder.Decision{}
	}
}
