package e2e_test

import (
	"bytes"
	"crypto/x509"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/app/statusadmin"
	"github.com/tegata-id/tegata/internal/database"
)

// TestStatusVerify compares what a deployment publishes with its database: while
// a revocation waits for the end of its window, after that, and when somebody has
// changed a bit.
func TestStatusVerify(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{lists: time.Second, recheck: time.Second})
	verify := func() (*report.Report, string) {
		t.Helper()
		r := statusadmin.Verify(t.Context(), d.box.ConfigFile, statusadmin.Options{Now: d.clock.Now, Roots: []*x509.Certificate{d.box.TLSRoot}})
		var out bytes.Buffer
		if err := r.Print(&out); err != nil {
			t.Fatal(err)
		}
		return r, out.String()
	}
	expect := func(parts ...string) {
		t.Helper()
		r, text := verify()
		if r.ExitCode() != 0 {
			t.Errorf("exit code %d:\n%s", r.ExitCode(), text)
		}
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%q is missing:\n%s", part, text)
			}
		}
	}
	expect("0 status lists")
	gone := newCard(t, "hanako")
	d.receive(t, gone)
	d.receive(t, cardOf(t, "taro"))
	expect("2 status lists", "(application/statuslist+jwt)", "(application/statuslist+cwt)", "0 INVALID", "1024 decoys")
	if err := nation(t).Revoke(gone.SignatureCertificate(), 3); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0") == 0 {
		if time.Now().After(deadline) {
			t.Fatal("nothing was revoked")
		}
		time.Sleep(100 * time.Millisecond)
	}
	expect("INVALID")
	d.clock.advance(5 * time.Minute)
	expect("0 of these not due yet")

	options, err := d.cfg.Database.Options()
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE status_entries SET invalid_at = 0
			WHERE idx = (SELECT MIN(idx) FROM status_entries WHERE invalid_at > 0)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r, text := verify()
	if r.ExitCode() != 1 || !strings.Contains(text, "is VALID in the database, and INVALID in the token") || !strings.Contains(text, "1 credentials have another status") {
		t.Errorf("exit code %d:\n%s", r.ExitCode(), text)
	}
}
