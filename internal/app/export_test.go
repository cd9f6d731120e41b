package app

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tegata-id/tegata/internal/httpd/listen"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/internal/telemetry"
)

// describing is a registry that remembers nothing but names.
type describing struct {
	prometheus.Registerer
	names map[string]bool
}

func (d describing) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		out := make(chan *prometheus.Desc, 100)
		c.Describe(out)
		close(out)
		for desc := range out {
			_, rest, _ := strings.Cut(desc.String(), `fqName: "`)
			name, _, _ := strings.Cut(rest, `"`)
			d.names[name] = true
		}
	}
}

// MetricNames returns the names of all metrics that a process may have, beside
// those of the runtime.
func MetricNames() map[string]bool {
	d := describing{names: map[string]bool{}}
	telemetry.NewHTTPMetrics(d)
	newRoleMetrics(d, time.Now)
	session.Metered(nil, d, time.Now)
	d.MustRegister(listen.NewHealth(), newCertificates(time.Now, nil))
	return d.names
}
