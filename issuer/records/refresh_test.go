package records_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/issuer/records"
)

// period is how long what a refreshed grant yields has to last.
const period = 6 * time.Hour

// refreshable starts a grant with a refresh token, on evidence of the given name.
func (w *world) refreshable(t testing.TB, tenant, id, pseudonym string, limit int) {
	t.Helper()
	err := w.StartGrant(t.Context(), tenant, records.Grant{
		ID: id, EvidenceKind: "jpki-signature", Evidence: evidence(pseudonym), Expires: start.Add(24 * time.Hour),
		Limits: map[string]int{config: limit}, Refresh: &records.Refresh{MAC: "mac of " + id, Sealed: []byte("sealed in " + id)},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) refresh(t testing.TB, root string) string {
	t.Helper()
	id, err := w.RefreshGrant(context.Background(), tenant, root, period)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// sealed counts the grants in which something is sealed.
func (w *world) sealed(t testing.TB) (n int) {
	t.Helper()
	err := w.DB.Read(t.Context(), func(tx *sql.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM grants WHERE LENGTH(sealed_claims) > 0 OR refresh_mac <> ''`).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// However often a grant is refreshed and by how many at a time, each period
// yields what the consent did.
func TestARefreshedGrantYieldsAsMuchInEachPeriod(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		const limit = 5
		w.refreshable(t, tenant, "root", "p", limit)
		for n := range 3 {
			var issued atomic.Int64
			var group sync.WaitGroup
			for range 24 {
				group.Go(func() {
					id, err := w.RefreshGrant(context.Background(), tenant, "root", period)
					if err != nil {
						t.Error(err)
						return
					}
					c, err := w.AllocateCredentials(context.Background(), tenant, allocation(id, 1))
					if err != nil && !errors.Is(err, records.ErrGrantExhausted) {
						t.Error(err)
					}
					issued.Add(int64(len(c)))
				})
			}
			group.Wait()
			if issued.Load() != limit {
				t.Errorf("period %d yielded %d, want %d", n, issued.Load(), limit)
			}
			w.advance(period)
		}
		a := allocation(w.refresh(t, "root"), 1)
		a.ConfigID = "another"
		if _, err := w.AllocateCredentials(t.Context(), tenant, a); !errors.Is(err, records.ErrConfigNotGranted) {
			t.Errorf("what was not agreed to: %v", err)
		}
	})
}

func TestFindRefresh(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.refreshable(t, tenant, "g", "p", 1)
		w.grant(t, tenant, "plain", "p", 1)
		id, sealed, err := w.FindRefresh(t.Context(), tenant, "mac of g")
		if id != "g" || string(sealed) != "sealed in g" || err != nil {
			t.Errorf("%s %q %v", id, sealed, err)
		}
		for _, c := range []struct{ tenant, mac string }{{tenant, "x"}, {tenant, ""}, {"shibuya", "mac of g"}} {
			if _, _, err := w.FindRefresh(t.Context(), c.tenant, c.mac); !errors.Is(err, records.ErrGrantUnknown) {
				t.Errorf("%v: %v", c, err)
			}
		}
		if _, err := w.RefreshGrant(t.Context(), "shibuya", "g", period); !errors.Is(err, records.ErrGrantUnknown) {
			t.Errorf("another tenant: %v", err)
		}
	})
}

// What is sealed is gone as soon as its grant has ended, by whatever.
func TestSealedClaimsEndWithTheirGrant(t *testing.T) {
	t.Parallel()
	ends := map[string]func(w *world) error{
		"its refresh token is revoked": func(w *world) error { return w.EndGrant(context.Background(), tenant, "g") },
		"its code was used twice": func(w *world) error {
			_, err := w.RevokeGrant(context.Background(), tenant, "g", "code_reused")
			return err
		},
		"the certificate is revoked": func(w *world) error {
			_, err := w.RevokeByEvidence(context.Background(), tenant, "p", "r")
			return err
		},
		"it expires": func(w *world) error {
			w.advance(24 * time.Hour)
			if _, err := w.RefreshGrant(context.Background(), tenant, "g", period); !errors.Is(err, records.ErrGrantExpired) {
				return fmt.Errorf("expired, and then %w", err)
			}
			n, err := w.ForgetClaims(context.Background(), tenant)
			if n != 1 {
				return fmt.Errorf("forgot %d: %w", n, err)
			}
			return err
		},
	}
	each(t, func(t *testing.T, w *world) {
		for name, end := range ends {
			t.Run(name, func(t *testing.T) {
				w.now.Store(start.Unix())
				tidy(t, w)
				w.refreshable(t, tenant, "g", "p", 1)
				w.advance(period)
				first, other := w.allocate(t, tenant, w.refresh(t, "g"), 1)[0], w.sealed(t)
				if n, err := w.ForgetClaims(t.Context(), tenant); n != 0 || err != nil || other != 1 {
					t.Errorf("forgot %d of %d too early, %v", n, other, err)
				}
				if err := end(w); err != nil {
					t.Fatal(err)
				}
				if n := w.sealed(t); n != 0 {
					t.Errorf("%d are left", n)
				}
				if _, _, err := w.FindRefresh(t.Context(), tenant, "mac of g"); !errors.Is(err, records.ErrGrantUnknown) {
					t.Errorf("found: %v", err)
				}
				if _, err := w.AllocateCredentials(t.Context(), tenant, allocation("g", 1)); err == nil {
					t.Error("issued after the end")
				}
				// What was issued stays when the wallet gives its token up.
				if stands := name == "its refresh token is revoked" || name == "it expires"; w.invalid(t, tenant, first) == stands {
					t.Errorf("the credential stands: %v", !stands)
				}
			})
		}
	})
}

// tidy removes what an earlier case has left.
func tidy(t *testing.T, w *world) {
	t.Helper()
	err := w.DB.Write(t.Context(), func(tx *sql.Tx) error {
		for _, table := range []string{"issued_credentials", "grant_limits", "grants", "evidence"} {
			if _, err := tx.Exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A refresh races with the end of its grant: what it made before falls with it,
// and nothing comes after.
func TestRefreshRacesWithTheEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.refreshable(t, tenant, "root", "p", 1000)
		w.advance(period)
		var issued atomic.Int64
		var group sync.WaitGroup
		for range 40 {
			group.Go(func() {
				id, err := w.RefreshGrant(context.Background(), tenant, "root", period)
				if err == nil {
					var c []records.Issued
					c, err = w.AllocateCredentials(context.Background(), tenant, allocation(id, 2))
					issued.Add(int64(len(c)))
				}
				if err != nil && !errors.Is(err, records.ErrGrantRevoked) {
					t.Error(err)
				}
			})
		}
		var revoked int
		group.Go(func() {
			var err error
			if revoked, err = w.RevokeGrant(context.Background(), tenant, "root", "code_reused"); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		if int64(revoked) != issued.Load() {
			t.Errorf("issued %d, revoked %d", issued.Load(), revoked)
		}
	})
}
