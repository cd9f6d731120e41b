package app

import (
	"context"
	"time"

	"github.com/tegata-id/tegata/internal/telemetry"
)

// lastSpans is how long the end of a process waits for its last spans to be
// delivered.
const lastSpans = 3 * time.Second

func (a *App) openTracing(ctx context.Context) (err error) {
	o := telemetry.TraceOptions{Roots: a.roots, Log: a.opt.Log, Exporter: a.opt.Spans, SampleRatio: 1}
	if c := a.cfg.Telemetry; c != nil {
		o.Endpoint, o.SampleRatio = c.OTLPEndpoint, c.SampleRatio
	} else if o.Exporter == nil {
		return nil
	}
	a.tracing, err = telemetry.NewTracing(ctx, o)
	return err
}

// closeTracing delivers the last spans. A receiver that is away is no reason to
// call the end of a process unclean; the log has it.
func (a *App) closeTracing() {
	ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
	defer cancel()
	if err := a.tracing.Shutdown(ctx); err != nil {
		a.opt.Log.Warn("the last spans were not delivered", "cause", err.Error())
	}
	a.tracing = nil
}
