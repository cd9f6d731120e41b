package records_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tegata-id/tegata/issuer/records"
)

func (w *world) postpone(t *testing.T, grant, id string, n int) error {
	t.Helper()
	return w.Defer(t.Context(), tenant, records.Deferred{
		ID: id, GrantID: grant, ConfigID: config, Count: n, State: records.DeferredPending, Sealed: []byte("sealed " + id),
	})
}

// TestDeferred goes from pending to approved to issued, and never back.
func TestDeferred(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "g", "p", 3)
		if err := w.postpone(t, "g", "d", 2); err != nil {
			t.Fatal(err)
		}
		waiting := allocation("g", 2)
		waiting.Deferred = "d"
		if _, err := w.AllocateCredentials(t.Context(), tenant, waiting); !errors.Is(err, records.ErrDeferredUnknown) {
			t.Errorf("issued without approval: %v", err)
		}
		list, err := w.PendingDeferred(t.Context(), tenant, 10)
		if err != nil || len(list) != 1 || list[0].ID != "d" || list[0].Count != 2 || list[0].EvidenceKind != "jpki-signature" || !list[0].CreatedAt.Equal(start) {
			t.Fatalf("pending %+v, %v", list, err)
		}
		if list, err := w.PendingDeferred(t.Context(), "shibuya", 10); err != nil || len(list) != 0 {
			t.Errorf("at another tenant %+v, %v", list, err)
		}
		if err := w.DecideDeferred(t.Context(), "shibuya", "d", true); !errors.Is(err, records.ErrDeferredUnknown) {
			t.Errorf("approved by another tenant: %v", err)
		}
		for range 2 {
			if err := w.DecideDeferred(t.Context(), tenant, "d", true); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.DecideDeferred(t.Context(), tenant, "d", false); !errors.Is(err, records.ErrDeferredDecided) {
			t.Errorf("denied after approval: %v", err)
		}
		d, err := w.FindDeferred(t.Context(), tenant, "g", "d")
		if err != nil || d.State != records.DeferredApproved || string(d.Sealed) != "sealed d" || d.ConfigID != config {
			t.Fatalf("found %+v, %v", d, err)
		}
		if _, err := w.AllocateCredentials(t.Context(), tenant, waiting); err != nil {
			t.Fatal(err)
		}
		if _, err := w.AllocateCredentials(t.Context(), tenant, waiting); err == nil {
			t.Error("issued twice")
		}
		if _, err := w.FindDeferred(t.Context(), tenant, "g", "d"); !errors.Is(err, records.ErrDeferredUnknown) {
			t.Errorf("found after issuance: %v", err)
		}
		if issued := w.allocate(t, tenant, "g", 1); len(issued) != 1 {
			t.Errorf("the one that failed was counted: %v", issued)
		}
	})
}

// TestNegDeferred has what a grant does not yield, and what has ended.
func TestNegDeferred(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.grant(t, tenant, "g", "p", 3)
		w.grant(t, tenant, "other", "q", 3)
		for n := range 3 {
			if err := w.postpone(t, "g", fmt.Sprint(n), 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.postpone(t, "g", "more", 1); !errors.Is(err, records.ErrGrantExhausted) {
			t.Errorf("more than the grant yields: %v", err)
		}
		if err := w.postpone(t, "unknown", "d", 1); !errors.Is(err, records.ErrGrantUnknown) {
			t.Errorf("of no grant: %v", err)
		}
		if _, err := w.FindDeferred(t.Context(), tenant, "other", "0"); !errors.Is(err, records.ErrDeferredUnknown) {
			t.Errorf("of another grant: %v", err)
		}
		if err := w.DecideDeferred(t.Context(), tenant, "0", false); err != nil {
			t.Fatal(err)
		}
		if d, err := w.FindDeferred(t.Context(), tenant, "g", "0"); err != nil || d.State != records.DeferredDenied || len(d.Sealed) != 0 {
			t.Errorf("denied: %+v, %v", d, err)
		}
		// What rests on the certificate has ended.
		if _, err := w.RevokeByEvidence(t.Context(), tenant, "p", "superseded"); err != nil {
			t.Fatal(err)
		}
		if list, err := w.PendingDeferred(t.Context(), tenant, 10); err != nil || len(list) != 0 {
			t.Errorf("pending after revocation: %+v, %v", list, err)
		}
		if err := w.DecideDeferred(t.Context(), tenant, "1", true); err != nil {
			t.Fatal(err)
		}
		a := allocation("g", 1)
		a.Deferred = "1"
		if _, err := w.AllocateCredentials(t.Context(), tenant, a); !errors.Is(err, records.ErrEvidenceRevoked) {
			t.Errorf("issued after revocation: %v", err)
		}
		w.advance(25 * time.Hour)
		if n, err := w.ForgetDeferred(t.Context(), tenant); err != nil || n != 3 {
			t.Errorf("%d forgotten, %v", n, err)
		}
	})
}
