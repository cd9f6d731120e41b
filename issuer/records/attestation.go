package records

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Attestation is what is kept of an attestation of a wallet provider that
// credentials rest on. Neither the list nor the index of its status is readable
// in it.
type Attestation struct {
	// Pseudonym is an HMAC of the status reference under a key of this issuer.
	Pseudonym string
	// Reason is a fixed word for why credentials fall with it. It stays inside.
	Reason string
	// SealedIndex is its entry on the list, sealed by the caller.
	SealedIndex []byte
	// List is the status list it is on.
	List AttestationList
}

// AttestationList is a status list of a wallet provider.
type AttestationList struct {
	// ID is an HMAC of the URI under a key of this issuer.
	ID string
	// SealedURI is where it is, sealed by the caller.
	SealedURI []byte
	// NextCheck is when it is to be looked at again, in whole seconds. That of a
	// list which is known stays as it is.
	NextCheck time.Time
}

// putAttestations writes down attestations that are not known yet. It fails with
// [ErrEvidenceRevoked] if one was revoked: that is final.
//
// Their rows are not locked: one may be shared by all wallets of a kind. What is
// issued while one is revoked falls with the next look at what is left of it.
func (r *Records) putAttestations(ctx context.Context, tx *sql.Tx, tenant string, list []Attestation) error {
	now := r.Now().Unix()
	for _, a := range list {
		if a.Pseudonym == "" || a.Reason == "" || len(a.SealedIndex) == 0 || a.List.ID == "" || len(a.List.SealedURI) == 0 || a.List.NextCheck.IsZero() {
			return errors.New("records: incomplete attestation")
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO attestation_lists (tenant, id, sealed_uri, checked_at, next_check_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant, id) DO NOTHING`, tenant, a.List.ID, a.List.SealedURI, now, a.List.NextCheck.Unix()); err != nil {
			return fmt.Errorf("records: attestation: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO accepted_attestations (tenant, pseudonym, list_id, reason, sealed_index, created_at, revoked_at)
			VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT (tenant, pseudonym) DO NOTHING`,
			tenant, a.Pseudonym, a.List.ID, a.Reason, a.SealedIndex, now); err != nil {
			return fmt.Errorf("records: attestation: %w", err)
		}
		var revoked int64
		if err := tx.QueryRowContext(ctx, `SELECT revoked_at FROM accepted_attestations WHERE tenant = $1 AND pseudonym = $2`,
			tenant, a.Pseudonym).Scan(&revoked); err != nil {
			return fmt.Errorf("records: attestation: %w", err)
		}
		if revoked != 0 {
			return ErrEvidenceRevoked
		}
	}
	return nil
}

// attest records that a batch rests on attestations.
func attest(ctx context.Context, tx *sql.Tx, tenant, batch string, ends time.Time, list []Attestation) error {
	for _, a := range list {
		if _, err := tx.ExecContext(ctx, `INSERT INTO attested_batches (tenant, pseudonym, batch_id, ends_at) VALUES ($1, $2, $3, $4)`,
			tenant, a.Pseudonym, batch, ends.Unix()); err != nil {
			return fmt.Errorf("records: attested batch: %w", err)
		}
	}
	return nil
}

// byPseudonym returns attestations in the order in which rows are written, each
// once.
func byPseudonym(list []Attestation) []Attestation {
	list = slices.SortedFunc(slices.Values(list), func(a, b Attestation) int { return cmp.Compare(a.Pseudonym, b.Pseudonym) })
	return slices.CompactFunc(list, func(a, b Attestation) bool { return a.Pseudonym == b.Pseudonym })
}

