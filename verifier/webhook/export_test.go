package webhook

import (
	"context"
	"time"
)

// The bounds that tests know.
const (
	Lease       = lease
	Patience    = patience
	PerParty    = perParty
	LongestTime = longestDelay
)

// SetPoll sets how often the sender looks for what nobody told it of.
func (s *Sender) SetPoll(d time.Duration) { s.poll = d }

// Sweep does what a sender does from time to time.
func (s *Sender) Sweep(ctx context.Context) { s.sweep(ctx) }

// Claim returns messages as a sender of another process would.
func (o *Outbox) Claim(ctx context.Context, party string, limit int) ([]Message, error) {
	return o.claim(ctx, party, limit, lease)
}

// Delivered deletes a message.
func (o *Outbox) Delivered(ctx context.Context, id string) error { return o.delivered(ctx, id) }

// Retry has a message sent again.
func (o *Outbox) Retry(ctx context.Context, id string, due time.Time) error {
	return o.retry(ctx, id, due)
}

// Untold returns what nobody has told in time.
func (o *Outbox) Untold(ctx context.Context) ([]Message, error) { return o.untold(ctx, batch) }

// Parties returns who has messages that are due.
func (o *Outbox) Parties(ctx context.Context) ([]string, error) { return o.parties(ctx) }

// Delay is how long to wait after as many attempts.
var Delay = delay
