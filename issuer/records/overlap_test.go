package records_test

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
	"github.com/tegata-id/tegata/issuer/records"
)

// expansions are what a later release may do to every table while processes of
// this one run, one migration per table: a column that is null, one with a
// default, an index; and a new table.
func expansions() (migrations []string) {
	for _, table := range []string{
		"status_lists", "status_entries", "status_publications", "status_openings", "evidence", "grants", "grant_limits",
		"attestation_lists", "accepted_attestations", "attested_batches",
		"issued_credentials", "audit_heads", "audit_events",
	} {
		migrations = append(migrations, strings.ReplaceAll(`
			ALTER TABLE <> ADD COLUMN added_null TEXT;
			ALTER TABLE <> ADD COLUMN added_default BIGINT NOT NULL DEFAULT 7;
			CREATE INDEX <>_added ON <> (tenant, added_default)`, "<>", table))
	}
	return append(migrations, `
		CREATE TABLE added (tenant TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (tenant, id));
		INSERT INTO schema_version (version, name) VALUES (9999, 'from a later release')`)
}

// R18: processes of this release keep working beside those of the next, from
// before its migration until after, and what either writes serves both.
func TestBesideALaterRelease(t *testing.T) {
	t.Parallel()
	databasetest.EachConfig(t, func(t *testing.T, c database.Config) {
		ctx := context.Background()
		old, later := newWorld(t, c), newWorld(t, c)
		old.grant(t, tenant, "g", "p", 1<<20)
		migrated, stop := make(chan struct{}), make(chan struct{})
		var mu sync.Mutex
		issued := map[bool]int{}
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				for i := 0; ; i++ {
					after := false
					select {
					case <-stop:
						return
					case <-migrated:
						after = true
					default:
					}
					if err := old.cycle(ctx, fmt.Sprintf("%d-%d", worker, i)); err != nil {
						t.Errorf("after the migration %v: %v", after, err)
						return
					}
					mu.Lock()
					issued[after]++
					mu.Unlock()
					// SQLite hands its lock to whoever happens to ask: writers
					// without a pause would keep the others out.
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		for _, migration := range expansions() {
			if err := later.expand(ctx, migration); err != nil {
				t.Error(err)
			}
		}
		close(migrated)
		time.Sleep(200 * time.Millisecond)
		close(stop)
		group.Wait()
		if issued[false] == 0 || issued[true] == 0 {
			t.Errorf("before and after: %v", issued)
		}
		later.beside(t, old)
		if err := old.DB.CheckSchema(ctx); !errors.Is(err, database.ErrNewerSchema) {
			t.Errorf("got %v", err)
		}
	})
}

// expand runs a migration, again if the database was busy.
func (w *world) expand(ctx context.Context, migration string) (err error) {
	for range 10 {
		err = w.DB.Write(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, migration)
			return err
		})
		if !errors.Is(err, database.ErrUnavailable) {
			return err
		}
	}
	return err
}

// cycle does everything there is: evidence, a grant, credentials on an
// attestation, a revocation, a check.
func (w *world) cycle(ctx context.Context, name string) error {
	g := records.Grant{
		ID: name, EvidenceKind: "jpki-signature", Evidence: evidence(name),
		Expires: start.Add(time.Hour), Limits: map[string]int{config: 2},
	}
	if err := w.StartGrant(ctx, tenant, g); err != nil {
		return err
	}
	a := allocation(name, 2)
	a.Attestations = []records.Attestation{{
		Pseudonym: name, Reason: "r", SealedIndex: []byte("sealed"),
		List: records.AttestationList{ID: "list", SealedURI: []byte("sealed"), NextCheck: start.Add(time.Hour)},
	}}
	issued, err := w.AllocateCredentials(ctx, tenant, a)
	if err != nil {
		return err
	}
	if changed, err := w.RevokeCredential(ctx, tenant, issued[0].ID, "r"); err != nil || !changed {
		return fmt.Errorf("revoked %v, %w", changed, err)
	}
	if err := w.MarkChecked(ctx, tenant, name, start.Add(2*time.Hour)); err != nil {
		return err
	}
	if n, err := w.RevokeByEvidence(ctx, tenant, name, "r"); err != nil || n != 1 {
		return fmt.Errorf("revoked %d, %w", n, err)
	}
	if err := w.RevokeByAttestations(ctx, tenant, []string{name}); err != nil {
		return err
	}
	if n, err := w.Fall(ctx, tenant); err != nil || n != 0 {
		return fmt.Errorf("fell %d, %w", n, err)
	}
	return w.MarkListChecked(ctx, tenant, "list", start.Add(2*time.Hour))
}

// beside writes rows as the later release does, and looks at them through both.
func (w *world) beside(t *testing.T, old *world) {
	t.Helper()
	ctx := t.Context()
	w.grant(t, tenant, "later", "later", 2)
	c := w.allocate(t, tenant, "later", 1)[0]
	err := w.DB.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE issued_credentials SET added_null = 'x', added_default = 8 WHERE tenant = $1 AND id = $2`, tenant, c.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if old.invalid(t, tenant, c) {
		t.Error("invalid from the start")
	}
	if changed, err := old.RevokeCredential(ctx, tenant, c.ID, "r"); err != nil || !changed {
		t.Errorf("revoked %v, %v", changed, err)
	}
	if !w.invalid(t, tenant, c) {
		t.Error("the revocation is not seen")
	}
	old.allocate(t, tenant, "later", 1)
	if _, err := w.AllocateCredentials(ctx, tenant, allocation("later", 1)); !errors.Is(err, records.ErrGrantExhausted) {
		t.Errorf("got %v", err)
	}
	err = w.DB.Read(ctx, func(tx *sql.Tx) error {
		_, err := w.Audit.Verify(ctx, tx, tenant)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
