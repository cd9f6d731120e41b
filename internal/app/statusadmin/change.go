package statusadmin

import (
	"context"
	"database/sql"
	"log/slog"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/report"
	"github.com/tegata-id/tegata/internal/statuslist"
)

// Publish signs every status list of a configuration anew, with the keys that it
// names now. Processes that run serve the new tokens from the next request on.
// It is for when a status key was lost or replaced before its time, and makes
// revocations visible that wait for the end of their window.
func Publish(ctx context.Context, path string, o Options) *report.Report {
	return each(ctx, path, o, func(ctx context.Context, d *deployment, t *Tenant) error {
		ring, err := d.keyring.LoadRing("keys.status", t.Keys, o.Now())
		if err != nil {
			return err
		}
		publisher, err := t.Publisher(ring, statuslist.PublisherConfig{DB: d.db, Now: o.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		ids, err := d.ids(ctx, t)
		if err != nil {
			return err
		}
		for _, id := range ids {
			uri := t.Base + "/" + id
			if published, err := publisher.Publish(ctx, t.Endpoint.Tenant, id); err != nil {
				d.Fault(uri, "", "it could not be published: %s", err)
			} else {
				d.OK(uri, "published, valid until %s", published.Expires.UTC().Format("2006-01-02 15:04:05Z"))
			}
		}
		d.OK(t.Name(), "%d status lists", len(ids))
		return nil
	})
}

// Retire has every tenant of a configuration open new status lists for what it
// issues next. The lists that there are stay published. It must be done before
// the first process is started on a database that was restored from a backup:
// see [statuslist.Lists.Retire].
func Retire(ctx context.Context, path string, o Options) *report.Report {
	return each(ctx, path, o, func(ctx context.Context, d *deployment, t *Tenant) error {
		var n int64
		err := d.db.Write(ctx, func(tx *sql.Tx) (err error) {
			n, err = t.Lists.Retire(ctx, tx, t.Endpoint.Tenant)
			return err
		})
		if err == nil {
			d.OK(t.Name(), "%d status lists take no more entries; the next credential opens a new one", n)
		}
		return err
	})
}

// each does something for every tenant of a configuration that has status lists.
func each(ctx context.Context, path string, o Options, do func(context.Context, *deployment, *Tenant) error) *report.Report {
	d := &deployment{Report: &report.Report{}, keyring: &config.Keyring{}}
	defer func() { _ = d.keyring.Close() }()
	if !d.open(ctx, path, o) {
		return d.Report
	}
	defer func() { _ = d.db.Close() }()
	found := false
	for _, c := range d.cfg.Tenants() {
		t, err := Of(c)
		if err == nil && t == nil {
			continue
		}
		found = true
		if err == nil {
			err = do(ctx, d, t)
		}
		if err != nil {
			d.Fault(c.Name(), "", "%s", err)
		}
	}
	if !found {
		d.Warn(path, "", "the configuration has no status lists")
	}
	return d.Report
}
