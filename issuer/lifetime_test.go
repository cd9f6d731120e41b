package issuer

import (
	"errors"
	"testing"
	"time"
)

// TestValidUntil (I32) ends credentials on the grid, and before the certificates do.
func TestValidUntil(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const month = 31 * 24 * time.Hour
	far := at("2100-01-01T00:00:00Z")
	for _, tc := range []struct {
		name       string
		now, limit time.Time
		want       string
	}{
		{"mid week", at("2026-11-25T03:00:00Z"), far, "2026-12-20T15:00:00Z"},
		{"one second before the boundary", at("2026-11-22T14:59:59Z"), far, "2026-12-20T15:00:00Z"},
		{"boundary in 31 days exactly", at("2026-11-19T15:00:00Z"), far, "2026-12-20T15:00:00Z"},
		{"certificate ends earlier", at("2026-11-25T03:00:00Z"), at("2026-12-10T14:59:59Z"), "2026-12-06T15:00:00Z"},
		{"certificate ends on the boundary", at("2026-11-25T03:00:00Z"), at("2026-12-06T15:00:00Z"), "2026-12-06T15:00:00Z"},
		{"certificate ends a second before it", at("2026-11-25T03:00:00Z"), at("2026-12-06T14:59:59Z"), "2026-11-29T15:00:00Z"},
		{"certificate ends too soon", at("2026-11-25T03:00:00Z"), at("2026-11-28T14:59:59Z"), ""},
		{"boundary too near", at("2026-11-29T14:00:00Z"), at("2026-11-30T00:00:00Z"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := validUntil(tc.now, month, tc.limit)
			if tc.want == "" {
				if !errors.Is(err, errNoBoundary) {
					t.Fatalf("got %v, %v", got, err)
				}
				return
			}
			if err != nil || !got.Equal(at(tc.want)) {
				t.Fatalf("got %v, %v, want %s", got, err, tc.want)
			}
			if got.In(japan).Weekday() != time.Monday {
				t.Errorf("ends on a %v", got.In(japan).Weekday())
			}
		})
	}
}
