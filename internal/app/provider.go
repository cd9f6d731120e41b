package app

import (
	"crypto/hkdf"
	"crypto/sha256"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/wallet/provider"
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
	auditKey, err := hkdf.Key(sha256.New, secret, nil, "tegata wallet provider v1\x00"+tenant+"\x00audit", 32)
	if err != nil {
		return err
	}
	log, err := audit.New(t.Role, auditKey)
	if err != nil {
		return err
	}
	platforms := map[string]provider.Platform{}
	if c.SoftwarePlatform {
		platforms[provider.SoftwarePlatform] = provider.NewSoftwarePlatform()
	}
	p, err := provider.New(provider.Config{
		Tenant: tenant, Issuer: t.BaseURL(), ClientID: c.ClientID,
		WalletName: c.WalletName, WalletURL: c.WalletURL, Keys: keys,
		Platforms: platforms, TestMode: a.cfg.Mode == config.ModeTest,
		DB: a.db, Sessions: a.sessions(t.Role, tenant), Audit: log,
		Secret: secret, AdminToken: string(token), Metrics: a.observed.provider, Log: a.opt.Log, Now: a.opt.Now,
	})
	if err != nil {
		return err
	}
	provider.Mount(t.server, t.Path, p)
	openapi.Mount(t.server, t.Path, openapi.Wallet)
	return nil
}
