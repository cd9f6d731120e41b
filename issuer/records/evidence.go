package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Evidence is what is kept of a certificate. Neither the certificate nor its
// serial is readable in it.
type Evidence struct {
	// Pseudonym is an HMAC of CA key and serial under a key of this issuer.
	Pseudonym string
	// Kind says which certificate it was, for instance "jpki-signature".
	Kind string
	// IssuerKeyID names the CA key.
	IssuerKeyID string
	// SealedHandle is what the re-check job needs to look the certificate up,
	// sealed by the caller.
	SealedHandle []byte
	// NextCheck is when its revocation is to be asked about again, in whole
	// seconds.
	NextCheck time.Time
	// Part is the part of a revocation list in which the certificate would be
	// found; nil if there is none. It is not kept with the evidence.
	Part *CRLPart
}

// putEvidence writes evidence or, when the same certificate was used before,
// renews it. It fails with ErrEvidenceRevoked: that is final.
func (r *Records) putEvidence(ctx context.Context, tx *sql.Tx, tenant string, e Evidence) error {
	if e.Pseudonym == "" || len(e.SealedHandle) == 0 || e.NextCheck.IsZero() {
		return errors.New("records: incomplete evidence")
	}
	now := r.Now().Unix()
	result, err := tx.ExecContext(ctx, `
		INSERT INTO evidence (tenant, pseudonym, kind, issuer_key_id, sealed_handle,
			revoked_at, created_at, checked_at, next_check_at)
		VALUES ($1, $2, $3, $4, $5, 0, $6, $6, $7)
		ON CONFLICT (tenant, pseudonym) DO UPDATE SET sealed_handle = excluded.sealed_handle,
			checked_at = excluded.checked_at, next_check_at = excluded.next_check_at
		WHERE evidence.revoked_at = 0`,
		tenant, e.Pseudonym, e.Kind, e.IssuerKeyID, e.SealedHandle, now, e.NextCheck.Unix())
	if err != nil {
		return fmt.Errorf("records: evidence: %w", err)
	}
	switch n, err := result.RowsAffected(); {
	case err != nil:
		return fmt.Errorf("records: evidence: %w", err)
	case n == 0:
		return ErrEvidenceRevoked
	case e.Part != nil:
		return r.putPart(ctx, tx, tenant, *e.Part)
	}
	return nil
}

// lockEvidence locks the row of evidence until the transaction ends. It fails
// with ErrEvidenceRevoked or ErrEvidenceUnknown.
func lockEvidence(ctx context.Context, tx *sql.Tx, tenant, pseudonym string) error {
	var revoked int64
	err := tx.QueryRowContext(ctx, `
		UPDATE evidence SET revoked_at = revoked_at WHERE tenant = $1 AND pseudonym = $2 RETURNING revoked_at`,
		tenant, pseudonym).Scan(&revoked)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrEvidenceUnknown
	case err != nil:
		return fmt.Errorf("records: evidence: %w", err)
	case revoked != 0:
		return ErrEvidenceRevoked
	}
	return nil
}

