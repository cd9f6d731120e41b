package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
)

func TestPostgresMustNotLoseCommits(t *testing.T) {
	t.Parallel()
	for setting, ok := range map[string]bool{
		"synchronous_commit = 'off'": false, "synchronous_commit = 'on'": true, "synchronous_commit = 'remote_apply'": true,
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			server := databasetest.Shared(t)
			c := server.NewDatabase(t)
			server.Exec(t, "postgres", "ALTER DATABASE "+databaseOf(c)+" SET "+setting)
			db, err := database.Open(t.Context(), c)
			if err == nil {
				err = db.Close()
			}
			if ok && err != nil || !ok && !errors.Is(err, database.ErrNotDurable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func databaseOf(c database.Config) string {
	_, name, _ := strings.Cut(c.URL, "@/")
	name, _, _ = strings.Cut(name, "?")
	return name
}

func TestPostgresWrongPassword(t *testing.T) {
	t.Parallel()
	c := databasetest.Shared(t).NewDatabase(t)
	c.Password = "open sesame"
	_, err := database.Open(t.Context(), c)
	if !errors.Is(err, database.ErrUnavailable) || strings.Contains(err.Error(), c.Password) {
		t.Errorf("got %v", err)
	}
}

// unavailable demands that nothing can be read or written, soon.
func unavailable(t *testing.T, db *database.DB, limit time.Duration) {
	t.Helper()
	ctx := context.Background()
	for name, do := range map[string]func() error{
		"write": func() error { return db.Write(ctx, beat(ctx, "away")) },
		"read":  func() error { return db.Read(ctx, func(*sql.Tx) error { return nil }) },
		"ping":  func() error { return db.Ping(ctx) },
	} {
		begin := time.Now()
		if err := do(); !errors.Is(err, database.ErrUnavailable) {
			t.Errorf("%s: got %v", name, err)
		}
		if took := time.Since(begin); took > limit {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// R8: a server that is killed or says nothing is unavailable, and nothing is
// left of that when it is back.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := databasetest.NewServer(t)
	c := server.NewDatabase(t)
	c.Timeout = time.Second
	db := databasetest.Open(t, c)
	for round, fault := range []struct{ begin, end func(testing.TB) }{
		{server.Kill, server.Restart}, {server.Freeze, server.Thaw},
	} {
		fault.begin(t)
		unavailable(t, db, 10*time.Second)
		fault.end(t)
		name := fmt.Sprintf("back %d", round)
		if err := db.Write(ctx, beat(ctx, name)); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		names := beats(t, db)
		if len(names) != round+1 || names[round] != name {
			t.Errorf("round %d: %q", round, names)
		}
	}
}

func TestPostgresTimeouts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := databasetest.NewConfig(t, database.DriverPostgres)
	c.Timeout = 200 * time.Millisecond
	db := databasetest.Open(t, c)
	if err := db.Write(ctx, exec(ctx, `SELECT pg_sleep(5)`)); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("a statement that takes long: %v", err)
	}
	// One that waits for a lock of another process.
	if err := db.Write(ctx, beat(ctx, "x")); err != nil {
		t.Fatal(err)
	}
	other := databasetest.Open(t, c)
	err := other.Write(ctx, func(tx *sql.Tx) error {
		if err := touch(ctx, "x")(tx); err != nil {
			return err
		}
		if err := db.Write(ctx, touch(ctx, "x")); !errors.Is(err, database.ErrUnavailable) {
			t.Errorf("a lock that is held: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := db.Write(ctx, touch(ctx, "x")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// touch counts in a row, and so locks it.
func touch(ctx context.Context, name string) func(*sql.Tx) error {
	return exec(ctx, `UPDATE heartbeat SET beat_at = beat_at + 1 WHERE tenant = 't' AND name = $1`, name)
}

// Writes that each lock rows in one order don't, once they share transactions.
// Two processes that do so get past each other, and each write counts once.
func TestPostgresSharedTransactionsGetPastEachOther(t *testing.T) {
	t.Parallel()
	const rows, writes = 8, 400
	ctx := context.Background()
	c := databasetest.NewConfig(t, database.DriverPostgres)
	processes := []*database.DB{databasetest.Open(t, c), databasetest.Open(t, c)}
	for i := range rows {
		if err := processes[0].Write(ctx, beat(ctx, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	var group sync.WaitGroup
	for i := range writes {
		group.Go(func() {
			if err := processes[i%2].Write(ctx, touch(ctx, fmt.Sprint(i*7%rows))); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	var sum int
	err := processes[0].Read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT SUM(beat_at) FROM heartbeat`).Scan(&sum)
	})
	if err != nil || sum != writes+rows {
		t.Errorf("counted %d, want %d, %v", sum, writes+rows, err)
	}
	t.Logf("took %v", time.Since(begin))
}

// Two that lock rows the wrong way round are told apart by the server, and both
// get through.
func TestPostgresDeadlock(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := databasetest.NewConfig(t, database.DriverPostgres)
	db := databasetest.Open(t, c)
	for _, name := range []string{"a", "b"} {
		if err := db.Write(ctx, beat(ctx, name)); err != nil {
			t.Fatal(err)
		}
	}
	var met, group sync.WaitGroup
	met.Add(2)
	for i, order := range [][2]string{{"a", "b"}, {"b", "a"}} {
		process := databasetest.Open(t, c)
		meet := sync.OnceFunc(func() { met.Done(); met.Wait() })
		group.Go(func() {
			err := process.Write(ctx, func(tx *sql.Tx) error {
				err := touch(ctx, order[0])(tx)
				meet()
				if err != nil {
					return err
				}
				return touch(ctx, order[1])(tx)
			})
			if err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	group.Wait()
}
