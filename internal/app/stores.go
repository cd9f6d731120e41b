package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/heartbeat"
	"github.com/tegata-id/tegata/internal/session"
)

func (a *App) openStores(ctx context.Context) error {
	if err := a.openSessions(ctx); err != nil {
		return err
	}
	a.backend = session.Metered(a.backend, a.registry, a.opt.Now)
	a.health.Add("sessions", a.backend.Ping)
	if !a.cfg.NeedsDatabase() {
		return nil
	}
	db, err := openDatabase(ctx, a.cfg.Database)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	a.db = db
	a.health.Add("database", db.Ping)
	return nil
}

func (a *App) openSessions(ctx context.Context) error {
	if a.cfg.SessionKeys != "" {
		data, err := config.LoadSecret("session_keys_file", a.cfg.SessionKeys)
		if err != nil {
			return err
		}
		if a.keys, err = session.ParseKeys(data); err != nil {
			return fmt.Errorf("session_keys_file: %w", err)
		}
	} else {
		a.keys = session.NewRandomKeys()
	}
	if a.cfg.Redis == nil {
		a.backend = session.NewMemory(a.opt.Now, 0)
		return nil
	}
	return a.openRedis(ctx, a.cfg.Redis)
}

func (a *App) openRedis(ctx context.Context, c *config.Redis) error {
	session.LogRedis(a.opt.Log)
	backend, err := c.Client(a.opt.Now)
	if err != nil {
		return err
	}
	a.backend = backend
	if err := backend.Ping(ctx); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	policy, err := backend.CheckEviction(ctx)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	if policy == session.EvictionUnknown {
		a.opt.Log.LogAttrs(ctx, slog.LevelWarn, "redis does not tell its eviction policy; it must be noeviction")
	}
	return nil
}

// fenced watches a store in Redis for loss of data. The store inside the process
// needs no watch: it loses everything, the tokens too, and only with the process.
// A verifier has no database where it runs alone, so it never goes by one.
func (a *App) fenced(store *session.Store, role, tenant string) *session.Store {
	if a.cfg.Redis == nil {
		return store
	}
	c := heartbeat.Config{Sessions: store, DB: a.db, Tenant: tenant, Name: role, Log: a.opt.Log, Now: a.opt.Now}
	if role == "verifier" {
		c.DB = nil
	}
	return store.Fenced(heartbeat.New(c))
}

func (a *App) closeStores() error {
	var failures []error
	if a.db != nil {
		failures = append(failures, a.db.Close())
		a.db = nil
	}
	if a.backend != nil {
		failures = append(failures, a.backend.Close())
		a.backend = nil
	}
	return errors.Join(failures...)
}

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
