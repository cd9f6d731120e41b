package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
)

func exec(ctx context.Context, statement string, args ...any) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, statement, args...)
		return err
	}
}

// beat inserts a row with the given name; a second row of that name fails.
func beat(ctx context.Context, name string) func(*sql.Tx) error {
	return exec(ctx, `INSERT INTO heartbeat (tenant, name, epoch, beat_at) VALUES ('t', $1, '', 1)`, name)
}

func beats(t *testing.T, db *database.DB) (names []string) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *sql.Tx) error {
		names = nil
		rows, err := tx.QueryContext(t.Context(), `SELECT name FROM heartbeat ORDER BY name`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			names = append(names, name)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestFileIsForItsOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b?c#d%41.db")
	db := databasetest.Open(t, database.Config{Path: path})
	if err := db.Write(t.Context(), beat(t.Context(), "x")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("want the file and its journal, have %q, %v", files, err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(file, path) || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
	}

	shared := filepath.Join(t.TempDir(), "shared.db")
	if err := os.WriteFile(shared, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := database.Open(t.Context(), database.Config{Path: shared}); err == nil {
		t.Error("opened a file that everybody may read")
	}
}

func TestTemporaryFileIsRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	db, err := database.Open(t.Context(), database.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	db := databasetest.Open(t, database.Config{Path: filepath.Join(t.TempDir(), "x.db")})
	got := map[string]string{}
	read := func(tx *sql.Tx) error {
		for _, name := range []string{"journal_mode", "synchronous", "foreign_keys", "busy_timeout"} {
			var value string
			if err := tx.QueryRow("PRAGMA " + name).Scan(&value); err != nil {
				return err
			}
			got[name] = value
		}
		return nil
	}
	if err := db.Write(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadCannotWrite(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		if err := db.Read(t.Context(), beat(t.Context(), "sneaky")); err == nil {
			t.Error("a read wrote")
		}
		if err := db.Write(t.Context(), beat(t.Context(), "honest")); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"honest"}, beats(t, db)); diff != "" {
			t.Error(diff)
		}
	})
}

// SQLite numbers $2 by its first appearance, which is not its number.
func TestPlaceholdersGoByNumber(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		var got string
		err := db.Read(t.Context(), func(tx *sql.Tx) error {
			return tx.QueryRow(`SELECT $2 || $1 || $3 || $1`, "a", "b", "c").Scan(&got)
		})
		if err != nil || got != "baca" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	databasetest.EachConfig(t, func(t *testing.T, c database.Config) {
		ctx := t.Context()
		empty, err := database.Open(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		defer empty.Close()
		if err := empty.CheckSchema(ctx); !errors.Is(err, database.ErrOlderSchema) {
			t.Errorf("without a schema: %v", err)
		}
		db := databasetest.Open(t, c)
		if err := errors.Join(db.Migrate(ctx), empty.CheckSchema(ctx)); err != nil {
			t.Errorf("a second time: %v", err)
		}
		if err := db.Write(ctx, exec(ctx, `INSERT INTO schema_version (version, name) VALUES ($1, $2)`, 9999, "from the future")); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(ctx); !errors.Is(err, database.ErrNewerSchema) {
			t.Errorf("got %v", err)
		}
		if err := db.CheckSchema(ctx); !errors.Is(err, database.ErrNewerSchema) {
			t.Errorf("got %v", err)
		}
		if err := db.Write(ctx, exec(ctx, `DELETE FROM schema_version`)); err != nil {
			t.Fatal(err)
		}
		if err := db.CheckSchema(ctx); !errors.Is(err, database.ErrOlderSchema) {
			t.Errorf("got %v", err)
		}
	})
}

// Processes that start together migrate once.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	databasetest.EachConfig(t, func(t *testing.T, c database.Config) {
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				db, err := database.Open(t.Context(), c)
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				if err := db.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	})
}

// Migrations only add to what processes of the previous release use. Removing
// is for a file named NNNN_contract_*.sql, a release after the last use.
func TestMigrationsExpand(t *testing.T) {
	t.Parallel()
	adds := regexp.MustCompile(`(?is)^(CREATE TABLE|CREATE INDEX|ALTER TABLE \w+ ADD COLUMN \w+ \w+( NOT NULL DEFAULT .+)?$)`)
	comment := regexp.MustCompile(`--[^\n]*`)
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) < 2 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(comment.ReplaceAllString(string(text), ""), ";") {
			statement = strings.Join(strings.Fields(statement), " ")
			if statement != "" && !adds.MatchString(statement) && !strings.Contains(file, "_contract_") {
				t.Errorf("%s does more than add: %s", file, statement)
			}
		}
	}
	for statement, want := range map[string]bool{
		"ALTER TABLE grants ADD COLUMN x TEXT": true, "ALTER TABLE grants ADD COLUMN x BIGINT NOT NULL DEFAULT 0": true,
		"ALTER TABLE grants ADD COLUMN x TEXT NOT NULL": false, "ALTER TABLE grants DROP COLUMN id": false, "DROP TABLE grants": false,
	} {
		if adds.MatchString(statement) != want {
			t.Errorf("%s: want %v", statement, want)
		}
	}
}

func TestEveryPrimaryKeyStartsWithTheTenant(t *testing.T) {
	t.Parallel()
	db := databasetest.Open(t, database.Config{})
	var tables int
	var wrong []string
	err := db.Read(t.Context(), func(tx *sql.Tx) error {
		rows, err := tx.Query(`SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p
			WHERE m.type = 'table' AND m.name <> 'schema_version' AND p.pk = 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var table, column string
			if err := rows.Scan(&table, &column); err != nil {
				return err
			}
			if tables++; column != "tenant" {
				wrong = append(wrong, fmt.Sprintf("%s(%s)", table, column))
			}
		}
		return rows.Err()
	})
	if err != nil || len(wrong) > 0 || tables < 10 {
		t.Errorf("%d tables, wrong: %v, %v", tables, wrong, err)
	}
}

func TestUnknownDriver(t *testing.T) {
	t.Parallel()
	if _, err := database.Open(t.Context(), database.Config{Driver: "oracle"}); err == nil {
		t.Error("opened")
	}
}
