package e2e_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"database/sql"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/app/statusadmin"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/provider"
)

// deployWithAttestationStatus deploys a provider that publishes status lists.
func deployWithAttestationStatus(t *testing.T) *deployment {
	t.Helper()
	return deploy(t, deployOptions{prepare: func(box *sandbox.Sandbox) {
		if err := box.PublishAttestationStatus(); err != nil {
			t.Fatal(err)
		}
	}})
}

// statusCommand runs a command of tegata status and returns what it prints.
func (d *deployment) statusCommand(t *testing.T, run func(context.Context, string, statusadmin.Options) *report.Report) (*report.Report, string) {
	t.Helper()
	r := run(t.Context(), d.box.ConfigFile, statusadmin.Options{Now: d.clock.Now, Roots: []*x509.Certificate{d.box.TLSRoot}})
	var out bytes.Buffer
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	return r, out.String()
}

// open opens the database of the deployment beside the process.
func (d *deployment) open(t *testing.T) *database.DB {
	t.Helper()
	options, err := d.cfg.Database.Options()
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// ask has a wallet take a credential.
func (d *deployment) ask(t *testing.T, w *holder.Wallet) error {
	t.Helper()
	_, err := w.AcceptOffer(t.Context(), d.offer(t, "identity_sd_jwt"), citizen{t, d, newCard(t, "hanako")})
	return err
}

// TestNegRevokedInstance revokes a wallet instance: the issuer, which reads the
// provider's status lists, refuses the attestation that the wallet still has
// (I19), and no other.
func TestNegRevokedInstance(t *testing.T) {
	t.Parallel()
	d := deployWithAttestationStatus(t)
	gone := d.newWallet(t)
	if err := d.ask(t, gone); err != nil {
		t.Fatal(err)
	}
	instance := d.instances(t)[0]
	other := d.newWallet(t)
	if err := d.ask(t, other); err != nil {
		t.Fatal(err)
	}
	if r, text := d.statusCommand(t, statusadmin.Verify); r.ExitCode() != 0 ||
		!strings.Contains(text, d.box.Provider+provider.PathStatusLists) || !strings.Contains(text, "every attestation has the status of its entry") {
		t.Errorf("exit code %d:\n%s", r.ExitCode(), text)
	}
	d.administer(t, provider.PathAdminInstances+"/"+instance+provider.PathRevoke, nil).want(t, http.StatusNoContent, "")
	d.clock.advance(5 * time.Minute)
	if err := d.ask(t, gone); err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("the revoked instance: %v", err)
	}
	if err := d.ask(t, other); err != nil {
		t.Errorf("another instance: %v", err)
	}
	if r, text := d.statusCommand(t, statusadmin.Verify); r.ExitCode() != 0 || !strings.Contains(text, "1 INVALID") {
		t.Errorf("exit code %d:\n%s", r.ExitCode(), text)
	}
	d.change(t, `UPDATE status_entries SET invalid_at = 0 WHERE invalid_at > 0`)
	if r, text := d.statusCommand(t, statusadmin.Verify); r.ExitCode() != 1 || !strings.Contains(text, "1 attestations have another status") {
		t.Errorf("exit code %d:\n%s", r.ExitCode(), text)
	}
}

// change changes the database behind the back of the process.
func (d *deployment) change(t *testing.T, statement string) {
	t.Helper()
	err := d.open(t).Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), statement)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStatusPublish publishes all lists at once beside the process, which serves
// the new tokens: within the window, and signed by the key that the
// configuration names now.
func TestStatusPublish(t *testing.T) {
	t.Parallel()
	d := deployWithAttestationStatus(t)
	if err := d.ask(t, d.newWallet(t)); err != nil {
		t.Fatal(err)
	}
	tokens := func() map[string]string {
		got := map[string]string{}
		for _, list := range d.lists(t) {
			got[list] = string(d.send(t, http.MethodGet, list, nil, nil).body)
		}
		return got
	}
	before := tokens()
	if len(before) != 2 {
		t.Fatalf("%d lists", len(before))
	}
	if err := d.box.ReplaceStatusKeys(); err != nil {
		t.Fatal(err)
	}
	r, text := d.statusCommand(t, statusadmin.Publish)
	if r.ExitCode() != 0 || strings.Count(text, "published, valid until") != 2 {
		t.Errorf("exit code %d:\n%s", r.ExitCode(), text)
	}
	for list, token := range tokens() {
		if token == before[list] {
			t.Errorf("%s is as it was", list)
		}
	}
	// The keys of the configuration verify what the process serves.
	if r, text := d.statusCommand(t, statusadmin.Verify); r.ExitCode() != 0 {
		t.Errorf("exit code %d:\n%s", r.ExitCode(), text)
	}
}

// lists returns the addresses of all status lists.
func (d *deployment) lists(t *testing.T) (uris []string) {
	t.Helper()
	err := d.open(t).Read(t.Context(), func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(t.Context(), `SELECT owner, id FROM status_lists ORDER BY created_at, id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var owner, id string
			if err := rows.Scan(&owner, &id); err != nil {
				return err
			}
			base := d.box.Issuer
			if owner == provider.StatusListOwner {
				base = d.box.Provider
			}
			uris = append(uris, base+"/status-lists/"+id)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return uris
}

// TestStatusRetire restores a backup: what is issued next is on new lists, so that
// no index is handed out twice, and the old lists stay published.
func TestStatusRetire(t *testing.T) {
	t.Parallel()
	d := deployWithAttestationStatus(t)
	w := d.newWallet(t)
	if err := d.ask(t, w); err != nil {
		t.Fatal(err)
	}
	before := d.lists(t)
	r, text := d.statusCommand(t, statusadmin.Retire)
	if r.ExitCode() != 0 || strings.Count(text, "1 status lists take no more entries") != 2 {
		t.Errorf("exit code %d:\n%s", r.ExitCode(), text)
	}
	if err := d.ask(t, d.newWallet(t)); err != nil {
		t.Fatal(err)
	}
	if after := d.lists(t); len(after) != 2*len(before) {
		t.Errorf("%q, and before %q", after, before)
	}
	if r, text := d.statusCommand(t, statusadmin.Verify); r.ExitCode() != 0 {
		t.Errorf("exit code %d:\n%s", r.ExitCode(), text)
	}
	// Once more changes nothing but the newest.
	if _, text := d.statusCommand(t, statusadmin.Retire); strings.Count(text, "1 status lists take no more entries") != 2 {
		t.Errorf("%s", text)
	}
}
