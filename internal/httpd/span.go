package httpd

import (
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// endSpan names the span of a request after its route pattern and ends it. Its
// attributes come from closed lists: neither the path, which has identifiers in
// it, nor a header, an address or the cause of an error is among them.
func (s *Server) endSpan(ev *event, route, method string, status int, at time.Time) {
	if ev.span.IsRecording() {
		ev.span.SetName(method + " " + route)
		ev.span.SetAttributes(
			attribute.String("tegata.server", s.options.Name),
			attribute.String("http.request.method", method),
			attribute.String("http.route", route),
			attribute.Int("http.response.status_code", status),
		)
		if ev.code != "" {
			ev.span.SetAttributes(attribute.String("error.type", ev.code))
		}
		if s.options.Tenant != "" {
			ev.span.SetAttributes(attribute.String("tegata.tenant", s.options.Tenant))
		}
		if status >= http.StatusInternalServerError {
			ev.span.SetStatus(codes.Error, "")
		}
	}
	ev.span.End(trace.WithTimestamp(at))
}
