// Package audit keeps the trail of what changed the state of a tenant of a role: an
// append-only table, each event chained to the one before it by an HMAC under
// a key kept outside the database, so that whoever can write to the database
// alone can neither change nor remove an event unseen. Removing the latest
// events together with the head is seen only by comparing the head with one
// noted elsewhere.
//
// Events hold identifiers and fixed words, never personal data: what does not
// look like an identifier is refused.
package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrBroken says that the trail was changed after it was written.
var ErrBroken = errors.New("audit: the trail is broken")

// Event is one thing that happened. Each text is at most 200 characters out of
// letters, digits and ._:/@+#|-= of ASCII.
type Event struct {
	// Kind says what happened, such as "credential.revoked".
	Kind string
	// Actor says who did it: a role, a job, the identifier of an operator.
	Actor string
	// Object is the identifier of what it was done to.
	Object string
	// Outcome is a fixed word, such as "ok".
	Outcome string
}

// Head names the latest event of a tenant. The zero value is an empty trail.
type Head struct {
	Sequence int64
	MAC      []byte
}

// Log appends to the trails and verifies them.
type Log struct {
	owner string
	key   []byte
}

// New returns the log of a role, such as "issuer", under a secret key of at least
// 32 bytes. Tenants of different roles that have one name have a trail each.
func New(owner string, key []byte) (*Log, error) {
	if owner == "" {
		return nil, errors.New("audit: no owner")
	}
	if len(key) < 32 {
		return nil, fmt.Errorf("audit: key has %d bytes, want at least 32", len(key))
	}
	return &Log{owner: owner, key: key}, nil
}

// identifier reports whether a text can only be one.
func identifier(text string) bool {
	if len(text) > 200 {
		return false
	}
	for _, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune("._:/@+#|=-", r) {
			return false
		}
	}
	return true
}

// trail is what the rows of a tenant's trail are named after. No role has a slash
// in its name.
func (l *Log) trail(tenant string) string { return l.owner + "/" + tenant }

// Append writes events, in their order, within the transaction that does what
// they tell of.
func (l *Log) Append(ctx context.Context, tx *sql.Tx, tenant string, at time.Time, events ...Event) error {
	for _, e := range events {
		if err := l.check(e); err != nil {
			return err
		}
	}
	if len(events) == 0 {
		return nil
	}
	trail := l.trail(tenant)
	// The update locks the head until the transaction ends, so that events
	// of one tenant follow one another.
	var head Head
	err := tx.QueryRowContext(ctx, `
		INSERT INTO audit_heads (tenant, sequence, mac) VALUES ($1, $2, $3)
		ON CONFLICT (tenant) DO UPDATE SET sequence = audit_heads.sequence + $2
		RETURNING sequence, mac`, trail, len(events), []byte{}).Scan(&head.Sequence, &head.MAC)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	insert, err := tx.PrepareContext(ctx, `
		INSERT INTO audit_events (tenant, sequence, happened_at, kind, actor, object, outcome, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer insert.Close()
	head.Sequence -= int64(len(events))
	for _, e := range events {
		head.Sequence++
		head.MAC = l.mac(trail, head, at.Unix(), e)
		if _, err := insert.ExecContext(ctx, trail, head.Sequence, at.Unix(), e.Kind, e.Actor, e.Object, e.Outcome, head.MAC); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE audit_heads SET mac = $1 WHERE tenant = $2`, head.MAC, trail); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

func (l *Log) check(e Event) error {
	for _, text := range []string{e.Kind, e.Actor, e.Object, e.Outcome} {
		if !identifier(text) {
			return errors.New("audit: event holds more than identifiers") // the text may be personal, so it is not repeated
		}
	}
	if e.Kind == "" {
		return errors.New("audit: event without a kind")
	}
	return nil
}

// mac covers an event, its number and the mac before it, each with its length.
func (l *Log) mac(trail string, number Head, at int64, e Event) []byte {
	h := hmac.New(sha256.New, l.key)
	part := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	part([]byte("tegata audit 1"))
	part(number.MAC)
	part(binary.BigEndian.AppendUint64(nil, uint64(number.Sequence)))
	part(binary.BigEndian.AppendUint64(nil, uint64(at)))
	for _, text := range []string{trail, e.Kind, e.Actor, e.Object, e.Outcome} {
		part([]byte(text))
	}
	return h.Sum(nil)
}

// Verify reads the whole trail of a tenant and returns its head, or
// [ErrBroken] with the number of the first event that does not fit.
func (l *Log) Verify(ctx context.Context, tx *sql.Tx, tenant string) (Head, error) {
	var head, last Head
	trail := l.trail(tenant)
	err := tx.QueryRowContext(ctx, `SELECT sequence, mac FROM audit_heads WHERE tenant = $1`, trail).
		Scan(&head.Sequence, &head.MAC)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Head{}, fmt.Errorf("audit: %w", err)
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT sequence, happened_at, kind, actor, object, outcome, mac FROM audit_events
		WHERE tenant = $1 ORDER BY sequence`, trail)
	if err != nil {
		return Head{}, fmt.Errorf("audit: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e Event
		var at, sequence int64
		var mac []byte
		if err := rows.Scan(&sequence, &at, &e.Kind, &e.Actor, &e.Object, &e.Outcome, &mac); err != nil {
			return Head{}, fmt.Errorf("audit: %w", err)
		}
		last.Sequence++
		if sequence != last.Sequence || !hmac.Equal(mac, l.mac(trail, last, at, e)) {
			return Head{}, fmt.Errorf("%w at event %d", ErrBroken, last.Sequence)
		}
		last.MAC = mac
	}
	if err := rows.Err(); err != nil {
		return Head{}, fmt.Errorf("audit: %w", err)
	}
	if last.Sequence != head.Sequence || !hmac.Equal(last.MAC, head.MAC) {
		return Head{}, fmt.Errorf("%w after event %d", ErrBroken, last.Sequence)
	}
	return head, nil
}
