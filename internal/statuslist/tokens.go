package statuslist

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// held is a publication with what was signed ahead.
type held struct {
	sequence int64
	tokens   []Publication // in the order of their times; the first is the publication
}

// at returns the newest token whose time has come and has not passed.
func (h held) at(now time.Time) (pub Publication, ok bool) {
	for i, t := range h.tokens {
		// The first counts even if its clock was a little ahead of ours.
		if (i == 0 || !t.IssuedAt.After(now)) && now.Before(t.Expires) {
			pub, ok = t, true
		}
	}
	return pub, ok
}

// readPublication returns what is stored, the tokens from memory if it is still
// the same, and the zero value if there is none.
func (p *Publisher) readPublication(ctx context.Context, tx *sql.Tx, key listKey) (Publication, error) {
	last := p.lastOf(key)
	var pub Publication
	var issued, expires int64
	err := tx.QueryRowContext(ctx, `
		SELECT p.sequence, p.version, p.issued_at, p.expires_at, CASE WHEN p.sequence = $1 THEN '' ELSE p.token END
		FROM status_publications p JOIN status_lists l ON l.tenant = p.tenant AND l.id = p.list_id
		WHERE p.tenant = $2 AND p.list_id = $3 AND l.owner = $4`, last.sequence, key.tenant, key.id, p.c.Lists.owner).
		Scan(&pub.Sequence, &pub.Version, &issued, &expires, &pub.JWT)
	if errors.Is(err, sql.ErrNoRows) {
		return Publication{}, nil
	}
	if err != nil {
		return Publication{}, fmt.Errorf("statuslist: publication: %w", err)
	}
	if pub.Sequence == last.sequence {
		return last.tokens[0], nil
	}
	pub.IssuedAt, pub.Expires = time.Unix(issued, 0).UTC(), time.Unix(expires, 0).UTC()
	read := held{sequence: pub.Sequence, tokens: []Publication{pub}}
	if err := read.readTokens(ctx, tx, key); err != nil {
		return Publication{}, err
	}
	p.remember(key, read)
	return read.tokens[0], nil
}

// readTokens adds the CWT form and what was signed ahead, if the program that
// published knows of them.
func (h *held) readTokens(ctx context.Context, tx *sql.Tx, key listKey) error {
	rows, err := tx.QueryContext(ctx, `
		SELECT issued_at, expires_at, jwt, cwt FROM status_tokens
		WHERE tenant = $1 AND list_id = $2 AND sequence = $3 ORDER BY issued_at`, key.tenant, key.id, h.sequence)
	if err != nil {
		return fmt.Errorf("statuslist: tokens: %w", err)
	}
	defer rows.Close()
	pub := h.tokens[0]
	for rows.Next() {
		t := Publication{Sequence: pub.Sequence, Version: pub.Version}
		var issued, expires int64
		var cwt []byte
		if err := rows.Scan(&issued, &expires, &t.JWT, &cwt); err != nil {
			return fmt.Errorf("statuslist: tokens: %w", err)
		}
		t.CWT, t.IssuedAt, t.Expires = string(cwt), time.Unix(issued, 0).UTC(), time.Unix(expires, 0).UTC()
		if t.IssuedAt.Equal(pub.IssuedAt) {
			h.tokens[0] = t
		} else {
			h.tokens = append(h.tokens, t)
		}
	}
	return rows.Err()
}

// store replaces the publication that came before. It returns false if another
// one has been stored meanwhile.
func (p *Publisher) store(ctx context.Context, key listKey, next held) (stored bool, err error) {
	pub := next.tokens[0]
	err = p.c.DB.Write(ctx, func(tx *sql.Tx) error {
		stored = false
		result, err := tx.ExecContext(ctx, `
			INSERT INTO status_publications (tenant, list_id, sequence, version, issued_at, expires_at, token)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (tenant, list_id) DO UPDATE SET sequence = excluded.sequence, version = excluded.version,
				issued_at = excluded.issued_at, expires_at = excluded.expires_at, token = excluded.token
			WHERE status_publications.sequence = excluded.sequence - 1`,
			key.tenant, key.id, pub.Sequence, pub.Version, pub.IssuedAt.Unix(), pub.Expires.Unix(), pub.JWT)
		if err != nil {
			return fmt.Errorf("statuslist: publication: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		stored = true
		return next.storeTokens(ctx, tx, key)
	})
	return stored, err
}

func (h held) storeTokens(ctx context.Context, tx *sql.Tx, key listKey) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM status_tokens WHERE tenant = $1 AND list_id = $2`, key.tenant, key.id); err != nil {
		return fmt.Errorf("statuslist: tokens: %w", err)
	}
	for _, t := range h.tokens {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO status_tokens (tenant, list_id, sequence, issued_at, expires_at, jwt, cwt)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			key.tenant, key.id, h.sequence, t.IssuedAt.Unix(), t.Expires.Unix(), t.JWT, []byte(t.CWT)); err != nil {
			return fmt.Errorf("statuslist: tokens: %w", err)
		}
	}
	return nil
}

func (p *Publisher) lastOf(key listKey) held {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[key]
}

func (p *Publisher) remember(key listKey, h held) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last[key].sequence < h.sequence {
		p.last[key] = h
	}
}
