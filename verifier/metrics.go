package verifier

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what verifiers do, by tenant. A nil *Metrics drops everything.
type Metrics struct {
	presentations *prometheus.CounterVec
}

// NewMetrics registers the metrics of all verifiers of a process. It panics if
// the registry has them already.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{presentations: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "tegata", Subsystem: "verifier", Name: "presentations_total",
		Help: "Transactions that a wallet answered, by tenant, outcome (verified or refused) and reason of the refusal.",
	}, []string{"tenant", "outcome", "reason"})}
	registry.MustRegister(m.presentations)
	return m
}

// answered counts the end of a transaction.
func (m *Metrics) answered(tenant string, state State, refusal *Refusal) {
	if m == nil {
		return
	}
	reason := ""
	if refusal != nil {
		reason = string(refusal.Reason)
	}
	m.presentations.WithLabelValues(tenant, string(state), reason).Inc()
}
