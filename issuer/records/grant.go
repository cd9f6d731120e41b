package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Grant is what a token stands for. It is written when the token is issued. With
// the grants that come from refreshing it, it is a line, of which it is the root.
type Grant struct {
	// ID names the grant. Deriving it from the authorization code or the
	// pre-authorized code makes the second use of a code fail with
	// [ErrGrantExists], whatever the session store remembers.
	ID string
	// EvidenceKind says how the person was identified, for instance
	// "jpki-signature" or "back-office".
	EvidenceKind string
	// Evidence is the certificate the grant rests on, nil if it rests on none.
	Evidence *Evidence
	// Expires is the end of the grant, in whole seconds: no credential can be
	// had after it, and no refresh either.
	Expires time.Time
	// Refresh is nil if the grant can't be refreshed.
	Refresh *Refresh
	// Limits holds the number of credentials to be had for each
	// credential_configuration_id.
	Limits map[string]int
}

// StartGrant writes a grant and its evidence. It fails with [ErrGrantExists] and
// with [ErrEvidenceRevoked].
func (r *Records) StartGrant(ctx context.Context, tenant string, g Grant) error {
	if g.ID == "" || len(g.Limits) == 0 || g.Refresh != nil && (g.Refresh.MAC == "" || len(g.Refresh.Sealed) == 0) {
		return errors.New("records: incomplete grant")
	}
	for config, limit := range g.Limits {
		if config == "" || limit < 1 {
			return fmt.Errorf("records: grant of %d credentials of configuration %q", limit, config)
		}
	}
	return r.DB.Write(ctx, func(tx *sql.Tx) error { return r.startGrant(ctx, tx, tenant, g) })
}

func (r *Records) startGrant(ctx context.Context, tx *sql.Tx, tenant string, g Grant) error {
	pseudonym, refresh := "", Refresh{Sealed: []byte{}}
	if g.Evidence != nil {
		if err := r.putEvidence(ctx, tx, tenant, *g.Evidence); err != nil {
			return err
		}
		pseudonym = g.Evidence.Pseudonym
	}
	if g.Refresh != nil {
		refresh = *g.Refresh
	}
	result, err := tx.ExecContext(ctx, `
		INSERT INTO grants (tenant, id, root_id, evidence_kind, evidence_pseudonym, created_at, expires_at, used_at, revoked_at,
			refresh_mac, sealed_claims)
		VALUES ($1, $2, $2, $3, $4, $5, $6, 0, 0, $7, $8) ON CONFLICT (tenant, id) DO NOTHING`,
		tenant, g.ID, g.EvidenceKind, pseudonym, r.Now().Unix(), g.Expires.Unix(), refresh.MAC, refresh.Sealed)
	if err != nil {
		return fmt.Errorf("records: grant: %w", err)
	}
	switch n, err := result.RowsAffected(); {
	case err != nil:
		return fmt.Errorf("records: grant: %w", err)
	case n == 0:
		return ErrGrantExists
	}
	for _, config := range slices.Sorted(maps.Keys(g.Limits)) {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO grant_limits (tenant, grant_id, config_id, max_credentials, issued_count)
			VALUES ($1, $2, $3, $4, 0)`, tenant, g.ID, config, g.Limits[config]); err != nil {
			return fmt.Errorf("records: grant limit: %w", err)
		}
	}
	return nil
}

// lockGrant locks the row of a grant until the transaction ends, and fails
// unless the grant stands.
func (r *Records) lockGrant(ctx context.Context, tx *sql.Tx, tenant, id string) error {
	now := r.Now().Unix()
	var expires, revoked int64
	err := tx.QueryRowContext(ctx, `
		UPDATE grants SET used_at = $1 WHERE tenant = $2 AND id = $3 RETURNING expires_at, revoked_at`,
		now, tenant, id).Scan(&expires, &revoked)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrGrantUnknown
	case err != nil:
		return fmt.Errorf("records: grant: %w", err)
	case revoked != 0:
		return ErrGrantRevoked
	case expires <= now:
		return ErrGrantExpired
	}
	return nil
}

// lockGrantEvidence returns the pseudonym of the evidence a grant rests on,
// empty if there is none, with the row of the evidence locked.
func lockGrantEvidence(ctx context.Context, tx *sql.Tx, tenant, id string) (pseudonym string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT evidence_pseudonym FROM grants WHERE tenant = $1 AND id = $2`, tenant, id).
		Scan(&pseudonym)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", ErrGrantUnknown
	case err != nil:
		return "", fmt.Errorf("records: grant: %w", err)
	case pseudonym == "":
		return "", nil
	}
	return pseudonym, lockEvidence(ctx, tx, tenant, pseudonym)
}

// RevokeGrant ends a grant with all that came from refreshing it, and makes
// every credential issued under them INVALID, as the second use of a code
// demands. It returns how many credentials it revoked. Calling it again
// changes nothing.
func (r *Records) RevokeGrant(ctx context.Context, tenant, id, reason string) (revoked int, err error) {
	err = r.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		if err := r.endLine(ctx, tx, tenant, id); err != nil {
			return err
		}
		revoked, err = r.revokeWhere(ctx, tx, tenant, causeGrant, reason, `
			grant_id IN (SELECT g.id FROM grants g WHERE g.tenant = $1 AND g.id = $2
				UNION ALL SELECT g.id FROM grants g WHERE g.tenant = $1 AND g.root_id = $2)`, id)
		return err
	})
	if err != nil {
		return 0, err
	}
	r.tell(tenant, causeGrant, revoked)
	return revoked, nil
}

// endLine ends a grant with all that came from refreshing it, in two statements,
// root first: one that waited for a refresh under way would not see the grant it
// made.
func (r *Records) endLine(ctx context.Context, tx *sql.Tx, tenant, id string) error {
	for _, condition := range []string{`id = $3`, `root_id = $3`} {
		if err := r.endGrants(ctx, tx, tenant, condition, id); err != nil {
			return err
		}
	}
	return nil
}

// endGrants revokes the grants that match the condition, whose parameters begin
// with $3, and deletes what was sealed in them.
func (r *Records) endGrants(ctx context.Context, tx *sql.Tx, tenant, condition string, args ...any) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE grants SET revoked_at = CASE WHEN revoked_at = 0 THEN $1 ELSE revoked_at END,
			refresh_mac = '', sealed_claims = ''
		WHERE tenant = $2 AND `+condition, append([]any{r.Now().Unix(), tenant}, args...)...)
	if err != nil {
		return fmt.Errorf("records: revoke grant: %w", err)
	}
	return nil
}
