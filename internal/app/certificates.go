package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/app/config"
)

const (
	// expiryNotice is how long before its end a certificate is warned about.
	expiryNotice = 30 * 24 * time.Hour
	// expiryReminder is how often the log says so again.
	expiryReminder = 12 * time.Hour
)

// certificates watches the ends of the certificates of a process's own keys:
// as a metric, in the log, and in the readiness. It is a prometheus.Collector.
type certificates struct {
	now   func() time.Time
	log   *slog.Logger
	gauge *prometheus.Desc

	mu      sync.Mutex
	watched []watchedCertificate
}

// The uses of keys that a tenant can work without: those that sign issuer
// metadata, and what relying parties are told.
const (
	useMetadata = "metadata"
	useWebhook  = "webhook"
)

type watchedCertificate struct {
	role, tenant, use string
	// until returns when the last of the certificates that follow one another
	// without a gap ends.
	until func(now time.Time) time.Time
	ends  time.Time
}

func newCertificates(now func() time.Time, log *slog.Logger) *certificates {
	return &certificates{now: now, log: log, gauge: prometheus.NewDesc("tegata_certificate_validity_seconds",
		"Time until no key of a use has a valid chain any more, by role, tenant and use; negative afterwards.",
		[]string{"role", "tenant", "use"}, nil)}
}

// watchCertificates makes the ends of certificates seen.
func (a *App) watchCertificates() {
	a.expiry = newCertificates(a.opt.Now, a.opt.Log)
	a.registry.MustRegister(a.expiry, a.health)
	a.health.Add("certificates", a.expiry.ready)
	a.health.Warn(a.expiry.warnings)
	a.jobs = append(a.jobs, a.expiry.remind)
}

// watchRing returns how to watch the keys of a use that follow one another.
func watchRing(role, tenant, use string, ring *keys.Ring) watchedCertificate {
	return watchedCertificate{role: role, tenant: tenant, use: use, until: ring.Until}
}

// replace exchanges what is watched.
func (c *certificates) replace(watched []watchedCertificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched = watched
}

// list returns what is watched, with its end as seen from now.
func (c *certificates) list(now time.Time) []watchedCertificate {
	c.mu.Lock()
	watched := slices.Clone(c.watched)
	c.mu.Unlock()
	for i := range watched {
		watched[i].ends = watched[i].until(now)
	}
	return watched
}

// Describe implements prometheus.Collector.
func (c *certificates) Describe(out chan<- *prometheus.Desc) { out <- c.gauge }

// Collect implements prometheus.Collector.
func (c *certificates) Collect(out chan<- prometheus.Metric) {
	now := c.now()
	for _, w := range c.list(now) {
		out <- prometheus.MustNewConstMetric(c.gauge, prometheus.GaugeValue, w.ends.Sub(now).Seconds(), w.role, w.tenant, w.use)
	}
}

// ending returns those that end soon or have ended.
func (c *certificates) ending() (out []watchedCertificate) {
	now := c.now()
	for _, w := range c.list(now) {
		if w.ends.Sub(now) < expiryNotice {
			out = append(out, w)
		}
	}
	return out
}

// warnings are for the readiness: the process works, and won't for long.
func (c *certificates) warnings() (out []string) {
	for _, w := range c.ending() {
		out = append(out, fmt.Sprintf("%s %s %s: certificate valid until %s", w.role, w.tenant, w.use, w.ends.UTC().Format(time.RFC3339)))
	}
	return out
}

// ready fails if every tenant has a signer whose certificates have ended: nobody
// would accept what it signs. As long as one tenant works the process is needed,
// and the others show in the metric and the log. A server certificate is the
// business of whoever connects, without a signer of metadata it is served
// unsigned, and without one of webhooks these wait.
func (c *certificates) ready(context.Context) error {
	now := c.now()
	tenants, ended := map[string]bool{}, map[string]bool{}
	for _, w := range c.list(now) {
		if w.use == config.UseTLS || w.use == useMetadata || w.use == useWebhook {
			continue
		}
		name := w.role + "/" + w.tenant
		tenants[name] = true
		if !now.Before(w.ends) {
			ended[name] = true
		}
	}
	if len(ended) > 0 && len(ended) == len(tenants) {
		return errors.New("the certificate of a signer has ended")
	}
	return nil
}

// remind logs what ends soon until ctx ends.
func (c *certificates) remind(ctx context.Context) {
	ticker := time.NewTicker(expiryReminder)
	defer ticker.Stop()
	for {
		for _, w := range c.ending() {
			level, message := slog.LevelWarn, "certificate ends soon"
			if !c.now().Before(w.ends) {
				level, message = slog.LevelError, "certificate has ended"
			}
			c.log.LogAttrs(ctx, level, message, slog.String("role", w.role), slog.String("tenant", w.tenant),
				slog.String("use", w.use), slog.Time("valid_until", w.ends))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
