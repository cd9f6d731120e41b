package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	err = r.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		_, revoked, err = r.revokeEvidence(ctx, tx, tenant, []Revocation{{pseudonym, reason}})
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
		n, err := r.revokeWhere(ctx, tx, tenant, causeRequest, reason, `id = $2`, id)
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
	// causeAttestation is a wallet instance, or its keys, that were revoked.
	causeAttestation = "attestation"
)

func (r *Records) tell(tenant, cause string, n int) {
	if r.Revoked != nil && n > 0 {
		r.Revoked(tenant, cause, n)
	}
}

// revokeWhere makes the credentials INVALID that match the condition, in which
// $1 is the tenant and $2 is key, whatever their type.
func (r *Records) revokeWhere(ctx context.Context, tx *sql.Tx, tenant, cause, reason, condition, key string) (int, error) {
	list, err := unrevoked(ctx, tx, tenant, condition, key)
	if err != nil {
		return 0, fmt.Errorf("records: revoke: %w", err)
	}
	for i := range list {
		list[i].reason = reason
	}
	return r.revoke(ctx, tx, tenant, cause, list)
}
