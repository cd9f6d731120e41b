package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/internal/audit"
)

// The states of deferred credentials. From pending they go to approved or denied,
// and from approved to issued.
const (
	DeferredPending  = "pending"
	DeferredApproved = "approved"
	DeferredDenied   = "denied"
	DeferredIssued   = "issued"
)

// Errors about deferred credentials.
var (
	ErrDeferredUnknown = errors.New("records: unknown deferred credentials")
	ErrDeferredDecided = errors.New("records: it was decided otherwise")
)

// Deferred is a batch of credentials that is asked for and issued later.
type Deferred struct {
	// ID is a keyed hash of a part of the transaction_id.
	ID string
	// GrantID is the root of the line of grants: it stays the same when an
	// access token is refreshed.
	GrantID, ConfigID string
	Count             int
	// State is one of those above.
	State string
	// Sealed is what the rest of the transaction_id opens. It is deleted with
	// the decision against it, and with the issuance.
	Sealed []byte
	// EvidenceKind is that of the grant. It is set when it is listed.
	EvidenceKind string
	CreatedAt    time.Time
}

// Defer puts credentials down that are asked for. Together with those that wait
// already they are no more than the grant yields; otherwise it fails with
// [ErrGrantExhausted]. It fails with [ErrGrantUnknown], [ErrGrantRevoked],
// [ErrGrantExpired], [ErrConfigNotGranted] and [ErrEvidenceRevoked] as
// [Records.AllocateCredentials] does.
func (r *Records) Defer(ctx context.Context, tenant string, d Deferred) error {
	if d.ID == "" || d.Count < 1 || len(d.Sealed) == 0 || d.State != DeferredPending && d.State != DeferredApproved {
		return errors.New("records: incomplete deferral")
	}
	return r.DB.Write(ctx, func(tx *sql.Tx) error {
		if _, err := lockGrantEvidence(ctx, tx, tenant, d.GrantID); err != nil {
			return err
		}
		if err := r.lockGrant(ctx, tx, tenant, d.GrantID); err != nil {
			return err
		}
		var most, waiting int
		err := tx.QueryRowContext(ctx, `SELECT max_credentials FROM grant_limits WHERE tenant = $1 AND grant_id = $2 AND config_id = $3`,
			tenant, d.GrantID, d.ConfigID).Scan(&most)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrConfigNotGranted
		}
		if err == nil {
			err = tx.QueryRowContext(ctx, `
				SELECT COALESCE(SUM(count), 0) FROM deferred_credentials
				WHERE tenant = $1 AND grant_id = $2 AND config_id = $3 AND state <> 'issued'`, tenant, d.GrantID, d.ConfigID).Scan(&waiting)
		}
		switch {
		case err != nil:
			return fmt.Errorf("records: defer: %w", err)
		case waiting+d.Count > most:
			return ErrGrantExhausted
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO deferred_credentials (tenant, id, grant_id, config_id, count, state, sealed, created_at, decided_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)`,
			tenant, d.ID, d.GrantID, d.ConfigID, d.Count, d.State, d.Sealed, r.Now().Unix())
		if err != nil {
			return fmt.Errorf("records: defer: %w", err)
		}
		return nil
	})
}

// FindDeferred returns what a line of grants waits for under an ID. It fails with
// [ErrDeferredUnknown], also if it was issued.
func (r *Records) FindDeferred(ctx context.Context, tenant, grant, id string) (*Deferred, error) {
	d := &Deferred{ID: id, GrantID: grant}
	err := r.DB.Read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `
			SELECT config_id, count, state, sealed FROM deferred_credentials
			WHERE tenant = $1 AND id = $2 AND grant_id = $3 AND state <> 'issued'`, tenant, id, grant).Scan(&d.ConfigID, &d.Count, &d.State, &d.Sealed)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrDeferredUnknown
	case err != nil:
		return nil, fmt.Errorf("records: deferred: %w", err)
	}
	return d, nil
}

// takeDeferred ends the waiting, once, in the transaction that allocates.
func takeDeferred(ctx context.Context, tx *sql.Tx, tenant, id string) error {
	result, err := tx.ExecContext(ctx, `
		UPDATE deferred_credentials SET state = 'issued', sealed = '' WHERE tenant = $1 AND id = $2 AND state = 'approved'`, tenant, id)
	if err != nil {
		return fmt.Errorf("records: deferred: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return ErrDeferredUnknown
}

// DecideDeferred approves or denies what waits for it. The same decision again
// changes nothing; another is [ErrDeferredDecided]. It fails with
// [ErrDeferredUnknown].
func (r *Records) DecideDeferred(ctx context.Context, tenant, id string, approve bool) error {
	state := DeferredDenied
	if approve {
		state = DeferredApproved
	}
	return r.DB.Write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE deferred_credentials SET state = $1, decided_at = $2, sealed = CASE WHEN $1 = 'denied' THEN '' ELSE sealed END
			WHERE tenant = $3 AND id = $4 AND state = 'pending'`, state, r.Now().Unix(), tenant, id)
		if err != nil {
			return fmt.Errorf("records: decide: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil {
			return fmt.Errorf("records: decide: %w", err)
		} else if n == 0 {
			return decided(ctx, tx, tenant, id, state)
		}
		if r.Audit == nil {
			return nil
		}
		return r.Audit.Append(ctx, tx, tenant, r.Now(), audit.Event{
			Kind: "deferred.decided", Actor: "operator", Object: id, Outcome: state,
		})
	})
}

