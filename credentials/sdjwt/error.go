package sdjwt

import "errors"

// Reason says why a credential or presentation was not accepted. The list is
// closed.
type Reason string

// The reasons.
const (
	// ReasonConfiguration: the verifier or the binding it was given is
	// incomplete. No presentation can pass.
	ReasonConfiguration Reason = "configuration"
	// ReasonMalformed: not an SD-JWT VC in the compact serialization, or
	// claims of the wrong type, or more of something than is accepted.
	ReasonMalformed Reason = "malformed"
	// ReasonType: the typ header is not the one of an SD-JWT VC.
	ReasonType Reason = "type"
	// ReasonUntrustedIssuer: the signer's certificate is not trusted, or not
	// for this type of credential. The cause is a *trust.Error where the path
	// is at fault.
	ReasonUntrustedIssuer Reason = "untrusted_issuer"
	// ReasonIssuer: iss does not fit the signer's certificate.
	ReasonIssuer Reason = "issuer_mismatch"
	// ReasonSignature: the issuer's signature does not verify.
	ReasonSignature Reason = "issuer_signature"
	// ReasonDisclosure: digests and disclosures break a rule of RFC 9901
	// section 7.1, or disclose what must not be disclosable.
	ReasonDisclosure Reason = "disclosure"
	// ReasonExpired and ReasonNotYetValid: exp, nbf or iat.
	ReasonExpired     Reason = "expired"
	ReasonNotYetValid Reason = "not_yet_valid"
	// ReasonUnlimited: neither exp nor status limits the credential.
	ReasonUnlimited Reason = "unlimited"
	// ReasonStatus: the status claim is malformed or names a mechanism that
	// is not known.
	ReasonStatus Reason = "status_reference"
	// ReasonHolderKey: cnf is missing or names no usable key.
	ReasonHolderKey Reason = "holder_key"
	// ReasonKeyBindingMissing: there is no KB-JWT although one is required.
	ReasonKeyBindingMissing Reason = "key_binding_missing"
	// ReasonKeyBinding: the KB-JWT is malformed, of another type, or its
	// signature does not verify under the holder's key.
	ReasonKeyBinding Reason = "key_binding"
	// ReasonNonce, ReasonAudience, ReasonHash and ReasonKeyBindingTime: the
	// KB-JWT was made for another request, another verifier, other
	// disclosures or another time.
	ReasonNonce          Reason = "key_binding_nonce"
	ReasonAudience       Reason = "key_binding_audience"
	ReasonHash           Reason = "key_binding_hash"
	ReasonKeyBindingTime Reason = "key_binding_time"
	// ReasonTransactionData: the KB-JWT authorizes other transaction data than
	// that of the request.
	ReasonTransactionData Reason = "transaction_data"
)

// Error says why a credential or presentation was not accepted. Its text holds
// no claims.
type Error struct {
	Reason Reason
	// Detail is plain English.
	Detail string
	// Err is the cause, if there is one.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	text := "sd-jwt: " + string(e.Reason) + ": " + e.Detail
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func fail(reason Reason, detail string) error { return &Error{Reason: reason, Detail: detail} }

func failWith(reason Reason, detail string, err error) error {
	return &Error{Reason: reason, Detail: detail, Err: err}
}

// ErrPath says that a path selects nothing in the credential to be presented.
var ErrPath = errors.New("sd-jwt: path selects nothing in the credential")
