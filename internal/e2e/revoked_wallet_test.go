package e2e_test

import (
	"crypto/ecdsa"
	"database/sql"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/provider"
)

// TestRevokedWalletFalls revokes wallet instances at their provider, by the user,
// by the operator and with a version of the wallet, and follows it to the relying
// party: what the issuer gave to them becomes INVALID, of the type whose rule says
// so, and what another instance has stands (EU-PP-12, EU-PP-22).
func TestRevokedWalletFalls(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); testRevokedWallet(t, nil) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); testRevokedWallet(t, databasetest.Shared(t)) })
}

func testRevokedWallet(t *testing.T, postgres *databasetest.Server) {
	d := deploy(t, deployOptions{
		postgres: postgres, recheck: time.Second, window: time.Second,
		prepare: func(box *sandbox.Sandbox) {
			if err := box.PublishAttestationStatus(); err != nil {
				t.Fatal(err)
			}
		},
		configure: func(d *deployment) {
			d.cfg.Issuer.Cascade = map[string]config.CascadeRule{issuer.IdentityDoctype: {Stand: []string{"wallet_revoked", "keys_revoked"}}}
		},
	})
	wallets := map[string]*holder.Wallet{}
	for _, name := range []string{"user", "operator", "version", "twin"} {
		known := d.instances(t)
		w := d.newWallet(t)
		w.Attester.(*holder.Provider).WalletVersion = "2.0"
		if name == "version" {
			w.Attester.(*holder.Provider).WalletVersion = "1.0"
		}
		if _, err := w.AcceptOffer(t.Context(), d.offer(t, "identity_sd_jwt", "identity_mdoc"), citizen{t, d, newCard(t, "hanako")}); err != nil {
			t.Fatal(err)
		}
		wallets[name] = w
		if name == "operator" {
			after := slices.DeleteFunc(d.instances(t), func(id string) bool { return slices.Contains(known, id) })
			d.administer(t, provider.PathAdminInstances+"/"+after[0]+provider.PathRevoke, nil).want(t, http.StatusNoContent, "")
		}
	}
	d.fallen(t, 2)
	for name, w := range wallets {
		if name != "operator" {
			d.judged(t, name, w, credentials.FormatSDJWTVC, true)
		}
	}
	if err := wallets["user"].Attester.(*holder.Provider).Revoke(t.Context(), d.box.Issuer); err != nil {
		t.Fatal(err)
	}
	d.administer(t, provider.PathAdminRevocations, []byte(`{"wallet_version":"1.0"}`)).want(t, http.StatusOK, "")
	d.fallen(t, 6)
	d.clock.advance(2 * time.Second) // the verifier relies on the list it has for a window
	for name, w := range wallets {
		d.judged(t, name, w, credentials.FormatSDJWTVC, name == "twin")
		d.judged(t, name, w, credentials.FormatMdoc, true) // its rule lets it stand
	}
	if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0 AND revoke_reason IN ('wallet_revoked', 'keys_revoked')"); n != 6 {
		t.Errorf("%d rows are revoked, want 6", n)
	}
	for name, w := range wallets {
		held, err := w.Vault.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The user's wallet has registered anew meanwhile, and has no part in what
		// the old instance got.
		if _, err := w.Renew(t.Context(), held[0].Batch); (err == nil) != (name == "twin") {
			t.Errorf("%s renews: %v", name, err)
		}
	}
}

// TestNegRevokedBetweenTokenAndCredential revokes an instance that has an access
// token already: it gets nothing for it.
func TestNegRevokedBetweenTokenAndCredential(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{window: time.Second, prepare: func(box *sandbox.Sandbox) {
		if err := box.PublishAttestationStatus(); err != nil {
			t.Fatal(err)
		}
	}})
	gone, provides := d.newAttestedClient(t)
	twin, _ := d.newAttestedClient(t)
	token, twins := gone.accessToken(t, newCard(t, "hanako")), twin.accessToken(t, cardOf(t, "taro"))
	if got := gone.credential(t, token, gone.credentialRequest(t, 1), nil).credentials(t); len(got) != 1 {
		t.Fatalf("%d credentials", len(got))
	}
	if err := provides.Revoke(t.Context(), d.box.Issuer); err != nil {
		t.Fatal(err)
	}
	d.clock.advance(3 * time.Second)
	gone.credential(t, token, gone.credentialRequest(t, 1), nil).want(t, http.StatusBadRequest, "credential_request_denied")
	if got := twin.credential(t, twins, twin.credentialRequest(t, 1), nil).credentials(t); len(got) != 1 {
		t.Errorf("%d credentials for another instance", len(got))
	}
	if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials"); n != 2 {
		t.Errorf("%d credentials were counted", n)
	}
}

// newAttestedClient is newClient with an attestation of the deployment's provider.
func (d *deployment) newAttestedClient(t *testing.T) (*oauthClient, *holder.Provider) {
	t.Helper()
	c, provides := d.newClient(t), d.newWallet(t).Attester.(*holder.Provider)
	attestation, key, err := provides.ClientAttestation(t.Context(), d.box.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	c.attestation, c.instance = attestation, key.(*ecdsa.PrivateKey)
	return c, provides
}

// fallen waits until so many credentials are INVALID, and published as such.
func (d *deployment) fallen(t *testing.T, want int) {
	t.Helper()
	const unpublished = `SELECT COUNT(*) FROM status_lists l LEFT JOIN status_publications p ON p.tenant = l.tenant AND p.list_id = l.id
		WHERE l.version > COALESCE(p.version, 0)`
	deadline := time.Now().Add(60 * time.Second)
	for d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0") < want || d.query(t, unpublished) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d credentials are INVALID, want %d; %d lists are not published",
				d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at > 0"), want, d.query(t, unpublished))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// judged presents, and says what the verifier must make of it.
func (d *deployment) judged(t *testing.T, name string, w *holder.Wallet, format credentials.Format, good bool) {
	t.Helper()
	r := d.present(t, w, queries[format])
	refused := r.State == verifier.StateRefused && r.Refusal != nil && r.Refusal.Reason == verifier.ReasonRevoked
	if good && r.State != verifier.StateVerified || !good && !refused {
		t.Errorf("%s, %s: %s %v", name, format, r.State, r.Refusal)
	}
}

// administer sends a request of the provider's operator.
func (d *deployment) administer(t *testing.T, path string, body []byte) *answer {
	t.Helper()
	token, err := os.ReadFile(d.cfg.Provider.AdminToken)
	if err != nil {
		t.Fatal(err)
	}
	return d.send(t, http.MethodPost, d.box.Provider+path, http.Header{
		"Authorization": {"Bearer " + strings.TrimSpace(string(token))}, "Content-Type": {"application/json"},
	}, body)
}

// instances returns the IDs of the wallet instances there are.
func (d *deployment) instances(t *testing.T) (ids []string) {
	t.Helper()
	err := d.open(t).Read(t.Context(), func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(t.Context(), `SELECT id FROM wallet_instances`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}
