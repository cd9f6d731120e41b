package audit_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
)

var at = time.Unix(1_800_000_000, 0)

// each runs a test on every database.
func each(t *testing.T, test func(t *testing.T, db *database.DB, log *audit.Log)) {
	t.Helper()
	log, err := audit.New("o", bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	databasetest.Each(t, func(t *testing.T, db *database.DB) { test(t, db, log) })
}

func appendEvent(db *database.DB, log *audit.Log, tenant string, e audit.Event) error {
	return db.Write(context.Background(), func(tx *sql.Tx) error {
		return log.Append(context.Background(), tx, tenant, at, e)
	})
}

func verify(db *database.DB, log *audit.Log, tenant string) (head audit.Head, err error) {
	err = db.Read(context.Background(), func(tx *sql.Tx) (err error) {
		head, err = log.Verify(context.Background(), tx, tenant)
		return err
	})
	return head, err
}

var event = audit.Event{Kind: "credential.revoked", Actor: "job:recheck", Object: "ABC123", Outcome: "ok"}

func TestTrail(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB, log *audit.Log) {
		if head, err := verify(db, log, "t"); err != nil || head.Sequence != 0 {
			t.Errorf("empty: %v, %v", head, err)
		}
		var wg sync.WaitGroup
		for range 20 {
			for _, tenant := range []string{"t", "u"} {
				wg.Go(func() {
					if err := appendEvent(db, log, tenant, event); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		for _, tenant := range []string{"t", "u"} {
			if head, err := verify(db, log, tenant); err != nil || head.Sequence != 20 || len(head.MAC) != 32 {
				t.Errorf("%s: %v, %v", tenant, head, err)
			}
		}
	})
}

func TestTampering(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"changed":          `UPDATE audit_events SET outcome = 'failed' WHERE tenant = 'o/t' AND sequence = 2`,
		"time changed":     `UPDATE audit_events SET happened_at = 1 WHERE tenant = 'o/t' AND sequence = 2`,
		"removed":          `DELETE FROM audit_events WHERE tenant = 'o/t' AND sequence = 2`,
		"last removed":     `DELETE FROM audit_events WHERE tenant = 'o/t' AND sequence = 3`,
		"all removed":      `DELETE FROM audit_events WHERE tenant = 'o/t'`,
		"head removed":     `DELETE FROM audit_heads WHERE tenant = 'o/t'`,
		"swapped":          `UPDATE audit_events SET sequence = CASE sequence WHEN 1 THEN -2 ELSE -1 END WHERE tenant = 'o/t' AND sequence < 3; UPDATE audit_events SET sequence = -sequence WHERE sequence < 0`,
		"of other tenant":  `UPDATE audit_events SET tenant = 'o/x' WHERE tenant = 'o/t'; UPDATE audit_events SET tenant = 'o/t' WHERE tenant = 'o/u'`,
		"nothing (honest)": `UPDATE audit_events SET outcome = outcome`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, db *database.DB, log *audit.Log) {
				for range 3 {
					for _, tenant := range []string{"t", "u"} {
						if err := appendEvent(db, log, tenant, event); err != nil {
							t.Fatal(err)
						}
					}
				}
				if err := db.Write(t.Context(), func(tx *sql.Tx) error {
					_, err := tx.ExecContext(t.Context(), statement)
					return err
				}); err != nil {
					t.Fatal(err)
				}
				_, err := verify(db, log, "t")
				if want := name != "nothing (honest)"; errors.Is(err, audit.ErrBroken) != want || !want && err != nil {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestOtherKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB, log *audit.Log) {
		if err := appendEvent(db, log, "t", event); err != nil {
			t.Fatal(err)
		}
		other, err := audit.New("o", bytes.Repeat([]byte{2}, 32))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify(db, other, "t"); !errors.Is(err, audit.ErrBroken) {
			t.Errorf("got %v", err)
		}
		if _, err := audit.New("o", make([]byte, 31)); err == nil {
			t.Error("took a short key")
		}
	})
}

func TestNoFreeText(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB, log *audit.Log) {
		for _, e := range []audit.Event{
			{},
			{Kind: "k", Object: "山田太郎"},
			{Kind: "k", Object: "Taro Yamada"},
			{Kind: "k", Object: strings.Repeat("x", 201)},
			{Kind: "k", Actor: "a\nb"},
		} {
			if err := appendEvent(db, log, "t", e); err == nil || strings.Contains(err.Error(), "Yamada") {
				t.Errorf("%+v: %v", e, err)
			}
		}
		if head, err := verify(db, log, "t"); err != nil || head.Sequence != 0 {
			t.Errorf("%v, %v", head, err)
		}
	})
}
