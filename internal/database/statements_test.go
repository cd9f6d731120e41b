package database_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
)

// TestStatements uses the statements that a connection keeps in the ways that
// could mix them up: inside one another, after a failure, after the caller has
// left, after the schema has changed, and more of them than are kept.
func TestStatements(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		write := func(fn func(ctx context.Context, tx *sql.Tx) error) error {
			t.Helper()
			return db.Write(t.Context(), func(tx *sql.Tx) error { return fn(t.Context(), tx) })
		}
		exec := func(query string, args ...any) error {
			return write(func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, query, args...)
				return err
			})
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(exec(`CREATE TABLE kept (n BIGINT PRIMARY KEY)`))
		const insert, count = `INSERT INTO kept (n) VALUES ($1)`, `SELECT COUNT(*) FROM kept WHERE n <> $1`
		total := func(without int) (n int) {
			t.Helper()
			must(write(func(ctx context.Context, tx *sql.Tx) error {
				return tx.QueryRowContext(ctx, count, without).Scan(&n)
			}))
			return n
		}
		for n := range 3 {
			must(exec(insert, n))
		}
		if exec(insert, 1) == nil {
			t.Error("a row twice")
		}
		must(exec(insert, 3))
		if n := total(-1); n != 4 {
			t.Errorf("%d rows after a failure", n)
		}
		// Rows that are left before their end.
		must(db.Read(t.Context(), func(tx *sql.Tx) error {
			const some = `SELECT n FROM kept WHERE n >= $1 ORDER BY n`
			for from := range 3 {
				var n int
				if err := tx.QueryRowContext(t.Context(), some, from).Scan(&n); err != nil || n != from {
					return fmt.Errorf("%d from %d: %w", n, from, err)
				}
			}
			return nil
		}))
		gone, leave := context.WithCancel(t.Context())
		leave()
		_ = write(func(_ context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(gone, insert, 9)
			return err
		})
		if n := total(9); n != 4 {
			t.Errorf("%d rows after a caller has left", n)
		}
		must(exec(`ALTER TABLE kept ADD COLUMN more BIGINT DEFAULT 7`))
		must(exec(insert, 4))
		must(write(func(ctx context.Context, tx *sql.Tx) error {
			var n, more int
			err := tx.QueryRowContext(ctx, `SELECT n, more FROM kept WHERE n = $1`, 4).Scan(&n, &more)
			if err == nil && (n != 4 || more != 7) {
				err = fmt.Errorf("%d, %d", n, more)
			}
			return err
		}))
		for i := range 300 {
			must(write(func(ctx context.Context, tx *sql.Tx) error {
				var n int
				err := tx.QueryRowContext(ctx, fmt.Sprintf(`SELECT COUNT(*) + %d FROM kept`, i)).Scan(&n)
				if err == nil && n != 5+i {
					err = fmt.Errorf("%d, want %d", n, 5+i)
				}
				return err
			}))
		}
		if n := total(-1); n != 5 {
			t.Errorf("%d rows at the end", n)
		}
	})
}

// TestStatementsInside runs a query inside the rows of the same query, which
// PostgreSQL does not allow.
func TestStatementsInside(t *testing.T) {
	t.Parallel()
	db := databasetest.Open(t, databasetest.NewConfig(t, database.DriverSQLite))
	err := db.Read(t.Context(), func(tx *sql.Tx) error {
		const numbers = `SELECT n FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) WHERE n <= $1 ORDER BY n`
		outer, err := tx.QueryContext(t.Context(), numbers, 3)
		if err != nil {
			return err
		}
		defer outer.Close()
		for want := 1; outer.Next(); want++ {
			var n, inner int
			if err := outer.Scan(&n); err != nil {
				return err
			}
			if err := tx.QueryRowContext(t.Context(), numbers, 1).Scan(&inner); err != nil {
				return err
			}
			if n != want || inner != 1 {
				t.Errorf("%d and inside %d, want %d and 1", n, inner, want)
			}
		}
		return outer.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}
