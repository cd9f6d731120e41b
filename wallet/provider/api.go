package provider

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
)

// Paths of the API under the base URL of the provider. Those of an instance go
// after PathInstances, a slash and its ID.
const (
	PathChallenges         = "/challenges"
	PathInstances          = "/instances"
	PathClientAttestations = "/client-attestations"
	PathKeyAttestations    = "/key-attestations"
	PathAdminInstances     = "/admin/instances"
	PathRevoke             = "/revoke"
	PathAdminRevocations   = "/admin/revocations"
	PathStatusLists        = "/status-lists"
)

// Limits of what is accepted.
const (
	// MaxProofSize is the longest proof in bytes.
	MaxProofSize = 48 << 10
	// MaxKeys is the largest number of keys in a key attestation, unless the
	// provider allows fewer.
	MaxKeys = attestation.MaxKeys
	// MaxCNonceLength is the longest c_nonce in bytes.
	MaxCNonceLength = 4096
)

// ChallengeResponse answers POST {base}/challenges.
type ChallengeResponse struct {
	// Challenge goes into one proof.
	Challenge string `json:"challenge"`
	// ExpiresIn is for how many seconds it is accepted.
	ExpiresIn int64 `json:"expires_in"`
}

// RegisterRequest is the body of POST {base}/instances.
type RegisterRequest struct {
	// InstanceKey is the key that the proof is signed with.
	InstanceKey *jose.JWK `json:"instance_key"`
	// Platform names one of the provider's platforms.
	Platform string `json:"platform"`
	// PlatformEvidence is what the platform says about the instance, in the
	// platform's own form. It binds the instance key and the challenge.
	PlatformEvidence string `json:"platform_evidence,omitempty"`
	// Proof has [PurposeRegister].
	Proof string `json:"proof"`
}

// RegisterResponse answers a registration: with 201 if the instance is new, and
// with 200 and the same ID if the key was registered on this platform before,
// so that an answer that got lost can be asked for again.
type RegisterResponse struct {
	InstanceID string `json:"instance_id"`
	// PlatformVerified is false if nobody checked that the instance is
	// genuine, as on the platform for tests.
	PlatformVerified bool `json:"platform_verified"`
}

// ClientAttestationRequest is the body of POST
// {base}/instances/{id}/client-attestations.
type ClientAttestationRequest struct {
	// Proof has [PurposeClientAttestation].
	Proof string `json:"proof"`
}

// ClientAttestationResponse answers it. The attestation is for one issuer: a
// wallet gets another one for the next.
type ClientAttestationResponse struct {
	ClientAttestation string `json:"client_attestation"`
	// ExpiresIn is in seconds.
	ExpiresIn int64 `json:"expires_in"`
}

// KeyAttestationRequest is the body of POST
// {base}/instances/{id}/key-attestations.
type KeyAttestationRequest struct {
	// Proof has [PurposeKeyAttestation] and holds the keys and the c_nonce, so
	// that nobody but the instance can name them.
	Proof string `json:"proof"`
	// PlatformEvidence is what the platform says about each of the keys, in
	// their order and over the challenge of the proof. The platform for tests
	// has none.
	PlatformEvidence []string `json:"platform_evidence,omitempty"`
}

// KeyAttestationResponse answers it.
type KeyAttestationResponse struct {
	KeyAttestation string `json:"key_attestation"`
	// ExpiresIn is in seconds.
	ExpiresIn int64 `json:"expires_in"`
}

// RevokeOwnRequest is the body of POST {base}/instances/{id}/revoke, by which
// the user of an instance ends it.
type RevokeOwnRequest struct {
	// Proof has [PurposeRevoke].
	Proof string `json:"proof"`
}

// RevokeManyRequest is the body of POST {base}/admin/revocations.
type RevokeManyRequest struct {
	// WalletVersion ends one version of the wallet; All ends them all, as when
	// the provider ceases. Exactly one of them is set.
	WalletVersion string `json:"wallet_version,omitempty"`
	All           bool   `json:"all,omitempty"`
	// Reason is one of the Revoked constants; empty means [RevokedUnspecified].
	Reason string `json:"reason,omitempty"`
}

// RevokeManyResponse answers it.
type RevokeManyResponse struct {
	// Revoked is how many instances this request revoked.
	Revoked int `json:"revoked"`
}

// RevokeRequest is the body of POST {base}/admin/instances/{id}/revoke. The body
// may be left out.
type RevokeRequest struct {
	// Reason is one of the Revoked constants; empty means [RevokedUnspecified].
	Reason string `json:"reason,omitempty"`
}

// Why an instance is revoked. The reason stays with the provider.
const (
	RevokedUnspecified = "unspecified"
	RevokedByUser      = "user_request"
	RevokedByIssuer    = "issuer_request"
	RevokedCompromised = "compromised"
)

// ProofType is the typ header of a proof.
const ProofType = "tegata-instance+jwt"

// Purpose is what a proof is for. A proof for one purpose is refused for
// another.
type Purpose string

// The purposes.
const (
	PurposeRegister          Purpose = "register"
	PurposeClientAttestation Purpose = "client-attestation"
	PurposeKeyAttestation    Purpose = "key-attestation"
	PurposeRevoke            Purpose = "revoke"
)

// Proof is what an instance signs to authenticate a request. All fields but
// Keys, CNonce and WalletVersion are mandatory.
type Proof struct {
	// Audience is the base URL of the provider.
	Audience string
	Purpose  Purpose
	// Challenge is a fresh challenge of the provider.
	Challenge string
	// IssuedAt is written in whole seconds.
	IssuedAt time.Time
	// Keys are the keys to attest, all different and none the instance key.
	Keys []crypto.PublicKey
	// CNonce is the issuer's c_nonce for the key attestation, or "" if the
	// nonce goes into the proof of the credential request alone.
	CNonce string
	// WalletVersion is the version of the wallet that the instance is one of, in
	// proofs with [PurposeRegister] and [PurposeClientAttestation]: at most 64
	// letters, digits and the signs . _ + - of ASCII. Optional; what was said
	// last holds.
	WalletVersion string
}

type proofClaims struct {
	Audience  string            `json:"aud"`
	IssuedAt  *jose.NumericDate `json:"iat"`
	Challenge string            `json:"nonce"`
	Purpose   Purpose           `json:"purpose"`
	Keys      []jose.JWK        `json:"attested_keys,omitempty"`
	CNonce    string            `json:"c_nonce,omitempty"`
	Version   string            `json:"wallet_version,omitempty"`
}

// SignProof returns the proof as a compact JWS whose header names the public
// instance key as jwk.
func SignProof(p Proof, instance crypto.Signer) (string, error) {
	if p.Audience == "" || p.Purpose == "" || p.Challenge == "" || p.IssuedAt.IsZero() {
		return "", errors.New("provider: a proof needs audience, purpose, challenge and time")
	}
	jwk, err := jose.NewJWK(instance.Public())
	if err != nil {
		return "", fmt.Errorf("provider: instance key: %w", err)
	}
	issued := jose.NewNumericDate(p.IssuedAt)
	claims := proofClaims{Audience: p.Audience, IssuedAt: &issued, Challenge: p.Challenge, Purpose: p.Purpose, CNonce: p.CNonce, Version: p.WalletVersion}
	for _, pub := range p.Keys {
		key, err := jose.NewJWK(pub)
		if err != nil {
			return "", fmt.Errorf("provider: key to attest: %w", err)
		}
		claims.Keys = append(claims.Keys, *key)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("provider: %w", err)
	}
	return jose.Sign(jose.Header{Typ: ProofType, JWK: jwk}, payload, instance)
}
