package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// RevokeByEvidence records that a certificate was revoked: its grants end, and
// the credentials that rest on it become INVALID, except those of types that
// do not cascade. It returns how many credentials it revoked; calling it again
// revokes nothing more. An unknown pseudonym is no error, since the caller
// matches whole revocation lists. The reason stays inside.
func (r *Records) RevokeByEvidence(ctx context.Context, tenant, pseudonym, reason string) (revoked int, err error) {
	if pseudonym == "" {
		return 0, errors.New("records: no pseudonym") // back-office credentials have the empty one
	}
	err = r.DB.Write(ctx, func(tx *sql.Tx) error {
		revoked = 0
		known, err := r.markEvidence(ctx, tx, tenant, pseudonym)
		if err != nil || !known {
			return err
		}
		if err := r.endGrants(ctx, tx, tenant, `evidence_pseudonym = $3`, pseudonym); err != nil {
			return err
		}
		revoked, err = r.revokeWhere(ctx, tx, tenant, revocation{causeEvidence, reason, r.Cascade}, `evidence_pseudonym = $2`, pseudonym)
		return err
	})
	if err != nil {
		return 0, err
	}
	r.tell(tenant, causeEvidence, revoked)
	return revoked, nil
}

// RevokeCredential makes one credential INVALID and says whether it was not so
// before. It fails with [ErrCredentialUnknown].
func (r *Records) RevokeCredential(ctx context.Context, tenant, id, reason string) (changed bool, err error) {
	err = r.DB.Write(ctx, func(tx *sql.Tx) error {
		var known int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM issued_credentials WHERE tenant = $1 AND id = $2`,
			tenant, id).Scan(&known); err != nil {
			return fmt.Errorf("records: credential: %w", err)
		}
		if known == 0 {
			return ErrCredentialUnknown
		}
		n, err := r.revokeWhere(ctx, tx, tenant, revocation{cause: causeRequest, reason: reason}, `id = $2`, id)
		changed = n == 1
		return err
	})
	if err != nil {
		return false, err
	}
	if changed {
		r.tell(tenant, causeRequest, 1)
	}
	return changed, nil
}

// The causes of revocations, for the audit trail and the metrics.
const (
	causeEvidence = "evidence"
	causeRequest  = "request"
	causeGrant    = "grant"
)

func (r *Records) tell(tenant, cause string, n int) {
	if r.Revoked != nil && n > 0 {
		r.Revoked(tenant, cause, n)
	}
}

// revocation says why credentials are revoked.
type revocation struct {
	cause  string                                   // for the audit trail
	reason string                                   // for the row alone
	takes  func(credentialType, reason string) bool // nil takes every type
}

// revokeWhere makes the credentials INVALID that match the condition, in which
// $1 is the tenant and $2 is key, and whose type the revocation takes.
func (r *Records) revokeWhere(ctx context.Context, tx *sql.Tx, tenant string, why revocation, condition, key string) (int, error) {
	ids, entries, err := unrevoked(ctx, tx, tenant, why, condition, key)
	if err != nil {
		return 0, fmt.Errorf("records: revoke: %w", err)
	}
	now := r.Now()
	for _, id := range ids {
		if _, err := tx.ExecContext(ctx, `
			UPDATE issued_credentials SET revoked_at = $1, revoke_reason = $2
			WHERE tenant = $3 AND id = $4 AND revoked_at = 0`, now.Unix(), why.reason, tenant, id); err != nil {
			return 0, fmt.Errorf("records: revoke: %w", err)
		}
		if r.Audit == nil {
			continue
		}
		event := audit.Event{Kind: "credential.revoked", Actor: "issuer", Object: id, Outcome: why.cause}
		if err := r.Audit.Append(ctx, tx, tenant, now, event); err != nil {
			return 0, err
		}
	}
	return r.Lists.Revoke(ctx, tx, tenant, now, entries...)
}

// unrevoked reads the credentials that match and are not revoked, expired or
// not: a token of the list says the same of both.
func unrevoked(ctx context.Context, tx *sql.Tx, tenant string, why revocation, condition, key string) (ids []string, entries []statuslist.Entry, err error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT id, type, list_id, idx FROM issued_credentials
		WHERE tenant = $1 AND revoked_at = 0 AND `+condition+` ORDER BY id`, tenant, key)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, credentialType string
		var e statuslist.Entry
		if err := rows.Scan(&id, &credentialType, &e.ListID, &e.Index); err != nil {
			return nil, nil, err
		}
		if why.takes == nil || why.takes(credentialType, why.reason) {
			ids, entries = append(ids, id), append(entries, e)
		}
	}
	return ids, entries, rows.Err()
}
