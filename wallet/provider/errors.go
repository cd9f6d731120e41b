package provider

// Reason is why a request was refused. It is the reason member of the problem
// (RFC 9457) that answers it.
type Reason string

// The closed list of reasons, beside those of package httpd for requests that
// are malformed, too large, of the wrong type, or that find a store away.
const (
	// ReasonInvalidRequest (400): a member is missing or has no such value.
	ReasonInvalidRequest Reason = "invalid_request"
	// ReasonProofInvalid (400): the proof is malformed, for another provider
	// or purpose, too old, or not signed by the key it names.
	ReasonProofInvalid Reason = "proof_invalid"
	// ReasonChallengeInvalid (400): the challenge is not one of this
	// provider's, too old, or was used. Get a new one and try again.
	ReasonChallengeInvalid Reason = "challenge_invalid"
	// ReasonKeysInvalid (400): the keys to attest are missing, too many, not
	// all different, or the instance key is among them.
	ReasonKeysInvalid Reason = "keys_invalid"
	// ReasonUnauthorized (401): the operator's token is missing or wrong.
	ReasonUnauthorized Reason = "unauthorized"
	// ReasonPlatformRefused (403): the platform is not one of the provider's,
	// or does not vouch for the instance.
	ReasonPlatformRefused Reason = "platform_refused"
	// ReasonInstanceRevoked (403): the instance is revoked, for good.
	ReasonInstanceRevoked Reason = "instance_revoked"
	// ReasonVersionRevoked (403): the version of the wallet is revoked, for
	// good. Another version may register.
	ReasonVersionRevoked Reason = "wallet_version_revoked"
	// ReasonInstanceUnknown (404): there is no such instance with this key.
	ReasonInstanceUnknown Reason = "instance_unknown"
	// ReasonStatusListUnknown (404): there is no such status list.
	ReasonStatusListUnknown Reason = "status_list_unknown"
	// ReasonKeyRegistered (409): the key is registered on another platform.
	ReasonKeyRegistered Reason = "key_registered"
)

// Error is a refusal. Errors of other types mean that a store is away or that
// something is wrong with the provider.
type Error struct {
	Reason Reason
	// Detail is for the developer of the wallet. It repeats nothing that the
	// request said.
	Detail string
	// Cause is for the log and may be nil.
	Cause error
}

// Error implements error.
func (e *Error) Error() string {
	text := "provider: " + string(e.Reason) + ": " + e.Detail
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func refuse(reason Reason, detail string, cause error) *Error {
	return &Error{Reason: reason, Detail: detail, Cause: cause}
}
