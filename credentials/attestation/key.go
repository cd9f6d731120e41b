package attestation

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
)

// KeyAttestation is what a wallet provider says about keys and the component
// that stores them.
type KeyAttestation struct {
	// Issuer names the provider; empty leaves iss out.
	Issuer string
	// Keys are the attested keys, at least one.
	Keys []crypto.PublicKey
	// KeyStorage and UserAuthentication assert the resistance of the
	// component to attack; empty leaves them out.
	KeyStorage, UserAuthentication []string
	// Certification is a URL about the component's certification, or "".
	Certification string
	// Nonce is the issuer's c_nonce, or "".
	Nonce string
	// IssuedAt is mandatory. ExpiresAt may be zero unless the attestation goes
	// into a proof of type jwt.
	IssuedAt, ExpiresAt time.Time
	// Status is nil if the attestation cannot be revoked. With StatusUntil,
	// which is until when the provider keeps it up at least, it stands in
	// key_storage_status too (EUDI technical specification 3).
	Status      *credentials.StatusRef
	StatusUntil time.Time
}

type keyClaims struct {
	Issuer             string     `json:"iss,omitempty"`
	Keys               []jose.JWK `json:"attested_keys"`
	KeyStorage         []string   `json:"key_storage,omitempty"`
	UserAuthentication []string   `json:"user_authentication,omitempty"`
	Certification      string     `json:"certification,omitempty"`
	Nonce              *string    `json:"nonce,omitempty"`
	Status             *status    `json:"status,omitempty"`
	KeyStorageStatus   *wrapped   `json:"key_storage_status,omitempty"`
	lifetime
}

// SignKeyAttestation returns the key attestation JWT (OpenID4VCI 1.0 appendix
// D.1), signed by the provider's key, whose chain must not contain the trust
// anchor.
func SignKeyAttestation(a KeyAttestation, key *keys.Key) (string, error) {
	if len(a.Keys) == 0 || a.IssuedAt.IsZero() {
		return "", errors.New("attestation: a key attestation needs keys and time")
	}
	c := keyClaims{
		Issuer: a.Issuer, KeyStorage: a.KeyStorage, UserAuthentication: a.UserAuthentication,
		Certification: a.Certification, Status: statusOf(a.Status), KeyStorageStatus: wrap(a.Status, a.StatusUntil),
		lifetime: lifetime{IssuedAt: date(a.IssuedAt), Expires: date(a.ExpiresAt)},
	}
	for _, pub := range a.Keys {
		jwk, err := jose.NewJWK(pub)
		if err != nil {
			return "", fmt.Errorf("attestation: %w", err)
		}
		c.Keys = append(c.Keys, *jwk)
	}
	if a.Nonce != "" {
		c.Nonce = &a.Nonce
	}
	return sign(TypeKey, c, key)
}

// KeyExpect is what a key attestation must say. Policy and Now are mandatory.
type KeyExpect struct {
	// Policy says which providers are trusted; its profile is
	// [trust.ProfileWalletProvider].
	Policy *trust.Policy
	// Nonce is what the nonce claim must be. With "" the claim is not looked
	// at and the caller judges [AttestedKeys.Nonce].
	Nonce string
	// KeyStorage and UserAuthentication are the values that are accepted, as
	// in the issuer's metadata: the attestation must assert one of each that
	// is not empty.
	KeyStorage, UserAuthentication []string
	// RequireExpiry demands exp, as the proof type jwt does.
	RequireExpiry bool
	// Algorithms are the signature algorithms accepted; empty accepts those of
	// package jose.
	Algorithms []string
	// MaxKeys bounds the number of keys; zero means [MaxKeys].
	MaxKeys int
	// Now is the time of the check and Skew how far clocks may differ, zero
	// meaning [DefaultSkew].
	Now  time.Time
	Skew time.Duration
}

// AttestedKeys is a key attestation that passed.
type AttestedKeys struct {
	// Keys are the attested keys, all different, in their order.
	Keys []crypto.PublicKey
	// Nonce is the nonce claim, "" if there is none.
	Nonce string
	// KeyStorage, UserAuthentication and Certification are as asserted.
	KeyStorage, UserAuthentication []string
	Certification                  string
	// Statuses are the status list entries that must be read before the keys
	// are trusted.
	Statuses []credentials.StatusRef
	// StatusUntil is until when the provider keeps the status up at least, zero
	// if it does not say.
	StatusUntil time.Time
	// IssuedAt is iat; ExpiresAt is zero if the attestation has no exp.
	IssuedAt, ExpiresAt time.Time
	// Chain runs from the provider's certificate to the anchor.
	Chain *trust.Chain
}

