// Package attestation signs and checks what a wallet provider says about a
// wallet: the client attestation with its proof of possession, by which an
// instance of a wallet authenticates as an OAuth client (Attestation-Based
// Client Authentication, OpenID4VCI 1.0 appendix E), and the key attestation,
// which vouches for the keys that credentials get bound to (OpenID4VCI 1.0
// appendix D).
//
// Client attestations are emitted as draft 07 has them, which OpenID4VCI 1.0
// pins, with iss in both JWTs; leave [ClientAttestation.Issuer] and
// [PoP.ClientID] empty for the form of later drafts. Both forms are accepted,
// and iss is checked where it is present.
//
// Signers are found through the x5c header alone and checked against a
// trust.Policy, which also refuses self-signed leaves and, as HAIP 1.0 demands,
// chains that contain the trust anchor.
//
// The package keeps no state: the caller remembers the IDs of proofs, hands
// out challenges, and reads the status lists that attestations point to.
package attestation

import (
	"errors"
	"time"
)

// The typ headers.
const (
	TypeClient = "oauth-client-attestation+jwt"
	TypePoP    = "oauth-client-attestation-pop+jwt"
	TypeKey    = "key-attestation+jwt"
)

// The HTTP header fields that carry a client attestation. A request has
// exactly one of each of the first two.
const (
	HeaderClient    = "OAuth-Client-Attestation"
	HeaderPoP       = "OAuth-Client-Attestation-PoP"
	HeaderChallenge = "OAuth-Client-Attestation-Challenge"
)

// AuthMethod is the client authentication method in authorization server
// metadata.
const AuthMethod = "attest_jwt_client_auth"

// The attack potential resistance that key attestations assert (OpenID4VCI 1.0
// appendix D.2).
const (
	ResistanceHigh          = "iso_18045_high"
	ResistanceModerate      = "iso_18045_moderate"
	ResistanceEnhancedBasic = "iso_18045_enhanced-basic"
	ResistanceBasic         = "iso_18045_basic"
)

// Limits of what is accepted.
const (
	// MaxSize is the longest JWT in bytes.
	MaxSize = 64 << 10
	// MaxIDLength is the longest jti in bytes.
	MaxIDLength = 256
	// MaxKeys is the largest number of keys in a key attestation, unless the
	// caller allows fewer.
	MaxKeys = 100
	// DefaultMaxAge is how old a proof of possession may be.
	DefaultMaxAge = 60 * time.Second
	// DefaultSkew is how far clocks may differ.
	DefaultSkew = 30 * time.Second
)

// The error codes.
const (
	// CodeInvalidClient: the client_id is not that of the attestation.
	CodeInvalidClient = "invalid_client"
	// CodeInvalidClientAttestation: attestation or proof of possession do not
	// verify.
	CodeInvalidClientAttestation = "invalid_client_attestation"
	// CodeUseChallenge: everything is good but the challenge. The response
	// must carry a new one in [HeaderChallenge].
	CodeUseChallenge = "use_attestation_challenge"
	// CodeUseFreshAttestation: the attestation is good but too old.
	CodeUseFreshAttestation = "use_fresh_attestation"
	// CodeInvalidProof: a key attestation does not verify.
	CodeInvalidProof = "invalid_proof"
	// CodeInvalidNonce: a key attestation is for another nonce.
	CodeInvalidNonce = "invalid_nonce"
)

// Error is why an attestation was refused.
type Error struct {
	// Code is one of the codes above.
	Code string
	// Reason says in plain English what is wrong. It quotes nothing of the
	// attestation and fits an error_description.
	Reason string
	// Err is the cause, or nil. It can be a *trust.Error.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return "attestation: " + e.Reason + ": " + e.Err.Error()
	}
	return "attestation: " + e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the error code of an error of this package, and "" for every
// other error.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// fault is a reason before it is known which code it goes with.
type fault struct {
	reason string
	err    error
}

func (f *fault) with(code string) error { return &Error{Code: code, Reason: f.reason, Err: f.err} }
