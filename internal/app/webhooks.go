package app

import (
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/verifier/webhook"
)

// outbox returns where a verifier puts what its relying parties are told, nil if
// none has a webhook; and the keys that sign it, nil if there are none.
func (a *App) outbox(t *tenant) (outbox *webhook.Outbox, ring *keys.Ring, err error) {
	if len(t.Verifier.Keys.Webhook) > 0 {
		if ring, err = a.keyring.LoadRing("keys.webhook", t.Verifier.Keys.Webhook, a.opt.Now()); err != nil {
			return nil, nil, err
		}
		t.signers = append(t.signers, watchRing(t.Role, t.Endpoint.Tenant, useWebhook, ring))
	}
	if t.Verifier.HasWebhooks() {
		outbox = webhook.NewOutbox(a.db, t.Endpoint.Tenant, a.opt.Now)
	}
	return outbox, ring, nil
}

// sendWebhooks has the tenant deliver what is in its outbox.
func (a *App) sendWebhooks(t *tenant, v *verifier.Verifier, outbox *webhook.Outbox, ring *keys.Ring) error {
	if outbox == nil {
		return nil
	}
	client, err := a.newClient(fetch.Options{
		Purpose: "webhooks", AllowedHosts: t.Verifier.PrivateHosts(),
		MaxBytes: webhook.MaxAnswer, Timeout: webhook.Timeout, Concurrency: webhook.Concurrency,
	})
	if err != nil {
		return err
	}
	addresses := map[string]string{}
	for party, w := range t.Verifier.Webhooks() {
		addresses[party] = w.URL
	}
	sender := webhook.NewSender(webhook.SenderConfig{
		Outbox: outbox, Issuer: t.BaseURL(), Keys: ring, Addresses: addresses, Client: client,
		Settle: v.Settle, Metrics: a.observed.webhooks, Log: a.opt.Log, Now: a.opt.Now,
	})
	t.jobs = append(t.jobs, sender.Run)
	return nil
}
