package app

import (
	"context"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/doctor"
	"github.com/tegata-id/tegata/internal/app/report"
)

// Doctor looks at the deployment that a configuration describes, while it runs:
// first at the configuration as [Check] does, then at its stores, then at its
// origins from outside. What target already says goes before the configuration.
func Doctor(ctx context.Context, path string, target doctor.Target, o CheckOptions) *report.Report {
	if o.Expiry == 0 {
		o.Expiry = DefaultExpiry
	}
	r := &report.Report{}
	if path != "" {
		for _, anchor := range target.VerifierAnchors {
			o.Anchors = append(o.Anchors, anchor.Certificate)
		}
		checked := Check(ctx, path, o)
		for _, f := range checked.Findings {
			if f.Level != report.OK {
				r.Add(f)
			}
		}
		cfg, err := LoadConfig(path)
		if err != nil {
			return checked // every fault is in there already
		}
		fillTarget(&target, cfg)
		if cfg.Redis != nil {
			checkRedis(ctx, r, cfg.Redis, o)
		}
		checkDatabase(ctx, r, cfg, &target)
	}
	doctor.Run(ctx, target, doctor.Options{Now: o.Now, Expiry: o.Expiry}, r)
	return r
}

// fillTarget takes what the target leaves open from the configuration. Files
// that can't be read were reported before.
func fillTarget(t *doctor.Target, c *Config) {
	set := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	if c.Issuer != nil {
		set(&t.Issuer, c.Issuer.Origin)
	}
	if v := c.Verifier; v != nil {
		set(&t.Verifier, v.Origin)
		if t.Verifier == v.Origin {
			if token, err := loadSecret("api_token_file", v.APIToken); err == nil {
				set(&t.APIToken, string(token))
			}
		}
		if anchors, err := loadAnchors("issuers", v.Issuers); err == nil {
			t.IssuerAnchors = append(t.IssuerAnchors, anchors...)
		}
	}
	if c.Provider != nil {
		set(&t.Provider, c.Provider.Origin)
	}
	if c.Outbound.Roots != "" {
		if roots, err := loadCertificates("roots_file", c.Outbound.Roots); err == nil {
			t.Roots = append(t.Roots, roots...)
		}
	}
}

// TrustAnchors reads a PEM file as anchors without limits.
func TrustAnchors(path string) ([]trust.Anchor, error) {
	return loadAnchors("anchors", []AnchorConfig{{File: path}})
}
