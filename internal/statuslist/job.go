package statuslist

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Run publishes the lists of a tenant, asked for or not, until ctx ends: see
// [Publisher.PublishDue].
func (p *Publisher) Run(ctx context.Context, tenant string) {
	ticker := time.NewTicker(p.c.Window)
	defer ticker.Stop()
	for {
		if err := p.PublishDue(ctx, tenant); err != nil && ctx.Err() == nil {
			p.c.Log.LogAttrs(ctx, slog.LevelError, "publishing status lists failed",
				slog.String("tenant", tenant), slog.String("cause", err.Error()))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// PublishDue makes the tokens of every list that was never published, has
// changed, or whose tokens are older than a twelfth of their lifetime. Lists
// that somebody asks for are published in every window anyway; this keeps what
// is signed ahead up to date for all of them. The errors are joined.
func (p *Publisher) PublishDue(ctx context.Context, tenant string) error {
	ids, err := p.due(ctx, tenant)
	failures := []error{err}
	for _, id := range ids {
		if _, err := p.publish(ctx, listKey{tenant, id}, false); err != nil {
			p.c.Metrics.failed(p.c.Lists.owner, tenant)
			failures = append(failures, fmt.Errorf("list %s: %w", id, err))
		}
	}
	return errors.Join(append(failures, p.measure(ctx, tenant))...)
}

// freshShare is the part of a token's lifetime after which it is replaced
// though nothing has changed.
const freshShare = 12

func (p *Publisher) due(ctx context.Context, tenant string) (ids []string, err error) {
	old := p.c.Now().Add(-max(p.c.Lifetime/freshShare, p.c.Window)).Unix()
	err = p.c.DB.Read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT l.id FROM status_lists l LEFT JOIN status_publications p ON p.tenant = l.tenant AND p.list_id = l.id
			WHERE l.tenant = $1 AND l.owner = $2 AND (p.list_id IS NULL OR p.version <> l.version OR p.issued_at <= $3
				OR NOT EXISTS (SELECT 1 FROM status_tokens t
					WHERE t.tenant = l.tenant AND t.list_id = l.id AND t.sequence = p.sequence))
			ORDER BY l.id`, tenant, p.c.Lists.owner, old)
		if err != nil {
			return fmt.Errorf("statuslist: due: %w", err)
		}
		defer rows.Close()
		ids = nil
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return fmt.Errorf("statuslist: due: %w", err)
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	return ids, err
}

// measure shows for how long verifiers would still get tokens if no more could
// be signed.
func (p *Publisher) measure(ctx context.Context, tenant string) error {
	var ends sql.NullInt64
	err := p.c.DB.Read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `
			SELECT MIN(ends) FROM (SELECT MAX(t.expires_at) AS ends FROM status_tokens t
				JOIN status_lists l ON l.tenant = t.tenant AND l.id = t.list_id
				WHERE t.tenant = $1 AND l.owner = $2 GROUP BY t.list_id) AS lists`, tenant, p.c.Lists.owner).Scan(&ends)
	})
	if err != nil {
		return fmt.Errorf("statuslist: measure: %w", err)
	}
	if ends.Valid {
		p.c.Metrics.covered(p.c.Lists.owner, tenant, time.Unix(ends.Int64, 0).Sub(p.c.Now()))
	}
	return nil
}

// URIs returns where the lists of a tenant are published, for the Status List
// Aggregation (section 9): base and the name of the list.
func (p *Publisher) URIs(ctx context.Context, tenant, base string) (uris []string, err error) {
	err = p.c.DB.Read(ctx, func(tx *sql.Tx) error {
		ids, err := p.c.Lists.IDs(ctx, tx, tenant)
		uris = make([]string, len(ids))
		for i, id := range ids {
			uris[i] = base + id
		}
		return err
	})
	return uris, err
}
