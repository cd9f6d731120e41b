package database

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// ErrNewerSchema says that a newer program has changed the schema. Writing to
// it could break what that program relies on.
var ErrNewerSchema = errors.New("database: schema is newer than this program")

// ErrOlderSchema says that migrations are missing.
var ErrOlderSchema = errors.New("database: schema is older than this program, migrate first")

type migration struct {
	version int64
	name    string
	text    string
}

// migrations reads files named NNNN_what.sql, numbered from 1 without a gap.
func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("database: migrations: %w", err)
	}
	slices.Sort(names)
	list := make([]migration, 0, len(names))
	for i, name := range names {
		base := path.Base(name)
		number, _, _ := strings.Cut(base, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil || version != int64(i)+1 {
			return nil, fmt.Errorf("database: migration %s should be number %d", base, i+1)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("database: migrations: %w", err)
		}
		list = append(list, migration{version, base, string(text)})
	}
	return list, nil
}

// Migrate brings the schema up to date, one transaction per migration, while
// other processes that want to do the same wait. It fails with
// [ErrNewerSchema] rather than touch a schema it does not know.
//
// A migration that other processes may see while they run an older program
// only adds: tables, indexes, and columns that are null or have a default. What
// is no longer used goes in a later release, when no such process is left.
func (d *DB) Migrate(ctx context.Context) error {
	list, err := migrations(migrationFiles)
	if err != nil {
		return err
	}
	if err := d.apply(ctx, list); err != nil {
		return err
	}
	return d.CheckSchema(ctx)
}

func (d *DB) apply(ctx context.Context, list []migration) error {
	const table = `CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)`
	if err := d.migrate(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, table)
		return err
	}); err != nil {
		return fmt.Errorf("database: migrate: %w", err)
	}
	for _, m := range list {
		if err := d.migrate(ctx, func(tx *sql.Tx) error { return m.apply(ctx, tx) }); err != nil {
			return fmt.Errorf("database: migration %s: %w", m.name, err)
		}
	}
	return nil
}

// apply runs a migration unless it, or a later one, has been run.
func (m migration) apply(ctx context.Context, tx *sql.Tx) error {
	version, err := schemaVersion(ctx, tx)
	if err != nil || version >= m.version {
		return err
	}
	if _, err := tx.ExecContext(ctx, m.text); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO schema_version (version, name) VALUES ($1, $2)`, m.version, m.name)
	return err
}

func schemaVersion(ctx context.Context, tx *sql.Tx) (version int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&version)
	return version, err
}

// CheckSchema says whether the schema is the one this program was built for:
// nil, [ErrNewerSchema] or [ErrOlderSchema]. A database without a schema is an
// older one.
func (d *DB) CheckSchema(ctx context.Context) error {
	list, err := migrations(migrationFiles)
	if err != nil {
		return err
	}
	have, err := d.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	switch want := int64(len(list)); {
	case have > want:
		return fmt.Errorf("%w: have %d, know %d", ErrNewerSchema, have, want)
	case have < want:
		return fmt.Errorf("%w: have %d, want %d", ErrOlderSchema, have, want)
	}
	return nil
}

// SchemaVersion returns the number of the last migration that was applied, 0
// for a database without a schema.
func (d *DB) SchemaVersion(ctx context.Context) (version int64, err error) {
	err = d.Read(ctx, func(tx *sql.Tx) (err error) {
		version, err = schemaVersion(ctx, tx)
		return err
	})
	if err != nil && !noTable(err) {
		return 0, fmt.Errorf("database: schema version: %w", err)
	}
	return version, nil
}
