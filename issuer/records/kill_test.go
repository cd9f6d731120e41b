package records_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/issuer/records"
)

const childConfig = "TEGATA_RECORDS_CHILD"

// child is what TestKill does in the process that it kills: it issues and
// revokes without end, and prints a line for each answer it gets.
func child(t *testing.T, settings string) {
	var c database.Config
	if err := json.Unmarshal([]byte(settings), &c); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, c)
	err := w.StartGrant(t.Context(), tenant, records.Grant{ID: "g", Expires: start.Add(time.Hour), Limits: map[string]int{config: 1 << 40}})
	if err != nil && !errors.Is(err, records.ErrGrantExists) {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				issued, err := w.AllocateCredentials(context.Background(), tenant, allocation("g", 1))
				if err != nil {
					return // the database was killed first
				}
				c := issued[0]
				fmt.Printf("\nissued %s %s/%d\n", c.ID, c.ListID, c.Index)
				if _, err := w.RevokeCredential(context.Background(), tenant, c.ID, "r"); err != nil {
					return
				}
				fmt.Printf("\nrevoked %s\n", c.ID)
			}
		})
	}
	wg.Wait()
}

// runAndKill returns the lines the child printed before it was killed.
func runAndKill(t *testing.T, c database.Config, after time.Duration, alsoKill func()) (lines []string) {
	t.Helper()
	settings, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$", "-test.v")
	child.Env = append(os.Environ(), childConfig+"="+string(settings))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	var kill *time.Timer
	killed := make(chan struct{})
	for scanner.Scan() {
		if kill == nil && strings.HasPrefix(scanner.Text(), "revoked ") {
			kill = time.AfterFunc(after, func() {
				alsoKill()
				_ = child.Process.Kill()
				close(killed)
			})
		}
		lines = append(lines, scanner.Text())
	}
	if kill == nil {
		t.Errorf("the child did nothing: %q", lines)
	} else {
		<-killed
	}
	_ = child.Wait() // it was killed
	return lines
}

// R2, R5: after kill -9 nothing that was acknowledged is lost, and no index
// comes again.
func TestKill(t *testing.T) {
	if settings := os.Getenv(childConfig); settings != "" {
		child(t, settings)
		return
	}
	t.Parallel()
	t.Run(database.DriverSQLite, func(t *testing.T) {
		t.Parallel()
		testKill(t, databasetest.NewConfig(t, database.DriverSQLite), func() {}, func() {})
	})
	// Here the server is killed as well, with everything it had not synced.
	t.Run(database.DriverPostgres, func(t *testing.T) {
		t.Parallel()
		server := databasetest.NewServer(t)
		testKill(t, server.NewDatabase(t), func() { server.Kill(t) }, func() { server.Restart(t) })
	})
}

func testKill(t *testing.T, c database.Config, kill, restart func()) {
	indexes := map[string]bool{}
	var revoked []string
	for round := range 4 {
		for _, line := range runAndKill(t, c, time.Duration(20+37*round)*time.Millisecond, kill) {
			switch word := strings.Fields(line); {
			case len(word) == 3 && word[0] == "issued":
				if indexes[word[2]] {
					t.Errorf("%s was handed out twice", word[2])
				}
				indexes[word[2]] = true
			case len(word) == 2 && word[0] == "revoked":
				revoked = append(revoked, word[1])
			}
		}
		restart()
	}
	w := newWorld(t, c)
	err := w.DB.Read(t.Context(), func(tx *sql.Tx) error {
		for _, id := range revoked {
			var stands bool
			err := tx.QueryRow(`
				SELECT c.revoked_at = 0 OR e.invalid_at = 0 FROM issued_credentials c
				JOIN status_entries e ON e.tenant = c.tenant AND e.list_id = c.list_id AND e.idx = c.idx
				WHERE c.tenant = $1 AND c.id = $2`, tenant, id).Scan(&stands)
			if err != nil || stands {
				return fmt.Errorf("revocation of %s is lost: %w", id, err)
			}
		}
		return nil
	})
	if err != nil || len(revoked) < 4 {
		t.Errorf("%d issued, %d revoked, %v", len(indexes), len(revoked), err)
	}
	t.Logf("%d issued, %d revoked", len(indexes), len(revoked))
}
