package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// ErrTypeDocumentUnknown says that no credential can name such a document.
var ErrTypeDocumentUnknown = errors.New("records: unknown type document")

// KeepTypeDocument keeps a document for as long as there is a database, before the
// first credential names it by its digest.
func (r *Records) KeepTypeDocument(ctx context.Context, tenant, name, digest string, document []byte) error {
	return r.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO type_documents (tenant, name, digest, document, created_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant, name, digest) DO NOTHING`, tenant, name, digest, document, r.Now().Unix())
		if err != nil {
			return fmt.Errorf("records: type document: %w", err)
		}
		return nil
	})
}

// TypeDocument returns what was kept, or [ErrTypeDocumentUnknown].
func (r *Records) TypeDocument(ctx context.Context, tenant, name, digest string) (document []byte, err error) {
	err = r.DB.Read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT document FROM type_documents WHERE tenant = $1 AND name = $2 AND digest = $3`,
			tenant, name, digest).Scan(&document)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrTypeDocumentUnknown
	case err != nil:
		return nil, fmt.Errorf("records: type document: %w", err)
	}
	return document, nil
}
