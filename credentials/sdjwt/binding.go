package sdjwt

import (
	"crypto/subtle"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
)

// checkBinding verifies the KB-JWT (RFC 9901 section 7.3): the holder's key,
// and that it was made for this verifier, this request, now, and exactly the
// disclosures that were received. It returns the transaction data that the
// holder authorized.
func (v *Verifier) checkBinding(c *opened, b credentials.Binding, now time.Time) (authorized []string, err error) {
	if c.facts.holder == nil {
		return nil, fail(ReasonHolderKey, "the credential is bound to no key")
	}
	token, err := jose.Parse(c.parts.binding)
	if err != nil {
		return nil, failWith(ReasonKeyBinding, "KB-JWT", err)
	}
	if token.Header.Typ != bindingType {
		return nil, fail(ReasonKeyBinding, "typ is not "+bindingType)
	}
	payload, err := token.Verify(c.facts.holder)
	if err != nil {
		return nil, failWith(ReasonKeyBinding, "KB-JWT", err)
	}
	value, err := jose.DecodeValue(payload)
	if err != nil {
		return nil, failWith(ReasonKeyBinding, "payload", err)
	}
	claims, ok := value.(credentials.Object)
	if !ok {
		return nil, fail(ReasonKeyBinding, "payload is not an object")
	}
	if !equalText(claims["nonce"], b.Nonce) {
		return nil, fail(ReasonNonce, "the KB-JWT is for another request")
	}
	// One string, in full, with the prefix: an array could name many.
	if !equalText(claims["aud"], b.Audience()) {
		return nil, fail(ReasonAudience, "the KB-JWT is for another verifier")
	}
	if !equalText(claims["sd_hash"], digestOf(c.parts.hashed)) {
		return nil, fail(ReasonHash, "the KB-JWT is for other disclosures")
	}
	if err := v.checkBindingTimes(claims, now); err != nil {
		return nil, err
	}
	return checkTransactionData(claims, b.TransactionData)
}

func (v *Verifier) checkBindingTimes(claims credentials.Object, now time.Time) error {
	var f facts
	for name, to := range map[string]*time.Time{"iat": &f.signedAt, "nbf": &f.validFrom, "exp": &f.validUntil} {
		if readTime(claims, name, to) != nil {
			return fail(ReasonKeyBinding, name+" is not a whole number of seconds")
		}
	}
	if f.signedAt.IsZero() {
		return fail(ReasonKeyBinding, "no iat")
	}
	maxAge := v.KeyBindingMaxAge
	if maxAge <= 0 {
		maxAge = DefaultKeyBindingMaxAge
	}
	if f.signedAt.Before(now.Add(-maxAge)) {
		return fail(ReasonKeyBindingTime, "the KB-JWT is too old")
	}
	if f.checkTimes(now) != nil {
		return fail(ReasonKeyBindingTime, "the KB-JWT is not valid now")
	}
	return nil
}

func equalText(v credentials.Value, want string) bool {
	text, ok := v.(credentials.Text)
	return ok && subtle.ConstantTimeCompare([]byte(text), []byte(want)) == 1
}
