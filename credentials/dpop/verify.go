package dpop

import (
	"crypto"
	"crypto/subtle"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
)

// Expect is what a proof must say. Method, URL and Now are mandatory.
type Expect struct {
	// Method is the request's method and URL its public address, as the
	// client sees it.
	Method, URL string
	// AccessToken is the token that came with the request. If it is empty no
	// ath claim is asked for.
	AccessToken string
	// CheckNonce decides about the nonce claim, after everything else has
	// passed; it is called with "" if the proof has none. Its error becomes
	// one with [CodeUseNonce] that wraps it. With a nil function nonces are
	// not looked at.
	CheckNonce func(nonce string) error
	// Now is the time of the check.
	Now time.Time
	// MaxAge and MaxAhead bound iat, bounds included; zero means
	// [DefaultMaxAge] and [DefaultMaxAhead].
	MaxAge, MaxAhead time.Duration
}

// Verified is a proof that passed.
type Verified struct {
	// Key is the key that signed, and KeyThumbprint its base64url SHA-256
	// thumbprint (RFC 7638), the jkt that tokens are bound to.
	Key           crypto.PublicKey
	KeyThumbprint string
	// ID is the jti. The caller accepts each pair of thumbprint and ID once.
	ID string
	// IssuedAt is iat.
	IssuedAt time.Time
	// ForgetAfter is when the proof stops being acceptable by its age, and
	// with that how long its ID must be remembered.
	ForgetAfter time.Time
	// Nonce is the nonce claim, "" if there is none.
	Nonce string
}

// Verify checks a proof by the rules of RFC 9449 section 4.3, except that the
// caller sees to it that the request has exactly one DPoP header, that a proof
// is used once and that its key is the one a token is bound to. Errors are of
// type *[Error].
func Verify(proof string, e Expect) (*Verified, error) {
	if e.Method == "" || e.URL == "" || e.Now.IsZero() {
		return nil, refuse("the check names no request or time")
	}
	if len(proof) > MaxSize {
		return nil, refuse("the proof is too large")
	}
	u, err := jose.Parse(proof)
	if err != nil {
		return nil, &Error{Code: CodeInvalidProof, Reason: "the proof is not a JWT as it should be", Err: err}
	}
	if u.Header.Typ != Type {
		return nil, refuse("typ is not " + Type)
	}
	if u.Header.JWK == nil {
		return nil, refuse("the header has no jwk")
	}
	key, err := u.Header.JWK.VerificationKey()
	if err != nil {
		return nil, &Error{Code: CodeInvalidProof, Reason: "the jwk is not usable", Err: err}
	}
	payload, err := u.Verify(key)
	if err != nil {
		return nil, &Error{Code: CodeInvalidProof, Reason: "the signature does not verify", Err: err}
	}
	var c claims
	if err := jose.UnmarshalJSON(payload, &c); err != nil {
		return nil, &Error{Code: CodeInvalidProof, Reason: "the claims are malformed", Err: err}
	}
	v := &Verified{Key: key, KeyThumbprint: jose.EncodeBase64(u.Header.JWK.Thumbprint())}
	if err := c.check(e, v); err != nil {
		return nil, err
	}
	if e.CheckNonce != nil {
		if err := e.CheckNonce(v.Nonce); err != nil {
			return nil, &Error{Code: CodeUseNonce, Reason: "the nonce is missing or not accepted", Err: err}
		}
	}
	return v, nil
}

// check compares the claims with what is expected and fills in v.
func (c *claims) check(e Expect, v *Verified) error {
	if c.ID == nil || *c.ID == "" || len(*c.ID) > MaxIDLength {
		return refuse("jti is missing, empty or too long")
	}
	if c.Method == nil || *c.Method != e.Method {
		return refuse("htm is not the method of the request")
	}
	if c.URL == nil {
		return refuse("htu is missing")
	}
	want, err := NormalizeURL(e.URL)
	if err != nil {
		return &Error{Code: CodeInvalidProof, Reason: "the request has no usable URL", Err: err}
	}
	if got, err := NormalizeURL(*c.URL); err != nil || got != want {
		return refuse("htu is not the URL of the request")
	}
	if err := c.checkTime(e, v); err != nil {
		return err
	}
	if e.AccessToken != "" {
		if c.Hash == nil || subtle.ConstantTimeCompare([]byte(*c.Hash), []byte(Hash(e.AccessToken))) != 1 {
			return refuse("ath is not the hash of the access token")
		}
	}
	v.ID = *c.ID
	if c.Nonce != nil {
		v.Nonce = *c.Nonce
	}
	return nil
}

func (c *claims) checkTime(e Expect, v *Verified) error {
	if e.MaxAge == 0 {
		e.MaxAge = DefaultMaxAge
	}
	if e.MaxAhead == 0 {
		e.MaxAhead = DefaultMaxAhead
	}
	if c.IssuedAt == nil {
		return refuse("iat is missing")
	}
	v.IssuedAt = c.IssuedAt.Time()
	// Both sides count whole seconds, so the last of them is accepted to its
	// end.
	v.ForgetAfter = v.IssuedAt.Add(e.MaxAge + time.Second)
	now := e.Now.Truncate(time.Second)
	if !now.Before(v.ForgetAfter) {
		return refuse("the proof is too old")
	}
	if v.IssuedAt.After(now.Add(e.MaxAhead)) {
		return refuse("the proof was issued in the future")
	}
	// Neither claim is defined for proofs, but any JWT may have them.
	if c.Expires != nil && !now.Before(c.Expires.Time().Add(e.MaxAhead)) {
		return refuse("the proof has expired")
	}
	if c.Starts != nil && c.Starts.Time().After(now.Add(e.MaxAhead)) {
		return refuse("the proof is not valid yet")
	}
	return nil
}
