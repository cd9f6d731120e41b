// Package databasetest runs tests on every database there is: SQLite, and a
// real PostgreSQL that it starts.
package databasetest

import (
	"testing"

	"github.com/tegata-id/tegata/internal/database"
)

// Drivers are the databases that tests run on.
var Drivers = []string{database.DriverSQLite, database.DriverPostgres}

// Each runs a test on each database, empty and with its schema, as parallel
// subtests named after the drivers.
func Each(t *testing.T, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	EachConfig(t, func(t *testing.T, c database.Config) {
		c.Path = "" // a temporary file, which is not synced
		test(t, Open(t, c))
	})
}

// EachConfig is like Each for a test that opens the database itself, for
// instance twice. The database is empty, has no schema, and lasts as long as
// the test.
func EachConfig(t *testing.T, test func(t *testing.T, c database.Config)) {
	t.Helper()
	for _, driver := range Drivers {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			test(t, NewConfig(t, driver))
		})
	}
}

// EachBenchmark is EachConfig for benchmarks, which run one after the other.
func EachBenchmark(b *testing.B, benchmark func(b *testing.B, c database.Config)) {
	b.Helper()
	for _, driver := range Drivers {
		b.Run(driver, func(b *testing.B) { benchmark(b, NewConfig(b, driver)) })
	}
}

// NewConfig returns the configuration of a new and empty database.
func NewConfig(t testing.TB, driver string) database.Config {
	t.Helper()
	if driver == database.DriverPostgres {
		return Shared(t).NewDatabase(t)
	}
	return database.Config{Driver: driver, Path: t.TempDir() + "/test.db"}
}

// Open opens a database, brings its schema up to date, and closes it with the
// test.
func Open(t testing.TB, c database.Config) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}
