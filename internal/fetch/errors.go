package fetch

import (
	"errors"
	"fmt"
)

// What can go wrong with a request, for errors.Is. Everything else, such as a
// refused connection or an untrusted certificate, is an error of the standard
// library.
var (
	// ErrBlocked says that the URL or the address behind it is not allowed.
	ErrBlocked = errors.New("address not allowed")
	// ErrTooLarge says that the body is larger than MaxBytes.
	ErrTooLarge = errors.New("response too large")
	// ErrRedirect says that the answer was a redirect: none are followed.
	ErrRedirect = errors.New("redirects are not followed")
	// ErrContentType says that the answer has another type than was asked
	// for, or a content encoding.
	ErrContentType = errors.New("unexpected content type")
	// ErrStatus says that the status was not in the 200s; the error is a
	// *StatusError.
	ErrStatus = errors.New("unexpected status")
)

// StatusError is an answer with a status outside the 200s.
type StatusError struct {
	// Response is complete, with its body.
	Response *Response
}

// Error implements error. The body, which anybody may have written, is not in
// the text.
func (e *StatusError) Error() string { return fmt.Sprintf("%v %d", ErrStatus, e.Response.Status) }

// Unwrap makes errors.Is find ErrStatus.
func (e *StatusError) Unwrap() error { return ErrStatus }

func blocked(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBlocked, fmt.Sprintf(format, args...))
}
