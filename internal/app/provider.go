package app

import (
	"crypto/hkdf"
	"crypto/sha256"

	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/openapi"
	"github.com/tegata-id/tegata/wallet/provider"
)

func (a *App) addProvider(c *ProviderConfig) error {
	keys, err := a.keyring.loadRing("keys.attestation", c.Keys.Attestation, a.opt.Now())
	if err != nil {
		return err
	}
	a.expiry.watchRing("wallet_provider", c.Tenant, "attestation", keys)
	secret, err := loadHexSecret("secret_file", c.Secret)
	if err != nil {
		return err
	}
	token, err := loadSecret("admin_token_file", c.AdminToken)
	if err != nil {
		return err
	}
	auditKey, err := hkdf.Key(sha256.New, secret, nil, "tegata wallet provider v1\x00"+c.Tenant+"\x00audit", 32)
	if err != nil {
		return err
	}
	log, err := audit.New(auditKey)
	if err != nil {
		return err
	}
	platforms := map[string]provider.Platform{}
	if c.SoftwarePlatform {
		platforms[provider.SoftwarePlatform] = provider.NewSoftwarePlatform()
	}
	p, err := provider.New(provider.Config{
		Tenant: c.Tenant, Issuer: c.Origin, ClientID: c.ClientID,
		WalletName: c.WalletName, WalletURL: c.WalletURL, Keys: keys,
		Platforms: platforms, TestMode: a.cfg.Mode == ModeTest,
		DB: a.db, Sessions: a.sessions("wallet_provider", c.Tenant), Audit: log,
		Secret: secret, AdminToken: string(token), Metrics: a.observed.provider, Log: a.opt.Log, Now: a.opt.Now,
	})
	if err != nil {
		return err
	}
	server, err := a.addServer("wallet_provider", c.ListenConfig)
	if err != nil {
		return err
	}
	provider.Mount(server, "", p)
	openapi.Mount(server, "", openapi.Wallet)
	return nil
}