// ListsToCheck returns at most limit status lists of wallet providers whose check
// is due, the most overdue first.
func (r *Records) ListsToCheck(ctx context.Context, tenant string, limit int) (due []AttestationList, err error) {
	err = r.DB.Read(ctx, func(tx *sql.Tx) error {
		due = nil
		return each(ctx, tx, `
			SELECT id, sealed_uri, next_check_at FROM attestation_lists WHERE tenant = $1 AND next_check_at <= $2
			ORDER BY next_check_at, id LIMIT $3`, []any{tenant, r.Now().Unix(), limit}, func(rows *sql.Rows) error {
			var l AttestationList
			var next int64
			err := rows.Scan(&l.ID, &l.SealedURI, &next)
			l.NextCheck = time.Unix(next, 0).UTC()
			due = append(due, l)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("records: attestations: %w", err)
	}
	return due, nil
}

// OldestListCheck returns when the list was last looked at, or put down, that has
// waited longest for it; the zero time without lists.
func (r *Records) OldestListCheck(ctx context.Context, tenant string) (oldest time.Time, err error) {
	var at sql.NullInt64
	err = r.DB.Read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT MIN(checked_at) FROM attestation_lists WHERE tenant = $1`, tenant).Scan(&at)
	})
	if err != nil {
		return oldest, fmt.Errorf("records: attestations: %w", err)
	}
	if at.Valid {
		oldest = time.Unix(at.Int64, 0).UTC()
	}
	return oldest, nil
}

// Attestations returns at most limit attestations on a list that are not known to
// be revoked, in the order of their pseudonyms, from behind one of these; its
// List is left out.
func (r *Records) Attestations(ctx context.Context, tenant, listID, behind string, limit int) (list []Attestation, err error) {
	err = r.DB.Read(ctx, func(tx *sql.Tx) error {
		list = nil
		return each(ctx, tx, `
			SELECT pseudonym, reason, sealed_index FROM accepted_attestations
			WHERE tenant = $1 AND list_id = $2 AND pseudonym > $3 AND revoked_at = 0 ORDER BY pseudonym LIMIT $4`,
			[]any{tenant, listID, behind, limit}, func(rows *sql.Rows) error {
				var a Attestation
				err := rows.Scan(&a.Pseudonym, &a.Reason, &a.SealedIndex)
				list = append(list, a)
				return err
			})
	})
	if err != nil {
		return nil, fmt.Errorf("records: attestations: %w", err)
	}
	return list, nil
}

// MarkListChecked records that all attestations on a list were looked up, and when
// to do so again.
func (r *Records) MarkListChecked(ctx context.Context, tenant, id string, next time.Time) error {
	return r.changeList(ctx, `UPDATE attestation_lists SET next_check_at = $1, checked_at = $4 WHERE tenant = $2 AND id = $3`,
		next.Unix(), tenant, id, r.Now().Unix())
}

// PostponeList makes a list due again at next, because it could not be looked at
// now.
func (r *Records) PostponeList(ctx context.Context, tenant, id string, next time.Time) error {
	return r.changeList(ctx, `UPDATE attestation_lists SET next_check_at = $1 WHERE tenant = $2 AND id = $3`, next.Unix(), tenant, id)
}

func (r *Records) changeList(ctx context.Context, statement string, args ...any) error {
	return r.DB.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
			return fmt.Errorf("records: attestations: %w", err)
		}
		return nil
	})
}

// fallBatch is how many batches of credentials fall in one transaction.
const fallBatch = 100

// RevokeByAttestations records that attestations were revoked: from now on nothing
// is issued on them. [Records.Fall] makes the credentials INVALID that rest on
// them. Unknown pseudonyms are no error.
func (r *Records) RevokeByAttestations(ctx context.Context, tenant string, pseudonyms []string) error {
	for chunk := range slices.Chunk(slices.Sorted(slices.Values(pseudonyms)), matchChunk) {
		if err := r.DB.Write(ctx, func(tx *sql.Tx) error { return r.markAttestations(ctx, tx, tenant, chunk) }); err != nil {
			return err
		}
	}
	return nil
}

// markAttestations records the revocations, one row after the other, as
// markEvidence does.
func (r *Records) markAttestations(ctx context.Context, tx *sql.Tx, tenant string, pseudonyms []string) error {
	update, err := tx.PrepareContext(ctx, `
		UPDATE accepted_attestations SET revoked_at = $1 WHERE tenant = $2 AND pseudonym = $3 AND revoked_at = 0`)
	if err != nil {
		return fmt.Errorf("records: revoke attestations: %w", err)
	}
	defer update.Close()
	for _, pseudonym := range pseudonyms {
		if _, err := update.ExecContext(ctx, r.Now().Unix(), tenant, pseudonym); err != nil {
			return fmt.Errorf("records: revoke attestations: %w", err)
		}
	}
	return nil
}

// Fall makes the credentials INVALID that rest on revoked attestations, except those
// of types that do not fall for the reason, and returns how many. Each of its
// transactions takes down what it has done, so that another process goes on
// where one was killed.
func (r *Records) Fall(ctx context.Context, tenant string) (revoked int, err error) {
	for {
		var batches, n int
		err := r.DB.Write(ctx, func(tx *sql.Tx) (err error) {
			batches, n, err = r.fall(ctx, tx, tenant)
			return err
		})
		if err != nil {
			return revoked, err
		}
		r.tell(tenant, causeAttestation, n)
		revoked += n
		if batches < fallBatch {
			return revoked, nil
		}
	}
}

// attestedBatch is a row of attested_batches whose attestation is revoked.
type attestedBatch struct{ pseudonym, id, reason string }

// fall takes some batches down, and returns how many, and how many credentials
// became INVALID.
func (r *Records) fall(ctx context.Context, tx *sql.Tx, tenant string) (batches, revoked int, err error) {
	var list []attestedBatch
	err = each(ctx, tx, `
		SELECT a.pseudonym, b.batch_id, a.reason FROM accepted_attestations a CROSS JOIN attested_batches b
		WHERE a.tenant = $1 AND a.revoked_at > 0 AND b.tenant = a.tenant AND b.pseudonym = a.pseudonym
		ORDER BY a.revoked_at, a.pseudonym, b.batch_id LIMIT $2`, []any{tenant, fallBatch}, func(rows *sql.Rows) error {
		var b attestedBatch
		err := rows.Scan(&b.pseudonym, &b.id, &b.reason)
		list = append(list, b)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("records: fall: %w", err)
	}
	if len(list) == 0 {
		return 0, 0, nil
	}
	if err := takeDown(ctx, tx, tenant, list); err != nil {
		return 0, 0, err
	}
	reasons, keys := map[string][]string{}, make([]string, len(list))
	for i, b := range list {
		reasons[b.id], keys[i] = append(reasons[b.id], b.reason), b.id
	}
	condition, args := in("batch_id", 2, keys)
	standing, err := unrevoked(ctx, tx, tenant, `batch_id <> '' AND `+condition, args...)
	if err != nil {
		return 0, 0, fmt.Errorf("records: fall: %w", err)
	}
	var falling []fallen
	for _, c := range standing {
		i := slices.IndexFunc(reasons[c.batch], func(reason string) bool { return r.Cascade == nil || r.Cascade(c.credentialType, reason) })
		if i >= 0 {
			c.reason = reasons[c.batch][i]
			falling = append(falling, c)
		}
	}
	revoked, err = r.revoke(ctx, tx, tenant, causeAttestation, falling)
	return len(list), revoked, err
}

// takeDown deletes rows, one after the other: of two processes the second waits
// at the first row, and then finds that what rests on it has fallen. An
// attestation on which nothing is left goes too.
func takeDown(ctx context.Context, tx *sql.Tx, tenant string, list []attestedBatch) error {
	remove, err := tx.PrepareContext(ctx, `DELETE FROM attested_batches WHERE tenant = $1 AND pseudonym = $2 AND batch_id = $3`)
	if err != nil {
		return fmt.Errorf("records: fall: %w", err)
	}
	defer remove.Close()
	keys := make([]string, len(list))
	for i, b := range list {
		keys[i] = b.pseudonym
		if _, err := remove.ExecContext(ctx, tenant, b.pseudonym, b.id); err != nil {
			return fmt.Errorf("records: fall: %w", err)
		}
	}
	condition, args := in("a.pseudonym", 2, keys)
	if _, err := tx.ExecContext(ctx, `DELETE FROM accepted_attestations AS a WHERE a.tenant = $1 AND `+unattested+` AND `+condition,
		append([]any{tenant}, args...)...); err != nil {
		return fmt.Errorf("records: fall: %w", err)
	}
	return nil
}

// unattested is true of a row a of accepted_attestations on which nothing rests. In
// it $1 is the tenant.
const unattested = `NOT EXISTS (SELECT 1 FROM attested_batches b WHERE b.tenant = $1 AND b.pseudonym = a.pseudonym)`

// ForgetAttestations deletes what is kept of attestations on which nothing rests
// any more, and of their lists. It returns how many batches have ended.
func (r *Records) ForgetAttestations(ctx context.Context, tenant string) (ended int64, err error) {
	err = r.DB.Write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM attested_batches WHERE tenant = $1 AND ends_at <= $2`, tenant, r.Now().Unix())
		if err != nil {
			return fmt.Errorf("records: forget attestations: %w", err)
		}
		if ended, err = result.RowsAffected(); err != nil || ended == 0 {
			return err
		}
		for _, statement := range []string{
			`DELETE FROM accepted_attestations AS a WHERE a.tenant = $1 AND ` + unattested,
			`DELETE FROM attestation_lists AS l WHERE l.tenant = $1 AND NOT EXISTS (
				SELECT 1 FROM accepted_attestations a WHERE a.tenant = $1 AND a.list_id = l.id)`,
		} {
			if _, err := tx.ExecContext(ctx, statement, tenant); err != nil {
				return fmt.Errorf("records: forget attestations: %w", err)
			}
		}
		return nil
	})
	return ended, err
}
