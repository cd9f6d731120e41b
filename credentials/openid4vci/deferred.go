package openid4vci

import (
	"encoding/json"
	"slices"
)

// DeferredRequest asks for deferred credentials (section 9.1).
type DeferredRequest struct {
	TransactionID string `json:"transaction_id"`
	// ResponseEncryption counts for this response, whatever the credential
	// request had.
	ResponseEncryption *EncryptionParameters `json:"credential_response_encryption,omitempty"`
}

// ParseDeferredRequest reads a deferred credential request. Errors are of type
// *[Error].
func ParseDeferredRequest(data []byte) (*DeferredRequest, error) {
	var w struct {
		TransactionID string          `json:"transaction_id"`
		Encryption    json.RawMessage `json:"credential_response_encryption"`
	}
	if err := parse(data, &w); err != nil {
		return nil, wrap(CodeInvalidCredentialRequest, "the deferred credential request is malformed", err)
	}
	if w.TransactionID == "" {
		return nil, NewError(CodeInvalidTransactionID, "transaction_id is missing")
	}
	encryption, err := parseEncryption(w.Encryption)
	if err != nil {
		return nil, err
	}
	return &DeferredRequest{TransactionID: w.TransactionID, ResponseEncryption: encryption}, nil
}

// The events of a notification (section 11.1).
const (
	EventAccepted = "credential_accepted"
	EventFailure  = "credential_failure"
	EventDeleted  = "credential_deleted"
)

// NotificationRequest tells the issuer what became of credentials.
type NotificationRequest struct {
	NotificationID string `json:"notification_id"`
	Event          string `json:"event"`
	// Description is for the issuer's developers.
	Description string `json:"event_description,omitempty"`
}

// ParseNotificationRequest reads a notification. Errors are of type *[Error]
// with [CodeInvalidNotificationRequest].
func ParseNotificationRequest(data []byte) (*NotificationRequest, error) {
	var r NotificationRequest
	if err := parse(data, &r); err != nil {
		return nil, wrap(CodeInvalidNotificationRequest, "the notification is malformed", err)
	}
	if r.NotificationID == "" {
		return nil, NewError(CodeInvalidNotificationRequest, "notification_id is missing")
	}
	if !slices.Contains([]string{EventAccepted, EventFailure, EventDeleted}, r.Event) {
		return nil, NewError(CodeInvalidNotificationRequest, "the event is missing or unknown")
	}
	if SanitizeDescription(r.Description) != r.Description {
		return nil, NewError(CodeInvalidNotificationRequest, "event_description has characters that are not allowed")
	}
	return &r, nil
}
