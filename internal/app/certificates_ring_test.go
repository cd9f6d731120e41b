package app

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// TestWatchRing holds that metric, warnings and readiness go by the time during
// which some key of a use may sign: a key that is retired alarms nobody, and a
// gap ahead does although a later key is there.
func TestWatchRing(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: start})
	if err != nil {
		t.Fatal(err)
	}
	issue := func(ends time.Duration) *keys.Key {
		key, err := ca.IssueStatusSigner(trusttest.LeafOptions{Lifetime: ends})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	old, next := issue(40*day), issue(200*day)
	for _, tc := range []struct {
		name         string
		from, at     time.Duration
		left         time.Duration
		warns, ready bool
	}{
		{"next follows in time", 35 * day, 15 * day, 185 * day, false, true},
		{"old one is retired", 35 * day, 60 * day, 140 * day, false, true},
		{"gap ahead", 50 * day, 15 * day, 25 * day, true, true},
		{"in the gap", 50 * day, 45 * day, -5 * day, true, false},
		{"after the gap", 50 * day, 50 * day, 150 * day, false, true},
		{"next ends soon", 35 * day, 180 * day, 20 * day, true, true},
		{"all have ended", 35 * day, 201 * day, -day, true, false},
	} {
		ring, err := keys.NewRing(keys.Entry{Key: old}, keys.Entry{Key: next, From: start.Add(tc.from)})
		if err != nil {
			t.Fatal(err)
		}
		c := newCertificates(func() time.Time { return start.Add(tc.at) }, slog.New(slog.DiscardHandler))
		c.replace([]watchedCertificate{watchRing("issuer", "minato", "status", ring)})
		if got := testutil.ToFloat64(c); got != tc.left.Seconds() {
			t.Errorf("%s: %v left, want %v", tc.name, time.Duration(got*float64(time.Second)), tc.left)
		}
		if warnings := c.warnings(); (len(warnings) > 0) != tc.warns {
			t.Errorf("%s: warnings %v", tc.name, warnings)
		}
		if err := c.ready(t.Context()); (err == nil) != tc.ready {
			t.Errorf("%s: readiness %v", tc.name, err)
		}
	}
}
