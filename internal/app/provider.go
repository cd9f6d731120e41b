package app

import (
	"context"
	"os"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/statusadmin"
	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/wallet/provider"
	"github.com/tegata-id/tegata/wallet/provider/android"
)

func (a *App) buildProvider(t *tenant) error {
	c, tenant := t.Provider, t.Endpoint.Tenant
	keys, err := a.keyring.LoadRing("keys.attestation", c.Keys.Attestation, a.opt.Now())
	if err != nil {
		return err
	}
	t.signers = append(t.signers, watchRing(t.Role, tenant, "attestation", keys))
	secret, err := config.LoadHexSecret("secret_file", c.Secret)
	if err != nil {
		return err
	}
	token, err := config.LoadSecret("admin_token_file", c.AdminToken)
	if err != nil {
		return err
	}
	auditKey, err := provider.DeriveKey(secret, tenant, "audit")
	if err != nil {
		return err
	}
	log, err := audit.New(t.Role, auditKey)
	if err != nil {
		return err
	}
	platforms, err := a.platforms(c)
	if err != nil {
		return err
	}
	lists, err := a.attestationStatus(t)
	if err != nil {
		return err
	}
	p, err := provider.New(provider.Config{
		Tenant: tenant, Issuer: t.BaseURL(), ClientID: c.ClientID,
		WalletName: c.WalletName, WalletURL: c.WalletURL, Certification: c.Certification, Keys: keys,
		Platforms: platforms, TestMode: a.cfg.Mode == config.ModeTest,
		DB: a.db, Sessions: a.sessions(t.Role, tenant), Audit: log, StatusLists: lists,
		Secret: secret, AdminToken: string(token), Metrics: a.observed.provider, Log: a.opt.Log, Now: a.opt.Now,
	})
	if err != nil {
		return err
	}
	provider.Mount(t.server, t.Path, p)
	openapi.Mount(t.server, t.Path, openapi.Wallet)
	return nil
}

// attestationStatus returns the status lists of attestations, or nil if there is
// no key for them.
func (a *App) attestationStatus(t *tenant) (*provider.StatusLists, error) {
	owned, err := statusadmin.Of(t.Tenant)
	if owned == nil || err != nil {
		return nil, err
	}
	publisher, err := a.publish(t, owned)
	return &provider.StatusLists{Lists: owned.Lists, Publisher: publisher}, err
}

// platforms returns the platforms that instances of the tenant's wallet may run
// on.
func (a *App) platforms(c *config.Provider) (map[string]provider.Platform, error) {
	platforms := map[string]provider.Platform{}
	if c.SoftwarePlatform {
		platforms[provider.SoftwarePlatform] = provider.NewSoftwarePlatform()
	}
	if c.Android == nil {
		return platforms, nil
	}
	get := func(context.Context) ([]byte, error) { return os.ReadFile(c.Android.StatusList) }
	if address := c.Android.StatusListURL; address != "" {
		host, _, err := hostOf(address)
		if err != nil {
			return nil, err
		}
		client, err := a.client("status of Android devices", android.MaxStatusListSize, host)
		if err != nil {
			return nil, err
		}
		get = func(ctx context.Context) ([]byte, error) {
			response, err := client.Get(ctx, address, "application/json")
			if err != nil {
				return nil, err
			}
			return response.Body, nil
		}
	}
	verifier, err := config.LoadAndroid("android", c.Android, android.NewRevocations(get, a.opt.Now), a.opt.Now)
	if err != nil {
		return nil, err
	}
	platforms[config.AndroidPlatform] = provider.Platform{Verifier: verifier, Certification: c.Android.Certification}
	return platforms, nil
}