// decided compares a decision with the one that was made before.
func decided(ctx context.Context, tx *sql.Tx, tenant, id, state string) error {
	var before string
	err := tx.QueryRowContext(ctx, `SELECT state FROM deferred_credentials WHERE tenant = $1 AND id = $2`, tenant, id).Scan(&before)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrDeferredUnknown
	case err != nil:
		return fmt.Errorf("records: decide: %w", err)
	case before == state, before == DeferredIssued && state == DeferredApproved:
		return nil
	}
	return ErrDeferredDecided
}

// PendingDeferred returns what waits for a decision, oldest first, but at most
// limit, under grants that stand.
func (r *Records) PendingDeferred(ctx context.Context, tenant string, limit int) ([]Deferred, error) {
	var list []Deferred
	err := r.DB.Read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT d.id, d.grant_id, d.config_id, d.count, d.created_at, g.evidence_kind
			FROM deferred_credentials d JOIN grants g ON g.tenant = d.tenant AND g.id = d.grant_id
			WHERE d.tenant = $1 AND d.state = 'pending' AND g.revoked_at = 0 AND g.expires_at > $2
			ORDER BY d.created_at, d.id LIMIT $3`, tenant, r.Now().Unix(), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			d := Deferred{State: DeferredPending}
			var created int64
			if err := rows.Scan(&d.ID, &d.GrantID, &d.ConfigID, &d.Count, &created, &d.EvidenceKind); err != nil {
				return err
			}
			d.CreatedAt = time.Unix(created, 0).UTC()
			list = append(list, d)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("records: pending: %w", err)
	}
	return list, nil
}

// ForgetDeferred deletes what nobody can get any more, because its grant has
// expired, and returns how much that was.
func (r *Records) ForgetDeferred(ctx context.Context, tenant string) (forgotten int64, err error) {
	err = r.DB.Write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			DELETE FROM deferred_credentials WHERE tenant = $1
			AND grant_id IN (SELECT g.id FROM grants g WHERE g.tenant = $1 AND g.expires_at <= $2)`, tenant, r.Now().Unix())
		if err != nil {
			return fmt.Errorf("records: forget deferred: %w", err)
		}
		forgotten, err = result.RowsAffected()
		return err
	})
	return forgotten, err
}