// EvidenceToCheck returns at most limit pieces of evidence whose check is due,
// the most overdue first: those that a credential or a grant which is still
// good rests on.
func (r *Records) EvidenceToCheck(ctx context.Context, tenant string, limit int) (due []Evidence, err error) {
	err = r.DB.Read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT e.pseudonym, e.kind, e.issuer_key_id, e.sealed_handle, e.next_check_at FROM evidence e
			WHERE e.tenant = $1 AND e.revoked_at = 0 AND e.next_check_at <= $2 AND (`+inUse+`)
			ORDER BY e.next_check_at, e.pseudonym LIMIT $3`, tenant, r.Now().Unix(), limit)
		if err != nil {
			return fmt.Errorf("records: evidence: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var e Evidence
			var next int64
			if err := rows.Scan(&e.Pseudonym, &e.Kind, &e.IssuerKeyID, &e.SealedHandle, &next); err != nil {
				return fmt.Errorf("records: evidence: %w", err)
			}
			e.NextCheck = time.Unix(next, 0).UTC()
			due = append(due, e)
		}
		return rows.Err()
	})
	return due, err
}

// OldestCheck returns when the evidence was last found good, or put down, that
// has waited longest for a check: of what a credential or a grant which is
// still good rests on. It returns the zero time if there is none.
func (r *Records) OldestCheck(ctx context.Context, tenant string) (oldest time.Time, err error) {
	err = r.DB.Read(ctx, func(tx *sql.Tx) error {
		var at sql.NullInt64
		if err := tx.QueryRowContext(ctx, `
			SELECT MIN(e.checked_at) FROM evidence e
			WHERE e.tenant = $1 AND e.revoked_at = 0 AND (`+inUse+`)`, tenant, r.Now().Unix()).Scan(&at); err != nil {
			return fmt.Errorf("records: evidence: %w", err)
		}
		if at.Valid {
			oldest = time.Unix(at.Int64, 0).UTC()
		}
		return nil
	})
	return oldest, err
}

// inUse is true of a row e of evidence that something rests on. In it $1 is
// the tenant and $2 the present.
const inUse = `
	EXISTS (SELECT 1 FROM issued_credentials c WHERE c.tenant = $1 AND c.evidence_pseudonym = e.pseudonym
		AND c.revoked_at = 0 AND c.valid_until > $2)
	OR EXISTS (SELECT 1 FROM grants g WHERE g.tenant = $1 AND g.evidence_pseudonym = e.pseudonym
		AND g.revoked_at = 0 AND g.expires_at > $2)`

// MarkChecked records that evidence was found good, and when to ask again. It
// fails with [ErrEvidenceUnknown], and [ErrEvidenceRevoked] if it is revoked.
func (r *Records) MarkChecked(ctx context.Context, tenant, pseudonym string, next time.Time) error {
	return r.DB.Write(ctx, func(tx *sql.Tx) error {
		if err := lockEvidence(ctx, tx, tenant, pseudonym); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `
			UPDATE evidence SET checked_at = $1, next_check_at = $2
			WHERE tenant = $3 AND pseudonym = $4 AND revoked_at = 0`, r.Now().Unix(), next.Unix(), tenant, pseudonym)
		if err != nil {
			return fmt.Errorf("records: evidence: %w", err)
		}
		return nil
	})
}

// PostponeCheck makes evidence due again at next, because it could not be
// looked up now: what fails must not stand in the way of what is due behind it.
func (r *Records) PostponeCheck(ctx context.Context, tenant, pseudonym string, next time.Time) error {
	return r.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			UPDATE evidence SET next_check_at = $1 WHERE tenant = $2 AND pseudonym = $3 AND revoked_at = 0`,
			next.Unix(), tenant, pseudonym)
		if err != nil {
			return fmt.Errorf("records: evidence: %w", err)
		}
		return nil
	})
}

// ForgetEvidence deletes the evidence nothing rests on any more, and the
// pseudonyms in the rows of grants and credentials that pointed to it. It
// returns how many pieces it deleted.
func (r *Records) ForgetEvidence(ctx context.Context, tenant string) (forgotten int, err error) {
	err = r.DB.Write(ctx, func(tx *sql.Tx) error {
		forgotten = 0
		result, err := tx.ExecContext(ctx, `DELETE FROM evidence AS e WHERE e.tenant = $1 AND NOT (`+inUse+`)`,
			tenant, r.Now().Unix())
		if err != nil {
			return fmt.Errorf("records: forget evidence: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		for _, table := range []string{"grants", "issued_credentials"} {
			if _, err := tx.ExecContext(ctx, `
				UPDATE `+table+` SET evidence_pseudonym = '' WHERE tenant = $1 AND evidence_pseudonym <> ''
				AND evidence_pseudonym NOT IN (SELECT pseudonym FROM evidence WHERE tenant = $1)`, tenant); err != nil {
				return fmt.Errorf("records: forget evidence: %w", err)
			}
		}
		forgotten = int(n)
		return nil
	})
	return forgotten, err
}
