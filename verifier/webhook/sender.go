package webhook

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/fetch"
)

// How messages are sent.
const (
	// Timeout is how long a receiver may take, and MaxAnswer how much it may
	// say, in bytes. What it says is not read.
	Timeout   = 10 * time.Second
	MaxAnswer = 16 << 10
	// perParty is how many messages to a relying party are under way at once,
	// and maxParties to how many of them messages are.
	perParty   = 4
	maxParties = 64
	// Concurrency is how many requests are under way at once.
	Concurrency = perParty * maxParties

	// lease is how long a message belongs to the process that sends it. It is
	// much longer than Timeout, for clocks that differ.
	lease = time.Minute
	// poll is how often messages are looked for that no one in this process has
	// told of: those of others that died, and those to be sent again.
	poll = 5 * time.Second
	// After the first failure a message waits for firstDelay at most, then
	// twice as long after each, up to longestDelay, and no longer than patience.
	firstDelay   = 10 * time.Second
	longestDelay = time.Hour
	patience     = 24 * time.Hour
	// batch is how many messages are looked up, or given up, at a time.
	batch = 100
)

// Poster sends requests; [*fetch.Client] is one. It follows no redirects and
// takes at most Timeout.
type Poster interface {
	Post(ctx context.Context, url, contentType string, body []byte, headers http.Header) (*fetch.Response, error)
}

// SenderConfig is what a [Sender] is made of. Metrics are optional.
type SenderConfig struct {
	Outbox *Outbox
	// Issuer is the iss of messages: the base URL of the verifier.
	Issuer string
	// Keys sign messages.
	Keys *keys.Ring
	// Addresses are the https URLs that messages go to, by relying party.
	// Messages to others wait until they are given up.
	Addresses map[string]string
	Client    Poster
	// Settle returns the state of a transaction that should have ended, so that
	// no other can follow; or, if it is empty, when to ask again.
	Settle  func(ctx context.Context, transaction string) (state string, again time.Time, err error)
	Metrics *Metrics
	Log     *slog.Logger
	Now     func() time.Time
}

// Sender delivers the messages of an outbox. Several may work on one, in as many
// processes.
type Sender struct {
	c      SenderConfig
	poll   time.Duration
	places chan struct{}
	work   sync.WaitGroup

	mu sync.Mutex
	// busy are the parties that messages are being sent to, failing those that
	// are left alone until the next poll.
	busy, failing map[string]bool
}

// NewSender returns a sender. See [Sender.Run].
func NewSender(c SenderConfig) *Sender {
	return &Sender{c: c, poll: poll, places: make(chan struct{}, maxParties), busy: map[string]bool{}, failing: map[string]bool{}}
}

// Run delivers messages until ctx ends and nothing is under way any more.
func (s *Sender) Run(ctx context.Context) {
	defer s.work.Wait()
	ticker := time.NewTicker(s.poll)
	defer ticker.Stop()
	for {
		s.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-s.c.Outbox.told:
		case <-ticker.C:
			s.mu.Lock()
			clear(s.failing)
			s.mu.Unlock()
			s.sweep(ctx)
		}
	}
}

// round begins to send what is due to everybody who is not being sent to.
func (s *Sender) round(ctx context.Context) {
	parties, err := s.c.Outbox.parties(ctx)
	if err != nil {
		s.complain(ctx, "webhooks can't be read", err)
		return
	}
	for _, party := range parties {
		address, ok := s.c.Addresses[party]
		if !ok || !s.begin(party) {
			continue
		}
		s.work.Go(func() { s.end(party, s.deliver(ctx, party, address)) })
	}
}

func (s *Sender) begin(party string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[party] || s.failing[party] {
		return false
	}
	s.busy[party] = true
	return true
}

// end lets the party be sent to again, at the next poll if it fails. What was
// told meanwhile was not seen, so that the sender looks once more.
func (s *Sender) end(party string, failing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, party)
	if failing {
		s.failing[party] = true
		return
	}
	s.c.Outbox.wake()
}

// deliver sends what is due to a party, a few messages at a time, and queues for
// each few anew, so that whoever has many does not keep others waiting. It ends
// when there is nothing more, or the receiver fails.
func (s *Sender) deliver(ctx context.Context, party, address string) (failing bool) {
	for {
		select {
		case s.places <- struct{}{}:
		case <-ctx.Done():
			return true
		}
		key, err := s.c.Keys.At(s.c.Now())
		if err != nil {
			<-s.places
			s.complain(ctx, "webhooks are not signed", err)
			return true
		}
		messages, err := s.c.Outbox.claim(ctx, party, perParty, lease)
		if err != nil {
			s.complain(ctx, "webhooks can't be claimed", err)
		}
		failing := !s.sendAll(ctx, messages, address, key) || err != nil
		<-s.places
		if failing || len(messages) == 0 {
			return failing
		}
	}
}

