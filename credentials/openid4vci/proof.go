package openid4vci

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
)

// TypeProof is the typ header of a key proof.
const TypeProof = "openid4vci-proof+jwt"

// The window for iat that applies if the caller names none, and the longest
// proof in bytes.
const (
	DefaultProofMaxAge   = 5 * time.Minute
	DefaultProofMaxAhead = time.Minute
	MaxProofSize         = 128 << 10
)

// ProofOptions describe a key proof of type jwt.
type ProofOptions struct {
	// Audience is the credential issuer identifier.
	Audience string
	// Nonce is the c_nonce; empty if the issuer has no nonce endpoint.
	Nonce string
	// ClientID becomes iss; it must be empty if the token was obtained without
	// a client.
	ClientID string
	// Now becomes iat.
	Now time.Time
	// KeyAttestation is a key attestation that contains the key, or "".
	KeyAttestation string
}

type proofClaims struct {
	Issuer   *string           `json:"iss,omitempty"`
	Audience string            `json:"aud"`
	IssuedAt *jose.NumericDate `json:"iat"`
	Nonce    *string           `json:"nonce,omitempty"`
	Expires  *jose.NumericDate `json:"exp,omitempty"`
	Starts   *jose.NumericDate `json:"nbf,omitempty"`
}

// SignProof returns a key proof (appendix F.1) with the key in the jwk header.
func SignProof(o ProofOptions, signer crypto.Signer) (string, error) {
	if o.Audience == "" || o.Now.IsZero() {
		return "", errors.New("key proof: needs audience and time")
	}
	jwk, err := jose.NewJWK(signer.Public())
	if err != nil {
		return "", fmt.Errorf("key proof: %w", err)
	}
	iat := jose.NewNumericDate(o.Now)
	c := proofClaims{Audience: o.Audience, IssuedAt: &iat}
	if o.ClientID != "" {
		c.Issuer = &o.ClientID
	}
	if o.Nonce != "" {
		c.Nonce = &o.Nonce
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("key proof: %w", err)
	}
	h := jose.Header{Typ: TypeProof, JWK: jwk}
	if o.KeyAttestation != "" {
		h.Extra = map[string]any{"key_attestation": o.KeyAttestation}
	}
	return jose.Sign(h, payload, signer)
}

// ProofExpect is what key proofs must say. Audience and Now are mandatory.
type ProofExpect struct {
	// Audience is the credential issuer identifier, compared character by
	// character.
	Audience string
	// ClientID is the client the access token was issued to, "" if it was
	// obtained without one; then proofs must not have iss.
	ClientID string
	// RequireNonce says that the issuer has a nonce endpoint.
	RequireNonce bool
	// Algorithms are proof_signing_alg_values_supported; empty accepts those
	// of package jose.
	Algorithms []string
	// KeyAttestation says how key attestations are judged; Nonce,
	// RequireExpiry, Algorithms, MaxKeys and Now are set by the functions of
	// this package. With nil, an attestation in the header of a proof is not
	// looked at, and proofs of type attestation are refused.
	KeyAttestation *attestation.KeyExpect
	// RequireKeyAttestation refuses proofs of type jwt without one.
	RequireKeyAttestation bool
	// MaxKeys is the batch size; 0 means 1.
	MaxKeys int
	// Now is the time of the check; MaxAge and MaxAhead bound iat, bounds
	// included. Zero means [DefaultProofMaxAge] and [DefaultProofMaxAhead].
	Now              time.Time
	MaxAge, MaxAhead time.Duration
}

// VerifiedProof is a proof of type jwt that passed.
type VerifiedProof struct {
	// Key is the key that signed.
	Key crypto.PublicKey
	// Nonce is the nonce claim, "" if there is none. That it is one that was
	// handed out and not used is for the caller to see.
	Nonce string
	// IssuedAt is iat.
	IssuedAt time.Time
	// Attested is the key attestation of the header, nil if there is none or
	// none was asked for. It contains Key.
	Attested *attestation.AttestedKeys
}

// VerifyProof checks one key proof of type jwt (appendices F.1 and F.4), all
// but whether its nonce is fresh. Errors are of type *[Error].
func VerifyProof(ctx context.Context, proof string, e ProofExpect) (*VerifiedProof, error) {
	if e.Audience == "" || e.Now.IsZero() {
		return nil, NewError(CodeServerError, "the check of a key proof names no audience or time")
	}
	if len(proof) > MaxProofSize {
		return nil, NewError(CodeInvalidProof, "the key proof is too large")
	}
	u, err := jose.Parse(proof)
	if err != nil {
		return nil, wrap(CodeInvalidProof, "the key proof is not a JWT as it should be", err)
	}
	if u.Header.Typ != TypeProof {
		return nil, NewError(CodeInvalidProof, "typ is not "+TypeProof)
	}
	if len(e.Algorithms) > 0 && !slices.Contains(e.Algorithms, u.Header.Alg) {
		return nil, NewError(CodeInvalidProof, "the algorithm of the key proof is not supported")
	}
	// The claims decide what the key attestation must say, so they are read
	// first and count only once the signature has verified.
	var c proofClaims
	if err := jose.UnmarshalJSON(u.UnverifiedPayload(), &c); err != nil {
		return nil, wrap(CodeInvalidProof, "the claims of the key proof are malformed", err)
	}
	attested, err := e.attestationOf(ctx, u.Header, c.Nonce)
	if err != nil {
		return nil, err
	}
	key, err := proofKey(u.Header, attested)
	if err != nil {
		return nil, err
	}
	if _, err := u.Verify(key); err != nil {
		return nil, wrap(CodeInvalidProof, "the signature of the key proof does not verify", err)
	}
	if err := c.check(e); err != nil {
		return nil, err
	}
	v := &VerifiedProof{Key: key, IssuedAt: c.IssuedAt.Time(), Attested: attested}
	if c.Nonce != nil {
		v.Nonce = *c.Nonce
	}
	return v, nil
}

