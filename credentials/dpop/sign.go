package dpop

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
)

// ProofOptions describe a proof.
type ProofOptions struct {
	// Method and URL are those of the request. Query and fragment are left
	// out of the htu claim.
	Method, URL string
	// Nonce is the server's latest DPoP-Nonce; empty leaves the claim out.
	Nonce string
	// AccessToken is the token that the request carries; empty leaves the ath
	// claim out, as at the token endpoint.
	AccessToken string
	// Now becomes iat.
	Now time.Time
	// ID becomes jti; empty takes 128 random bits.
	ID string
}

type claims struct {
	ID       *string           `json:"jti"`
	Method   *string           `json:"htm"`
	URL      *string           `json:"htu"`
	IssuedAt *jose.NumericDate `json:"iat"`
	Nonce    *string           `json:"nonce,omitempty"`
	Hash     *string           `json:"ath,omitempty"`
	Expires  *jose.NumericDate `json:"exp,omitempty"`
	Starts   *jose.NumericDate `json:"nbf,omitempty"`
}

// Sign returns a DPoP proof (RFC 9449 section 4.2).
func Sign(o ProofOptions, signer crypto.Signer) (string, error) {
	jwk, err := jose.NewJWK(signer.Public())
	if err != nil {
		return "", fmt.Errorf("dpop: %w", err)
	}
	u, err := url.Parse(o.URL)
	if err != nil || o.Method == "" || o.Now.IsZero() {
		return "", errors.New("dpop: a proof needs method, URL and time")
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = "", false, "", ""
	htu := u.String()
	if o.ID == "" {
		o.ID = rand.Text()
	}
	iat := jose.NewNumericDate(o.Now)
	c := claims{ID: &o.ID, Method: &o.Method, URL: &htu, IssuedAt: &iat}
	if o.Nonce != "" {
		c.Nonce = &o.Nonce
	}
	if o.AccessToken != "" {
		ath := Hash(o.AccessToken)
		c.Hash = &ath
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("dpop: %w", err)
	}
	return jose.Sign(jose.Header{Typ: Type, JWK: jwk}, payload, signer)
}

// Hash returns the ath claim for an access token: base64url of its SHA-256
// (RFC 9449 section 4.2).
func Hash(accessToken string) string {
	sum := sha256.Sum256([]byte(accessToken))
	return jose.EncodeBase64(sum[:])
}
