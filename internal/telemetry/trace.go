package telemetry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// tracerName is the instrumentation scope of all spans of this system.
const tracerName = "github.com/tegata-id/tegata"

// NoTracer returns a tracer that records nothing.
func NoTracer() trace.Tracer { return noop.NewTracerProvider().Tracer(tracerName) }

// TraceOptions say where spans go and how many of them.
type TraceOptions struct {
	// Endpoint is the URL of an OTLP/HTTP receiver; "/v1/traces" is added if it
	// has no path.
	Endpoint string
	// SampleRatio is the share of requests that are traced, from 0 to 1.
	SampleRatio float64
	// Roots are trusted for the receiver beside those of the system.
	Roots []*x509.Certificate
	// Exporter, if set, takes the place of Endpoint and gets every span at once.
	Exporter sdktrace.SpanExporter
	// Log is told when spans could not be delivered.
	Log *slog.Logger
}

// Tracing makes spans and delivers them in the background. Spans that can't be
// delivered are dropped; no request ever waits for a receiver.
//
// A trace begins with a request and ends inside this process: the trace context
// of others is neither accepted nor sent. Wallets, issuers and verifiers would
// be able to link by it what the protocols keep apart.
type Tracing struct {
	provider *sdktrace.TracerProvider
}

// NewTracing returns the tracing for a process. It does not connect yet.
func NewTracing(ctx context.Context, o TraceOptions) (*Tracing, error) {
	deliver := sdktrace.WithSyncer(o.Exporter)
	if o.Exporter == nil {
		exporter, err := otlpExporter(ctx, o)
		if err != nil {
			return nil, err
		}
		deliver = sdktrace.WithBatcher(reporting{exporter, o.Log})
	}
	return &Tracing{provider: sdktrace.NewTracerProvider(
		deliver,
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.SampleRatio))),
		// Not the default resource: it holds host, user and command line.
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", Namespace))),
	)}, nil
}

func otlpExporter(ctx context.Context, o TraceOptions) (sdktrace.SpanExporter, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("trace receiver: %q is not a URL", o.Endpoint)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(u.String()),
		otlptracehttp.WithProxy(func(*http.Request) (*url.URL, error) { return nil, nil }), // not from the environment
	}
	if u.Scheme == "https" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		for _, root := range o.Roots {
			pool.AddCert(root)
		}
		options = append(options, otlptracehttp.WithTLSClientConfig(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("trace receiver: %w", err)
	}
	return exporter, nil
}

// Tracer returns the tracer for servers and clients; a nil Tracing has one that
// records nothing.
func (t *Tracing) Tracer() trace.Tracer {
	if t == nil {
		return NoTracer()
	}
	return t.provider.Tracer(tracerName)
}

// Shutdown delivers what is left, for as long as ctx lasts.
func (t *Tracing) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("deliver the last spans: %w", err)
	}
	return nil
}

// reporting logs what an exporter fails with. The library would hand it to a
// handler that the whole process shares, and that writes past our logger.
type reporting struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

// ExportSpans implements sdktrace.SpanExporter.
func (r reporting) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := r.SpanExporter.ExportSpans(ctx, spans)
	if err != nil && r.log != nil {
		r.log.LogAttrs(ctx, slog.LevelWarn, "spans were not delivered",
			slog.Int("count", len(spans)), slog.String("cause", err.Error()))
	}
	return nil
}
