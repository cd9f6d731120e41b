package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// How often, and after how long, opening a file that another has locked is tried
// again.
const (
	openTries = 100
	openPause = 50 * time.Millisecond
)

func (d *DB) openSQLite(ctx context.Context, c Config) error {
	d.engine = engine{
		read: sql.TxOptions{ReadOnly: true}, migrate: d.Write,
		contended: func(error, bool) bool { return false }, // a writer waits for its lock at BEGIN
		failed:    func(error) bool { return false },
	}
	path := c.Path
	if path == "" {
		dir, err := os.MkdirTemp("", "tegata-db-")
		if err != nil {
			return fmt.Errorf("database: temporary file: %w", err)
		}
		d.tempDir, path = dir, filepath.Join(dir, "tegata.db")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := claimFile(path); err != nil {
		return err
	}
	// A file that vanishes on Close has no power cut to survive.
	synchronous := "synchronous(FULL)"
	if d.tempDir != "" {
		synchronous = "synchronous(OFF)"
	}
	pragmas := []string{"busy_timeout(5000)", "journal_mode(WAL)", synchronous, "foreign_keys(1)"}
	// Only one writer can hold the lock anyway; taking it at BEGIN spares the
	// upgrade of a read lock, which SQLite may refuse.
	d.writer, err = openSQLitePool(ctx, path, url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}, c.Writers)
	if err != nil {
		return err
	}
	d.reader, err = openSQLitePool(ctx, path, url.Values{"_pragma": append(pragmas[:len(pragmas):len(pragmas)], "query_only(1)")}, c.Readers)
	return err
}

func openSQLitePool(ctx context.Context, path string, query url.Values, conns int) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	pool := sql.OpenDB(preparing{connector})
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	err = pool.PingContext(ctx)
	// SQLite does not wait for the lock that the change of a new file to a
	// write-ahead log takes, so who comes at the same time tries again.
	for tries := 0; tries < openTries && busy(err); tries++ {
		select {
		case <-ctx.Done():
		case <-time.After(openPause):
		}
		err = pool.PingContext(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, err), pool.Close())
	}
	return pool, nil
}

// busy reports whether another process or connection held a lock.
func busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// claimFile creates the file before SQLite does, because SQLite would give it
// the permissions of the umask; the journal beside it inherits them.
func claimFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if perm := info.Mode().Perm(); perm&0o007 != 0 {
		return fmt.Errorf("database: %s is open to everybody (mode %#o), want 0600", path, perm)
	}
	return nil
}
