package config

import (
	"net/url"
	"strings"
	"time"

	"github.com/tegata-id/tegata/internal/database"
)

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
