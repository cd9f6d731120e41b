package attestation

import (
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
)

// PoP describes a proof of possession of the instance key.
type PoP struct {
	// ClientID becomes iss; empty leaves it out.
	ClientID string
	// Audience is the issuer identifier of the authorization server.
	Audience string
	// Challenge is the server's latest challenge; empty leaves it out.
	Challenge string
	// ID becomes jti; empty takes 128 random bits.
	ID string
	// Now becomes iat.
	Now time.Time
	// Lifetime, if not zero, is added to Now to become exp.
	Lifetime time.Duration
}

type popClaims struct {
	Issuer    *string `json:"iss,omitempty"`
	Audience  string  `json:"aud"`
	ID        string  `json:"jti"`
	Challenge *string `json:"challenge,omitempty"`
	lifetime
}

// SignPoP returns the proof of possession JWT, signed by the instance key.
func SignPoP(p PoP, instance crypto.Signer) (string, error) {
	if p.Audience == "" || p.Now.IsZero() {
		return "", errors.New("attestation: a proof of possession needs audience and time")
	}
	if p.ID == "" {
		p.ID = rand.Text()
	}
	c := popClaims{Audience: p.Audience, ID: p.ID, lifetime: lifetime{IssuedAt: date(p.Now)}}
	if p.ClientID != "" {
		c.Issuer = &p.ClientID
	}
	if p.Challenge != "" {
		c.Challenge = &p.Challenge
	}
	if p.Lifetime > 0 {
		c.Expires = date(p.Now.Add(p.Lifetime))
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("attestation: %w", err)
	}
	return jose.Sign(jose.Header{Typ: TypePoP}, payload, instance)
}

// verifyPoP checks the proof under the client's instance key and adds what it
// says to client. The time is checked before ID and challenge, so that the
// caller need not remember IDs of proofs that are too old.
func verifyPoP(pop string, client *Client, e Expect) error {
	c, f := openPoP(pop, client)
	if f == nil {
		f = c.compare(client, e)
	}
	if f != nil {
		return f.with(CodeInvalidClientAttestation)
	}
	client.PoPID = c.ID
	if c.Challenge != nil {
		client.Challenge = *c.Challenge
	}
	if e.CheckChallenge != nil {
		if err := e.CheckChallenge(client.Challenge); err != nil {
			return &Error{Code: CodeUseChallenge, Reason: "the challenge is missing or not accepted", Err: err}
		}
	}
	return nil
}

func openPoP(pop string, client *Client) (*popClaims, *fault) {
	u, f := parse(pop, TypePoP)
	if f != nil {
		return nil, f
	}
	payload, err := u.Verify(client.InstanceKey)
	if err != nil {
		return nil, &fault{"the proof of possession is not signed by the instance key", err}
	}
	var c popClaims
	if err := jose.UnmarshalJSON(payload, &c); err != nil {
		return nil, &fault{"the claims of the proof of possession are malformed", err}
	}
	return &c, nil
}

func (c *popClaims) compare(client *Client, e Expect) *fault {
	if e.Audience == "" || c.Audience != e.Audience {
		return &fault{reason: "the proof of possession is for another audience"}
	}
	if c.Issuer != nil && *c.Issuer != client.ID {
		return &fault{reason: "the proof of possession is by another client"}
	}
	if c.IssuedAt == nil {
		return &fault{reason: "the proof of possession has no iat"}
	}
	if e.MaxAge == 0 {
		e.MaxAge = DefaultMaxAge
	}
	client.PoPIssuedAt = c.IssuedAt.Time()
	client.PoPForgetAfter = client.PoPIssuedAt.Add(e.MaxAge + time.Second)
	if !e.Now.Truncate(time.Second).Before(client.PoPForgetAfter) {
		return &fault{reason: "the proof of possession is too old"}
	}
	if f := c.check(e.Now, e.skew()); f != nil {
		return f
	}
	if c.ID == "" || len(c.ID) > MaxIDLength {
		return &fault{reason: "the jti of the proof of possession is missing, empty or too long"}
	}
	return nil
}
