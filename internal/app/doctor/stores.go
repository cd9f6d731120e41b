package doctor

import (
	"context"
	"database/sql"
	"errors"
	"os"

	"github.com/tegata-id/tegata/internal/app/check"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/internal/telemetry"
	"github.com/tegata-id/tegata/issuer"
)

// checkRedis asks Redis whether it is there and keeps what it is given.
func checkRedis(ctx context.Context, r *report.Report, c *config.Redis, o check.Options) {
	session.LogRedis(telemetry.DiscardLogger())
	backend, err := c.Client(o.Now)
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
// returns the URLs of some status lists of each issuer.
func checkDatabase(ctx context.Context, r *report.Report, cfg *config.Config) map[string][]string {
	options, err := cfg.Database.Options()
	if err != nil || options.Path == "" && options.URL == "" {
		return nil // there is none, or a file, which was reported
	}
	if options.Path != "" {
		if _, err := os.Stat(options.Path); errors.Is(err, os.ErrNotExist) {
			r.Warn("database", "start the service", "the database is not there yet: no process has run on it")
			return nil
		}
	}
	db, err := database.Open(ctx, options)
	switch {
	case errors.Is(err, database.ErrNotDurable):
		r.Fault("database", "ALTER SYSTEM SET synchronous_commit = on, likewise fsync and full_page_writes, and reload the server", "%s", err)
		return nil
	case err != nil:
		r.Fault("database", "start the database, and compare the section database with it", "the database can't be opened: %s", err)
		return nil
	}
	defer func() { _ = db.Close() }()
	if err := db.CheckSchema(ctx); err != nil {
		r.Fault("database", "run tegata migrate, or the binary that fits the database", "the schema is not that of this program: %s", err)
		return nil
	}
	r.OK("database", "the database answers, and keeps what it has committed")
	lists := map[string][]string{}
	for _, t := range cfg.Tenants() {
		if t.Issuer == nil {
			continue
		}
		ids, err := publishedLists(ctx, db, t)
		if err != nil {
			r.Fault("database", "look at the log of the database", "the status lists can't be read: %s", err)
			return nil
		}
		for _, id := range ids[:min(len(ids), maxLists)] {
			lists[t.BaseURL()] = append(lists[t.BaseURL()], t.BaseURL()+"/status-lists/"+id)
		}
	}
	return lists
}

// publishedLists returns the status lists of an issuer.
func publishedLists(ctx context.Context, db *database.DB, t config.Tenant) (ids []string, err error) {
	secret, err := config.LoadHexSecret("issuer.secret_file", t.Issuer.Secret)
	if err != nil {
		return nil, nil //nolint:nilerr // it was reported
	}
	key, err := issuer.DeriveKey(secret, t.Tenant, "status indexes")
	if err != nil {
		return nil, err
	}
	lists, err := statuslist.New(statuslist.Config{Owner: "issuer", Keys: [][]byte{key}})
	if err != nil {
		return nil, err
	}
	err = db.Read(ctx, func(tx *sql.Tx) error {
		ids, err = lists.IDs(ctx, tx, t.Tenant)
		return err
	})
	return ids, err
}
