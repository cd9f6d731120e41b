package openid4vci

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Error codes of the credential, deferred credential and notification
// endpoints (sections 8.3.1.2, 9.3 and 11.3).
const (
	CodeInvalidCredentialRequest       = "invalid_credential_request"
	CodeUnknownCredentialConfiguration = "unknown_credential_configuration"
	CodeUnknownCredentialIdentifier    = "unknown_credential_identifier"
	CodeInvalidProof                   = "invalid_proof"
	CodeInvalidNonce                   = "invalid_nonce"
	CodeInvalidEncryptionParameters    = "invalid_encryption_parameters"
	CodeCredentialRequestDenied        = "credential_request_denied"
	CodeInvalidTransactionID           = "invalid_transaction_id"
	CodeInvalidNotificationID          = "invalid_notification_id"
	CodeInvalidNotificationRequest     = "invalid_notification_request"
)

// Error codes of OAuth 2.0 that the endpoints of issuance use (RFC 6749
// sections 4.1.2.1 and 5.2, RFC 6750 section 3.1, RFC 9396 section 5, RFC 9449
// section 5).
const (
	CodeInvalidRequest              = "invalid_request"
	CodeInvalidClient               = "invalid_client"
	CodeInvalidGrant                = "invalid_grant"
	CodeUnauthorizedClient          = "unauthorized_client"
	CodeUnsupportedGrantType        = "unsupported_grant_type"
	CodeUnsupportedResponseType     = "unsupported_response_type"
	CodeInvalidScope                = "invalid_scope"
	CodeAccessDenied                = "access_denied"
	CodeServerError                 = "server_error"
	CodeTemporarilyUnavailable      = "temporarily_unavailable"
	CodeInvalidAuthorizationDetails = "invalid_authorization_details"
	CodeInvalidToken                = "invalid_token"
	CodeInsufficientScope           = "insufficient_scope"
	CodeInvalidDPoPProof            = "invalid_dpop_proof"
	CodeUseDPoPNonce                = "use_dpop_nonce"
)

var errTooLarge = errors.New("the document is too large")

// Error is an error response. Marshalled to JSON it has the members error and
// error_description and no others.
type Error struct {
	// Code is the error code.
	Code string
	// Description is for developers, in plain English, and holds no personal
	// data. Characters that the specification bars are replaced on the wire.
	Description string
	// Status is the HTTP status.
	Status int
	// Err is the cause, or nil. It is never sent.
	Err error
}

// NewError returns an error with the status that goes with its code: 400
// except where OAuth says otherwise.
func NewError(code, description string) *Error {
	status := http.StatusBadRequest
	switch code {
	case CodeInvalidClient, CodeInvalidToken:
		status = http.StatusUnauthorized
	case CodeInsufficientScope:
		status = http.StatusForbidden
	case CodeServerError:
		status = http.StatusInternalServerError
	case CodeTemporarilyUnavailable:
		status = http.StatusServiceUnavailable
	}
	return &Error{Code: code, Description: description, Status: status}
}

func wrap(code, description string, err error) *Error {
	e := NewError(code, description)
	e.Err = err
	return e
}

// Error implements error.
func (e *Error) Error() string {
	text := "openid4vci: " + e.Code
	if e.Description != "" {
		text += ": " + e.Description
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

type wireError struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(wireError{e.Code, SanitizeDescription(e.Description)})
}

// CodeOf returns the code of an *[Error] in err's chain, or "".
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// ParseError reads an error response with the given HTTP status.
func ParseError(status int, body []byte) (*Error, error) {
	var w wireError
	if err := parse(body, &w); err != nil {
		return nil, fmt.Errorf("error response: %w", err)
	}
	if w.Code == "" {
		return nil, errors.New("error response: no error code")
	}
	return &Error{Code: w.Code, Description: SanitizeDescription(w.Description), Status: status}, nil
}

// allowedInDescription is the set %x20-21 / %x23-5B / %x5D-7E.
func allowedInDescription(r rune) bool {
	return r >= 0x20 && r <= 0x7e && r != '"' && r != '\\'
}

// SanitizeDescription replaces what must not be in an error_description by
// question marks.
func SanitizeDescription(s string) string {
	return strings.Map(func(r rune) rune {
		if allowedInDescription(r) {
			return r
		}
		return '?'
	}, s)
}