// VerifyKeyAttestation checks a key attestation. That no status list revokes
// it is left to the caller. Errors are of type *[Error] with
// [CodeInvalidProof] or [CodeInvalidNonce].
func VerifyKeyAttestation(ctx context.Context, compact string, e KeyExpect) (*AttestedKeys, error) {
	a, f := verifyKeys(ctx, compact, e)
	if f != nil {
		return nil, f.with(CodeInvalidProof)
	}
	if e.Nonce != "" && a.Nonce == "" {
		return nil, &Error{Code: CodeInvalidProof, Reason: "the key attestation has no nonce"}
	}
	if e.Nonce != "" && a.Nonce != e.Nonce {
		return nil, &Error{Code: CodeInvalidNonce, Reason: "the key attestation is for another nonce"}
	}
	return a, nil
}

func verifyKeys(ctx context.Context, compact string, e KeyExpect) (*AttestedKeys, *fault) {
	if e.Now.IsZero() {
		return nil, &fault{reason: "the check names no time"}
	}
	u, f := parse(compact, TypeKey)
	if f != nil {
		return nil, f
	}
	if len(e.Algorithms) > 0 && !slices.Contains(e.Algorithms, u.Header.Alg) {
		return nil, &fault{reason: "the algorithm of the key attestation is not supported"}
	}
	var c keyClaims
	chain, f := open(ctx, u, e.Policy, &c)
	if f != nil {
		return nil, f
	}
	if f := c.satisfies(e); f != nil {
		return nil, f
	}
	pubs, f := c.publicKeys(e.MaxKeys)
	if f != nil {
		return nil, f
	}
	statuses, f := refs(c.Status, c.KeyStorageStatus.status())
	if f != nil {
		return nil, f
	}
	a := &AttestedKeys{
		Keys: pubs, KeyStorage: c.KeyStorage, UserAuthentication: c.UserAuthentication,
		Certification: c.Certification, Statuses: statuses, StatusUntil: c.KeyStorageStatus.until(),
		IssuedAt: c.IssuedAt.Time(), ExpiresAt: timeOf(c.Expires), Chain: chain,
	}
	if c.Nonce != nil {
		a.Nonce = *c.Nonce
	}
	return a, nil
}

func (c *keyClaims) satisfies(e KeyExpect) *fault {
	if e.Skew == 0 {
		e.Skew = DefaultSkew
	}
	if c.IssuedAt == nil {
		return &fault{reason: "the key attestation has no iat"}
	}
	if e.RequireExpiry && c.Expires == nil {
		return &fault{reason: "the key attestation has no exp"}
	}
	if f := c.check(e.Now, e.Skew); f != nil {
		return f
	}
	if !meets(c.KeyStorage, e.KeyStorage) {
		return &fault{reason: "the key storage is not among what is accepted"}
	}
	if !meets(c.UserAuthentication, e.UserAuthentication) {
		return &fault{reason: "the user authentication is not among what is accepted"}
	}
	return nil
}

// meets reports whether one of the asserted values is accepted, or no
// particular one is asked for.
func meets(asserted, accepted []string) bool {
	return len(accepted) == 0 || slices.ContainsFunc(asserted, func(a string) bool { return slices.Contains(accepted, a) })
}

func (c *keyClaims) publicKeys(most int) ([]crypto.PublicKey, *fault) {
	if most <= 0 {
		most = MaxKeys
	}
	if len(c.Keys) == 0 || len(c.Keys) > most {
		return nil, &fault{reason: "the key attestation has no keys or too many"}
	}
	seen := map[string]bool{}
	var out []crypto.PublicKey
	for _, jwk := range c.Keys {
		thumbprint := string(jwk.Thumbprint())
		pub, err := jwk.VerificationKey()
		if err != nil || seen[thumbprint] {
			return nil, &fault{"an attested key is not usable or comes twice", err}
		}
		seen[thumbprint] = true
		out = append(out, pub)
	}
	return out, nil
}