// attestationOf verifies the key attestation in a proof's header.
func (e ProofExpect) attestationOf(ctx context.Context, h jose.Header, nonce *string) (*attestation.AttestedKeys, error) {
	raw, present := h.Extra["key_attestation"]
	if !present && e.RequireKeyAttestation {
		return nil, NewError(CodeInvalidProof, "the key proof has no key_attestation")
	}
	if !present || e.KeyAttestation == nil {
		if e.RequireKeyAttestation {
			return nil, NewError(CodeServerError, "key attestations are required but nobody is trusted to sign them")
		}
		return nil, nil
	}
	compact, ok := raw.(string)
	if !ok {
		return nil, NewError(CodeInvalidProof, "key_attestation is not a string")
	}
	k := *e.KeyAttestation
	k.Now, k.Algorithms, k.RequireExpiry, k.Nonce, k.MaxKeys = e.Now, e.Algorithms, true, "", 0
	if nonce != nil {
		k.Nonce = *nonce
	}
	attested, err := attestation.VerifyKeyAttestation(ctx, compact, k)
	if err != nil {
		return nil, wrap(attestation.CodeOf(err), "the key attestation is not accepted", err)
	}
	return attested, nil
}

// proofKey finds the key that must have signed. It is in the jwk header, or
// among the attested keys: by its index in kid, or the first if the header
// names none. Nothing is ever fetched.
func proofKey(h jose.Header, attested *attestation.AttestedKeys) (crypto.PublicKey, error) {
	named := 0
	for _, present := range []bool{h.JWK != nil, h.Kid != "", len(h.X5C) > 0} {
		if present {
			named++
		}
	}
	_, federation := h.Extra["trust_chain"]
	switch {
	case named > 1:
		return nil, NewError(CodeInvalidProof, "the header has more than one of kid, jwk and x5c")
	case len(h.X5C) > 0 || federation:
		return nil, NewError(CodeInvalidProof, "keys in x5c or trust_chain are not supported, use jwk")
	case h.JWK == nil && attested == nil:
		return nil, NewError(CodeInvalidProof, "the header has no jwk; kid works only beside a key_attestation")
	case h.JWK == nil:
		return attestedKey(h.Kid, attested)
	}
	key, err := h.JWK.VerificationKey()
	if err != nil {
		return nil, wrap(CodeInvalidProof, "the jwk is not usable", err)
	}
	if attested != nil && !slices.ContainsFunc(attested.Keys, func(k crypto.PublicKey) bool { return sameKey(k, key) }) {
		return nil, NewError(CodeInvalidProof, "the key attestation does not contain the key of the proof")
	}
	return key, nil
}

func attestedKey(kid string, attested *attestation.AttestedKeys) (crypto.PublicKey, error) {
	if kid == "" {
		return attested.Keys[0], nil
	}
	i, err := strconv.Atoi(kid)
	if err != nil || i < 0 || i >= len(attested.Keys) || strconv.Itoa(i) != kid {
		return nil, NewError(CodeInvalidProof, "kid is not the index of an attested key")
	}
	return attested.Keys[i], nil
}

func sameKey(a, b crypto.PublicKey) bool {
	equaler, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && equaler.Equal(b)
}

func (c *proofClaims) check(e ProofExpect) error {
	if c.Audience != e.Audience {
		return NewError(CodeInvalidProof, "aud is not the credential issuer identifier")
	}
	if c.Issuer != nil && (e.ClientID == "" || *c.Issuer != e.ClientID) {
		return NewError(CodeInvalidProof, "iss is not the client, or there is no client")
	}
	if e.RequireNonce && (c.Nonce == nil || *c.Nonce == "") {
		return NewError(CodeInvalidProof, "the key proof has no nonce")
	}
	if c.IssuedAt == nil {
		return NewError(CodeInvalidProof, "the key proof has no iat")
	}
	if e.MaxAge == 0 {
		e.MaxAge = DefaultProofMaxAge
	}
	if e.MaxAhead == 0 {
		e.MaxAhead = DefaultProofMaxAhead
	}
	now, iat := e.Now.Truncate(time.Second), c.IssuedAt.Time()
	if now.After(iat.Add(e.MaxAge)) || iat.After(now.Add(e.MaxAhead)) {
		return NewError(CodeInvalidProof, "iat is outside of the accepted window")
	}
	if c.Expires != nil && !now.Before(c.Expires.Time().Add(e.MaxAhead)) || c.Starts != nil && c.Starts.Time().After(now.Add(e.MaxAhead)) {
		return NewError(CodeInvalidProof, "the key proof has expired or is not valid yet")
	}
	return nil
}
