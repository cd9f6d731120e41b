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

// ClientAttestation is what a wallet provider says about one instance of its
// wallet.
type ClientAttestation struct {
	// Issuer names the provider; empty leaves iss out.
	Issuer string
	// ClientID is sub: the client_id, the same for all instances of a wallet.
	ClientID string
	// InstanceKey is cnf.jwk: the key that only this instance has.
	InstanceKey crypto.PublicKey
	// IssuedAt and NotBefore may be zero; ExpiresAt is mandatory. Whole
	// seconds.
	IssuedAt, NotBefore, ExpiresAt time.Time
	// WalletName is for people, WalletLink a URL that says more. Both may be
	// empty.
	WalletName, WalletLink string
	// WalletVersion is that of the wallet solution, and Certification a URL
	// about its certification (EUDI technical specification 3). Both may be
	// empty.
	WalletVersion, Certification string
	// Status is nil if the attestation cannot be revoked. With StatusUntil,
	// which is until when the provider keeps it up at least, it stands in
	// client_status too, where technical specification 3 has it.
	Status      *credentials.StatusRef
	StatusUntil time.Time
}

type clientClaims struct {
	Issuer       *string       `json:"iss,omitempty"`
	ClientID     string        `json:"sub"`
	Confirmation *confirmation `json:"cnf"`
	WalletName   string        `json:"wallet_name,omitempty"`
	WalletLink   string        `json:"wallet_link,omitempty"`
	Version      string        `json:"wallet_version,omitempty"`
	Status       *status       `json:"status,omitempty"`
	ClientStatus *wrapped      `json:"client_status,omitempty"`
	// Certification is of any type: the specification leaves it open.
	Certification any `json:"wallet_solution_certification_information,omitempty"`
	lifetime
}

type confirmation struct {
	JWK *jose.JWK `json:"jwk"`
}

// SignClientAttestation returns the client attestation JWT, signed by the
// provider's key, whose chain must not contain the trust anchor.
func SignClientAttestation(a ClientAttestation, key *keys.Key) (string, error) {
	if a.ClientID == "" || a.InstanceKey == nil || a.ExpiresAt.IsZero() {
		return "", errors.New("attestation: a client attestation needs client ID, instance key and expiry")
	}
	jwk, err := jose.NewJWK(a.InstanceKey)
	if err != nil {
		return "", fmt.Errorf("attestation: %w", err)
	}
	c := clientClaims{
		ClientID: a.ClientID, Confirmation: &confirmation{jwk},
		WalletName: a.WalletName, WalletLink: a.WalletLink, Version: a.WalletVersion,
		Status: statusOf(a.Status), ClientStatus: wrap(a.Status, a.StatusUntil),
		lifetime: lifetime{IssuedAt: date(a.IssuedAt), Starts: date(a.NotBefore), Expires: date(a.ExpiresAt)},
	}
	if a.Issuer != "" {
		c.Issuer = &a.Issuer
	}
	if a.Certification != "" {
		c.Certification = a.Certification
	}
	return sign(TypeClient, c, key)
}

// Expect is what a client attestation and its proof must say. Audience, Policy
// and Now are mandatory.
type Expect struct {
	// Audience is the issuer identifier of the authorization server (or the
	// identifier of a resource server). The aud of the proof must be this
	// very string.
	Audience string
	// ClientID is the client_id parameter of the request, "" if it has none.
	ClientID string
	// Issuers are the iss values that are accepted where iss is present;
	// empty accepts any that the policy's anchors vouch for.
	Issuers []string
	// Policy says which providers are trusted; its profile is
	// [trust.ProfileWalletProvider].
	Policy *trust.Policy
	// CheckChallenge decides about the challenge of the proof after
	// everything else has passed; it is called with "" if there is none. Its
	// error becomes one with [CodeUseChallenge] that wraps it. With a nil
	// function challenges are not looked at.
	CheckChallenge func(challenge string) error
	// Now is the time of the check.
	Now time.Time
	// MaxAge bounds the age of the proof, Skew how far it may be ahead and
	// how long an expired attestation is accepted. Zero means
	// [DefaultMaxAge] and [DefaultSkew].
	MaxAge, Skew time.Duration
	// MaxAttestationAge bounds the age of an attestation that has iat. Zero
	// does not bound it.
	MaxAttestationAge time.Duration
}

// Client is an authenticated instance of a wallet.
type Client struct {
	// ID is the client_id.
	ID string
	// Issuer is the iss of the attestation, "" if it has none. It is what the
	// signer says of itself; [Client.Chain] says who that is.
	Issuer string
	// InstanceKey is the key of the instance and InstanceKeyThumbprint its
	// base64url SHA-256 thumbprint (RFC 7638). Codes and refresh tokens are
	// bound to it.
	InstanceKey           crypto.PublicKey
	InstanceKeyThumbprint string
	// WalletName and WalletLink are for people; "" if absent.
	WalletName, WalletLink string
	// WalletVersion is that of the wallet solution, "" if absent.
	WalletVersion string
	// StatusUntil is until when the provider keeps the status up at least, zero
	// if it does not say.
	StatusUntil time.Time
	// Statuses are the status list entries that must be read before the
	// client is trusted; most attestations have one or none.
	Statuses []credentials.StatusRef
	// IssuedAt is the iat of the attestation, zero if it has none, and
	// ExpiresAt its exp.
	IssuedAt, ExpiresAt time.Time
	// Chain runs from the provider's certificate to the anchor.
	Chain *trust.Chain
	// PoPID and PoPIssuedAt are jti and iat of the proof. The caller accepts
	// each pair of instance key and ID once, and may forget it at
	// PoPForgetAfter. All are zero after [VerifyAttestation].
	PoPID                       string
	PoPIssuedAt, PoPForgetAfter time.Time
	// Challenge is the challenge in the proof, "" if there is none.
	Challenge string
}

