package statuslist

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics tell how the status lists of a process do, by owner and tenant. Lists
// have no label of their own: their names are in credentials. A nil *Metrics
// drops everything.
type Metrics struct {
	publications *prometheus.CounterVec
	failures     *prometheus.CounterVec
	age          *prometheus.GaugeVec
	left         *prometheus.GaugeVec
	ahead        *prometheus.GaugeVec
}

// NewMetrics registers the metrics of status lists. It panics if the registry
// has them already.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	labels := []string{"owner", "tenant"}
	options := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "tegata", Subsystem: "status_list", Name: name, Help: help}
	}
	m := &Metrics{
		publications: prometheus.NewCounterVec(prometheus.CounterOpts(options("publications_total",
			"Status list tokens made, by owner and tenant.")), labels),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts(options("publication_failures_total",
			"Times that no current status list token could be made, by owner and tenant.")), labels),
		age: prometheus.NewGaugeVec(prometheus.GaugeOpts(options("served_age_seconds",
			"Age of the status list token that was served last, by owner and tenant.")), labels),
		left: prometheus.NewGaugeVec(prometheus.GaugeOpts(options("served_validity_seconds",
			"Time until the status list token that was served last expires, by owner and tenant.")), labels),
		ahead: prometheus.NewGaugeVec(prometheus.GaugeOpts(options("covered_seconds",
			"Time until the first list has no token left, of those signed ahead too, by owner and tenant.")), labels),
	}
	registry.MustRegister(m.publications, m.failures, m.age, m.left, m.ahead)
	return m
}

func (m *Metrics) published(owner, tenant string) {
	if m != nil {
		m.publications.WithLabelValues(owner, tenant).Inc()
	}
}

func (m *Metrics) failed(owner, tenant string) {
	if m != nil {
		m.failures.WithLabelValues(owner, tenant).Inc()
	}
}

func (m *Metrics) served(owner, tenant string, p Publication, now time.Time) {
	if m != nil {
		m.age.WithLabelValues(owner, tenant).Set(max(0, now.Sub(p.IssuedAt)).Seconds())
		m.left.WithLabelValues(owner, tenant).Set(p.Expires.Sub(now).Seconds())
	}
}

func (m *Metrics) covered(owner, tenant string, d time.Duration) {
	if m != nil {
		m.ahead.WithLabelValues(owner, tenant).Set(d.Seconds())
	}
}
