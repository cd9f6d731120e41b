package listen

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tegata-id/tegata/internal/telemetry"
)

// checkTimeout bounds one readiness check.
const checkTimeout = 2 * time.Second

// Health knows whether a process may be sent requests.
type Health struct {
	draining atomic.Bool

	mu     sync.Mutex
	names  []string
	checks map[string]func(context.Context) error
	warn   []func() []string
}

// NewHealth returns a health without checks, which is ready.
func NewHealth() *Health {
	return &Health{checks: map[string]func(context.Context) error{}}
}

// Add adds a named readiness check, such as a ping of a store. A check is given
// two seconds. The name is shown; the error is not.
func (h *Health) Add(name string, check func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.checks[name]; !ok {
		h.names = append(h.names, name)
		slices.Sort(h.names)
	}
	h.checks[name] = check
}

// Warn adds a source of warnings, such as of a certificate that ends soon. The
// readiness shows them and stays what it is.
func (h *Health) Warn(warnings func() []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.warn = append(h.warn, warnings)
}

// warnings is never nil, so that it is a list in JSON.
func (h *Health) warnings() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := []string{}
	for _, warnings := range h.warn {
		out = append(out, warnings()...)
	}
	return out
}

// Drain makes the process unready for good.
func (h *Health) Drain() { h.draining.Store(true) }

// Live answers 200 as long as the process can answer at all. Stores do not
// matter: restarting a process does not bring its database back.
func (h *Health) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeHealth(w, http.StatusOK, map[string]any{"status": "ok"})
	})
}

// Ready answers 200 if all checks pass and 503 if one fails or the process is
// draining, with the state of each check by name and the warnings there are.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.draining.Load() {
			writeHealth(w, http.StatusServiceUnavailable, map[string]any{"status": "draining"})
			return
		}
		states, ok := h.run(r.Context())
		if !ok {
			writeHealth(w, http.StatusServiceUnavailable, map[string]any{"status": "failing", "checks": states, "warnings": h.warnings()})
			return
		}
		writeHealth(w, http.StatusOK, map[string]any{"status": "ok", "checks": states, "warnings": h.warnings()})
	})
}

// run runs the checks one after the other: there are few, and none of them may
// pile up behind a store that hangs.
func (h *Health) run(ctx context.Context) (states map[string]string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	states, ok = map[string]string{}, true
	for _, name := range h.names {
		checkCtx, cancel := context.WithTimeout(ctx, checkTimeout)
		err := h.checks[name](checkCtx)
		cancel()
		if err != nil {
			states[name], ok = "failing", false
			continue
		}
		states[name] = "ok"
	}
	return states, ok
}

func writeHealth(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the prober went away
}

var checkUp = prometheus.NewDesc(prometheus.BuildFQName(telemetry.Namespace, "check", "up"),
	"Whether a readiness check passes, by its name: 1 or 0.", []string{"check"}, nil)

// Describe implements prometheus.Collector.
func (h *Health) Describe(out chan<- *prometheus.Desc) { out <- checkUp }

// Collect implements prometheus.Collector. It runs the checks, so that a store
// that is away has a name in an alert even while nobody asks for anything.
func (h *Health) Collect(out chan<- prometheus.Metric) {
	states, _ := h.run(context.Background())
	for name, state := range states {
		value := 0.0
		if state == "ok" {
			value = 1
		}
		out <- prometheus.MustNewConstMetric(checkUp, prometheus.GaugeValue, value, name)
	}
}

// Admin returns the handler of the admin listener: /livez, /readyz, /metrics and
// /debug/pprof/. It has no authentication and belongs on an address that only
// the operator reaches, never beside the routes of a Server.
func Admin(metrics prometheus.Gatherer, health *Health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /livez", health.Live())
	mux.Handle("GET /readyz", health.Ready())
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
