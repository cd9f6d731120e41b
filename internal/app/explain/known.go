package explain

import (
	"context"
	"fmt"
	"time"

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
			lists = [][]config.Anchor{t.Issuer.WalletProviders, t.Issuer.JPKI.SignatureAnchors}
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

// Online returns a function that fetches status lists and resolves references
// under the anchors. Addresses on loopback must be named.
func Online(anchors []trust.Anchor, outbound fetch.Options, now func() time.Time) (func(context.Context, credentials.StatusRef) (string, error), error) {
	outbound.Purpose, outbound.MaxBytes, outbound.Now = "status lists", jose.MaxTokenSize, now
	client, err := fetch.New(outbound)
	if err != nil {
		return nil, err
	}
	checker := &status.Checker{
		Policy: &trust.Policy{Anchors: anchors, Profile: trust.ProfileStatusSigner, Now: now, Revocation: trust.NotChecked("only the path is looked at")},
		Now:    now,
		Fetch: func(ctx context.Context, uri string, accept ...string) ([]byte, string, error) {
			response, err := client.Get(ctx, uri, accept...)
			if err != nil {
				return nil, "", err
			}
			return response.Body, response.ContentType, nil
		},
	}
	return func(ctx context.Context, ref credentials.StatusRef) (string, error) {
		result, err := checker.Check(ctx, ref)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(result.Value), nil
	}, nil
}
