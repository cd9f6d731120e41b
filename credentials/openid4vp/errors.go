package openid4vp

import "fmt"

// ErrorCode is the error parameter of an authorization error response
// (section 8.5, RFC 6749 section 4.1.2.1).
type ErrorCode string

// The error codes.
const (
	InvalidRequest          ErrorCode = "invalid_request"
	InvalidScope            ErrorCode = "invalid_scope"
	InvalidClient           ErrorCode = "invalid_client"
	AccessDenied            ErrorCode = "access_denied"
	UnsupportedResponseType ErrorCode = "unsupported_response_type"
	VPFormatsNotSupported   ErrorCode = "vp_formats_not_supported"
	InvalidRequestURIMethod ErrorCode = "invalid_request_uri_method"
	InvalidTransactionData  ErrorCode = "invalid_transaction_data"
	WalletUnavailable       ErrorCode = "wallet_unavailable"
)

// Error says why a message is refused. Code is what the other side is told.
type Error struct {
	Code ErrorCode
	// Description explains the fault without quoting the message. It is fit
	// for error_description.
	Description string
	// Reply says where a wallet may send the error. It is nil unless the
	// request was authenticated and its response_uri belongs to the verifier:
	// anything else would make the wallet post to addresses of strangers.
	Reply *Reply
	// Err is the cause, if there is another one.
	Err error
}

// Reply is the target of an error response.
type Reply struct {
	ResponseURI string
	// State is to be sent back; empty if the request had none.
	State string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("openid4vp: %s: %s: %v", e.Code, e.Description, e.Err)
	}
	return fmt.Sprintf("openid4vp: %s: %s", e.Code, e.Description)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func refuse(code ErrorCode, description string) error {
	return &Error{Code: code, Description: description}
}

func invalid(description string) error { return refuse(InvalidRequest, description) }

func invalidBy(description string, cause error) error {
	return &Error{Code: InvalidRequest, Description: description, Err: cause}
}
