package trust

import "fmt"

// Reason says why a certificate was not accepted. The list is closed.
type Reason string

// The reasons.
const (
	// ReasonConfiguration: the policy is incomplete or contradictory. No
	// certificate can pass; the operator has to act.
	ReasonConfiguration Reason = "configuration"
	// ReasonUntrusted: no path of valid signatures leads to an anchor.
	ReasonUntrusted Reason = "untrusted"
	// ReasonPath: the path is too long, passes through something that is not
	// a CA, or contains what it must not.
	ReasonPath Reason = "path"
	// ReasonExpired and ReasonNotYetValid: a certificate of the path, the
	// anchor included, is outside its validity.
	ReasonExpired     Reason = "expired"
	ReasonNotYetValid Reason = "not_yet_valid"
	// ReasonNames: a name is not one that a CA of the path may certify, or the
	// limits to its names are not understood.
	ReasonNames Reason = "name_constraints"
	// ReasonPolicy: the path is not valid for a certificate policy that the
	// purpose demands, or that a CA of the path demands.
	ReasonPolicy Reason = "certificate_policy"
	// ReasonProfile: a certificate is not of the kind the purpose demands.
	ReasonProfile Reason = "profile"
	// ReasonWeak: a key or signature algorithm is too weak or not allowed.
	ReasonWeak Reason = "weak_cryptography"
	// ReasonCriticalExtension: a critical extension is not understood.
	ReasonCriticalExtension Reason = "critical_extension"
	// ReasonRevoked: a certificate of the path is revoked or on hold.
	ReasonRevoked Reason = "revoked"
	// ReasonRevocationUnavailable: no revocation list or answer could be had.
	ReasonRevocationUnavailable Reason = "revocation_unavailable"
	// ReasonRevocationStale: the newest revocation list or answer known is too
	// old, or an older one than before was offered.
	ReasonRevocationStale Reason = "revocation_stale"
	// ReasonRevocationUnknown: who was asked does not know the certificate.
	ReasonRevocationUnknown Reason = "revocation_unknown"
	// ReasonRevocationMismatch: the revocation list or answer offered is of
	// another issuer or partition, or speaks about other certificates.
	ReasonRevocationMismatch Reason = "revocation_mismatch"
	// ReasonRevocationInvalid: the revocation list or answer offered is not
	// acceptable: malformed, signed by somebody who may not, contradictory.
	ReasonRevocationInvalid Reason = "revocation_invalid"
)

// Error says why a certificate or a revocation list was not accepted. Its text
// holds no names, serial numbers or dates: those of a citizen's certificate
// are personal data.
type Error struct {
	Reason Reason
	// Detail is plain English.
	Detail string
	// Err is the cause, if there is one that may be shown.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("trust: %s: %s", e.Reason, e.Detail)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// fail makes an [*Error].
func fail(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
