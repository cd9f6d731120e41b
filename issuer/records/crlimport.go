package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// The errors of imports that callers tell apart.
var (
	// ErrOlderList says that a list is older than one that was imported.
	ErrOlderList = errors.New("records: an older revocation list than before")
	// ErrImportMoved says that another process went on with the import, or
	// began that of a newer list.
	ErrImportMoved = errors.New("records: the import was moved on by another process")
)

// CRLPart is a part of a CA's revocation list, or the whole of it.
type CRLPart struct {
	// ID is a pseudonym of CA key and partition under a key of this issuer.
	ID string
	// IssuerKeyID names the CA key.
	IssuerKeyID string
	// SealedName is the name of the partition, sealed by the caller: it tells a
	// municipality.
	SealedName []byte
}

// PutPart remembers a part in which evidence may be found.
func (r *Records) PutPart(ctx context.Context, tenant string, p CRLPart) error {
	return r.DB.Write(ctx, func(tx *sql.Tx) error { return r.putPart(ctx, tx, tenant, p) })
}

func (r *Records) putPart(ctx context.Context, tx *sql.Tx, tenant string, p CRLPart) error {
	if p.ID == "" || len(p.SealedName) == 0 {
		return errors.New("records: incomplete part of a revocation list")
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO crl_parts (tenant, id, issuer_key_id, sealed_name, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant, id) DO NOTHING`, tenant, p.ID, p.IssuerKeyID, p.SealedName, r.Now().Unix())
	if err != nil {
		return fmt.Errorf("records: part of a revocation list: %w", err)
	}
	return nil
}

// CRLParts returns the parts in which evidence may be found, those whose import
// is the oldest first.
func (r *Records) CRLParts(ctx context.Context, tenant string) (parts []CRLPart, err error) {
	err = r.DB.Read(ctx, func(tx *sql.Tx) error {
		parts = nil
		return each(ctx, tx, `
			SELECT p.id, p.issuer_key_id, p.sealed_name FROM crl_parts p
			LEFT JOIN crl_imports i ON i.tenant = p.tenant AND i.part_id = p.id
			WHERE p.tenant = $1 ORDER BY COALESCE(i.imported_update, 0), p.id`, []any{tenant}, func(rows *sql.Rows) error {
			var p CRLPart
			err := rows.Scan(&p.ID, &p.IssuerKeyID, &p.SealedName)
			parts = append(parts, p)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("records: parts of revocation lists: %w", err)
	}
	return parts, nil
}

// CRLImport is how far a revocation list was matched with the evidence.
type CRLImport struct {
	// PartID is the ID of the part that the list is of.
	PartID string
	// Number is that of the list, in hexadecimal with 40 digits.
	Number string
	// Digest is the SHA-256 of the list, in hexadecimal.
	Digest string
	// ThisUpdate is that of the list.
	ThisUpdate time.Time
	// Total is the number of entries, Position the number of those that are
	// done, Matched that of the evidence that was found in them.
	Total, Position, Matched int
	// Finished says that all of it is done.
	Finished bool
}

// BeginImport returns where the import of a list has to go on: from its
// beginning, or where an earlier one was cut off, or nowhere if it is finished.
// It fails with [ErrOlderList] if a newer list of the part was seen before.
func (r *Records) BeginImport(ctx context.Context, tenant string, i CRLImport) (state CRLImport, err error) {
	if i.PartID == "" || len(i.Number) != 40 || i.Digest == "" || i.Total < 0 {
		return state, errors.New("records: incomplete import")
	}
	i.Position, i.Matched, i.Finished = 0, 0, false
	err = r.DB.Write(ctx, func(tx *sql.Tx) error {
		var err error
		state, err = r.beginImport(ctx, tx, tenant, i)
		return err
	})
	return state, err
}

func (r *Records) beginImport(ctx context.Context, tx *sql.Tx, tenant string, i CRLImport) (CRLImport, error) {
	// A list of the same number with other bytes is begun anew: nothing is
	// lost by looking at an entry twice.
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO crl_imports (tenant, part_id, number, digest, this_update, total, position, matched, started_at, finished_at, imported_update)
		VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, 0, 0)
		ON CONFLICT (tenant, part_id) DO UPDATE SET number = excluded.number, digest = excluded.digest,
			this_update = excluded.this_update, total = excluded.total, position = 0, matched = 0,
			started_at = excluded.started_at, finished_at = 0
		WHERE crl_imports.digest <> excluded.digest AND crl_imports.number <= excluded.number
			AND crl_imports.this_update <= excluded.this_update`,
		tenant, i.PartID, i.Number, i.Digest, i.ThisUpdate.Unix(), i.Total, r.Now().Unix()); err != nil {
		return i, fmt.Errorf("records: import: %w", err)
	}
	var digest string
	var finished int64
	err := tx.QueryRowContext(ctx, `
		SELECT digest, position, matched, finished_at FROM crl_imports WHERE tenant = $1 AND part_id = $2`, tenant, i.PartID).
		Scan(&digest, &i.Position, &i.Matched, &finished)
	switch {
	case err != nil:
		return i, fmt.Errorf("records: import: %w", err)
	case digest != i.Digest:
		return i, ErrOlderList
	}
	i.Finished = finished != 0
	return i, nil
}

