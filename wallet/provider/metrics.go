package provider

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what wallet providers do, by tenant. A nil *Metrics drops
// everything.
type Metrics struct {
	attestations *prometheus.CounterVec
	revoked      *prometheus.CounterVec
}

// NewMetrics registers the metrics of all wallet providers of a process. It
// panics if the registry has them already.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		attestations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "tegata", Subsystem: "provider", Name: "attestations_issued_total",
			Help: "Attestations signed, by tenant and kind (client or key).",
		}, []string{"tenant", "kind"}),
		revoked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "tegata", Subsystem: "provider", Name: "revocations_total",
			Help: "Requests to revoke a wallet instance that were carried out, by tenant.",
		}, []string{"tenant"}),
	}
	registry.MustRegister(m.attestations, m.revoked)
	return m
}

func (m *Metrics) attested(tenant, kind string, err error) {
	if m != nil && err == nil {
		m.attestations.WithLabelValues(tenant, kind).Inc()
	}
}

func (m *Metrics) revocation(tenant string, err error) {
	if m != nil && err == nil {
		m.revoked.WithLabelValues(tenant).Inc()
	}
}
