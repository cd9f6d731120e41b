package records_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/issuer/records"
)

func TestRevokeByEvidence(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "g1", "p", 5)
		w.grant(t, tenant, "g2", "p", 5)
		w.grant(t, tenant, "g3", "other", 5)
		w.grant(t, tenant, "g4", "", 5)
		w.grant(t, "shibuya", "g1", "p", 5)
		fall := append(w.allocate(t, tenant, "g1", 3), w.allocate(t, tenant, "g2", 2)...)
		stand := append(w.allocate(t, tenant, "g3", 2), w.allocate(t, tenant, "g4", 2)...)
		theirs := w.allocate(t, "shibuya", "g1", 1)[0]
		var told []string
		w.Revoked = func(tenant, cause string, n int) { told = append(told, fmt.Sprint(tenant, " ", cause, " ", n)) }
		for _, want := range []int{5, 0} {
			if n, err := w.RevokeByEvidence(t.Context(), tenant, "p", "affiliationChanged"); n != want || err != nil {
				t.Errorf("revoked %d, %v, want %d", n, err, want)
			}
		}
		if want := []string{tenant + " evidence 5"}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
		for _, c := range fall {
			if !w.invalid(t, tenant, c) {
				t.Errorf("%v stands", c)
			}
		}
		for _, c := range stand {
			if w.invalid(t, tenant, c) {
				t.Errorf("%v fell", c)
			}
		}
		if w.invalid(t, "shibuya", theirs) {
			t.Error("fell in another tenant")
		}
		if n, err := w.RevokeByEvidence(t.Context(), tenant, "unknown", "r"); n != 0 || err != nil {
			t.Errorf("unknown: %d, %v", n, err)
		}
		if _, err := w.RevokeByEvidence(t.Context(), tenant, "", "r"); err == nil {
			t.Error("revoked all that rests on no evidence")
		}
		err := w.DB.Read(t.Context(), func(tx *sql.Tx) error {
			head, err := w.Audit.Verify(t.Context(), tx, tenant)
			if head.Sequence != 5 {
				t.Errorf("%d events", head.Sequence)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestCascadePolicy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "g", "p", 5)
		falls := w.allocate(t, tenant, "g", 1)[0]
		a := allocation("g", 1)
		a.Type = "short-lived"
		stands, err := w.AllocateCredentials(t.Context(), tenant, a)
		if err != nil {
			t.Fatal(err)
		}
		w.Cascade = func(credentialType, reason string) bool { return credentialType == vct && reason == "r" }
		if n, err := w.RevokeByEvidence(t.Context(), tenant, "p", "r"); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if !w.invalid(t, tenant, falls) || w.invalid(t, tenant, stands[0]) {
			t.Error("the policy was not kept")
		}
	})
}

func TestRevokeCredential(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "g", "p", 2)
		issued := w.allocate(t, tenant, "g", 2)
		for _, want := range []bool{true, false} {
			if changed, err := w.RevokeCredential(t.Context(), tenant, issued[0].ID, "r"); changed != want || err != nil {
				t.Errorf("%v, %v, want %v", changed, err, want)
			}
		}
		if !w.invalid(t, tenant, issued[0]) || w.invalid(t, tenant, issued[1]) {
			t.Error("the wrong one fell")
		}
		for _, other := range []string{tenant + "2", ""} {
			if _, err := w.RevokeCredential(t.Context(), other, issued[1].ID, "r"); !errors.Is(err, records.ErrCredentialUnknown) {
				t.Errorf("another tenant: %v", err)
			}
		}
	})
}

func TestRevokeGrantTakesTheWholeLine(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "root", "p", 1)
		w.grant(t, tenant, "other", "p", 1)
		first := w.allocate(t, tenant, "root", 1)[0]
		w.advance(period)
		child := w.refresh(t, "root")
		second := w.allocate(t, tenant, child, 1)[0]
		other := w.allocate(t, tenant, "other", 1)[0]
		for _, want := range []int{2, 0} {
			if n, err := w.RevokeGrant(t.Context(), tenant, "root", "code reuse"); n != want || err != nil {
				t.Errorf("%d, %v, want %d", n, err, want)
			}
		}
		if !w.invalid(t, tenant, first) || !w.invalid(t, tenant, second) || w.invalid(t, tenant, other) {
			t.Error("the wrong ones fell")
		}
		if _, err := w.RefreshGrant(t.Context(), tenant, "root", period); !errors.Is(err, records.ErrGrantRevoked) {
			t.Errorf("refreshed: %v", err)
		}
		if _, err := w.AllocateCredentials(t.Context(), tenant, allocation(child, 1)); !errors.Is(err, records.ErrGrantRevoked) {
			t.Errorf("issued: %v", err)
		}
	})
}

