package telemetry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Namespace is the first part of the name of every metric of this system.
const Namespace = "tegata"

// NewRegistry returns a registry with the collectors of the Go runtime and of
// the process. Nothing is registered with the library's default registry.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// HTTPMetrics counts what the HTTP servers of a process do. Labels are bounded:
// the server's name, the route pattern, the method and the class of the status,
// never a path, an address or anything else that a request brings.
type HTTPMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
	panics   *prometheus.CounterVec
	refused  *prometheus.CounterVec
	errors   *prometheus.CounterVec
}

// NewHTTPMetrics registers the HTTP metrics. It panics if the registry has them
// already: a process makes them once and gives them to all its servers.
func NewHTTPMetrics(registry prometheus.Registerer) *HTTPMetrics {
	m := &HTTPMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: Namespace, Subsystem: "http", Name: "requests_total",
			Help: "Requests answered, by server, route pattern, method and class of the status.",
		}, []string{"server", "route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: Namespace, Subsystem: "http", Name: "request_duration_seconds",
			Help:    "Time from the end of the header to the end of the answer, in seconds.",
			Buckets: []float64{0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}, []string{"server", "route", "method"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: Namespace, Subsystem: "http", Name: "requests_in_flight",
			Help: "Requests being answered, by server.",
		}, []string{"server"}),
		panics: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: Namespace, Subsystem: "http", Name: "panics_total",
			Help: "Handlers that panicked, by server.",
		}, []string{"server"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: Namespace, Subsystem: "http", Name: "connections_refused_total",
			Help: "Connections closed because a limit was reached, by server and limit (total or address).",
		}, []string{"server", "limit"}),
	}
	m.errors = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: Namespace, Subsystem: "http", Name: "errors_total",
		Help: "Requests answered with an error, by server, route pattern and error code.",
	}, []string{"server", "route", "code"})
	registry.MustRegister(m.errors, m.requests, m.duration, m.inFlight, m.panics, m.refused)
	return m
}

// Begin counts a request in flight until the returned function is called.
func (m *HTTPMetrics) Begin(server string) (end func()) {
	gauge := m.inFlight.WithLabelValues(server)
	gauge.Inc()
	return gauge.Dec
}

// Observe counts an answered request. The route is a pattern and the method one
// of a fixed set; the caller sees to both.
func (m *HTTPMetrics) Observe(server, route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(server, route, method, statusClass(status)).Inc()
	m.duration.WithLabelValues(server, route, method).Observe(took.Seconds())
}

// Error counts an error answer. The code is one of a closed list.
func (m *HTTPMetrics) Error(server, route, code string) {
	m.errors.WithLabelValues(server, route, code).Inc()
}

// Panic counts a handler that panicked.
func (m *HTTPMetrics) Panic(server string) {
	m.panics.WithLabelValues(server).Inc()
}

// ConnectionRefused counts a connection closed at a limit: "total" or "address".
func (m *HTTPMetrics) ConnectionRefused(server, limit string) {
	m.refused.WithLabelValues(server, limit).Inc()
}

func statusClass(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return strconv.Itoa(status/100) + "xx"
}
