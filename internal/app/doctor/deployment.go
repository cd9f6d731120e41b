package doctor

import (
	"context"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/check"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
)

// Deployment looks at what a configuration describes, while it runs: first at
// the configuration as package check does, then at its stores, then at each
// tenant from outside. If the target names one tenant of a role, the others of
// that role are left out; what else it says goes before the configuration.
// Without a path only the target is looked at.
func Deployment(ctx context.Context, path string, target Target, o check.Options) *report.Report {
	if o.Expiry == 0 {
		o.Expiry = check.DefaultExpiry
	}
	options := Options{Now: o.Now, Expiry: o.Expiry}
	r := &report.Report{}
	if path == "" {
		Run(ctx, target, options, r)
		return r
	}
	for _, anchor := range target.VerifierAnchors {
		o.Anchors = append(o.Anchors, anchor.Certificate)
	}
	checked := check.Run(ctx, path, o)
	for _, f := range checked.Findings {
		if f.Level != report.OK {
			r.Add(f)
		}
	}
	cfg, err := config.Load(path)
	if err != nil {
		return checked // every fault is in there already
	}
	if cfg.Redis != nil {
		checkRedis(ctx, r, cfg.Redis, o)
	}
	lists := checkDatabase(ctx, r, cfg)
	checkSources(ctx, r, cfg, o)
	Run(ctx, targetOf(target, cfg, lists), options, r)
	return r
}

// targetOf adds what the configuration knows to a target. Files that can't be
// read were reported before.
func targetOf(t Target, c *config.Config, lists map[string][]string) Target {
	named := map[string]bool{
		config.RoleIssuer: len(t.Issuers) > 0, config.RoleVerifier: len(t.Verifiers) > 0, config.RoleProvider: len(t.Providers) > 0,
	}
	tokens := map[string]string{}
	for _, tenant := range c.Tenants() {
		id := tenant.BaseURL()
		switch {
		case tenant.Issuer != nil && !named[tenant.Role]:
			t.Issuers = append(t.Issuers, id)
			t.StatusLists = append(t.StatusLists, lists[id]...)
		case tenant.Provider != nil && !named[tenant.Role]:
			t.Providers = append(t.Providers, id)
		case tenant.Verifier != nil:
			if !named[tenant.Role] {
				t.Verifiers = append(t.Verifiers, id)
			}
			if token, err := config.LoadSecret("api_token_file", tenant.Verifier.APIToken); err == nil {
				tokens[id] = string(token)
			}
			if anchors, err := config.LoadAnchors("issuers", tenant.Verifier.Issuers); err == nil {
				t.IssuerAnchors = append(t.IssuerAnchors, anchors...)
			}
		}
	}
	if t.APITokens == nil {
		t.APITokens = tokens
	}
	if c.Outbound.Roots != "" {
		if roots, err := config.LoadCertificates("roots_file", c.Outbound.Roots); err == nil {
			t.Roots = append(t.Roots, roots...)
		}
	}
	return t
}

// Anchors reads a PEM file as trust anchors without limits.
func Anchors(path string) ([]trust.Anchor, error) {
	return config.LoadAnchors("anchors", []config.Anchor{{File: path}})
}
