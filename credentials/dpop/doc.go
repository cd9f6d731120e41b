// Package dpop signs and checks DPoP proofs (RFC 9449): JWTs that show that
// whoever sends a request holds the key that a token is bound to.
//
// The package keeps no state. [Verify] checks everything that a proof says
// about itself and about the request; the caller remembers the pair
// ([Verified.KeyThumbprint], [Verified.ID]) for as long as a proof is
// accepted, compares the thumbprint with the one a token or code is bound to,
// and hands out nonces.
package dpop

import (
	"errors"
	"time"
)

// Type is the typ header of a proof.
const Type = "dpop+jwt"

// The limits of [Verify].
const (
	// MaxSize is the longest proof in bytes.
	MaxSize = 16 << 10
	// MaxIDLength is the longest jti in bytes.
	MaxIDLength = 256
	// DefaultMaxAge is how old a proof may be.
	DefaultMaxAge = 60 * time.Second
	// DefaultMaxAhead is how far in the future a proof may have been issued.
	// FAPI 2.0 demands that 10 seconds are accepted and 60 are not.
	DefaultMaxAhead = 30 * time.Second
)

// The error codes of RFC 9449 sections 5, 7.1 and 8.
const (
	CodeInvalidProof = "invalid_dpop_proof"
	CodeUseNonce     = "use_dpop_nonce"
)

// Error is why a proof was refused.
type Error struct {
	// Code is the OAuth error code: [CodeInvalidProof], or [CodeUseNonce] if
	// the proof is good except for its nonce. In that case the response must
	// carry a DPoP-Nonce header.
	Code string
	// Reason says in plain English what is wrong. It quotes nothing of the
	// proof and fits an error_description.
	Reason string
	// Err is the cause, or nil.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return "dpop: " + e.Reason + ": " + e.Err.Error()
	}
	return "dpop: " + e.Reason
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

func refuse(reason string) error { return &Error{Code: CodeInvalidProof, Reason: reason} }
