package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrUnavailable says that the database could not be used or that a commit
// failed. After a failed commit the outcome is unknown; callers answer 503.
var ErrUnavailable = errors.New("database: unavailable")

// ErrNotDurable says that the server acknowledges commits that it may lose.
var ErrNotDurable = errors.New("database: the server may lose what it has committed")

// The drivers.
const (
	// DriverSQLite is the embedded database, for one process on one machine.
	DriverSQLite = "sqlite"
	// DriverPostgres is a PostgreSQL server, for many processes.
	DriverPostgres = "postgres"
)

// Config says which database to open.
type Config struct {
	// Driver is DriverSQLite or DriverPostgres; empty means DriverSQLite.
	Driver string
	// Path is the file of the embedded database. It is created for its owner
	// alone, and refused if others may read or write it. Empty means a
	// temporary file that Close removes, for demonstrations and tests.
	Path string
	// URL names the PostgreSQL database, as postgres://user@host:port/name
	// with the parameters of libpq. It holds no password.
	URL string
	// Password is that of the user in URL.
	Password string
	// Timeout is how long PostgreSQL may take over a statement or a lock; 5
	// seconds if zero. A server that says nothing at all for longer is taken
	// for dead.
	Timeout time.Duration
	// Readers limits the connections that read; 8 if zero.
	Readers int
	// Writers limits the connections to PostgreSQL that write; 2 if zero.
	// SQLite has one.
	Writers int
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
	engine
}

// engine is what differs between the databases beside their connections.
type engine struct {
	read sql.TxOptions
	// impatient, if set, is run before a second write joins a transaction.
	impatient string
	// migrate runs fn alone, while no other process migrates.
	migrate func(ctx context.Context, fn func(*sql.Tx) error) error
	// contended says that a write ran into another one and should run again;
	// alone, it had no transaction to share.
	contended func(err error, alone bool) bool
	// failed says that the database is at fault, not the statement.
	failed func(error) bool
}

// Open opens the database, creating the file of SQLite if there is none. The
// schema is left alone: see [DB.Migrate] and [DB.CheckSchema]. It fails with
// [ErrNotDurable] if PostgreSQL is configured to lose commits.
func Open(ctx context.Context, c Config) (*DB, error) {
	d := &DB{maxBatch: c.MaxBatch}
	if d.maxBatch <= 0 {
		d.maxBatch = 128
	}
	if c.Readers <= 0 {
		c.Readers = 8
	}
	var err error
	switch c.Driver {
	case "", DriverSQLite:
		c.Writers = 1
		err = d.openSQLite(ctx, c)
	case DriverPostgres:
		if c.Writers <= 0 {
			c.Writers = 2
		}
		err = d.openPostgres(ctx, c)
	default:
		return nil, fmt.Errorf("database: unknown driver %q", c.Driver)
	}
	if err != nil {
		return nil, errors.Join(err, d.closePools())
	}
	d.queue = newQueue()
	go d.writeLoops(c.Writers)
	return d, nil
}

// Read runs fn in a read-only transaction, so that all its statements see one
// state of the database. fn must not keep the transaction.
func (d *DB) Read(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := d.begin(ctx, d.reader, &d.read)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = tx.Rollback() }() // there is nothing to keep
	return d.blame(ctx, fn(tx))
}

// begin tries twice, because the first may find out that the server has closed
// the connections it was given.
func (d *DB) begin(ctx context.Context, pool *sql.DB, options *sql.TxOptions) (*sql.Tx, error) {
	tx, err := pool.BeginTx(ctx, options)
	if err != nil && ctx.Err() == nil && d.failed(err) {
		tx, err = pool.BeginTx(ctx, options)
	}
	return tx, err
}

// blame makes an error that the database is to blame for, and not the caller
// who left, one of [ErrUnavailable].
func (d *DB) blame(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) || ctx.Err() != nil || !d.failed(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
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
	return d.closePools()
}

func (d *DB) closePools() error {
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
