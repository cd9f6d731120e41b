package explain

import (
	"context"
	"fmt"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/fetch"
)

// AnchorsOf returns every anchor that a configuration names, whatever it is
// trusted for there.
func AnchorsOf(c *config.Config) ([]trust.Anchor, error) {
	var all []trust.Anchor
	seen := map[string]bool{}
	for _, t := range c.Tenants() {
		var lists [][]config.Anchor
		switch {
		case t.Issuer != nil:
			lists = [][]config.Anchor{t.Issuer.WalletProviders, t.Issuer.JPKI.SignatureAnchors, t.Issuer.JPKI.Authentication().SignatureAnchors}
		case t.Verifier != nil:
			lists = [][]config.Anchor{t.Verifier.Issuers}
		}
		for _, list := range lists {
			if len(list) == 0 {
				continue
			}
			anchors, err := config.LoadAnchors(t.Name(), list)
			if err != nil {
				return nil, err
			}
			for _, anchor := range anchors {
				// What is explained is the certificate: which formats and types
				// an anchor is for is the business of each tenant.
				anchor.Formats, anchor.Types = nil, nil
				if !seen[string(anchor.Certificate.Raw)] {
					seen[string(anchor.Certificate.Raw)] = true
					all = append(all, anchor)
				}
			}
		}
	}
	return all, nil
}

// Trust adds what a configuration trusts to the options, and with online a way to
// fetch status lists. Without a configuration only what the options name is
// trusted, and the roots of the system for TLS.
func (o *Options) Trust(c *config.Config, online bool) error {
	outbound := fetch.Options{Purpose: "status lists", MaxBytes: jose.MaxTokenSize, Now: o.Now}
	if c != nil {
		o.Mode = c.Mode.JPKI()
		known, err := AnchorsOf(c)
		if err != nil {
			return err
		}
		o.Anchors = append(o.Anchors, known...)
		outbound.AllowLoopback = c.Outbound.AllowLoopback
		if c.Outbound.Roots != "" {
			if outbound.ExtraRoots, err = config.LoadCertificates("outbound.roots_file", c.Outbound.Roots); err != nil {
				return err
			}
		}
	}
	if !online {
		return nil
	}
	client, err := fetch.New(outbound)
	if err != nil {
		return err
	}
	checker := &status.Checker{
		Policy: &trust.Policy{Anchors: o.Anchors, Profile: trust.ProfileStatusSigner, Now: o.Now, Revocation: trust.NotChecked("only the path is looked at")},
		Now:    o.Now,
		Fetch: func(ctx context.Context, uri string, accept ...string) ([]byte, string, error) {
			response, err := client.Get(ctx, uri, accept...)
			if err != nil {
				return nil, "", err
			}
			return response.Body, response.ContentType, nil
		},
	}
	o.Status = func(ctx context.Context, ref credentials.StatusRef) (string, error) {
		result, err := checker.Check(ctx, ref)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(result.Value), nil
	}
	return nil
}
