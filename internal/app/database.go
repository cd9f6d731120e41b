package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/database"
)

// openDatabase opens the database with the schema that this program expects.
// That of SQLite is brought up to date on the way. PostgreSQL is shared with
// other processes, so that the operator says when.
func openDatabase(ctx context.Context, c config.Database) (*database.DB, error) {
	options, err := c.Options()
	if err != nil {
		return nil, err
	}
	db, err := database.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	ready := db.Migrate
	if c.Driver == database.DriverPostgres {
		ready = db.CheckSchema
	}
	if err := ready(ctx); err != nil {
		if errors.Is(err, database.ErrOlderSchema) {
			err = fmt.Errorf("%w: run tegata migrate", err)
		}
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Migrate brings the schema of the database that a configuration file names up
// to date, and returns its version.
func Migrate(ctx context.Context, path string) (version int64, err error) {
	cfg, err := config.Load(path)
	if err != nil {
		return 0, err
	}
	options, err := cfg.Database.Options()
	if err != nil {
		return 0, fmt.Errorf("database: %w", err)
	}
	if options.Path == "" && options.URL == "" {
		return 0, errors.New("the configuration has no database")
	}
	db, err := database.Open(ctx, options)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Migrate(ctx); err != nil {
		return 0, err
	}
	return db.SchemaVersion(ctx)
}
