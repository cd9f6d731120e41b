package records

import (
	"context"
	"database/sql"

	"github.com/tegata-id/tegata/internal/audit"
)

// NoteNotification writes into the audit trail what a wallet said has become of
// a batch, which is named by its first credential. The event is a fixed word.
func (r *Records) NoteNotification(ctx context.Context, tenant, id, event string) error {
	if r.Audit == nil {
		return nil
	}
	return r.DB.Write(ctx, func(tx *sql.Tx) error {
		return r.Audit.Append(ctx, tx, tenant, r.Now(), audit.Event{
			Kind: "credential.notified", Actor: "wallet", Object: id, Outcome: event,
		})
	})
}
