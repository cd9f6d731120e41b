package httpd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// eventKey is where the event of a request is kept in its echo.Context.
const eventKey = "tegata.event"

// event is what becomes the one log line of a request. The handler and the
// writers fill it in.
type event struct {
	requestID string
	code      string
	cause     error
	encode    ErrorEncoder
	body      *limitedBody
	stack     string
	abandoned bool // the client went away before there was an answer
	span      trace.Span
}

// eventOf returns the event of the request, or a throw-away one for contexts
// that did not pass through a Server, as in tests of a single handler.
func eventOf(c echo.Context) *event {
	if ev, ok := c.Get(eventKey).(*event); ok {
		return ev
	}
	ev := &event{}
	c.Set(eventKey, ev)
	return ev
}

// answered notes the code of an answer. Errors of a role's own type are taken
// for faults of ours until their encoder says better.
func (ev *event) answered(code string) {
	if ev.code == "" || ev.code == CodeServerError {
		ev.code = code
	}
}

// NoteError puts an error's code and cause into the log line of the request, and
// when to try again into the header of the answer. The writers of this package
// do so themselves; it is for handlers that answer with a page or a redirect.
func NoteError(c echo.Context, e *Error) {
	ev := eventOf(c)
	ev.code, ev.cause = e.Code, e.Cause
	setRetryAfter(c, e.RetryAfter)
}

// newRequestID returns 128 random bits as 32 letters. Without digits it can
// never be taken for an Individual Number and be blotted out in the log.
func newRequestID() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails: the runtime ends the process instead
	id := make([]byte, 0, 2*len(raw))
	for _, b := range raw {
		id = append(id, 'a'+b>>4, 'a'+b&15)
	}
	return string(id)
}

// observe is the outermost middleware: it gives the request its identifier,
// answers errors and panics, and writes the log line and the metrics.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := s.options.Now()
		ev := &event{requestID: newRequestID()}
		c.Set(eventKey, ev)
		request := c.Request()
		// A new trace whatever the client sent: see telemetry.Tracing.
		ctx, span := s.options.Tracer.Start(request.Context(), "request",
			trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start))
		ev.span = span
		c.SetRequest(request.WithContext(ctx))
		c.Response().Header().Set("X-Request-Id", ev.requestID)
		if m := s.options.Metrics; m != nil {
			defer m.Begin(s.options.Name)()
		}
		defer func() { s.finish(c, ev, start) }()
		if err := s.protect(next, c, ev); err != nil {
			s.handleError(err, c)
		}
		return nil
	}
}

// protect turns a panic into an error without its value, which might hold
// anything. http.ErrAbortHandler is the standard way to drop a connection and
// goes on.
func (s *Server) protect(next echo.HandlerFunc, c echo.Context, ev *event) (err error) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		if value == http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
			panic(value)
		}
		cause := fmt.Errorf("panic with a value of type %T", value)
		var runtimeError runtime.Error
		if e, ok := value.(error); ok && errors.As(e, &runtimeError) {
			cause = fmt.Errorf("panic: %w", runtimeError)
		}
		ev.stack = frames(debug.Stack())
		if m := s.options.Metrics; m != nil {
			m.Panic(s.options.Name)
		}
		err = &Error{Status: http.StatusInternalServerError, Code: CodeServerError, Cause: cause}
	}()
	return next(c)
}

// frames keeps the positions of a stack and drops the argument words.
func frames(stack []byte) string {
	var positions []string
	for line := range strings.Lines(string(stack)) {
		if position, ok := strings.CutPrefix(line, "\t"); ok {
			position, _, _ = strings.Cut(position, " ")
			positions = append(positions, strings.TrimSpace(position))
		}
	}
	return strings.Join(positions, " < ")
}

// finish writes the log line and the metrics of a request.
func (s *Server) finish(c echo.Context, ev *event, start time.Time) {
	took := s.options.Now().Sub(start)
	route, method, status := s.routes.pattern(c), methodLabel(c.Request().Method), c.Response().Status
	if ev.abandoned {
		status = statusClientClosed
	}
	if m := s.options.Metrics; m != nil {
		m.Observe(s.options.Name, route, method, status, took)
		if ev.code != "" {
			m.Error(s.options.Name, route, ev.code)
		}
	}
	s.endSpan(ev, route, method, status, start.Add(took))
	attrs := []slog.Attr{
		slog.String("server", s.options.Name), slog.String("method", method), slog.String("route", route),
		slog.Int("status", status), slog.Duration("took", took), slog.String("request_id", ev.requestID),
	}
	if s.options.Tenant != "" {
		attrs = append(attrs, slog.String("tenant", s.options.Tenant))
	}
	if ev.span.SpanContext().IsSampled() {
		attrs = append(attrs, slog.String("trace_id", ev.span.SpanContext().TraceID().String()))
	}
	if ev.code != "" {
		attrs = append(attrs, slog.String("code", ev.code))
	}
	if ev.cause != nil {
		attrs = append(attrs, slog.String("cause", ev.cause.Error()))
	}
	if ev.stack != "" {
		attrs = append(attrs, slog.String("stack", ev.stack))
	}
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	s.options.Logger.LogAttrs(c.Request().Context(), level, "request", attrs...)
}

// statusClientClosed stands in the log for requests whose client went away
// before an answer; it is never sent.
const statusClientClosed = 499

// methodLabel keeps methods to a fixed set: a client may send any word.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

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
