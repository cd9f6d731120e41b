package fetch

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// span starts the span of a request; the function that it returns ends it. The
// span tells purpose, method and status. The host is told only where the
// operator set it: one that came from a message may have been made up to be
// recognised.
func (c *Client) span(ctx context.Context, method string) (context.Context, func(rawURL string, response *Response, err error)) {
	ctx, span := c.options.Tracer.Start(ctx, "fetch "+c.options.Purpose,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(c.options.Now()))
	return ctx, func(rawURL string, response *Response, err error) {
		if span.IsRecording() {
			span.SetAttributes(attribute.String("http.request.method", method))
			if u, parseErr := c.guard.parse(rawURL); parseErr == nil && c.guard.operator[hostPort(u)] {
				span.SetAttributes(attribute.String("server.address", u.Hostname()))
			}
			if response != nil {
				span.SetAttributes(attribute.Int("http.response.status_code", response.Status))
			}
			if err != nil {
				span.SetAttributes(attribute.String("error.type", errorType(err)))
				span.SetStatus(codes.Error, "")
			}
		}
		span.End(trace.WithTimestamp(c.options.Now()))
	}
}

// errorType is one of a few words: the text of an error may quote an address.
func errorType(err error) string {
	switch {
	case errors.Is(err, ErrBlocked):
		return "blocked"
	case errors.Is(err, ErrTooLarge):
		return "too_large"
	case errors.Is(err, ErrRedirect):
		return "redirect"
	case errors.Is(err, ErrContentType):
		return "content_type"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "connection"
}
