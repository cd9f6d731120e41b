package oauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// assertionType is the client_assertion_type of RFC 7523 section 2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionAlgorithm signs assertions. FAPI 2.0 section 5.4.1 admits few others,
// and the keys here are elliptic curves.
const assertionAlgorithm = "ES256"

const (
	// maxAssertionLifetime is how far ahead exp may be, and with that how long
	// an identifier is remembered.
	maxAssertionLifetime = 5 * time.Minute
	// assertionSkew is how far the client's clock may be off (FAPI 2.0 section
	// 5.3.2.1).
	assertionSkew = 10 * time.Second
	// maxAssertionID is the longest jti in bytes.
	maxAssertionID = 256
)

// assertion is a client assertion of RFC 7523 section 3. An array of audiences
// doesn't fit it: FAPI 2.0 section 5.3.2.1 wants the issuer identifier as a
// string, so that no other server can use the assertion here.
type assertion struct {
	Issuer   string            `json:"iss"`
	Subject  string            `json:"sub"`
	Audience string            `json:"aud"`
	ID       string            `json:"jti"`
	IssuedAt *jose.NumericDate `json:"iat"`
	Starts   *jose.NumericDate `json:"nbf"`
	Expires  *jose.NumericDate `json:"exp"`
}

// authenticateByAssertion checks that a client signed with a key that it has
// registered (private_key_jwt, OpenID Connect Core 1.0 section 9).
func (s *Server) authenticateByAssertion(ctx context.Context, h ClientHeaders, form Params) (*Client, error) {
	if len(h.Attestation) > 0 || len(h.PoP) > 0 {
		return nil, refuse(openid4vci.CodeInvalidRequest, "one method of client authentication is needed, not two", nil)
	}
	const refused = "the client assertion is not accepted"
	if form.Get("client_assertion_type") != assertionType {
		return nil, refuse(openid4vci.CodeInvalidClient, refused, errors.New("client_assertion_type is another"))
	}
	wallet, key, claims, err := s.openAssertion(form.Get("client_assertion"))
	if err != nil {
		return nil, refuse(openid4vci.CodeInvalidClient, refused, err)
	}
	if id := form.Get("client_id"); id != "" && id != wallet.ID {
		return nil, refuse(openid4vci.CodeInvalidClient, refused, errors.New("client_id is another"))
	}
	now := s.cfg.Now()
	if err := claims.check(s.cfg.Issuer, now); err != nil {
		return nil, refuse(openid4vci.CodeInvalidClient, refused, err)
	}
	thumbprint := jose.EncodeBase64(key.Thumbprint())
	first, err := s.cfg.Sessions.Once(ctx, "client-assertion", thumbprint+"|"+claims.ID, claims.issued(), remember(claims.Expires.Time().Add(assertionSkew), now))
	if err != nil {
		return nil, unavailable(err)
	}
	if !first {
		return nil, refuse(openid4vci.CodeInvalidClient, "the client assertion was used before, or may have been; sign a new one", nil)
	}
	return &Client{ID: wallet.ID, InstanceKey: thumbprint, ByKey: true, WalletName: wallet.Name}, nil
}

// openAssertion finds out whose assertion it is and which of that client's keys
// has signed it.
func (s *Server) openAssertion(compact string) (*Wallet, *jose.JWK, *assertion, error) {
	u, err := jose.Parse(compact)
	if err != nil {
		return nil, nil, nil, err
	}
	switch strings.ToLower(u.Header.Typ) {
	case "", "jwt", "client-authentication+jwt":
	default:
		return nil, nil, nil, errors.New("typ is that of something else")
	}
	var claims assertion
	if err := jose.UnmarshalJSON(u.UnverifiedPayload(), &claims); err != nil {
		return nil, nil, nil, fmt.Errorf("claims: %w", err)
	}
	for i, w := range s.cfg.Wallets {
		if w.ID != claims.Subject {
			continue
		}
		for n, key := range w.Keys {
			if u.Header.Kid != "" && key.Kid != "" && u.Header.Kid != key.Kid {
				continue
			}
			public, err := key.VerificationKey()
			if err != nil {
				return nil, nil, nil, err
			}
			if _, err := u.Verify(public); err == nil {
				return &s.cfg.Wallets[i], &w.Keys[n], &claims, nil
			}
		}
	}
	return nil, nil, nil, errors.New("no client that authenticates so has signed it")
}

// check compares the claims with what RFC 7523 section 3 and FAPI 2.0 section
// 5.3.2.1 ask for.
func (c *assertion) check(issuer string, now time.Time) error {
	switch {
	case c.Issuer != c.Subject:
		return errors.New("iss is not the client")
	case c.Audience != issuer:
		return errors.New("aud is not the issuer identifier")
	case c.ID == "" || len(c.ID) > maxAssertionID:
		return errors.New("jti is missing or too long")
	case c.Expires == nil || !now.Before(c.Expires.Time().Add(assertionSkew)):
		return errors.New("exp is missing or past")
	case c.Expires.Time().After(now.Add(maxAssertionLifetime + assertionSkew)):
		return errors.New("exp is too far ahead")
	case c.Starts != nil && c.Starts.Time().After(now.Add(assertionSkew)):
		return errors.New("nbf is ahead")
	case c.IssuedAt != nil && c.IssuedAt.Time().After(now.Add(assertionSkew)):
		return errors.New("iat is ahead")
	}
	return nil
}

// issued is when the assertion was made, at the earliest if it doesn't say.
func (c *assertion) issued() time.Time {
	if c.IssuedAt != nil {
		return c.IssuedAt.Time()
	}
	return c.Expires.Time().Add(-maxAssertionLifetime - assertionSkew)
}
