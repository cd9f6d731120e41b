package issuer

import (
	"context"
	"database/sql"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// statusOf answers the same for every certificate.
type statusOf struct {
	status trust.CertStatus
	err    error
}

func (s *statusOf) Status(context.Context, trust.CertRef) (trust.CertStatus, error) {
	return s.status, s.err
}

// refresher is an issuer with the grant of a person whose certificate ends in
// three days.
type refresher struct {
	*importer
	grants grantRecords
	proof  *evidence.Evidence
	status *statusOf
	token  string
}

func newRefresher(t *testing.T, db *database.DB) *refresher {
	t.Helper()
	ca := importCA(t).Certificate
	r := &refresher{importer: newImporter(t, db, ca), status: &statusOf{}}
	r.cfg.RefreshPeriod, r.cfg.CredentialsPerGrant = 12*time.Hour, 1
	var err error
	if r.refreshTokens, err = newTickets(importSecret, "t", "refresh token", "test"); err != nil {
		t.Fatal(err)
	}
	r.cfg.Revocations, r.grants = r.status, grantRecords{r.Issuer}
	serial := big.NewInt(7)
	handle := jpki.Handle{IssuerKeyID: ca.SubjectKeyId, Partition: "CN=p", Serial: serial.Bytes()}
	pseudonym, err := jpki.Pseudonym(r.pseudonymKey, handle.IssuerKeyID, serial)
	if err != nil {
		t.Fatal(err)
	}
	r.proof = &evidence.Evidence{Kind: evidence.KindJPKISignature, Certificate: &evidence.Certificate{
		Pseudonym: pseudonym, Handle: handle, Ends: r.now.Add(72 * time.Hour),
	}}
	r.token = r.start(t, "g", "claims of g")
	return r
}

func (r *refresher) start(t *testing.T, id, claims string) (token string) {
	t.Helper()
	token, err := r.grants.Start(t.Context(), oauth.Grant{
		ID: id, Configurations: []string{"c"}, Evidence: r.proof, Expires: r.now.Add(90 * 24 * time.Hour), Claims: []byte(claims),
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (r *refresher) refresh(ctx context.Context) error {
	id, claims, err := r.grants.Claims(ctx, r.token)
	if err != nil {
		return err
	}
	if id != "g" || string(claims) != "claims of g" {
		return errors.New("other claims")
	}
	_, err = r.grants.Refresh(ctx, id, r.proof)
	return err
}

// TestRefreshAsksFirst refreshes on certificates of every state.
func TestRefreshAsksFirst(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		r := newRefresher(t, db)
		if err := r.refresh(t.Context()); err != nil {
			t.Fatalf("honest twin: %v", err)
		}
		r.status.err = errors.New("the responder is away")
		if err := r.refresh(t.Context()); !errors.Is(err, evidence.ErrUnavailable) || errors.Is(err, oauth.ErrGrantRefused) {
			t.Errorf("unknown: %v", err)
		}
		r.status.err = nil
		r.now = r.now.Add(72*time.Hour - time.Second)
		if err := r.refresh(t.Context()); err != nil {
			t.Errorf("just before the certificate ends: %v", err)
		}
		r.now = r.now.Add(time.Second)
		for range 2 { // the second time nothing is left to open
			if err := r.refresh(t.Context()); !errors.Is(err, oauth.ErrGrantRefused) {
				t.Errorf("when the certificate ends: %v", err)
			}
		}
		if n := r.count(t, "SELECT COUNT(*) FROM grants WHERE refresh_mac <> '' OR LENGTH(sealed_claims) > 0"); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

func TestRefreshOnRevoked(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		r := newRefresher(t, db)
		r.status.status = trust.CertStatus{Revoked: true}
		if err := r.refresh(t.Context()); !errors.Is(err, oauth.ErrGrantRefused) {
			t.Errorf("got %v", err)
		}
		if n := r.count(t, "SELECT COUNT(*) FROM evidence WHERE revoked_at <> 0"); n != 1 {
			t.Error("the cascade did not run")
		}
		r.status.status.Revoked = false // nothing comes back
		if err := r.refresh(t.Context()); !errors.Is(err, oauth.ErrGrantRefused) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestNegSealedClaims puts what is sealed where it does not belong.
func TestNegSealedClaims(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		r := newRefresher(t, db)
		other := r.start(t, "h", "claims of h")
		if _, claims, err := r.grants.Claims(t.Context(), other); err != nil || string(claims) != "claims of h" {
			t.Fatalf("honest twin: %q %v", claims, err)
		}
		move := func(statement string) {
			t.Helper()
			if err := db.Write(t.Context(), func(tx *sql.Tx) error { _, err := tx.ExecContext(t.Context(), statement); return err }); err != nil {
				t.Fatal(err)
			}
		}
		// Somebody who writes to the database makes a row of their own that the
		// token of another grant finds.
		move(`UPDATE grants SET sealed_claims = (SELECT sealed_claims FROM grants WHERE id = 'g'),
			refresh_mac = (SELECT refresh_mac FROM grants WHERE id = 'g') WHERE id = 'h'`)
		move(`UPDATE grants SET sealed_claims = '', refresh_mac = '' WHERE id = 'g'`)
		if _, _, err := r.grants.Claims(t.Context(), r.token); !errors.Is(err, oauth.ErrGrantRefused) {
			t.Errorf("in another grant: %v", err)
		}
	})
}
