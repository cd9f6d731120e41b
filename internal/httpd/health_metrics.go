package httpd

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tegata-id/tegata/internal/telemetry"
)

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
