package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/tegata-id/tegata/internal/app/config"
)

// Reload puts the tenants of a configuration in the place of those that serve.
// A tenant is built anew if its section or a file that it names has changed, so
// that keys and certificates are renewed by the way. Requests are answered to
// their end by the tenant that they came to. With an error nothing has changed.
func (a *App) Reload(ctx context.Context, cfg *config.Config) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.reload(ctx, cfg)
	a.observed.reloaded(err == nil)
	return err
}

func (a *App) reload(ctx context.Context, cfg *config.Config) error {
	if changed := a.cfg.ProcessChanges(cfg); len(changed) > 0 {
		return errors.New(strings.Join(changed, ", ") + ": a change takes a restart")
	}
	if a.db == nil && cfg.NeedsDatabase() {
		return errors.New("database: the first tenant that keeps records takes a restart")
	}
	sections := cfg.Tenants()
	if err := a.checkFronts(sections); err != nil {
		return err
	}
	before := a.tenants
	tenants, err := a.buildTenants(ctx, sections)
	if err != nil {
		return err
	}
	a.cfg = cfg
	a.install(tenants)
	kept, stopped := 0, 0
	for name, old := range before {
		if tenants[name] == old {
			kept++
			continue
		}
		stopped++
		if old.stop != nil {
			old.stop()
		}
	}
	for _, t := range tenants {
		a.start(t)
	}
	a.opt.Log.LogAttrs(ctx, slog.LevelInfo, "configuration reloaded", slog.Int("tenants", len(tenants)),
		slog.Int("unchanged", kept), slog.Int("new_or_changed", len(tenants)-kept), slog.Int("changed_or_removed", stopped))
	return nil
}

// reloadFile is Reload with the file read again.
func (a *App) reloadFile(ctx context.Context, path string) {
	cfg, err := config.Load(path)
	if err == nil {
		err = a.Reload(ctx, cfg)
	} else {
		a.observed.reloaded(false)
	}
	if err != nil {
		a.opt.Log.LogAttrs(ctx, slog.LevelError, "configuration not reloaded, everything goes on as it was",
			slog.String("cause", fmt.Sprint(err)))
	}
}
