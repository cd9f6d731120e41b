package openid

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
)

// Limits on the times in ID tokens.
const (
	// maxSkew is how far the provider's clock may be from ours.
	maxSkew = time.Minute
	// maxSubject limits sub (OpenID Connect Core 1.0 section 2), in bytes.
	maxSubject = 255
)

// idToken are the claims that are checked.
type idToken struct {
	Issuer          string            `json:"iss"`
	Subject         string            `json:"sub"`
	Audience        audience          `json:"aud"`
	AuthorizedParty *string           `json:"azp"`
	Nonce           string            `json:"nonce"`
	ACR             string            `json:"acr"`
	AccessTokenHash *string           `json:"at_hash"`
	Expires         *jose.NumericDate `json:"exp"`
	IssuedAt        *jose.NumericDate `json:"iat"`
	NotBefore       *jose.NumericDate `json:"nbf"`
}

// audience is a string or an array of strings.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// verifyIDToken checks the ID token (OpenID Connect Core 1.0 section 3.1.3.7)
// and returns its subject.
func (p *Provider) verifyIDToken(ctx context.Context, t *tokens, nonce string, begun, now time.Time) (string, error) {
	unverified, err := jose.Parse(t.IDToken)
	switch {
	case err != nil:
		return "", refused("the ID token is not a JWS of an algorithm that is accepted")
	case unverified.Header.Alg != "ES256":
		return "", refused("the ID token is not signed by ES256")
	case unverified.Header.Typ != "" && unverified.Header.Typ != "JWT":
		return "", refused("the ID token is a token of another type")
	case unverified.Header.Kid == "" || unverified.Header.JWK != nil || len(unverified.Header.X5C) > 0:
		return "", refused("the ID token does not name a published key")
	}
	key, err := p.keys.get(ctx, unverified.Header.Kid)
	if err != nil {
		return "", err
	}
	payload, err := unverified.Verify(key)
	if err != nil {
		return "", refused("the signature of the ID token does not verify")
	}
	return p.checkClaims(payload, t.AccessToken, nonce, begun, now)
}

// checkClaims checks what was signed, and returns the subject.
func (p *Provider) checkClaims(payload []byte, accessToken, nonce string, begun, now time.Time) (string, error) {
	var claims idToken
	if jose.UnmarshalJSON(payload, &claims) != nil {
		return "", refused("the claims of the ID token are malformed")
	}
	if err := p.checkParties(&claims, nonce); err != nil {
		return "", err
	}
	if err := checkTimes(&claims, begun, now); err != nil {
		return "", err
	}
	if claims.AccessTokenHash != nil && !sameHash(*claims.AccessTokenHash, accessToken) {
		return "", refused("the ID token belongs to another access token")
	}
	return claims.Subject, nil
}

// checkParties checks who says it to whom, about whom and for which login.
func (p *Provider) checkParties(claims *idToken, nonce string) error {
	switch {
	case claims.Issuer != p.cfg.Issuer:
		return refused("the ID token is of another issuer")
	case len(claims.Audience) != 1 || claims.Audience[0] != p.cfg.ClientID:
		return refused("the ID token is not for this client alone")
	case claims.AuthorizedParty != nil && *claims.AuthorizedParty != p.cfg.ClientID:
		return refused("the ID token was issued to another client")
	case subtle.ConstantTimeCompare([]byte(claims.Nonce), []byte(nonce)) != 1:
		return refused("the ID token is for another login")
	case claims.Subject == "" || len(claims.Subject) > maxSubject:
		return refused("the ID token names no subject")
	case len(p.cfg.ACR) > 0 && !slices.Contains(p.cfg.ACR, claims.ACR):
		return refused("the person was not authenticated as was asked for")
	}
	return nil
}

// checkTimes demands a token that was made for this visit and has not ended.
func checkTimes(claims *idToken, begun, now time.Time) error {
	switch {
	case claims.Expires == nil || claims.IssuedAt == nil:
		return refused("the ID token has no exp or iat")
	case !now.Before(claims.Expires.Time()):
		return refused("the ID token has expired")
	case claims.IssuedAt.Time().After(now.Add(maxSkew)):
		return refused("the ID token is of the future")
	case claims.IssuedAt.Time().Before(begun.Add(-maxSkew)):
		return refused("the ID token is older than the login")
	case claims.NotBefore != nil && claims.NotBefore.Time().After(now.Add(maxSkew)):
		return refused("the ID token is not valid yet")
	}
	return nil
}

// sameHash checks at_hash (OpenID Connect Core 1.0 section 3.1.3.6) for ES256.
func sameHash(hash, accessToken string) bool {
	sum := sha256.Sum256([]byte(accessToken))
	return subtle.ConstantTimeCompare([]byte(hash), []byte(jose.EncodeBase64(sum[:16]))) == 1
}
