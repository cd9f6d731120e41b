package app

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/statuslist"
	"github.com/tegata-id/tegata/issuer"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/verifier/webhook"
	"github.com/tegata-id/tegata/wallet/provider"
)

// roleMetrics are those of the roles and of what they share. They are made once
// for a process, whichever roles it has.
type roleMetrics struct {
	issuer      *issuer.Metrics
	verifier    *verifier.Metrics
	provider    *provider.Metrics
	webhooks    *webhook.Metrics
	statusLists *statuslist.Metrics
	lists       *revocationLists

	tenants *prometheus.GaugeVec
	reloads *prometheus.CounterVec
}

func newRoleMetrics(registry prometheus.Registerer, now func() time.Time) *roleMetrics {
	m := &roleMetrics{
		issuer: issuer.NewMetrics(registry), verifier: verifier.NewMetrics(registry), provider: provider.NewMetrics(registry),
		webhooks:    webhook.NewMetrics(registry),
		statusLists: statuslist.NewMetrics(registry), lists: newRevocationLists(now),
		tenants: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tegata_tenants", Help: "Tenants that the process serves, by role.",
		}, []string{"role"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tegata_config_reloads_total", Help: "How often the configuration was read again, by outcome: ok or failed.",
		}, []string{"outcome"}),
	}
	registry.MustRegister(m.lists, m.tenants, m.reloads)
	m.reloads.WithLabelValues("ok")
	m.reloads.WithLabelValues("failed")
	return m
}

func (m *roleMetrics) countTenants(tenants map[string]*tenant) {
	m.tenants.Reset()
	for _, t := range tenants {
		m.tenants.WithLabelValues(t.Role).Inc()
	}
}

func (m *roleMetrics) reloaded(ok bool) {
	outcome := "failed"
	if ok {
		outcome = "ok"
	}
	m.reloads.WithLabelValues(outcome).Inc()
}

// recentlyUsed is how long a revocation list counts after a certificate was
// looked up in it. Those that nobody needs any more are not renewed, and their
// age alarms nobody.
const recentlyUsed = 2 * time.Hour

// revocationLists tells how old the revocation lists of the issuers are. It is a
// prometheus.Collector.
type revocationLists struct {
	now       func() time.Time
	age, left *prometheus.Desc

	mu       sync.Mutex
	checkers map[string]*trust.CRLChecker // by tenant
}

func newRevocationLists(now func() time.Time) *revocationLists {
	return &revocationLists{
		now: now, checkers: map[string]*trust.CRLChecker{},
		age: prometheus.NewDesc("tegata_crl_age_seconds",
			"Time since the oldest revocation list in use was made, by tenant.", []string{"tenant"}, nil),
		left: prometheus.NewDesc("tegata_crl_validity_seconds",
			"Time until the first revocation list in use has to be replaced, by tenant; negative afterwards.", []string{"tenant"}, nil),
	}
}

// reset forgets every issuer.
func (l *revocationLists) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.checkers)
}

func (l *revocationLists) watch(tenant string, checker *trust.CRLChecker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checkers[tenant] = checker
}

// Describe implements prometheus.Collector.
func (l *revocationLists) Describe(out chan<- *prometheus.Desc) { out <- l.age; out <- l.left }

// Collect implements prometheus.Collector.
func (l *revocationLists) Collect(out chan<- prometheus.Metric) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for tenant, checker := range l.checkers {
		var oldest, first time.Time
		for _, list := range checker.Held() {
			if now.Sub(list.Used) > recentlyUsed {
				continue
			}
			if oldest.IsZero() || list.ThisUpdate.Before(oldest) {
				oldest = list.ThisUpdate
			}
			if first.IsZero() || list.NextUpdate.Before(first) {
				first = list.NextUpdate
			}
		}
		if oldest.IsZero() {
			continue
		}
		out <- prometheus.MustNewConstMetric(l.age, prometheus.GaugeValue, now.Sub(oldest).Seconds(), tenant)
		out <- prometheus.MustNewConstMetric(l.left, prometheus.GaugeValue, first.Sub(now).Seconds(), tenant)
	}
}
