package e2e_test

import (
	"database/sql"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/tegata-id/tegata/internal/app"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
)

// usePostgres makes a sandbox keep its records in a new database of a server.
func usePostgres(t *testing.T, box *sandbox.Sandbox, server *databasetest.Server) database.Config {
	t.Helper()
	c := server.NewDatabase(t)
	password := box.Dir + "/database.password"
	if err := os.WriteFile(password, []byte(c.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := read(t, box)
	file.set("database", map[string]any{"driver": c.Driver, "url": c.URL, "password_file": password, "timeout": "2s"})
	file.write(t, box)
	return c
}

// TestPostgresSchema: a process leaves the schema that it shares with others
// alone, and starts on none but its own. The operator migrates.
func TestPostgresSchema(t *testing.T) {
	t.Parallel()
	box := plainSandbox(t)
	c := usePostgres(t, box, databasetest.Shared(t))
	if err := starts(t, box); !errors.Is(err, database.ErrOlderSchema) || !strings.Contains(err.Error(), "tegata migrate") {
		t.Errorf("without a schema: %v", err)
	}
	for range 2 {
		if version, err := app.Migrate(t.Context(), box.ConfigFile); err != nil || version < 1 {
			t.Fatalf("version %d, %v", version, err)
		}
	}
	if err := starts(t, box); err != nil {
		t.Errorf("honest: %v", err)
	}
	err := databasetest.Open(t, c).Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `INSERT INTO schema_version (version, name) VALUES ($1, $2)`, 9999, "from the future")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := starts(t, box); !errors.Is(err, database.ErrNewerSchema) {
		t.Errorf("with a newer schema: %v", err)
	}
	if _, err := app.Migrate(t.Context(), box.ConfigFile); !errors.Is(err, database.ErrNewerSchema) {
		t.Errorf("migrated a newer schema: %v", err)
	}
	if err := os.Remove(box.Dir + "/database.password"); err != nil {
		t.Fatal(err)
	}
	if err := starts(t, box); err == nil || !strings.Contains(err.Error(), "password_file") {
		t.Errorf("without a password: %v", err)
	}
}

// TestPostgresAway kills the server under a deployment, and brings it back.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	server := databasetest.NewServer(t)
	d := deploy(t, deployOptions{postgres: server})
	c, card := d.newClient(t), cardOf(t, "hanako")
	token, code := c.accessToken(t, card), c.code(t, card)
	list := d.statusList(t, c, token)
	served := func(when string) {
		t.Helper()
		if a := d.send(t, http.MethodGet, d.endpoint(list), nil, nil); a.status != http.StatusOK {
			t.Errorf("status list %s: %d %s", when, a.status, a.body)
		}
	}
	served("before")
	request, before := c.credentialRequest(t, 1), d.rows(t)

	server.Kill(t)
	c.token(t, c.tokenForm(code), nil).unavailable(t, "/token")
	c.credential(t, token, request, nil).unavailable(t, "/credential")
	served("without a database")
	server.Restart(t)

	if after := d.rows(t); after != before {
		t.Errorf("rows before %s, after %s", before, after)
	}
	c.token(t, c.tokenForm(code), nil).read(t, &struct{}{})
	c.credential(t, token, c.credentialRequest(t, 1), nil).credentials(t)
}
