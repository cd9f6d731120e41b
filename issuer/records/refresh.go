package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Refresh is what makes a grant refreshable.
type Refresh struct {
	// MAC identifies the refresh token: a keyed hash of a part of it.
	MAC string
	// Sealed is what the rest of the token opens. It is deleted with the end of
	// the grant.
	Sealed []byte
}

// FindRefresh returns the grant of a refresh token and what was sealed in it. It
// fails with [ErrGrantUnknown], also if the grant was revoked, and with
// [ErrGrantExpired].
func (r *Records) FindRefresh(ctx context.Context, tenant, mac string) (id string, sealed []byte, err error) {
	if mac == "" {
		return "", nil, ErrGrantUnknown
	}
	var expires, revoked int64
	err = r.DB.Read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `
			SELECT id, sealed_claims, expires_at, revoked_at FROM grants WHERE tenant = $1 AND refresh_mac = $2 AND refresh_mac <> ''`,
			tenant, mac).Scan(&id, &sealed, &expires, &revoked)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil, ErrGrantUnknown
	case err != nil:
		return "", nil, fmt.Errorf("records: refresh: %w", err)
	case revoked != 0: // by a release that knew nothing of refreshing
		return "", nil, ErrGrantUnknown
	case expires <= r.Now().Unix():
		return "", nil, ErrGrantExpired
	}
	return id, sealed, nil
}

// RefreshGrant returns the ID of the grant under which the credentials of a
// refreshed one are counted now. The time from the beginning of root is divided
// into periods. Root is that of the first; each later one has a grant of its
// own, made by whoever comes first in it, which yields as much as root did. So
// however often and at however many places a token is used, each period yields
// that much and no more.
//
// It fails with [ErrGrantUnknown], [ErrGrantRevoked], [ErrGrantExpired] or
// [ErrEvidenceRevoked].
func (r *Records) RefreshGrant(ctx context.Context, tenant, root string, period time.Duration) (id string, err error) {
	if period < time.Second {
		return "", errors.New("records: refresh without a period")
	}
	err = r.DB.Write(ctx, func(tx *sql.Tx) error {
		if _, err := lockGrantEvidence(ctx, tx, tenant, root); err != nil {
			return err
		}
		if err := r.lockGrant(ctx, tx, tenant, root); err != nil {
			return err
		}
		var created int64
		if err := tx.QueryRowContext(ctx, `SELECT created_at FROM grants WHERE tenant = $1 AND id = $2`, tenant, root).Scan(&created); err != nil {
			return fmt.Errorf("records: refresh: %w", err)
		}
		now := r.Now().Unix()
		id = root
		if n := (now - created) / int64(period/time.Second); n > 0 {
			id = root + "." + strconv.FormatInt(n, 10)
			return r.startPeriod(ctx, tx, tenant, root, id, now)
		}
		return nil
	})
	return id, err
}

// startPeriod makes a grant like root, unless it is there.
func (r *Records) startPeriod(ctx context.Context, tx *sql.Tx, tenant, root, id string, now int64) error {
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO grants (tenant, id, root_id, evidence_kind, evidence_pseudonym, created_at, expires_at, used_at, revoked_at)
		SELECT tenant, $1, id, evidence_kind, evidence_pseudonym, $2, expires_at, 0, 0 FROM grants WHERE tenant = $3 AND id = $4
		ON CONFLICT (tenant, id) DO NOTHING`, id, now, tenant, root); err != nil {
		return fmt.Errorf("records: refresh: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO grant_limits (tenant, grant_id, config_id, max_credentials, issued_count)
		SELECT tenant, $1, config_id, max_credentials, 0 FROM grant_limits WHERE tenant = $2 AND grant_id = $3
		ON CONFLICT (tenant, grant_id, config_id) DO NOTHING`, id, tenant, root); err != nil {
		return fmt.Errorf("records: refresh: %w", err)
	}
	return nil
}

// EndGrant ends a grant with all that came from refreshing it, and deletes what
// was sealed in it. What was issued stays as it is.
func (r *Records) EndGrant(ctx context.Context, tenant, id string) error {
	return r.DB.Write(ctx, func(tx *sql.Tx) error { return r.endLine(ctx, tx, tenant, id) })
}

// ForgetClaims deletes what was sealed in grants that have expired, and returns
// of how many.
func (r *Records) ForgetClaims(ctx context.Context, tenant string) (forgotten int64, err error) {
	err = r.DB.Write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE grants SET refresh_mac = '', sealed_claims = ''
			WHERE tenant = $1 AND expires_at <= $2 AND refresh_mac <> ''`, tenant, r.Now().Unix())
		if err != nil {
			return fmt.Errorf("records: forget claims: %w", err)
		}
		forgotten, err = result.RowsAffected()
		return err
	})
	return forgotten, err
}
