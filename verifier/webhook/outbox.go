package webhook

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/internal/database"
)

// Outbox keeps the messages of one tenant until they are delivered. Where a
// function changes several rows, it does so in the order of their identifiers.
type Outbox struct {
	db     *database.DB
	tenant string
	now    func() time.Time
	// told wakes the sender of this process.
	told chan struct{}
}

// NewOutbox returns the outbox of a tenant.
func NewOutbox(db *database.DB, tenant string, now func() time.Time) *Outbox {
	return &Outbox{db: db, tenant: tenant, now: now, told: make(chan struct{}, 1)}
}

// Watch puts a message down whose state is not known yet. If nobody tells it
// until due, the sender looks it up.
func (o *Outbox) Watch(ctx context.Context, m Message, due time.Time) error {
	return o.write(ctx, "watch", `
		INSERT INTO webhook_messages (tenant, id, party, transaction_id, state, told_at, attempts, due_at)
		VALUES ($1, $2, $3, $4, '', 0, 0, $5)`, o.tenant, m.ID, m.Party, m.Transaction, due.Unix())
}

// Tell has the state of a message sent. The first state counts; for a message
// that was told, delivered or forgotten before, nothing happens.
func (o *Outbox) Tell(ctx context.Context, id, state string) error {
	err := o.write(ctx, "tell", `
		UPDATE webhook_messages SET state = $1, told_at = $2, due_at = $2 WHERE tenant = $3 AND id = $4 AND state = ''`,
		state, o.now().Unix(), o.tenant, id)
	if err != nil {
		return err
	}
	o.wake()
	return nil
}

// wake has the sender of this process look for what is due.
func (o *Outbox) wake() {
	select {
	case o.told <- struct{}{}:
	default: // it will
	}
}

// Forget deletes a message whose state is not known: the relying party has
// ended the transaction itself.
func (o *Outbox) Forget(ctx context.Context, id string) error {
	return o.write(ctx, "forget", `DELETE FROM webhook_messages WHERE tenant = $1 AND id = $2 AND state = ''`, o.tenant, id)
}

// untold returns messages whose state nobody has told in time, at most limit.
func (o *Outbox) untold(ctx context.Context, limit int) ([]Message, error) {
	return o.list(ctx, `
		SELECT id, party, transaction_id, state, attempts, told_at FROM webhook_messages
		WHERE tenant = $1 AND state = '' AND due_at <= $2 ORDER BY due_at, id LIMIT $3`, o.tenant, o.now().Unix(), limit)
}

// postpone has the state of a message looked up again later.
func (o *Outbox) postpone(ctx context.Context, id string, due time.Time) error {
	return o.write(ctx, "postpone", `UPDATE webhook_messages SET due_at = $1 WHERE tenant = $2 AND id = $3 AND state = ''`,
		due.Unix(), o.tenant, id)
}

// parties returns who has messages to be sent now.
func (o *Outbox) parties(ctx context.Context) (parties []string, err error) {
	err = o.db.Read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT DISTINCT party FROM webhook_messages WHERE tenant = $1 AND state <> '' AND due_at <= $2`, o.tenant, o.now().Unix())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var party string
			if err := rows.Scan(&party); err != nil {
				return err
			}
			parties = append(parties, party)
		}
		return rows.Err()
	})
	return parties, failed("parties", err)
}

// claim returns messages of a party that are due, at most limit, and keeps other
// processes from sending them for as long as the lease: if this one dies, they
// are due again.
func (o *Outbox) claim(ctx context.Context, party string, limit int, lease time.Duration) ([]Message, error) {
	now := o.now()
	due, err := o.list(ctx, `
		SELECT id, party, transaction_id, state, attempts, told_at FROM webhook_messages
		WHERE tenant = $1 AND party = $2 AND state <> '' AND due_at <= $3 ORDER BY due_at, id LIMIT $4`, o.tenant, party, now.Unix(), limit)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	slices.SortFunc(due, func(a, b Message) int { return cmp.Compare(a.ID, b.ID) })
	var mine []Message
	err = o.db.Write(ctx, func(tx *sql.Tx) error {
		mine = nil
		for _, m := range due {
			// Whoever waited for the lock of another finds that it is no longer due.
			result, err := tx.ExecContext(ctx, `
				UPDATE webhook_messages SET attempts = attempts + 1, due_at = $1 WHERE tenant = $2 AND id = $3 AND due_at <= $4`,
				now.Add(lease).Unix(), o.tenant, m.ID, now.Unix())
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil {
				return err
			} else if n > 0 {
				m.Attempts++
				mine = append(mine, m)
			}
		}
		return nil
	})
	return mine, failed("claim", err)
}

// delivered deletes a message.
func (o *Outbox) delivered(ctx context.Context, id string) error {
	return o.write(ctx, "delivered", `DELETE FROM webhook_messages WHERE tenant = $1 AND id = $2`, o.tenant, id)
}

// retry has a message sent again later.
func (o *Outbox) retry(ctx context.Context, id string, due time.Time) error {
	return o.write(ctx, "retry", `UPDATE webhook_messages SET due_at = $1 WHERE tenant = $2 AND id = $3`, due.Unix(), o.tenant, id)
}

// overdue returns messages that are due and were told before a time, at most
// limit.
func (o *Outbox) overdue(ctx context.Context, before time.Time, limit int) ([]Message, error) {
	return o.list(ctx, `
		SELECT id, party, transaction_id, state, attempts, told_at FROM webhook_messages
		WHERE tenant = $1 AND state <> '' AND told_at < $2 AND due_at <= $3 ORDER BY told_at, id LIMIT $4`,
		o.tenant, before.Unix(), o.now().Unix(), limit)
}

// giveUp deletes a message that is still due, and reports whether it did.
func (o *Outbox) giveUp(ctx context.Context, id string) (bool, error) {
	return o.change(ctx, "give up", `DELETE FROM webhook_messages WHERE tenant = $1 AND id = $2 AND due_at <= $3`,
		o.tenant, id, o.now().Unix())
}

// backlog returns how many messages wait to be delivered, and for how long the
// first of them has.
func (o *Outbox) backlog(ctx context.Context) (count int64, age time.Duration, err error) {
	var oldest sql.NullInt64
	err = o.db.Read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT COUNT(*), MIN(told_at) FROM webhook_messages WHERE tenant = $1 AND state <> ''`, o.tenant).
			Scan(&count, &oldest)
	})
	if err == nil && oldest.Valid {
		age = max(0, o.now().Sub(time.Unix(oldest.Int64, 0)))
	}
	return count, age, failed("backlog", err)
}

func (o *Outbox) list(ctx context.Context, query string, args ...any) (list []Message, err error) {
	err = o.db.Read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		list = nil
		for rows.Next() {
			var m Message
			var told int64
			if err := rows.Scan(&m.ID, &m.Party, &m.Transaction, &m.State, &m.Attempts, &told); err != nil {
				return err
			}
			m.told = time.Unix(told, 0).UTC()
			list = append(list, m)
		}
		return rows.Err()
	})
	return list, failed("list", err)
}

func (o *Outbox) write(ctx context.Context, what, statement string, args ...any) error {
	_, err := o.change(ctx, what, statement, args...)
	return err
}

// change runs a statement for one row and reports whether there was one.
func (o *Outbox) change(ctx context.Context, what, statement string, args ...any) (changed bool, err error) {
	err = o.db.Write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		changed = n > 0
		return err
	})
	return changed, failed(what, err)
}

func failed(what string, err error) error {
	if err != nil {
		return fmt.Errorf("webhook: %s: %w", what, err)
	}
	return nil
}