// Verify checks a client attestation and its proof of possession. That there
// is exactly one of each in the request, that the ID of the proof is new and
// that no status list revokes the attestation is left to the caller, and so is
// whether this provider may speak for this client ID. Errors are of type
// *[Error].
func Verify(ctx context.Context, attestation, pop string, e Expect) (*Client, error) {
	client, err := VerifyAttestation(ctx, attestation, e)
	if err != nil {
		return nil, err
	}
	if err := verifyPoP(pop, client, e); err != nil {
		return nil, err
	}
	return client, nil
}

// VerifyAttestation checks a client attestation without a proof, for requests
// in which a DPoP proof by the instance key takes its place: the caller
// compares [Client.InstanceKeyThumbprint] with that of the DPoP key. Without
// any proof of possession the result authenticates nobody.
func VerifyAttestation(ctx context.Context, attestation string, e Expect) (*Client, error) {
	client, f := verifyAttestation(ctx, attestation, e)
	if f != nil {
		return nil, f.with(CodeInvalidClientAttestation)
	}
	if e.ClientID != "" && e.ClientID != client.ID {
		return nil, &Error{Code: CodeInvalidClient, Reason: "client_id is not the subject of the client attestation"}
	}
	if e.MaxAttestationAge > 0 && !client.IssuedAt.IsZero() && e.Now.After(client.IssuedAt.Add(e.MaxAttestationAge)) {
		return nil, &Error{Code: CodeUseFreshAttestation, Reason: "the client attestation is too old"}
	}
	return client, nil
}

func verifyAttestation(ctx context.Context, attestation string, e Expect) (*Client, *fault) {
	if e.Now.IsZero() {
		return nil, &fault{reason: "the check names no time"}
	}
	u, f := parse(attestation, TypeClient)
	if f != nil {
		return nil, f
	}
	var c clientClaims
	chain, f := open(ctx, u, e.Policy, &c)
	if f != nil {
		return nil, f
	}
	if c.ClientID == "" || c.Expires == nil || c.Confirmation == nil || c.Confirmation.JWK == nil {
		return nil, &fault{reason: "the client attestation lacks sub, exp or cnf.jwk"}
	}
	if c.Issuer != nil && len(e.Issuers) > 0 && !slices.Contains(e.Issuers, *c.Issuer) {
		return nil, &fault{reason: "the client attestation is by another issuer"}
	}
	if f := c.check(e.Now, e.skew()); f != nil {
		return nil, f
	}
	key, err := c.Confirmation.JWK.VerificationKey()
	if err != nil {
		return nil, &fault{"the instance key is not usable", err}
	}
	statuses, f := refs(c.Status, c.ClientStatus.status())
	if f != nil {
		return nil, f
	}
	client := &Client{
		ID: c.ClientID, InstanceKey: key,
		InstanceKeyThumbprint: jose.EncodeBase64(c.Confirmation.JWK.Thumbprint()),
		WalletName:            c.WalletName, WalletLink: c.WalletLink, Statuses: statuses,
		WalletVersion: c.Version, StatusUntil: c.ClientStatus.until(),
		IssuedAt: timeOf(c.IssuedAt), ExpiresAt: c.Expires.Time(), Chain: chain,
	}
	if c.Issuer != nil {
		client.Issuer = *c.Issuer
	}
	return client, nil
}

func (e Expect) skew() time.Duration {
	if e.Skew == 0 {
		return DefaultSkew
	}
	return e.Skew
}

// Read returns what a client attestation says without checking who signed it,
// for the wallet that got it from its provider.
func Read(attestation string) (*ClientAttestation, error) {
	u, f := parse(attestation, TypeClient)
	if f != nil {
		return nil, f.with(CodeInvalidClientAttestation)
	}
	var c clientClaims
	if err := jose.UnmarshalJSON(u.UnverifiedPayload(), &c); err != nil {
		return nil, (&fault{"the claims are malformed", err}).with(CodeInvalidClientAttestation)
	}
	if c.ClientID == "" || c.Expires == nil || c.Confirmation == nil || c.Confirmation.JWK == nil {
		return nil, (&fault{reason: "the client attestation lacks sub, exp or cnf.jwk"}).with(CodeInvalidClientAttestation)
	}
	key, err := c.Confirmation.JWK.VerificationKey()
	if err != nil {
		return nil, (&fault{"the instance key is not usable", err}).with(CodeInvalidClientAttestation)
	}
	out := &ClientAttestation{
		ClientID: c.ClientID, InstanceKey: key, WalletName: c.WalletName, WalletLink: c.WalletLink,
		WalletVersion: c.Version, StatusUntil: c.ClientStatus.until(),
		IssuedAt: timeOf(c.IssuedAt), NotBefore: timeOf(c.Starts), ExpiresAt: c.Expires.Time(),
	}
	if c.Issuer != nil {
		out.Issuer = *c.Issuer
	}
	if statuses, f := refs(c.Status); f == nil && len(statuses) == 1 {
		out.Status = &statuses[0]
	}
	return out, nil
}
