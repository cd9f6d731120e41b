package app

import (
	"context"
	"slices"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/verifier"
)

func (a *App) addVerifier(c *VerifierConfig) error {
	now := a.opt.Now
	requestKeys, err := a.keyring.loadRing("keys.request", c.Keys.Request, now())
	if err != nil {
		return err
	}
	a.expiry.watchRing("verifier", c.Tenant, "request", requestKeys)
	token, err := loadSecret("api_token_file", c.APIToken)
	if err != nil {
		return err
	}
	anchors, err := loadAnchors("issuers", c.Issuers)
	if err != nil {
		return err
	}
	policy := func(profile trust.Profile, format credentials.Format) *trust.Policy {
		return &trust.Policy{
			Anchors: forFormat(anchors, format), Profile: profile, Now: now,
			Revocation: trust.NotChecked("issuers' signers are withdrawn by taking their anchor off the list"),
		}
	}
	formats := map[credentials.Format]verifier.Format{}
	if p := policy(trust.ProfileSDJWTIssuer, credentials.FormatSDJWTVC); len(p.Anchors) > 0 {
		v := &sdjwt.Verifier{Trust: p, Now: now, RequireHolderBinding: true}
		formats[credentials.FormatSDJWTVC] = verifier.Format{Verifier: verifier.SDJWT(v), Anchors: p.Anchors}
	}
	if p := policy(trust.ProfileMdocSigner, credentials.FormatMdoc); len(p.Anchors) > 0 {
		v := &mdoc.Verifier{Trust: p, Now: now}
		formats[credentials.FormatMdoc] = verifier.Format{Verifier: verifier.Mdoc(v), Anchors: p.Anchors}
	}
	statuses, err := a.statusChecker(anchors)
	if err != nil {
		return err
	}
	v, err := verifier.New(verifier.Config{
		Tenant: c.Tenant, BaseURL: c.Origin, NameJA: c.NameJA, NameEN: c.NameEN, Keys: requestKeys,
		Sessions: a.sessions("verifier", c.Tenant), Formats: formats, Status: statuses,
		APIToken: string(token), WalletURL: c.WalletURL, Lifetimes: verifier.DefaultLifetimes,
		TestMode: a.cfg.Mode == ModeTest, Metrics: a.observed.verifier, Now: now,
	})
	if err != nil {
		return err
	}
	server, err := a.addServer("verifier", c.ListenConfig)
	if err != nil {
		return err
	}
	verifier.Mount(server, "", v)
	openapi.Mount(server, "", openapi.Verifier)
	return nil
}

// statusChecker resolves status lists that signers under the anchors publish.
func (a *App) statusChecker(anchors []trust.Anchor) (*status.Checker, error) {
	client, err := a.client("status lists", jose.MaxTokenSize)
	if err != nil {
		return nil, err
	}
	return &status.Checker{
		Policy: &trust.Policy{
			Anchors: anchors, Profile: trust.ProfileStatusSigner, Now: a.opt.Now,
			Revocation: trust.NotChecked("signers are withdrawn by taking their anchor off the list"),
		},
		Now: a.opt.Now,
		Fetch: func(ctx context.Context, uri, accept string) ([]byte, string, error) {
			response, err := client.Get(ctx, uri, accept)
			if err != nil {
				return nil, "", err
			}
			return response.Body, response.ContentType, nil
		},
	}, nil
}

// forFormat returns the anchors that may stand behind a format.
func forFormat(anchors []trust.Anchor, format credentials.Format) []trust.Anchor {
	return slices.DeleteFunc(slices.Clone(anchors), func(anchor trust.Anchor) bool {
		return len(anchor.Formats) > 0 && !slices.Contains(anchor.Formats, format)
	})
}