// ImportBatch does the entries of a list from i.Position up to next, and
// returns the new state. What falls with them and the progress are committed
// together, so that a process that is killed goes on with the first entry
// that is not done. It fails with [ErrImportMoved].
func (r *Records) ImportBatch(ctx context.Context, tenant string, i CRLImport, next int, entries []Revocation) (CRLImport, error) {
	var state CRLImport
	var revoked int
	err := r.DB.Write(ctx, func(tx *sql.Tx) error {
		state = i
		// The row is the lock of the import.
		if err := r.moveImport(ctx, tx, tenant, i, next); err != nil {
			return err
		}
		found, n, err := r.revokeEvidence(ctx, tx, tenant, entries)
		if err != nil {
			return err
		}
		if found > 0 {
			_, err = tx.ExecContext(ctx, `
				UPDATE crl_imports SET matched = matched + $1 WHERE tenant = $2 AND part_id = $3`, found, tenant, i.PartID)
		}
		revoked = n
		state.Position, state.Matched, state.Finished = next, i.Matched+found, next >= i.Total
		return err
	})
	if err != nil {
		return i, err
	}
	r.tell(tenant, causeEvidence, revoked)
	return state, nil
}

func (r *Records) moveImport(ctx context.Context, tx *sql.Tx, tenant string, i CRLImport, next int) error {
	result, err := tx.ExecContext(ctx, `
		UPDATE crl_imports SET position = $1,
			finished_at = CASE WHEN $1 >= total THEN $2 ELSE 0 END,
			imported_update = CASE WHEN $1 >= total THEN this_update ELSE imported_update END
		WHERE tenant = $3 AND part_id = $4 AND digest = $5 AND position = $6 AND finished_at = 0`,
		next, r.Now().Unix(), tenant, i.PartID, i.Digest, i.Position)
	if err != nil {
		return fmt.Errorf("records: import: %w", err)
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return ErrImportMoved
	}
	return err
}

// ImportBacklog returns when the oldest list was made of those that were last
// imported to the end, or when a part came to be known of which none was; the
// zero time without parts. entries counts what is left of imports under way.
func (r *Records) ImportBacklog(ctx context.Context, tenant string) (oldest time.Time, entries int, err error) {
	var at sql.NullInt64
	err = r.DB.Read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `
			SELECT MIN(CASE WHEN COALESCE(i.imported_update, 0) = 0 THEN p.created_at ELSE i.imported_update END),
				COALESCE(SUM(CASE WHEN i.finished_at = 0 THEN i.total - i.position ELSE 0 END), 0)
			FROM crl_parts p LEFT JOIN crl_imports i ON i.tenant = p.tenant AND i.part_id = p.id
			WHERE p.tenant = $1`, tenant).Scan(&at, &entries)
	})
	if err != nil {
		return oldest, 0, fmt.Errorf("records: imports: %w", err)
	}
	if at.Valid {
		oldest = time.Unix(at.Int64, 0).UTC()
	}
	return oldest, entries, nil
}
