package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/session"
)

// Database names the SQL database.
type Database struct {
	// Driver is sqlite, for one process, or postgres.
	Driver string `yaml:"driver"`
	// Path is the file of an SQLite database.
	Path string `yaml:"path"`
	// URL names a PostgreSQL database, as postgres://user@host:port/name with
	// the parameters of libpq; there is no password in it.
	URL          string `yaml:"url"`
	PasswordFile string `yaml:"password_file"`
	// Timeout is how long a statement of PostgreSQL may take before the answer
	// is 503; 5s if left out.
	Timeout Duration `yaml:"timeout"`
	// Connections limits those that read; 8 if left out. There are two more
	// that write.
	Connections int `yaml:"connections"`
}

// check reports faults of the section. needed says that a role keeps records.
func (c *Database) check(needed bool, mode Mode, f faults) {
	switch c.Driver {
	case "", database.DriverSQLite:
		if needed && c.Path == "" {
			f.add("database.path", "needed by issuer, wallet_provider and webhooks of relying parties")
		}
		if c.URL != "" || c.PasswordFile != "" {
			f.add("database", "url and password_file are for driver postgres")
		}
	case database.DriverPostgres:
		if c.Path != "" {
			f.add("database.path", "is for driver sqlite")
		}
		c.checkURL(mode, f)
	default:
		f.add("database.driver", "must be sqlite or postgres")
	}
	if c.Connections < 0 || c.Connections > 1000 {
		f.add("database.connections", "must be from 1 to 1000")
	}
}

// checkURL does not repeat the URL, which may hold what it should not.
func (c *Database) checkURL(mode Mode, f faults) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || len(u.Path) < 2 {
		f.add("database.url", "must be such as postgres://tegata@db.example:5432/tegata?sslmode=verify-full")
		return
	}
	query := u.Query()
	if _, set := u.User.Password(); set || query.Has("password") {
		f.add("database.url", "a password belongs into password_file")
	}
	host := u.Hostname()
	if h := query.Get("host"); h != "" {
		host = h
	}
	local := strings.HasPrefix(host, "/") || host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
	if mode == ModeProduction && !local && query.Get("sslmode") != "verify-full" {
		f.add("database.url", "sslmode=verify-full is needed in mode production, except on the same machine")
	}
}

// Options returns how to open the database.
func (c *Database) Options() (database.Config, error) {
	options := database.Config{
		Driver: c.Driver, Path: c.Path, URL: c.URL, Readers: c.Connections, Timeout: time.Duration(c.Timeout),
	}
	if c.PasswordFile == "" {
		return options, nil
	}
	password, err := ReadSecret("password_file", c.PasswordFile, 1)
	if err != nil {
		return options, err
	}
	options.Password = string(password)
	return options, nil
}

// Redis names the Redis servers.
type Redis struct {
	// Addresses has one address for a single server, all of them for a cluster
	// and those of the sentinels together with MasterName.
	Addresses    []string `yaml:"addresses"`
	MasterName   string   `yaml:"master_name"`
	Username     string   `yaml:"username"`
	PasswordFile string   `yaml:"password_file"`
	DB           int      `yaml:"db"`
	Prefix       string   `yaml:"prefix"`
	// Timeout is how long an operation may take before the answer is 503.
	Timeout Duration `yaml:"timeout"`
}

// Client makes a client of the servers, which does not connect
// yet.
func (c *Redis) Client(now func() time.Time) (*session.Redis, error) {
	options := session.Options{
		Addrs: c.Addresses, MasterName: c.MasterName, Cluster: len(c.Addresses) > 1 && c.MasterName == "",
		Username: c.Username, DB: c.DB, Prefix: c.Prefix, Timeout: time.Duration(c.Timeout),
	}
	if c.PasswordFile != "" {
		password, err := ReadSecret("redis.password_file", c.PasswordFile, 1)
		if err != nil {
			return nil, err
		}
		options.Password = string(password)
	}
	backend, err := session.NewRedis(options, now)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	return backend, nil
}
