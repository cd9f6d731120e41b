package walletapp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/registration"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/wallet/holder"
	"github.com/tegata-id/tegata/wallet/provider"
	"github.com/tegata-id/tegata/wallet/vault"
)

// App is an open wallet. It is safe for concurrent use.
type App struct {
	Vault  *vault.Vault
	wallet *holder.Wallet
	client *fetch.Client
}

// Open opens the wallet of a configuration that was loaded.
func Open(c *Config, now func() time.Time) (*App, error) {
	passphrase, err := config.LoadSecret("passphrase_file", c.PassphraseFile)
	if err != nil {
		return nil, err
	}
	options := fetch.Options{Purpose: "wallet", AllowLoopback: c.Outbound.AllowLoopback, Now: now}
	if c.Outbound.Roots != "" {
		if options.ExtraRoots, err = config.LoadCertificates("outbound.roots_file", c.Outbound.Roots); err != nil {
			return nil, err
		}
	}
	trusted := policies{now: now}
	w := &holder.Wallet{
		IssuerTrust: map[credentials.Format]*trust.Policy{
			credentials.FormatSDJWTVC: trusted.load("issuer_anchors", c.Issuers, trust.ProfileSDJWTIssuer, credentials.FormatSDJWTVC),
			credentials.FormatMdoc:    trusted.load("issuer_anchors", c.Issuers, trust.ProfileMdocSigner, credentials.FormatMdoc),
		},
		VerifierTrust: trusted.load("verifier_anchors", c.Verifiers, trust.ProfileVerifierAccess, ""),
		RedirectURI:   c.RedirectURI, BatchSize: c.BatchSize, EncryptedOnly: c.EncryptedOnly, Now: now, Wait: holder.Sleep,
	}
	if len(c.Metadata) > 0 {
		w.MetadataTrust = trusted.load("metadata_anchors", c.Metadata, trust.ProfileVerifierAccess, "")
		w.UnsignedMetadata = c.UnsignedMetadata
	}
	if len(c.Registrars) > 0 {
		w.RegistrationTrust = trusted.load("registrar_anchors", c.Registrars, registration.SignerProfile(), "")
	}
	signers := trusted.load("issuer_anchors", c.Issuers, trust.ProfileStatusSigner, "")
	if trusted.err != nil {
		return nil, trusted.err
	}
	client, err := fetch.New(options)
	if err != nil {
		return nil, err
	}
	v, err := vault.Open(c.Vault, passphrase, now)
	if err != nil {
		client.CloseIdleConnections()
		return nil, err
	}
	w.HTTP, w.Vault, w.NewKey = client, v, v.NewKey
	w.Status = &status.Checker{Policy: signers, Now: now, Fetch: func(ctx context.Context, uri string, accept ...string) ([]byte, string, error) {
		response, err := client.Get(ctx, uri, accept...)
		if err != nil {
			return nil, "", err
		}
		return response.Body, response.ContentType, nil
	}}
	w.Attester = &holder.Provider{
		HTTP: client, URL: c.Provider, Platform: provider.SoftwarePlatform, Instances: v, NewKey: v.NewKey, Now: now,
	}
	return &App{Vault: v, wallet: w, client: client}, nil
}

// Close closes the vault.
func (a *App) Close() error {
	a.client.CloseIdleConnections()
	return a.Vault.Close()
}

// policies makes policies and remembers the first error.
type policies struct {
	now func() time.Time
	err error
}

// load returns the policy for the anchors that are for a format, or for all.
func (p *policies) load(use string, anchors []config.Anchor, profile trust.Profile, format credentials.Format) *trust.Policy {
	loaded, err := config.LoadAnchors(use, anchors)
	if err != nil && p.err == nil {
		p.err = err
	}
	loaded = slices.DeleteFunc(loaded, func(a trust.Anchor) bool {
		return format != "" && len(a.Formats) > 0 && !slices.Contains(a.Formats, format)
	})
	return &trust.Policy{
		Anchors: loaded, Profile: profile, Now: p.now,
		Revocation: trust.NotChecked("a wallet for tests knows no revocation lists of signers"),
	}
}

// ReadOffer reads a credential offer, which [App.Receive] accepts.
func (a *App) ReadOffer(ctx context.Context, link string) (*holder.Offer, error) {
	return a.wallet.ReadOffer(ctx, link)
}

// AskIssuer begins without an offer, see [holder.Wallet.AskIssuer].
func (a *App) AskIssuer(ctx context.Context, issuer string, configurations ...string) (*holder.Offer, error) {
	return a.wallet.AskIssuer(ctx, issuer, configurations...)
}

