package sandbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/app/check"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/app/sandbox"
)

// TestSuccession has keys follow one another, early enough and too late for what
// the first ones sign to live as long as it may.
func TestSuccession(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tc := range map[string]struct {
		left  time.Duration // of the present key, when the next begins
		warns int
	}{
		"honest twin: max_validity and an hour": {31*24*time.Hour + time.Hour, 0},
		"an hour less than max_validity":        {31*24*time.Hour - time.Hour, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box, err := sandbox.New(t.TempDir(), sandbox.Options{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(box.ConfigFile)
			if err != nil {
				t.Fatal(err)
			}
			chain, err := config.LoadCertificates("keys.sd_jwt", cfg.Issuer.Keys.SDJWT[0].Chain)
			if err != nil {
				t.Fatal(err)
			}
			if err := box.Succeed(chain[0].NotAfter.Add(-tc.left)); err != nil {
				t.Fatal(err)
			}
			r := check.Run(t.Context(), box.ConfigFile, check.Options{Now: func() time.Time { return now }})
			warned := 0
			for _, f := range r.Findings {
				if f.Level == report.Warning && strings.Contains(f.What, "less than max_validity") {
					warned++
					if !strings.HasPrefix(f.Where, "issuer.keys.") || f.Fix == "" {
						t.Errorf("%+v", f)
					}
				}
			}
			if warned != tc.warns {
				t.Errorf("%d warnings, want %d: %+v", warned, tc.warns, r.Findings)
			}
		})
	}
}
