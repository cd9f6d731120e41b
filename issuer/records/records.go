// Package records holds the issuer's durable rows: the evidence credentials
// rest on, the grants that tokens stand for, and the credentials issued under
// them. No claim about a person is among them.
//
// What a grant may yield is decided here and nowhere else: the transaction that
// hands out status indexes also counts, and it is committed before anything is
// signed. A crash after it burns indexes and part of the grant; it never leaves
// a credential without a row.
//
// Transactions lock rows in one order, which keeps a revocation wholly before
// or wholly after an issuance of the same person: evidence, the root of a line
// of grants, its other grants, status lists, entries.
package records

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// The errors of this package that callers tell apart. Any other error means
// that the database could not be used, or a mistake in the caller.
var (
	ErrGrantExists       = errors.New("records: grant exists")
	ErrGrantUnknown      = errors.New("records: unknown grant")
	ErrGrantRevoked      = errors.New("records: grant is revoked")
	ErrGrantExpired      = errors.New("records: grant has expired")
	ErrGrantExhausted    = errors.New("records: grant yields no more credentials of this configuration")
	ErrConfigNotGranted  = errors.New("records: grant does not cover this configuration")
	ErrEvidenceRevoked   = errors.New("records: evidence is revoked")
	ErrEvidenceUnknown   = errors.New("records: unknown evidence")
	ErrCredentialUnknown = errors.New("records: unknown credential")
)

// Records reads and writes the rows of all tenants.
type Records struct {
	DB    *database.DB
	Lists *statuslist.Lists
	// Audit is told of revocations; nil leaves them out.
	Audit *audit.Log
	Now   func() time.Time
	// Cascade says whether credentials of a type fall with their evidence when
	// it is revoked for a reason; nil means that all do.
	Cascade func(credentialType, reason string) bool
	// Revoked, if set, is told how many credentials became INVALID, and whether
	// their evidence, an attestation, their grant or a request was the cause.
	Revoked func(tenant, cause string, n int)
}

// Allocation asks for room for a batch of credentials.
type Allocation struct {
	GrantID string
	// ConfigID is the credential_configuration_id, Type the vct or doctype.
	ConfigID, Type, Format string
	Count                  int
	// IssuedAt and ValidUntil are those of the credentials, so they hold no
	// more precision than the credentials do.
	IssuedAt, ValidUntil time.Time
	// Attestations are those that the credentials fall with.
	Attestations []Attestation
	// Deferred is the ID of what the credentials were deferred under, which must
	// be approved; empty if they were not.
	Deferred string
}

// Issued is the row of one credential. It exists before the credential does.
type Issued struct {
	// ID is random and names the row; it does not go into the credential.
	ID     string
	ListID string
	Index  uint64
}

// AllocateCredentials counts a batch against its grant and hands out a status
// index for each credential, all or nothing. When it returns without an error
// the rows are committed and the credentials may be signed.
//
// It fails with [ErrGrantUnknown], [ErrGrantRevoked], [ErrGrantExpired],
// [ErrConfigNotGranted], [ErrGrantExhausted], [ErrEvidenceRevoked] or
// [ErrDeferredUnknown].
func (r *Records) AllocateCredentials(ctx context.Context, tenant string, a Allocation) ([]Issued, error) {
	if a.Count < 1 || a.ConfigID == "" || a.Type == "" || a.Format == "" || !a.ValidUntil.After(a.IssuedAt) {
		return nil, errors.New("records: incomplete allocation")
	}
	a.Attestations = byPseudonym(a.Attestations)
	var issued []Issued
	err := r.DB.Write(ctx, func(tx *sql.Tx) error {
		pseudonym, err := lockGrantEvidence(ctx, tx, tenant, a.GrantID)
		if err != nil {
			return err
		}
		if err := r.putAttestations(ctx, tx, tenant, a.Attestations); err != nil {
			return err
		}
		if err := r.useGrant(ctx, tx, tenant, a); err != nil {
			return err
		}
		if a.Deferred != "" {
			if err := takeDeferred(ctx, tx, tenant, a.Deferred); err != nil {
				return err
			}
		}
		entries, err := r.Lists.Allocate(ctx, tx, tenant, a.Type+"|"+a.Format, a.Count, r.Now())
		if err != nil {
			return err
		}
		batch := ""
		if len(a.Attestations) > 0 {
			batch = rand.Text()
		}
		if issued, err = insertIssued(ctx, tx, tenant, a, pseudonym, batch, entries); err != nil {
			return err
		}
		return attest(ctx, tx, tenant, batch, a.ValidUntil, a.Attestations)
	})
	if err != nil {
		return nil, err
	}
	return issued, nil
}

// useGrant checks the grant and counts the batch against it.
func (r *Records) useGrant(ctx context.Context, tx *sql.Tx, tenant string, a Allocation) error {
	if err := r.lockGrant(ctx, tx, tenant, a.GrantID); err != nil {
		return err
	}
	result, err := tx.ExecContext(ctx, `
		UPDATE grant_limits SET issued_count = issued_count + $1
		WHERE tenant = $2 AND grant_id = $3 AND config_id = $4 AND issued_count + $1 <= max_credentials`,
		a.Count, tenant, a.GrantID, a.ConfigID)
	if err != nil {
		return fmt.Errorf("records: grant limit: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	var covered int
	err = tx.QueryRowContext(ctx, `
		SELECT COUNT(*) FROM grant_limits WHERE tenant = $1 AND grant_id = $2 AND config_id = $3`,
		tenant, a.GrantID, a.ConfigID).Scan(&covered)
	if err != nil {
		return fmt.Errorf("records: grant limit: %w", err)
	}
	if covered == 0 {
		return ErrConfigNotGranted
	}
	return ErrGrantExhausted
}

func insertIssued(ctx context.Context, tx *sql.Tx, tenant string, a Allocation, pseudonym, batch string, entries []statuslist.Entry) ([]Issued, error) {
	issued := make([]Issued, 0, len(entries))
	for chunk := range slices.Chunk(entries, database.MaxRows) {
		args := []any{tenant, a.GrantID, a.ConfigID, a.Type, a.Format, pseudonym, a.IssuedAt.Unix(), a.ValidUntil.Unix(), batch}
		shared := len(args)
		for _, e := range chunk {
			row := Issued{ID: rand.Text(), ListID: e.ListID, Index: e.Index}
			issued = append(issued, row)
			args = append(args, row.ID, row.ListID, int64(row.Index))
		}
		rows := database.Rows(len(chunk), func(i int) string {
			own := shared + 3*i
			return fmt.Sprintf("($1, $%d, $2, $3, $4, $5, $%d, $%d, $6, $7, $8, 0, '', $9)", own+1, own+2, own+3)
		})
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO issued_credentials (tenant, id, grant_id, config_id, type, format, list_id, idx,
				evidence_pseudonym, issued_at, valid_until, revoked_at, revoke_reason, batch_id)
			VALUES `+rows, args...); err != nil {
			return nil, fmt.Errorf("records: issued: %w", err)
		}
	}
	return issued, nil
}
