package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// joinPatience is how long a write that shares a transaction waits for a lock.
// The others already hold locks of their own, in an order that nobody knows; so
// it gives way soon, and runs again alone, where locks are taken in one order.
const joinPatience = 50 * time.Millisecond

// migrationLock is the advisory lock of whoever migrates: "tegata" in ASCII.
const migrationLock = 0x746567617461

// openPostgres opens the pools. Writes run at READ COMMITTED, under the locks of
// the rows they update; a read sees one snapshot.
func (d *DB) openPostgres(ctx context.Context, c Config) error {
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	writer, err := postgresConfig(c)
	if err != nil {
		return err
	}
	reader := writer.Copy()
	reader.RuntimeParams["default_transaction_read_only"] = "on"
	d.engine = engine{
		read:      sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead},
		impatient: "SET LOCAL lock_timeout = " + milliseconds(joinPatience),
		migrate:   func(ctx context.Context, fn func(*sql.Tx) error) error { return migratePostgres(ctx, c, fn) },
		contended: postgresContended, failed: postgresFailed,
	}
	d.writer = postgresPool(writer, c.Writers)
	d.reader = postgresPool(reader, c.Readers)
	for _, pool := range []*sql.DB{d.writer, d.reader} {
		if err := pool.PingContext(ctx); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

// postgresConfig reads the URL. What it says of timeouts stands.
func postgresConfig(c Config) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return nil, fmt.Errorf("database: url: %w", err)
	}
	if c.Password != "" {
		config.Password = c.Password
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = c.Timeout
	}
	for name, value := range map[string]string{
		"application_name":  "tegata",
		"statement_timeout": milliseconds(c.Timeout),
		"lock_timeout":      milliseconds(c.Timeout),
		// A process that was stopped in a transaction must not hold its locks.
		"idle_in_transaction_session_timeout": milliseconds(2 * c.Timeout),
		"default_transaction_isolation":       "read committed",
	} {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = value
		}
	}
	dial, silence := config.DialFunc, c.Timeout+c.Timeout/2
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &impatientConn{Conn: conn, limit: silence}, nil
	}
	return config, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func postgresPool(config *pgx.ConnConfig, conns int) *sql.DB {
	pool := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(checkDurable))
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	// Connections move to where the name leads now, after a failover.
	pool.SetConnMaxLifetime(30 * time.Minute)
	return pool
}

// checkDurable refuses a server whose commits may be lost. What is "local" or
// "remote_write" survives the server's crash, and is the operator's choice.
func checkDurable(ctx context.Context, conn *pgx.Conn) error {
	var commit, fsync, pages, encoding string
	err := conn.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), current_setting('fsync'),
		current_setting('full_page_writes'), current_setting('server_encoding')`).Scan(&commit, &fsync, &pages, &encoding)
	switch {
	case err != nil:
		return err
	case commit == "off":
		return fmt.Errorf("%w: synchronous_commit is off", ErrNotDurable)
	case fsync == "off":
		return fmt.Errorf("%w: fsync is off", ErrNotDurable)
	case pages == "off":
		return fmt.Errorf("%w: full_page_writes is off", ErrNotDurable)
	case encoding != "UTF8":
		return fmt.Errorf("database: the server's encoding is %s, want UTF8", encoding)
	}
	return nil
}

// migratePostgres runs fn on a connection of its own without a limit of time
// for its statements, while it holds the lock of all that migrate. It does not
// wait long for a table that is in use, because those behind it would wait as
// well, but tries again.
func migratePostgres(ctx context.Context, c Config, fn func(*sql.Tx) error) error {
	c.Timeout = 24 * time.Hour
	config, err := postgresConfig(c)
	if err != nil {
		return err
	}
	config.ConnectTimeout = 10 * time.Second
	pool := postgresPool(config, 1)
	defer func() { _ = pool.Close() }() // nothing is in flight
	for attempt := 1; ; attempt++ {
		err := migrateOnce(ctx, pool, fn)
		if err == nil || attempt == 20 || !postgresContended(err, false) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(attempt) * 50 * time.Millisecond):
		}
	}
}

func migrateOnce(ctx context.Context, pool *sql.DB, fn func(*sql.Tx) error) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if _, err := tx.ExecContext(ctx, `SET LOCAL lock_timeout = '500ms'`); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// The codes of PostgreSQL (appendix A of its manual).
const (
	codeLockNotAvailable = "55P03"
	codeUndefinedTable   = "42P01"
	codeReadOnly         = "25006" // the server became a standby
	codeIdleTransaction  = "25P03"
	classRollback        = "40" // serialization failures and deadlocks
)

// postgresContended says that a write lost against another one. Alone, it has
// waited long enough for a lock.
func postgresContended(err error, alone bool) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (strings.HasPrefix(e.Code, classRollback) || e.Code == codeLockNotAvailable && !alone)
}

// postgresFailed says that the server is at fault, or the way to it.
func postgresFailed(err error) bool {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		switch e.Code[:min(2, len(e.Code))] {
		case "08", classRollback, "53", "57", "58", "XX":
			return true
		}
		return e.Code == codeLockNotAvailable || e.Code == codeReadOnly || e.Code == codeIdleTransaction
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}

// noTable says that a statement named a table that there is not.
func noTable(err error) bool {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e.Code == codeUndefinedTable
	}
	return strings.Contains(err.Error(), "no such table")
}

// impatientConn gives up when nothing can be read or written for limit: a
// server that is stopped, or behind a line that is cut, closes nothing. The
// driver reads only while it waits for an answer.
type impatientConn struct {
	net.Conn
	limit time.Duration
}

func (c *impatientConn) Read(b []byte) (int, error) {
	timer := time.AfterFunc(c.limit, c.giveUp)
	defer timer.Stop()
	return c.Conn.Read(b)
}

func (c *impatientConn) Write(b []byte) (int, error) {
	timer := time.AfterFunc(c.limit, c.giveUp)
	defer timer.Stop()
	return c.Conn.Write(b)
}

func (c *impatientConn) giveUp() { _ = c.SetDeadline(time.Unix(1, 0)) }
