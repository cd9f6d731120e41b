// Package openid4vci holds what goes over the wire in OpenID for Verifiable
// Credential Issuance 1.0: credential offers, metadata of issuer and
// authorization server, the requests and responses of each endpoint, key
// proofs and error codes, with the rules that they must keep.
//
// Both ends use the same types. What was received is read with a Parse
// function, which is strict about what the specification defines and ignores
// members it does not define; what is sent is marshalled with encoding/json.
// There is no HTTP here, and no state: nonces, codes and transactions belong to
// the caller.
//
// Errors that the peer must be told are of type *[Error].
package openid4vci

import "github.com/tegata-id/tegata/credentials/jose"

// The grant types of a credential offer.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantPreAuthorized     = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
	GrantRefreshToken      = "refresh_token"
)

// The well-known path segments of issuer metadata (section 12.2.2) and of
// authorization server metadata (RFC 8414 section 3).
const (
	WellKnownIssuer              = "/.well-known/openid-credential-issuer"
	WellKnownAuthorizationServer = "/.well-known/oauth-authorization-server"
)

// DetailType is the authorization details type (section 5.1.1).
const DetailType = "openid_credential"

// The key proof types that are supported (appendix F).
const (
	ProofTypeJWT         = "jwt"
	ProofTypeAttestation = "attestation"
)

// The binding methods that are supported (section 12.2.4).
const (
	BindingJWK     = "jwk"
	BindingCOSEKey = "cose_key"
)

// MaxDocumentSize is the longest JSON document, in bytes, that the Parse
// functions accept.
const MaxDocumentSize = 1 << 20

// parse reads a document of limited size under strict rules.
func parse(data []byte, v any) error {
	if len(data) > MaxDocumentSize {
		return errTooLarge
	}
	return jose.UnmarshalJSON(data, v)
}
