package httpd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// The codes of errors that this package makes itself. Those that OAuth has a
// name for use it.
const (
	CodeInvalidRequest       = "invalid_request"
	CodeUnsupportedMediaType = "unsupported_media_type"
	CodeRequestTooLarge      = "request_too_large"
	CodeRequestTimeout       = "request_timeout"
	CodeNotFound             = "not_found"
	CodeMethodNotAllowed     = "method_not_allowed"
	CodeCrossOrigin          = "cross_origin_request"
	CodeTooManyRequests      = "too_many_requests"
	CodeServerError          = "server_error"
	CodeUnavailable          = "temporarily_unavailable"
)

// Error is an error with the answer that it leads to. Handlers return it; the
// ErrorEncoder of the route writes it.
type Error struct {
	// Status is the HTTP status code.
	Status int
	// Code is the error code of the protocol or the reason of the API.
	Code string
	// Description is for the developer of the client. It is sent, so it never
	// repeats what the request said.
	Description string
	// RetryAfter, if positive, becomes the Retry-After header.
	RetryAfter time.Duration
	// Cause is logged and never sent.
	Cause error
}

// Error returns code, description and cause, for logs.
func (e *Error) Error() string {
	text := e.Code
	if e.Description != "" {
		text += ": " + e.Description
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Unavailable returns the error for a store that is away, or whatever else will
// pass: 503 with Retry-After.
func Unavailable(cause error) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: CodeUnavailable,
		Description: "try again later", RetryAfter: 5 * time.Second, Cause: cause}
}

// ErrorEncoder writes the answer to an error. It is called once, with nothing
// written yet. Encoders know the error types of their role and leave the rest
// to EncodeProblem or EncodeOAuth.
type ErrorEncoder func(c echo.Context, err error)

// Errors returns a middleware that makes encode answer the errors of a group or
// route. The innermost one wins; without one it is EncodeProblem.
func Errors(encode ErrorEncoder) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			eventOf(c).encode = encode
			return next(c)
		}
	}
}

// AsError returns err as an *Error. Errors of other types become an opaque 500,
// except for those of the router and of reading the request.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var routing *echo.HTTPError
	if errors.As(err, &routing) {
		return fromRouter(routing)
	}
	return &Error{Status: http.StatusInternalServerError, Code: CodeServerError, Cause: err}
}

func fromRouter(err *echo.HTTPError) *Error {
	switch err.Code {
	case http.StatusNotFound:
		return &Error{Status: err.Code, Code: CodeNotFound}
	case http.StatusMethodNotAllowed:
		return &Error{Status: err.Code, Code: CodeMethodNotAllowed}
	}
	if err.Code >= 400 && err.Code < 500 {
		return &Error{Status: err.Code, Code: CodeInvalidRequest, Cause: err.Internal}
	}
	return &Error{Status: http.StatusInternalServerError, Code: CodeServerError, Cause: err}
}

// handleError answers an error through the encoder of the route.
func (s *Server) handleError(err error, c echo.Context) {
	ev := eventOf(c)
	err = s.unmatched(c, err)
	e := AsError(err)
	if ev.code == "" && ev.cause == nil {
		ev.code, ev.cause = e.Code, e.Cause
		if e.Cause == nil && e.Description != "" {
			ev.cause = errors.New(e.Description)
		}
	}
	ev.abandoned = errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil
	if c.Response().Committed {
		return
	}
	// An answer is written even if nobody may be there to read it: without
	// one the standard library would say 200.
	encode := ev.encode
	if encode == nil {
		encode = EncodeProblem
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	encode(c, err)
	if !c.Response().Committed { // the encoder failed or did not know the error
		EncodeProblem(c, e)
	}
}

// unmatched turns the router's errors into ours, with the methods that the path
// does have. The router itself says 404 rather than 405 within groups that have
// middleware, since those get a catch-all route.
func (s *Server) unmatched(c echo.Context, err error) error {
	var routing *echo.HTTPError
	if !errors.As(err, &routing) || routing.Code != http.StatusNotFound && routing.Code != http.StatusMethodNotAllowed {
		return err
	}
	if s.routes.has(c.Request().Method, c.Path()) {
		return err // the handler says so, not the router
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := s.echo.NewContext(c.Request(), nil)
		s.echo.Router().Find(method, echo.GetPath(c.Request()), probe)
		if s.routes.has(method, probe.Path()) {
			allowed = append(allowed, method)
			c.SetPath(probe.Path())
		}
	}
	if len(allowed) == 0 {
		return &Error{Status: http.StatusNotFound, Code: CodeNotFound}
	}
	c.Response().Header().Set("Allow", strings.Join(allowed, ", "))
	return &Error{Status: http.StatusMethodNotAllowed, Code: CodeMethodNotAllowed}
}

// EncodeProblem is the ErrorEncoder that answers with RFC 9457 problem details.
func EncodeProblem(c echo.Context, err error) {
	e := AsError(err)
	setRetryAfter(c, e.RetryAfter)
	noteFailure(c, WriteProblem(c, Problem{Status: e.Status, Detail: e.Description, Reason: e.Code}))
}

// EncodeOAuth is the ErrorEncoder that answers with the error object of RFC 6749
// section 5.2. Codes that OAuth does not have become invalid_request, with
// status 400 for media types it does not take.
func EncodeOAuth(c echo.Context, err error) {
	e := AsError(err)
	answer := OAuthError{Status: e.Status, Code: e.Code, Description: e.Description, RetryAfter: e.RetryAfter}
	switch e.Code {
	case CodeUnsupportedMediaType, CodeRequestTimeout:
		answer.Status, answer.Code = http.StatusBadRequest, CodeInvalidRequest
	case CodeRequestTooLarge, CodeNotFound, CodeMethodNotAllowed, CodeCrossOrigin:
		answer.Code = CodeInvalidRequest
	case CodeTooManyRequests:
		answer.Code = CodeUnavailable
	}
	noteFailure(c, WriteOAuthError(c, answer))
}

// noteFailure logs that an answer could not be written.
func noteFailure(c echo.Context, err error) {
	if err != nil {
		ev := eventOf(c)
		ev.cause = errors.Join(ev.cause, fmt.Errorf("write the answer: %w", err))
	}
}

// setRetryAfter rounds up to whole seconds (RFC 9110 section 10.2.3).
func setRetryAfter(c echo.Context, d time.Duration) {
	if d > 0 {
		seconds := (d + time.Second - 1) / time.Second
		c.Response().Header().Set("Retry-After", fmt.Sprint(int64(seconds)))
	}
}

// invalid returns the 400 for a malformed request.
func invalid(description string, cause error) *Error {
	return &Error{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Description: description, Cause: cause}
}

// describable maps text to the characters that RFC 6749 appendix A.8 allows in
// an error_description, and bounds its length.
func describable(text string) string {
	const longest = 300
	var b strings.Builder
	for _, r := range text {
		if b.Len() == longest {
			break
		}
		switch {
		case r == '"':
			b.WriteByte('\'')
		case r < ' ' || r > '~' || r == '\\':
			b.WriteByte('?')
		default:
			b.WriteByte(byte(r))
		}
	}
	return b.String()
}
