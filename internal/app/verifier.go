package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/verifier"
)

func (a *App) buildVerifier(t *tenant) error {
	c, now := t.Verifier, a.opt.Now
	requestKeys, err := a.keyring.LoadRing("keys.request", c.Keys.Request, now())
	if err != nil {
		return err
	}
	t.signers = append(t.signers, watchRing(t.Role, t.Endpoint.Tenant, "request", requestKeys))
	parties, err := c.Parties()
	if err != nil {
		return err
	}
	var token []byte
	if c.APIToken != "" || len(parties) == 0 {
		if token, err = config.LoadSecret("api_token_file", c.APIToken); err != nil {
			return err
		}
	}
	clients, err := c.ClientAnchors()
	if err != nil {
		return err
	}
	anchors, err := config.LoadAnchors("issuers", c.Issuers)
	if err != nil {
		return err
	}
	policy := func(profile trust.Profile, format credentials.Format) *trust.Policy {
		return &trust.Policy{
			Anchors: forFormat(anchors, format), Profile: profile, Now: now,
			Revocation: trust.NotChecked("issuers' signers are withdrawn by taking their anchor off the list"),
			Known:      &trust.KnownPaths{},
		}
	}
	formats := map[credentials.Format]verifier.Format{}
	if p := policy(trust.ProfileSDJWTIssuer, credentials.FormatSDJWTVC); len(p.Anchors) > 0 {
		v := &sdjwt.Verifier{Trust: p, Now: now, RequireHolderBinding: true}
		formats[credentials.FormatSDJWTVC] = verifier.Format{
			Verifier: verifier.SDJWT(v), Anchors: p.Anchors, Status: verifier.StatusPolicy(c.UndeterminedStatus[string(credentials.FormatSDJWTVC)]),
		}
	}
	if p := policy(trust.ProfileMdocSigner, credentials.FormatMdoc); len(p.Anchors) > 0 {
		v := &mdoc.Verifier{Trust: p, Now: now}
		formats[credentials.FormatMdoc] = verifier.Format{
			Verifier: verifier.Mdoc(v), Anchors: p.Anchors, Status: verifier.StatusPolicy(c.UndeterminedStatus[string(credentials.FormatMdoc)]),
		}
	}
	form, err := requestForm(c.Request)
	if err != nil {
		return err
	}
	statuses, err := a.statusChecker(t, anchors)
	if err != nil {
		return err
	}
	outbox, webhookKeys, err := a.outbox(t)
	if err != nil {
		return err
	}
	v, err := verifier.New(verifier.Config{
		Tenant: t.Endpoint.Tenant, BaseURL: t.BaseURL(), NameJA: c.NameJA, NameEN: c.NameEN, Keys: requestKeys, Request: form,
		Sessions: a.sessions(t.Role, t.Endpoint.Tenant), Formats: formats, Status: statuses,
		APIToken: string(token), Parties: parties, ClientAnchors: clients, Outbox: outbox, WebhookKeys: webhookKeys, WalletURL: c.WalletURL, Lifetimes: verifier.DefaultLifetimes,
		TestMode: a.cfg.Mode == config.ModeTest, Metrics: a.observed.verifier, Now: now,
	})
	if err != nil {
		return err
	}
	if err := a.sendWebhooks(t, v, outbox, webhookKeys); err != nil {
		return err
	}
	verifier.Mount(t.server, t.Path, v)
	openapi.Mount(t.server, t.Path, openapi.Verifier)
	return nil
}

// requestForm reads the statements about the relying party.
func requestForm(c config.VerifierRequest) (verifier.RequestForm, error) {
	form := verifier.RequestForm{Prefix: openid4vp.Prefix(c.Prefix), Mode: openid4vp.ResponseMode(c.Mode), ByValue: c.ByValue}
	for _, info := range c.VerifierInfo {
		text, err := os.ReadFile(info.File)
		if err != nil {
			return form, fmt.Errorf("request.verifier_info: %w", err)
		}
		data, err := json.Marshal(strings.TrimSpace(string(text)))
		if err != nil {
			return form, fmt.Errorf("request.verifier_info: %w", err)
		}
		form.VerifierInfo = append(form.VerifierInfo, openid4vp.VerifierInfo{Format: info.Format, Data: data})
	}
	return form, nil
}

// statusChecker resolves status lists that signers under the anchors publish.
// Tenants with the same anchors share it, and so the lists it keeps.
func (a *App) statusChecker(t *tenant, anchors []trust.Anchor) (*status.Checker, error) {
	return share(&a.shared, t, "status lists under "+anchorsName(anchors), func() (*status.Checker, error) {
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
			Fetch: func(ctx context.Context, uri string, accept ...string) ([]byte, string, error) {
				response, err := client.Get(ctx, uri, accept...)
				if err != nil {
					return nil, "", err
				}
				return response.Body, response.ContentType, nil
			},
		}, nil
	})
}

// anchorsName names a list of anchors with what they are trusted for.
func anchorsName(anchors []trust.Anchor) string {
	h := sha256.New()
	for _, anchor := range anchors {
		fmt.Fprintf(h, "%x %q %q %q %t\n", sha256.Sum256(anchor.Certificate.Raw), anchor.Jurisdiction, anchor.Formats, anchor.Types, anchor.CertifiedSeal)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// forFormat returns the anchors that may stand behind a format.
func forFormat(anchors []trust.Anchor, format credentials.Format) []trust.Anchor {
	return slices.DeleteFunc(slices.Clone(anchors), func(anchor trust.Anchor) bool {
		return len(anchor.Formats) > 0 && !slices.Contains(anchor.Formats, format)
	})
}
