package app

import (
	"context"

	"github.com/tegata-id/tegata/internal/app/statusadmin"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// publish publishes the status lists of a tenant for as long as it is served.
func (a *App) publish(t *tenant, owned *statusadmin.Tenant) (*statuslist.Publisher, error) {
	ring, err := a.keyring.LoadRing("keys.status", owned.Keys, a.opt.Now())
	if err != nil {
		return nil, err
	}
	t.signers = append(t.signers, watchRing(t.Role, t.Endpoint.Tenant, "status", ring))
	publisher, err := owned.Publisher(ring, statuslist.PublisherConfig{
		DB: a.db, Now: a.opt.Now, Log: a.opt.Log, Metrics: a.observed.statusLists,
	})
	if err != nil {
		return nil, err
	}
	tenant := t.Endpoint.Tenant
	t.jobs = append(t.jobs, func(ctx context.Context) { publisher.Run(ctx, tenant) })
	return publisher, nil
}
