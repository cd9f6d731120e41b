package verifier

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tegata-id/tegata/internal/session"
)

// Code says why a request to the verifier is refused: the reason of the
// relying-party API's problems and the error of the wallet-facing endpoints.
// The list is closed.
type Code string

// The codes.
const (
	// CodeInvalidRequest: malformed, or for a transaction that is unknown, has
	// ended or was answered.
	CodeInvalidRequest Code = "invalid_request"
	// CodeInvalidQuery: the DCQL query breaks a rule of the specification.
	CodeInvalidQuery Code = "invalid_query"
	// CodeUnsupportedQuery: the query asks for what this verifier does not do.
	CodeUnsupportedQuery Code = "unsupported_query"
	// CodeUnknownPreset: the verifier has no query of this name.
	CodeUnknownPreset Code = "unknown_preset"
	// CodeIdempotencyKey: the key was used for another request.
	CodeIdempotencyKey Code = "idempotency_key_reused"
	// CodeIndividualNumber: the query asks for the Individual Number or
	// compares with one.
	CodeIndividualNumber Code = "individual_number"
	// CodeInvalidTransactionData: transaction data that no presentation that
	// the query asks for could authorize, or that is malformed.
	CodeInvalidTransactionData Code = "invalid_transaction_data"
	// CodeInvalidRedirectURI: missing where the flow needs it, or not https.
	CodeInvalidRedirectURI Code = "invalid_redirect_uri"
	// CodeNotRegistered: the relying party asks for more than it is registered
	// for.
	CodeNotRegistered Code = "not_registered"
	// CodeTooManyRequests: a limit of the relying party is reached.
	CodeTooManyRequests Code = "too_many_requests"
	// CodeUnauthorized: API key and client certificate are missing or wrong.
	CodeUnauthorized Code = "unauthorized"
	// CodeNotFound: no such transaction of this relying party.
	CodeNotFound Code = "not_found"
	// CodeInvalidResponseCode: the response code is wrong or was used.
	CodeInvalidResponseCode Code = "invalid_response_code"
	// CodeOtherSession: the browser is not the one that began.
	CodeOtherSession Code = "other_session"
	// CodeAccessDenied: the presentation was read and is refused.
	CodeAccessDenied Code = "access_denied"
	// CodeUnavailable: the session store is away, or no key may sign requests.
	CodeUnavailable Code = "temporarily_unavailable"
	// CodeServerError: a fault of ours.
	CodeServerError Code = "server_error"
)

// Error is what a method of [Verifier] returns where the caller gets to know
// the reason. Cause goes to the log and never to the caller.
type Error struct {
	Code        Code
	Description string
	// Status is the HTTP status.
	Status int
	// RetryAfter, if positive, is when to try again.
	RetryAfter time.Duration
	Cause      error
}

// Error implements error; the text is for the log.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Description, e.Cause)
	}
	return string(e.Code) + ": " + e.Description
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func refuse(code Code, description string, cause error) *Error {
	status := http.StatusBadRequest
	switch code {
	case CodeUnauthorized:
		status = http.StatusUnauthorized
	case CodeIdempotencyKey:
		status = http.StatusUnprocessableEntity
	case CodeTooManyRequests:
		status = http.StatusTooManyRequests
	case CodeOtherSession, CodeNotRegistered:
		status = http.StatusForbidden
	case CodeNotFound:
		status = http.StatusNotFound
	case CodeUnavailable:
		status = http.StatusServiceUnavailable
	case CodeServerError:
		status = http.StatusInternalServerError
	}
	return &Error{Code: code, Description: description, Status: status, Cause: cause}
}

// stored turns an error of the session store into the answer for a secret that
// names nothing, or into 503 if the store could not be asked.
func stored(err error, code Code, description string) *Error {
	switch {
	case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrConflict), errors.Is(err, session.ErrExists):
		return refuse(code, description, nil)
	case errors.Is(err, session.ErrSealed):
		return refuse(CodeServerError, "", err)
	default:
		return refuse(CodeUnavailable, "try again later", err)
	}
}