// sendAll sends messages side by side.
func (s *Sender) sendAll(ctx context.Context, messages []Message, address string, key *keys.Key) bool {
	var group sync.WaitGroup
	outcomes := make([]error, len(messages))
	for i, m := range messages {
		group.Go(func() { outcomes[i] = s.send(ctx, m, address, key) })
	}
	group.Wait()
	return errors.Join(outcomes...) == nil
}

// send makes one attempt and puts down what came of it. That is done even if ctx
// has ended.
func (s *Sender) send(ctx context.Context, m Message, address string, key *keys.Key) error {
	token, err := sign(m, s.c.Issuer, key, s.c.Now())
	if err == nil {
		_, err = s.c.Client.Post(ctx, address, MediaType, []byte(token), http.Header{"Accept": {"application/json"}})
	}
	stopped, after := ctx.Err() != nil, context.WithoutCancel(ctx)
	outcome, stored := outcomeDelivered, error(nil)
	switch {
	case err == nil:
		stored = s.c.Outbox.delivered(after, m.ID)
	case stopped:
		// Another process may go on at once.
		return errors.Join(err, s.c.Outbox.retry(after, m.ID, s.c.Now()))
	default:
		outcome = outcomeFailed
		stored = s.c.Outbox.retry(after, m.ID, s.c.Now().Add(delay(m.Attempts)))
		if m.Attempts == 1 {
			s.log(ctx, slog.LevelWarn, "webhook not delivered, it will be sent again", m, slog.String("cause", err.Error()))
		}
	}
	s.c.Metrics.ended(s.c.Outbox.tenant, outcome)
	if stored != nil {
		s.complain(after, "webhooks can't be written", stored) // it is sent again when the lease ends
	}
	return errors.Join(err, stored)
}

// delay returns how long to wait after as many attempts: a random time in the
// upper half of what there is at most.
func delay(attempts int) time.Duration {
	most := longestDelay
	if n := attempts - 1; n < 10 {
		most = min(firstDelay<<max(n, 0), longestDelay)
	}
	return most/2 + rand.N(most/2)
}

// sweep does what is not done for each message: it looks up the states that
// nobody has told in time, gives up what could not be delivered for too long, and
// measures what is left.
func (s *Sender) sweep(ctx context.Context) {
	o := s.c.Outbox
	if err := s.settle(ctx); err != nil {
		s.complain(ctx, "webhooks can't be settled", err)
	}
	overdue, err := o.overdue(ctx, s.c.Now().Add(-patience), batch)
	for _, m := range overdue {
		var gone bool
		if gone, err = o.giveUp(ctx, m.ID); err != nil {
			break
		}
		if gone {
			s.c.Metrics.ended(o.tenant, outcomeGivenUp)
			s.log(ctx, slog.LevelError, "webhook given up", m)
		}
	}
	if err != nil {
		s.complain(ctx, "webhooks can't be given up", err)
	}
	if count, age, err := o.backlog(ctx); err == nil {
		s.c.Metrics.measured(o.tenant, count, age)
	}
}

// settle tells the states that nobody has told. A state that can't be looked up
// is asked for again after a while, so that others are not kept waiting.
func (s *Sender) settle(ctx context.Context) (failure error) {
	for {
		untold, err := s.c.Outbox.untold(ctx, batch)
		if err != nil {
			return err
		}
		for _, m := range untold {
			state, again, err := s.c.Settle(ctx, m.Transaction)
			if err != nil {
				failure, state, again = err, "", s.c.Now().Add(lease)
			}
			if state == "" {
				err = s.c.Outbox.postpone(ctx, m.ID, again)
			} else {
				err = s.c.Outbox.Tell(ctx, m.ID, state)
			}
			if err != nil {
				return err
			}
		}
		if len(untold) < batch {
			return failure
		}
	}
}

func (s *Sender) log(ctx context.Context, level slog.Level, text string, m Message, attributes ...slog.Attr) {
	s.c.Log.LogAttrs(ctx, level, text, append(attributes, slog.String("tenant", s.c.Outbox.tenant), slog.String("relying_party", m.Party),
		slog.String("message", m.ID), slog.Int("attempts", m.Attempts))...)
}

func (s *Sender) complain(ctx context.Context, text string, err error) {
	if ctx.Err() == nil {
		s.c.Log.LogAttrs(ctx, slog.LevelError, text, slog.String("tenant", s.c.Outbox.tenant), slog.String("cause", err.Error()))
	}
}
