package app

import (
	"context"
	"database/sql"
	"errors"
	"os"

	"github.com/tegata-id/tegata/internal/app/doctor"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/internal/telemetry"
)

// checkRedis asks Redis whether it is there and keeps what it is given.
func checkRedis(ctx context.Context, r *report.Report, c *RedisConfig, o CheckOptions) {
	session.LogRedis(telemetry.DiscardLogger())
	backend, err := newRedis(c, o.Now)
	if err != nil {
		return // a file, which was reported
	}
	defer func() { _ = backend.Close() }()
	if err := backend.Ping(ctx); err != nil {
		r.Fault("redis", "start Redis, and compare addresses, username and password_file with it", "Redis does not answer: %s", err)
		return
	}
	policy, err := backend.CheckEviction(ctx)
	switch {
	case errors.Is(err, session.ErrEviction):
		r.Fault("redis", "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
			"maxmemory-policy is %s: Redis may forget which proofs were used, and let them in twice", policy)
	case err != nil:
		r.Fault("redis", "look at the log of Redis", "Redis does not tell its eviction policy: %s", err)
	case policy == session.EvictionUnknown:
		r.Warn("redis", "allow the account CONFIG GET, or make sure that maxmemory-policy is noeviction", "Redis does not tell its eviction policy")
	default:
		r.OK("redis", "Redis answers and evicts nothing")
	}
}

// maxLists is how many status lists of an issuer are looked at.
const maxLists = 3

// checkDatabase opens the database as the process does, for reading alone, and
// names some of the issuer's status lists.
func checkDatabase(ctx context.Context, r *report.Report, cfg *Config, target *doctor.Target) {
	if cfg.Issuer == nil && cfg.Provider == nil {
		return
	}
	options, err := cfg.Database.options()
	if err != nil {
		return // a file, which was reported
	}
	if options.Path != "" {
		if _, err := os.Stat(options.Path); errors.Is(err, os.ErrNotExist) {
			r.Warn("database", "start the service", "the database is not there yet: no process has run on it")
			return
		}
	}
	db, err := database.Open(ctx, options)
	switch {
	case errors.Is(err, database.ErrNotDurable):
		r.Fault("database", "ALTER SYSTEM SET synchronous_commit = on, likewise fsync and full_page_writes, and reload the server", "%s", err)
		return
	case err != nil:
		r.Fault("database", "start the database, and compare the section database with it", "the database can't be opened: %s", err)
		return
	}
	defer func() { _ = db.Close() }()
	if err := db.CheckSchema(ctx); err != nil {
		r.Fault("database", "run tegata migrate, or the binary that fits the database", "the schema is not that of this program: %s", err)
		return
	}
	r.OK("database", "the database answers, and keeps what it has committed")
	if cfg.Issuer == nil || target.Issuer != cfg.Issuer.Origin {
		return
	}
	ids, err := publishedLists(ctx, db, cfg.Issuer)
	if err != nil {
		r.Fault("database", "look at the log of the database", "the status lists can't be read: %s", err)
		return
	}
	for _, id := range ids[:min(len(ids), maxLists)] {
		target.StatusLists = append(target.StatusLists, cfg.Issuer.Origin+"/status-lists/"+id)
	}
}

// publishedLists returns the status lists of an issuer.
func publishedLists(ctx context.Context, db *database.DB, c *IssuerConfig) (ids []string, err error) {
	secret, err := loadHexSecret("issuer.secret_file", c.Secret)
	if err != nil {
		return nil, nil //nolint:nilerr // it was reported
	}
	derived, err := deriveKeys(secret, c.Tenant, "status indexes")
	if err != nil {
		return nil, err
	}
	lists, err := statuslist.New(statuslist.Config{Owner: "issuer", Keys: [][]byte{derived["status indexes"]}})
	if err != nil {
		return nil, err
	}
	err = db.Read(ctx, func(tx *sql.Tx) error {
		ids, err = lists.IDs(ctx, tx, c.Tenant)
		return err
	})
	return ids, err
}
