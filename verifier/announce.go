package verifier

import (
	"context"
	"errors"
	"time"

	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/verifier/webhook"
)

// settleAfter is how long after its end a transaction is settled whose state
// nobody has announced: a replica whose clock is behind may still take an answer.
const settleAfter = 10 * time.Second

// watch puts down that the relying party is to be told of the transaction. It
// comes before the relying party gets to know of it, so that none is forgotten
// that it knows, whatever happens to this process.
func (v *Verifier) watch(ctx context.Context, id string, t *transaction) error {
	if t.Message == "" {
		return nil
	}
	m := webhook.Message{ID: t.Message, Party: t.Party, Transaction: id}
	return v.cfg.Outbox.Watch(ctx, m, t.Expires.Add(settleAfter))
}

// announce tells the relying party the state of a transaction, if it has a
// webhook. It comes after the change of the state, before the answer to whoever
// changed it, and even if that one has left. If it fails the message is late and
// not lost: the sender asks [Verifier.Settle] when the time of the transaction
// is over.
func (v *Verifier) announce(ctx context.Context, t *transaction, state State) error {
	if t.Message == "" {
		return nil
	}
	return v.cfg.Outbox.Tell(context.WithoutCancel(ctx), t.Message, string(state))
}

// forget takes the message back: the relying party ended the transaction. If it
// fails, the party is told that it has expired.
func (v *Verifier) forget(ctx context.Context, t *transaction) {
	if t.Message != "" {
		_ = v.cfg.Outbox.Forget(context.WithoutCancel(ctx), t.Message)
	}
}

// Settle returns what a relying party is told of a transaction that should have
// ended by now; a wallet can't answer it any more from then on. If it can still
// become another, the state is empty, and again is when to ask again.
//
// An accepted presentation on the same device counts once its response code was
// brought; before that it looks like none, as in [Verifier.Result].
func (v *Verifier) Settle(ctx context.Context, id string) (state string, again time.Time, err error) {
	t, version, err := v.transactions.Get(ctx, id)
	if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrSealed) {
		return string(StateExpired), again, nil // nobody can open it any more
	}
	if err != nil {
		return "", again, err
	}
	now, ends := v.cfg.Now(), t.Expires
	switch {
	case t.State == StateRefused || t.State == StateExpired:
		return string(t.State), again, nil
	case t.State == StateDelivered || t.State == StateVerified && t.Flow == CrossDevice:
		return string(StateVerified), again, nil
	case t.State == StateVerified:
		ends = t.ResultUntil
	}
	if now.Before(ends) {
		return "", ends.Add(settleAfter), nil
	}
	next := t
	next.State, next.Key, next.Code, next.Credentials, next.ResultUntil = StateExpired, nil, "", nil, ends
	err = v.transactions.Swap(ctx, id, version, next)
	if errors.Is(err, session.ErrConflict) {
		return "", now.Add(time.Second), nil // somebody was faster: look again
	}
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		return "", again, err
	}
	return string(StateExpired), again, nil
}
