package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tegata-id/tegata/internal/database"
)

// check reports faults of the section. needed says that a role keeps records.
func (c *DatabaseConfig) check(needed bool, mode Mode, fault func(string, ...any)) {
	switch c.Driver {
	case "", database.DriverSQLite:
		if needed && c.Path == "" {
			fault("database.path: needed by issuer and wallet_provider")
		}
		if c.URL != "" || c.PasswordFile != "" {
			fault("database: url and password_file are for driver postgres")
		}
	case database.DriverPostgres:
		if c.Path != "" {
			fault("database.path: is for driver sqlite")
		}
		c.checkURL(mode, fault)
	default:
		fault("database.driver: must be sqlite or postgres")
	}
	if c.Connections < 0 || c.Connections > 1000 {
		fault("database.connections: must be from 1 to 1000")
	}
}

// checkURL does not repeat the URL, which may hold what it should not.
func (c *DatabaseConfig) checkURL(mode Mode, fault func(string, ...any)) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || len(u.Path) < 2 {
		fault("database.url: must be such as postgres://tegata@db.example:5432/tegata?sslmode=verify-full")
		return
	}
	query := u.Query()
	if _, set := u.User.Password(); set || query.Has("password") {
		fault("database.url: a password belongs into password_file")
	}
	host := u.Hostname()
	if h := query.Get("host"); h != "" {
		host = h
	}
	local := strings.HasPrefix(host, "/") || host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
	if mode == ModeProduction && !local && query.Get("sslmode") != "verify-full" {
		fault("database.url: sslmode=verify-full is needed in mode production, except on the same machine")
	}
}

// options returns how to open the database.
func (c *DatabaseConfig) options() (database.Config, error) {
	options := database.Config{
		Driver: c.Driver, Path: c.Path, URL: c.URL, Readers: c.Connections, Timeout: time.Duration(c.Timeout),
	}
	if c.PasswordFile == "" {
		return options, nil
	}
	password, err := readSecret("password_file", c.PasswordFile, 1)
	if err != nil {
		return options, err
	}
	options.Password = string(password)
	return options, nil
}

// openDatabase opens the database with the schema that this program expects.
// That of SQLite is brought up to date on the way. PostgreSQL is shared with
// other processes, so that the operator says when.
func openDatabase(ctx context.Context, c DatabaseConfig) (*database.DB, error) {
	options, err := c.options()
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
	cfg, err := LoadConfig(path)
	if err != nil {
		return 0, err
	}
	options, err := cfg.Database.options()
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