// Issuing races with revocation: what was issued before falls, and nothing is
// issued after.
func TestRevocationRacesWithIssuing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "g", "p", 1000)
		var mu sync.Mutex
		var issued []records.Issued
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				c, err := w.AllocateCredentials(context.Background(), tenant, allocation("g", 2))
				if err != nil && !errors.Is(err, records.ErrEvidenceRevoked) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				issued = append(issued, c...)
			})
		}
		var revoked int
		wg.Go(func() {
			var err error
			if revoked, err = w.RevokeByEvidence(context.Background(), tenant, "p", "r"); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if revoked != len(issued) {
			t.Errorf("issued %d, revoked %d", len(issued), revoked)
		}
	})
}

func due(t *testing.T, w *world, limit int) (pseudonyms []string) {
	t.Helper()
	list, err := w.EvidenceToCheck(t.Context(), tenant, limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if string(e.SealedHandle) != "sealed" || e.IssuerKeyID != "ca1" || e.Kind != "jpki-signature" {
			t.Errorf("got %+v", e)
		}
		pseudonyms = append(pseudonyms, e.Pseudonym)
	}
	return pseudonyms
}

func TestRecheck(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "g1", "p1", 1)
		w.grant(t, tenant, "g2", "p2", 1)
		w.grant(t, tenant, "g3", "p3", 1)
		w.grant(t, "shibuya", "g1", "p9", 1)
		if got := due(t, w, 10); got != nil {
			t.Errorf("due at once: %v", got)
		}
		begin := w.Now().Truncate(time.Second)
		if oldest, err := w.OldestCheck(t.Context(), tenant); err != nil || !oldest.Equal(begin) {
			t.Errorf("checked last at %v, %v, want %v", oldest, err, begin)
		}
		if oldest, err := w.OldestCheck(t.Context(), "nobody"); err != nil || !oldest.IsZero() {
			t.Errorf("nothing checked last at %v, %v", oldest, err)
		}
		w.allocate(t, tenant, "g1", 1)
		w.advance(time.Hour)
		if got := due(t, w, 10); !slices.Equal(got, []string{"p1", "p2", "p3"}) {
			t.Errorf("got %v", got)
		}
		if got := due(t, w, 2); !slices.Equal(got, []string{"p1", "p2"}) {
			t.Errorf("got %v", got)
		}
		if err := w.MarkChecked(t.Context(), tenant, "p2", w.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.RevokeByEvidence(t.Context(), tenant, "p3", "r"); err != nil {
			t.Fatal(err)
		}
		if got := due(t, w, 10); !slices.Equal(got, []string{"p1"}) {
			t.Errorf("got %v", got)
		}
		for pseudonym, want := range map[string]error{"p3": records.ErrEvidenceRevoked, "p9": records.ErrEvidenceUnknown} {
			if err := w.MarkChecked(t.Context(), tenant, pseudonym, w.Now()); !errors.Is(err, want) {
				t.Errorf("%s: %v", pseudonym, err)
			}
		}
		w.advance(24 * time.Hour) // the grants have ended; one credential has not
		if got := due(t, w, 10); !slices.Equal(got, []string{"p1"}) {
			t.Errorf("got %v", got)
		}
		for _, want := range []int{2, 0} {
			if n, err := w.ForgetEvidence(t.Context(), tenant); n != want || err != nil {
				t.Errorf("forgot %d, %v, want %d", n, err, want)
			}
		}
		w.advance(14 * 24 * time.Hour)
		if n, err := w.ForgetEvidence(t.Context(), tenant); n != 1 || err != nil {
			t.Errorf("forgot %d, %v", n, err)
		}
		var left int
		err := w.DB.Read(t.Context(), func(tx *sql.Tx) error {
			return tx.QueryRow(`SELECT (SELECT COUNT(*) FROM grants WHERE tenant = $1 AND evidence_pseudonym <> '')
				+ (SELECT COUNT(*) FROM issued_credentials WHERE tenant = $1 AND evidence_pseudonym <> '')`, tenant).Scan(&left)
		})
		if left != 0 || err != nil {
			t.Errorf("%d pseudonyms are left, %v", left, err)
		}
	})
}
