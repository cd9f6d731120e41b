package issuer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/issuer/source/register"
)

// Metrics count what issuers do, by tenant. Labels come from configuration and
// closed lists. A nil *Metrics drops everything.
type Metrics struct {
	issued   *prometheus.CounterVec
	revoked  *prometheus.CounterVec
	failures *prometheus.CounterVec
	lookups  *prometheus.CounterVec
	age      *prometheus.GaugeVec

	entries        *prometheus.CounterVec
	importFailures *prometheus.CounterVec
	importAge      *prometheus.GaugeVec
	backlog        *prometheus.GaugeVec

	deferrals *prometheus.CounterVec
}

// What becomes of deferred credentials, as the metric has it.
const (
	deferredBegun    = "begun"
	deferredApproved = "approved"
	deferredDenied   = "denied"
	deferredIssued   = "issued"
)

// What is looked up again, as the metrics have it.
const (
	recheckedCertificate = "certificate"
	recheckedAttestation = "attestation"
)

// NewMetrics registers the metrics of all issuers of a process. It panics if the
// registry has them already.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	options := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "tegata", Subsystem: "issuer", Name: name, Help: help}
	}
	m := &Metrics{
		issued: prometheus.NewCounterVec(prometheus.CounterOpts(options("credentials_issued_total",
			"Credentials signed, by tenant, format and type.")), []string{"tenant", "format", "type"}),
		revoked: prometheus.NewCounterVec(prometheus.CounterOpts(options("credentials_revoked_total",
			"Credentials made INVALID, by tenant and cause (evidence, attestation, grant or request).")), []string{"tenant", "cause"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts(options("recheck_failures_total",
			"Rounds of rechecks in which something could not be looked up, by tenant and what (certificate or attestation).")), []string{"tenant", "evidence"}),
		age: prometheus.NewGaugeVec(prometheus.GaugeOpts(options("recheck_age_seconds",
			"Time since the evidence in use that was checked longest ago was checked, by tenant and what it is (certificate or attestation).")), []string{"tenant", "evidence"}),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts(options("source_lookups_total",
			"Lookups in registers behind HTTP, by tenant, source and outcome.")), []string{"tenant", "source", "outcome"}),
		entries: prometheus.NewCounterVec(prometheus.CounterOpts(options("crl_entries_imported_total",
			"Entries of revocation lists that were matched with the evidence, by tenant.")), []string{"tenant"}),
		importFailures: prometheus.NewCounterVec(prometheus.CounterOpts(options("crl_import_failures_total",
			"Rounds of imports in which a revocation list could not be imported, by tenant.")), []string{"tenant"}),
		importAge: prometheus.NewGaugeVec(prometheus.GaugeOpts(options("crl_import_age_seconds",
			"Time since the oldest revocation list was made of those that were imported last, by tenant.")), []string{"tenant"}),
		backlog: prometheus.NewGaugeVec(prometheus.GaugeOpts(options("crl_import_backlog_entries",
			"Entries that are left of imports that were cut off, by tenant.")), []string{"tenant"}),
	}
	m.deferrals = prometheus.NewCounterVec(prometheus.CounterOpts(options("deferred_total",
		"Batches of credentials that were deferred, by tenant and what became of them (begun, approved, denied or issued).")), []string{"tenant", "outcome"})
	registry.MustRegister(m.issued, m.revoked, m.failures, m.age, m.lookups, m.entries, m.importFailures, m.importAge, m.backlog, m.deferrals)
	return m
}

// counting wraps the signing of credentials.
func (m *Metrics) counting(tenant string, format credentials.Format, s Signer) Signer {
	if m == nil {
		return s
	}
	issue := s.Issue
	s.Issue = func(d credentials.Draft, key *keys.Key) (string, error) {
		credential, err := issue(d, key)
		if err == nil {
			m.issued.WithLabelValues(tenant, string(format), d.Type).Inc()
		}
		return credential, err
	}
	return s
}

// Revoked counts credentials that were made INVALID; see [records.Records].
func (m *Metrics) Revoked(tenant, cause string, n int) {
	if m != nil && n > 0 {
		m.revoked.WithLabelValues(tenant, cause).Add(float64(n))
	}
}

// deferred counts batches that are issued later.
func (m *Metrics) deferred(tenant, outcome string) {
	if m != nil {
		m.deferrals.WithLabelValues(tenant, outcome).Inc()
	}
}

// Lookups returns a function that counts the outcomes of lookups in a register.
func (m *Metrics) Lookups(tenant, name string) func(register.Outcome) {
	if m == nil {
		return nil
	}
	for _, outcome := range register.Outcomes() {
		m.lookups.WithLabelValues(tenant, name, string(outcome)) // shown as 0 from the start
	}
	return func(outcome register.Outcome) { m.lookups.WithLabelValues(tenant, name, string(outcome)).Inc() }
}

// rechecked tells how a round of rechecks left things.
func (m *Metrics) rechecked(tenant, evidence string, failed bool, oldest time.Duration) {
	if m == nil {
		return
	}
	failures := m.failures.WithLabelValues(tenant, evidence) // shown as 0 from the start
	if failed {
		failures.Inc()
	}
	m.age.WithLabelValues(tenant, evidence).Set(max(0, oldest).Seconds())
}

// imported counts entries of revocation lists that are done.
func (m *Metrics) imported(tenant string, n int) {
	if m != nil {
		m.entries.WithLabelValues(tenant).Add(float64(n))
	}
}

// importRound tells how a round of imports left things.
func (m *Metrics) importRound(tenant string, failed bool, oldest time.Duration, backlog int) {
	if m == nil {
		return
	}
	failures := m.importFailures.WithLabelValues(tenant) // shown as 0 from the start
	if failed {
		failures.Inc()
	}
	m.importAge.WithLabelValues(tenant).Set(max(0, oldest).Seconds())
	m.backlog.WithLabelValues(tenant).Set(float64(backlog))
}
