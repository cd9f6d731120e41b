package heartbeat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tegata-id/tegata/internal/database"
)

// ledger is the beat in the database. Without one, reading finds nothing and
// writing succeeds.
type ledger struct {
	db           *database.DB
	tenant, name string
}

// read returns the epoch with its bound, or none.
func (l ledger) read(ctx context.Context) (e epoch, err error) {
	if l.db == nil {
		return epoch{}, nil
	}
	err = l.db.Read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT epoch, beat_at FROM heartbeat WHERE tenant = $1 AND name = $2`, l.tenant, l.name).
			Scan(&e.name, &e.bound)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return epoch{}, nil
	case err != nil:
		return epoch{}, fmt.Errorf("%w: heartbeat: %w", database.ErrUnavailable, err)
	}
	e.start = startOf(e.name)
	return e, nil
}

// begin writes a new epoch in place of the old one. It reports false if that is
// no longer the epoch.
func (l ledger) begin(ctx context.Context, old, next string) (begun bool, err error) {
	if l.db == nil {
		return true, nil
	}
	n, err := l.write(ctx, `
		INSERT INTO heartbeat (tenant, name, epoch, beat_at) VALUES ($1, $2, $3, 0)
		ON CONFLICT (tenant, name) DO UPDATE SET epoch = $3, beat_at = 0 WHERE heartbeat.epoch = $4`,
		l.tenant, l.name, next, old)
	return n == 1, err
}

// extend moves the bound of an epoch, and returns errLost if there is another
// one by now.
func (l ledger) extend(ctx context.Context, name string, bound int64) error {
	if l.db == nil {
		return nil
	}
	n, err := l.write(ctx, `
		UPDATE heartbeat SET beat_at = CASE WHEN beat_at < $1 THEN $1 ELSE beat_at END
		WHERE tenant = $2 AND name = $3 AND epoch = $4`, bound, l.tenant, l.name, name)
	if err == nil && n == 0 {
		return errLost
	}
	return err
}

func (l ledger) write(ctx context.Context, statement string, args ...any) (n int64, err error) {
	err = l.db.Write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, statement, args...)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("%w: heartbeat: %w", database.ErrUnavailable, err)
	}
	return n, nil
}
