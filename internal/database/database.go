package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// ErrUnavailable says that the database could not be used or that a commit
// failed. After a failed commit the outcome is unknown; callers answer 503.
var ErrUnavailable = errors.New("database: unavailable")

// DriverSQLite is the embedded database, for one process on one machine.
const DriverSQLite = "sqlite"

// Config says which database to open.
type Config struct {
	// Driver is DriverSQLite; empty means the same.
	Driver string
	// Path is the file of the embedded database. It is created for its owner
	// alone, and refused if others may read or write it. Empty means a
	// temporary file that Close removes, for demonstrations and tests.
	Path string
	// MaxBatch limits how many writes share a commit; 0 means 128, 1 gives
	// each its own.
	MaxBatch int
}

// DB is an open database. Its methods may be used concurrently.
type DB struct {
	writer   *sql.DB
	reader   *sql.DB
	queue    *queue
	tempDir  string
	maxBatch int
}

// Open opens the database, creating the file if there is none. The schema is
// left alone: see [DB.Migrate].
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Driver != "" && c.Driver != DriverSQLite {
		return nil, fmt.Errorf("database: unknown driver %q", c.Driver)
	}
	d := &DB{maxBatch: c.MaxBatch}
	if d.maxBatch <= 0 {
		d.maxBatch = 128
	}
	path := c.Path
	if path == "" {
		dir, err := os.MkdirTemp("", "tegata-db-")
		if err != nil {
			return nil, fmt.Errorf("database: temporary file: %w", err)
		}
		d.tempDir, path = dir, filepath.Join(dir, "tegata.db")
	}
	if err := d.openSQLite(ctx, path); err != nil {
		return nil, errors.Join(err, d.closeFiles())
	}
	d.queue = newQueue()
	go d.writeLoop()
	return d, nil
}

func (d *DB) openSQLite(ctx context.Context, path string) error {
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
	d.writer, err = openPool(ctx, path, url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}, 1)
	if err != nil {
		return err
	}
	d.reader, err = openPool(ctx, path, url.Values{"_pragma": append(pragmas[:len(pragmas):len(pragmas)], "query_only(1)")}, 8)
	return err
}

func openPool(ctx context.Context, path string, query url.Values, conns int) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, err), pool.Close())
	}
	return pool, nil
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

// Read runs fn in a read-only transaction, so that all its statements see one
// state of the database. fn must not keep the transaction.
func (d *DB) Read(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := d.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = tx.Rollback() }() // there is nothing to keep
	return fn(tx)
}

// Ping says whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.reader.PingContext(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Close lets the writes that are waiting finish, then closes the database.
// Later calls of Write fail with [ErrUnavailable].
func (d *DB) Close() error {
	d.queue.close()
	return d.closeFiles()
}

func (d *DB) closeFiles() error {
	var errs []error
	for _, pool := range []*sql.DB{d.reader, d.writer} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	if d.tempDir != "" {
		errs = append(errs, os.RemoveAll(d.tempDir))
	}
	return errors.Join(errs...)
}