// Receive accepts an offer and logs what came.
func (a *App) Receive(ctx context.Context, offer *holder.Offer, agent holder.UserAgent) ([]*holder.Held, error) {
	held, err := offer.Accept(ctx, agent)
	if err != nil {
		return nil, err
	}
	entry := vault.Entry{Action: vault.ActionReceived, Party: offer.Issuer().CredentialIssuer, Types: types(held)}
	return held, a.Vault.Record(ctx, entry)
}

// Renew replaces a batch by new copies, by an ID as for [App.Forget], and logs what
// came.
func (a *App) Renew(ctx context.Context, id string) error {
	old, err := a.Find(ctx, id)
	if err != nil {
		return err
	}
	held, err := a.wallet.Renew(ctx, old.Batch)
	if err != nil {
		return err
	}
	return a.Vault.Record(ctx, vault.Entry{Action: vault.ActionReceived, Party: old.Issuer, Types: types(held)})
}

// Upkeep looks up the status of what the wallet holds and renews what is due, see
// [holder.Wallet.Upkeep], and logs both.
func (a *App) Upkeep(ctx context.Context) (holder.Upkeep, error) {
	done, err := a.wallet.Upkeep(ctx)
	for action, list := range map[string][]*holder.Held{vault.ActionRevoked: done.Revoked, vault.ActionReceived: done.Renewed} {
		for _, h := range list {
			err = errors.Join(err, a.Vault.Record(ctx, vault.Entry{Action: action, Party: h.Issuer, Types: []string{h.Type}}))
		}
	}
	return done, err
}

// Present answers a request, and logs what was shown to whom, or that the person
// declined.
func (a *App) Present(ctx context.Context, link string, consent holder.Consent) (holder.Outcome, error) {
	entry := vault.Entry{Action: vault.ActionDeclined}
	outcome, err := a.wallet.Present(ctx, link, func(ctx context.Context, ask holder.Ask) holder.Decision {
		decision := consent(ctx, ask)
		entry.Party = ask.ClientID
		if entity, ok := ask.LegalEntity(); ok {
			entry.PartyName = entity.Name
		}
		if r := ask.Registration; r != nil && r.Certificate != nil {
			entry.Purpose, entry.Contacts = registration.In(r.Certificate.Purposes, "ja"), r.Certificate.SupportURIs
		}
		for _, item := range ask.Items {
			if !decision.Allow || decision.WithoutOptional && item.Optional {
				continue
			}
			for _, path := range item.Paths {
				entry.Claims = append(entry.Claims, path.String())
			}
		}
		return decision
	})
	if entry.Party == "" {
		return outcome, err // nobody was asked
	}
	if outcome.Presented != nil {
		// It counts as shown even if the answer may have been lost on the way.
		entry.Action, entry.Types = vault.ActionPresented, types(outcome.Presented)
	}
	return outcome, errors.Join(err, a.Vault.Record(ctx, entry))
}

// Forget deletes a batch, by the ID of any of its copies or its own, and logs it.
func (a *App) Forget(ctx context.Context, id string) error {
	held, err := a.Find(ctx, id)
	if err != nil {
		return err
	}
	if err := a.wallet.Forget(ctx, held.Batch); err != nil {
		return err
	}
	return a.Vault.Record(ctx, vault.Entry{Action: vault.ActionForgotten, Party: held.Issuer, Types: []string{held.Type}})
}

// Find returns a copy of a batch by an ID as for [App.Forget].
func (a *App) Find(ctx context.Context, id string) (*holder.Held, error) {
	all, err := a.Vault.List(ctx)
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(all, func(h *holder.Held) bool { return h.Batch == id || h.ID == id })
	if n < 0 {
		return nil, fmt.Errorf("%s: %w", id, holder.ErrNotHeld)
	}
	return all[n], nil
}

// types lists the types without repetition.
func types(held []*holder.Held) []string {
	var out []string
	for _, h := range held {
		if !slices.Contains(out, h.Type) {
			out = append(out, h.Type)
		}
	}
	return out
}

// Now is the wallet's clock.
func (a *App) Now() time.Time { return a.wallet.Now() }

// List returns all copies that the wallet holds.
func (a *App) List(ctx context.Context) ([]*holder.Held, error) { return a.Vault.List(ctx) }

// Log returns the activity log.
func (a *App) Log(ctx context.Context) ([]vault.Entry, error) { return a.Vault.Log(ctx) }

// DeleteLog deletes the activity log.
func (a *App) DeleteLog(ctx context.Context) error { return a.Vault.DeleteLog(ctx) }
