package doctor_test

import (
	"database/sql"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/check"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/doctor"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/issuer"
)

// publish opens a status list of the sandbox's issuer.
func publish(t *testing.T, w *world) {
	t.Helper()
	text, err := os.ReadFile(w.cfg.Issuer.Secret)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	key, err := issuer.DeriveKey(secret, w.cfg.Issuer.Tenant, "status indexes")
	if err != nil {
		t.Fatal(err)
	}
	lists, err := statuslist.New(statuslist.Config{Owner: "issuer", Keys: [][]byte{key}})
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), database.Config{Path: w.cfg.Database.Path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := lists.Allocate(t.Context(), tx, w.cfg.Issuer.Tenant, "identity", 1, time.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// postgres returns the section of the configuration for a database.
func postgres(t *testing.T, c database.Config) config.Database {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(c.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Database{Driver: c.Driver, URL: c.URL, PasswordFile: password}
}

// TestDoctorConfiguration looks at a deployment through its configuration. The
// process runs on as it was; what is spoiled is what the doctor reads.
func TestDoctorConfiguration(t *testing.T) {
	t.Parallel()
	redis := sessiontest.NewRedisServer(t)
	w := newWorld(t, sandbox.Options{Redis: redis.Addr})
	publish(t, w)
	run := func(t *testing.T) *report.Report {
		t.Helper()
		w.save(t)
		on := doctor.Target{VerifierAnchors: []trust.Anchor{w.box.VerifierAnchor}}
		return doctor.Deployment(t.Context(), w.box.ConfigFile, on, check.Options{Now: time.Now})
	}
	honest := *w.cfg
	r := run(t)
	if r.Count(report.Fault) != 0 || r.Count(report.Warning) != 0 {
		t.Errorf("honest twin:\n%s", text(r))
	}
	if !slices.ContainsFunc(r.Findings, func(f report.Finding) bool { return strings.Contains(f.What, "status list verifies") }) {
		t.Errorf("the published status list was not looked at:\n%s", text(r))
	}
	for name, tc := range map[string]struct {
		plant func(t *testing.T, c *config.Config)
		where string
		what  string
	}{
		"Redis evicts": {func(t *testing.T, c *config.Config) {
			t.Helper()
			c.Redis = &config.Redis{Addresses: []string{sessiontest.StartRedis(t, "--maxmemory-policy", "allkeys-lru")}}
		}, "redis", "allkeys-lru"},
		"Redis away": {func(_ *testing.T, c *config.Config) { c.Redis = &config.Redis{Addresses: []string{"127.0.0.1:1"}} }, "redis", "does not answer"},
		"PostgreSQL acknowledges early": {func(t *testing.T, c *config.Config) {
			t.Helper()
			c.Database = postgres(t, databasetest.NewServer(t, "-c", "synchronous_commit=off").NewDatabase(t))
		}, "database", "synchronous_commit"},
		"PostgreSQL not migrated": {func(t *testing.T, c *config.Config) {
			t.Helper()
			c.Database = postgres(t, databasetest.Shared(t).NewDatabase(t))
		}, "database", "schema"},
		"loopback not allowed": {func(_ *testing.T, c *config.Config) { c.Outbound.AllowLoopback = nil }, "outbound.allow_loopback", "may not read"},
		"contradiction":        {func(_ *testing.T, c *config.Config) { c.Issuer = nil; c.Verifier = nil; c.Provider = nil }, "config", "one of issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			spoiled := honest
			w.cfg = &spoiled
			tc.plant(t, w.cfg)
			r := run(t)
			if !named(r, report.Fault, tc.where, tc.what) {
				t.Errorf("no fault about %q at %q in\n%s", tc.what, tc.where, text(r))
			}
		})
	}
	t.Run("the line to add", func(t *testing.T) {
		spoiled := honest
		spoiled.Outbound.AllowLoopback = nil
		w.cfg = &spoiled
		line := "- " + strings.TrimPrefix(w.box.Issuer, "https://")
		if r := run(t); !slices.ContainsFunc(r.Findings, func(f report.Finding) bool { return strings.Contains(f.Fix, line) }) {
			t.Errorf("no fix says %q in\n%s", line, text(r))
		}
	})
}
