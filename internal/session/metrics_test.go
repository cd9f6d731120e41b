package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

func TestMetered(t *testing.T) {
	t.Parallel()
	sessiontest.Run(t, func(_ *testing.T, now func() time.Time) session.Backend {
		return session.Metered(session.NewMemory(now, 0), prometheus.NewRegistry(), now)
	})
}

func TestMeteredOutcomes(t *testing.T) {
	t.Parallel()
	ctx, clock, registry := t.Context(), start(), prometheus.NewRegistry()
	m := session.Metered(session.NewMemory(clock.Now, 0), registry, clock.Now)
	expires := clock.Now().Add(time.Minute)
	for _, want := range []error{nil, session.ErrExists} {
		if err := m.Add(ctx, "key-of-somebody", nil, expires); !errors.Is(err, want) {
			t.Errorf("add: %v, want %v", err, want)
		}
	}
	if _, err := m.Take(ctx, "other"); !errors.Is(err, session.ErrNotFound) {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Get(ctx, "other"); !errors.Is(err, session.ErrUnavailable) {
		t.Error(err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d metrics, %v", len(families), err)
	}
	got := map[string]uint64{}
	for _, metric := range families[0].GetMetric() {
		labels := metric.GetLabel()
		got[labels[0].GetValue()+" "+labels[1].GetValue()] = metric.GetHistogram().GetSampleCount()
	}
	for _, want := range []string{"add ok", "add exists", "take not_found", "get unavailable"} {
		if got[want] != 1 {
			t.Errorf("%s: %d of %v", want, got[want], got)
		}
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
