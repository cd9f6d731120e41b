package webhook

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics tell how the webhooks of a process do, by tenant. A nil *Metrics drops
// everything.
type Metrics struct {
	attempts *prometheus.CounterVec
	backlog  *prometheus.GaugeVec
	age      *prometheus.GaugeVec
}

// The outcomes of attempts.
const (
	outcomeDelivered = "delivered"
	outcomeFailed    = "failed"
	outcomeGivenUp   = "given_up"
)

// NewMetrics registers the metrics of webhooks. It panics if the registry has
// them already.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	options := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "tegata", Subsystem: "verifier_webhook", Name: name, Help: help}
	}
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts(options("attempts_total",
			"Messages to relying parties, by tenant and outcome: delivered, failed (and tried again) or given_up.")), []string{"tenant", "outcome"}),
		backlog: prometheus.NewGaugeVec(prometheus.GaugeOpts(options("backlog_messages",
			"Messages to relying parties that are not delivered yet, by tenant.")), []string{"tenant"}),
		age: prometheus.NewGaugeVec(prometheus.GaugeOpts(options("backlog_age_seconds",
			"Age of the oldest message to a relying party that is not delivered yet, by tenant.")), []string{"tenant"}),
	}
	registry.MustRegister(m.attempts, m.backlog, m.age)
	return m
}

func (m *Metrics) ended(tenant, outcome string) {
	if m != nil {
		m.attempts.WithLabelValues(tenant, outcome).Inc()
	}
}

func (m *Metrics) measured(tenant string, count int64, age time.Duration) {
	if m != nil {
		m.backlog.WithLabelValues(tenant).Set(float64(count))
		m.age.WithLabelValues(tenant).Set(age.Seconds())
	}
}
