package telemetry_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/telemetry"
)

// TestTracing delivers to a receiver, at the latest at the end, and puts up with
// one that is away.
func TestTracing(t *testing.T) {
	t.Parallel()
	var path, body atomic.Value
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		path.Store(r.URL.Path)
		body.Store(string(data))
	}))
	t.Cleanup(receiver.Close)
	o := telemetry.TraceOptions{Endpoint: receiver.URL, SampleRatio: 1}
	o.Roots = append(o.Roots, receiver.Certificate())
	tracing, err := telemetry.NewTracing(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracing.Tracer().Start(t.Context(), "a-span")
	span.End()
	if err := tracing.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := body.Load().(string); path.Load() != "/v1/traces" || !strings.Contains(got, "a-span") || !strings.Contains(got, "tegata") {
		t.Errorf("received %q at %v", got, path.Load())
	}

	receiver.Close()
	var log strings.Builder
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	if tracing, err = telemetry.NewTracing(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	_, span = tracing.Tracer().Start(t.Context(), "lost")
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_ = tracing.Shutdown(ctx)
	if !strings.Contains(log.String(), "spans were not delivered") {
		t.Errorf("log: %s", &log)
	}
}

func TestTracingThatIsOff(t *testing.T) {
	t.Parallel()
	var off *telemetry.Tracing
	_, span := off.Tracer().Start(t.Context(), "nothing")
	if span.IsRecording() || off.Shutdown(t.Context()) != nil {
		t.Error("a tracing that is off records")
	}
	if _, err := telemetry.NewTracing(t.Context(), telemetry.TraceOptions{Endpoint: "no URL"}); err == nil {
		t.Error("no error for an endpoint that is none")
	}
}
