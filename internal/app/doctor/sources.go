package doctor

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/internal/app/check"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/registers"
	"github.com/tegata-id/tegata/internal/app/report"
)

// checkSources asks the registers of all issuers what they know, which names no
// person.
func checkSources(ctx context.Context, r *report.Report, cfg *config.Config, o check.Options) {
	var keyring config.Keyring
	defer func() { _ = keyring.Close() }()
	for _, t := range cfg.Tenants() {
		if t.Issuer == nil {
			continue
		}
		wanted := map[string][]string{}
		configurations, err := t.Issuer.Configurations()
		if err != nil {
			continue // told already
		}
		for _, c := range configurations {
			for register, names := range c.Registers {
				wanted[register] = append(wanted[register], names...)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(t.Issuer.Sources)) {
			if s := t.Issuer.Sources[name]; s != nil && s.HTTP != nil {
				checkSource(ctx, r, t.Name()+".sources."+name+".http", s.HTTP, &keyring, wanted[name], o)
			}
		}
	}
}

func checkSource(ctx context.Context, r *report.Report, where string, c *config.HTTPSource, keyring *config.Keyring, wanted []string, o check.Options) {
	ring, err := keyring.LoadRing(where+".key", c.Key, o.Now())
	if err != nil {
		return // told already
	}
	register, err := registers.Open(c, registers.Options{Ring: ring, PseudonymKey: make([]byte, 32), Now: o.Now})
	if err != nil {
		return
	}
	known, err := register.Known(ctx)
	if err != nil {
		r.Fault(where, "see whether the register runs, admits the client certificate and has one of roots_file", "the register at %s can't be asked: %s", c.URL, short(err))
		return
	}
	r.OK(where, "the register answers, and TLS works on both sides")
	var missing []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(wanted))) {
		if !slices.Contains(known, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		r.Warn(where, "have the register say it, or leave the types out that need it", "the register does not know %s, which types of credentials take from it", strings.Join(missing, ", "))
	}
}
