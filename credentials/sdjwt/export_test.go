package sdjwt

import (
	"crypto"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust"
)

// DigestOf is how disclosures and presentations are hashed.
func DigestOf(encoded string) string { return digestOf(encoded) }

// VerifyWithKey verifies a presentation under a bare issuer key. Published
// examples have no certificates.
func (v *Verifier) VerifyWithKey(raw string, b credentials.Binding, issuer crypto.PublicKey) (*credentials.Verified, error) {
	p, err := split(raw)
	if err != nil {
		return nil, err
	}
	token, err := parseIssuerToken(p.jwt, false)
	if err != nil {
		return nil, err
	}
	c, err := v.openWith(token, p, issuer)
	if err != nil {
		return nil, err
	}
	c.chain = &trust.Chain{}
	now := v.Now()
	if err := c.facts.checkTimes(now); err != nil {
		return nil, err
	}
	if p.binding != "" {
		if _, err := v.checkBinding(c, b, now); err != nil {
			return nil, err
		}
	}
	return c.verified(), nil
}

// Process verifies an SD-JWT that is no VC under a key, and processes it.
func Process(raw string, issuer crypto.PublicKey) (credentials.Object, error) {
	p, err := split(raw)
	if err != nil {
		return nil, err
	}
	token, err := jose.Parse(p.jwt)
	if err != nil {
		return nil, err
	}
	data, err := token.Verify(issuer)
	if err != nil {
		return nil, err
	}
	payload, _, err := processPayload(data, p.disclosures)
	return payload, err
}

// CheckBinding checks the KB-JWT of a presentation under the key of a cnf
// claim.
func CheckBinding(raw string, cnf credentials.Value, b credentials.Binding, now time.Time) error {
	p, err := split(raw)
	if err != nil {
		return err
	}
	holder, err := readConfirmation(cnf)
	if err != nil {
		return err
	}
	_, err = (&Verifier{}).checkBinding(&opened{parts: p, facts: &facts{holder: holder}}, b, now)
	return err
}
