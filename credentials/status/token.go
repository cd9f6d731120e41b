package status

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
)

const (
	// TokenType is the typ header of a Status List Token in JWT form.
	TokenType = "statuslist+jwt"
	// MediaType is what a status list in JWT form is requested and served as.
	MediaType = "application/statuslist+jwt"

	// MaxTTL is the longest ttl that is accepted.
	MaxTTL = 366 * 24 * time.Hour
	// ClockSkew is how far iat may lie in the future.
	ClockSkew = 60 * time.Second
)

var (
	// ErrToken says that a Status List Token is malformed, is of another type,
	// speaks of another list, or has a signature that does not verify. An
	// untrusted signer is a *trust.Error instead.
	ErrToken = errors.New("status list token is not acceptable")
	// ErrExpired says that a token's exp has passed.
	ErrExpired = errors.New("status list token has expired")
)

// TokenOptions are the claims of a Status List Token besides the list.
type TokenOptions struct {
	// URI becomes sub: exactly the uri in the credentials.
	URI string
	// IssuedAt and Expires are written in whole seconds, rounded down. Expires
	// is left out if zero.
	IssuedAt, Expires time.Time
	// TTL is how long a copy may be used before a new one is fetched, in
	// whole seconds; it is left out if zero.
	TTL time.Duration
	// AggregationURI is optional.
	AggregationURI string
}

// Token is a Status List Token after every check has passed.
type Token struct {
	// URI is the sub claim.
	URI string
	// IssuedAt is never zero; Expires and TTL are zero where the token does
	// not say.
	IssuedAt, Expires time.Time
	TTL               time.Duration
	// AggregationURI leads to the other lists of the issuer; it is empty where
	// the token does not say.
	AggregationURI string
	// Chain says who vouches for the signer.
	Chain *trust.Chain

	// One of them is set, by the kind of list.
	list        *List
	identifiers map[string]bool
}

// Get returns the status at the index, or [ErrIndex]. A credential whose index
// is out of range must be rejected.
func (t *Token) Get(index uint64) (Value, error) {
	if t.list == nil {
		return 0, ErrIndex
	}
	return t.list.Get(index)
}

// Len returns the number of entries, decoys and padding included.
func (t *Token) Len() uint64 {
	if t.list == nil {
		return uint64(len(t.identifiers))
	}
	return t.list.Len()
}

// size is what the list takes in memory, in bytes and roughly.
func (t *Token) size() int {
	if t.list == nil {
		return len(t.identifiers) * 64
	}
	return len(t.list.Bytes())
}

// of returns the status of whatever the reference points to.
func (t *Token) of(ref credentials.StatusRef) (Value, error) {
	switch {
	case ref.Identifier == "":
		return t.Get(ref.Index)
	case t.identifiers[ref.Identifier]:
		return Invalid, nil
	}
	return Valid, nil
}

type claims struct {
	Subject  string           `json:"sub"`
	IssuedAt jose.NumericDate `json:"iat"`
	Expires  jose.NumericDate `json:"exp,omitempty"`
	TTL      int64            `json:"ttl,omitempty"`
	List     *listJSON        `json:"status_list"`
}

// check says whether a token with these claims can be signed with the key.
func (o TokenOptions) check(key *keys.Key) error {
	if err := CheckURI(o.URI); err != nil {
		return fmt.Errorf("sign status list: %w", err)
	}
	if len(key.Chain) == 0 {
		return errors.New("sign status list: the key has no certificate chain")
	}
	if o.TTL != 0 && (o.TTL < time.Second || o.TTL > MaxTTL) {
		return errors.New("sign status list: TTL is out of bounds")
	}
	if o.IssuedAt.IsZero() || (!o.Expires.IsZero() && !o.Expires.After(o.IssuedAt)) {
		return errors.New("sign status list: times do not fit together")
	}
	return nil
}

// Sign returns the list as a Status List Token in JWT form (section 5.1) with
// the key's chain in x5c.
func Sign(o TokenOptions, l *List, key *keys.Key) (string, error) {
	if err := o.check(key); err != nil {
		return "", err
	}
	body, err := l.json(o.AggregationURI)
	if err != nil {
		return "", fmt.Errorf("sign status list: %w", err)
	}
	c := claims{Subject: o.URI, IssuedAt: jose.NewNumericDate(o.IssuedAt), TTL: int64(o.TTL / time.Second), List: body}
	if !o.Expires.IsZero() {
		c.Expires = jose.NewNumericDate(o.Expires)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("sign status list: %w", err)
	}
	token, err := jose.Sign(jose.Header{Typ: TokenType, X5C: key.Chain}, payload, key.Signer)
	if err != nil {
		return "", fmt.Errorf("sign status list: %w", err)
	}
	return token, nil
}

// Verify checks a Status List Token that was fetched from uri: type, chain and
// signature, that it speaks of this list, and its times. The policy's profile
// decides who may sign status lists. Errors wrap [ErrToken], [ErrExpired],
// [ErrList] or a *trust.Error.
func Verify(ctx context.Context, token, uri string, policy *trust.Policy, now time.Time) (*Token, error) {
	u, err := parseToken(token)
	if err != nil {
		return nil, err
	}
	if len(u.Header.X5C) == 0 {
		return nil, fmt.Errorf("%w: no x5c", ErrToken)
	}
	leaf := u.Header.X5C[0]
	chain, err := policy.Verify(ctx, leaf, u.Header.X5C[1:])
	if err != nil {
		return nil, fmt.Errorf("status list signer: %w", err)
	}
	t, err := finish(u, leaf.PublicKey, uri, now)
	if err != nil {
		return nil, err
	}
	t.Chain = chain
	return t, nil
}

// VerifyWithKey is [Verify] for those who know the signer's key by other means
// than a certificate, as the issuer itself does. The token's Chain is nil.
func VerifyWithKey(token, uri string, pub crypto.PublicKey, now time.Time) (*Token, error) {
	u, err := parseToken(token)
	if err != nil {
		return nil, err
	}
	return finish(u, pub, uri, now)
}

func parseToken(token string) (*jose.Unverified, error) {
	u, err := jose.Parse(token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if u.Header.Typ != TokenType {
		return nil, fmt.Errorf("%w: wrong typ", ErrToken)
	}
	return u, nil
}

// finish checks everything that does not concern the signer's certificate.
func finish(u *jose.Unverified, pub any, uri string, now time.Time) (*Token, error) {
	payload, err := u.Verify(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	c, err := readClaims(payload)
	if err != nil {
		return nil, err
	}
	t, err := c.check(uri, now)
	if err != nil {
		return nil, err
	}
	if c.List == nil {
		return nil, fmt.Errorf("%w: status_list is missing", ErrToken)
	}
	t.AggregationURI = c.List.Aggregation
	if t.list, err = c.List.decode(); err != nil {
		return nil, err
	}
	return t, nil
}

// received is what a token from outside says, in either form. Pointers tell a
// missing member from a zero one.
type received[Date dated, List any] struct {
	Subject   *string `json:"sub" cbor:"2,keyasint"`
	IssuedAt  *Date   `json:"iat" cbor:"6,keyasint"`
	Expires   *Date   `json:"exp" cbor:"4,keyasint"`
	NotBefore *Date   `json:"nbf" cbor:"5,keyasint"`
	TTL       *int64  `json:"ttl" cbor:"65534,keyasint"`
	List      *List   `json:"status_list" cbor:"65533,keyasint"`
}

// dated is a time as one of the forms writes it.
type dated interface{ Time() time.Time }

// check applies the rules for all claims but the list itself.
func (c *received[Date, List]) check(uri string, now time.Time) (*Token, error) {
	if c.Subject == nil || c.IssuedAt == nil {
		return nil, fmt.Errorf("%w: sub or iat is missing", ErrToken)
	}
	if *c.Subject != uri {
		return nil, fmt.Errorf("%w: it speaks of another list", ErrToken)
	}
	t := &Token{URI: uri, IssuedAt: (*c.IssuedAt).Time()}
	if t.IssuedAt.After(now.Add(ClockSkew)) {
		return nil, fmt.Errorf("%w: issued in the future", ErrToken)
	}
	if c.NotBefore != nil && (*c.NotBefore).Time().After(now.Add(ClockSkew)) {
		return nil, fmt.Errorf("%w: not valid yet", ErrToken)
	}
	if c.Expires != nil {
		if t.Expires = (*c.Expires).Time(); !now.Before(t.Expires) {
			return nil, ErrExpired
		}
	}
	if c.TTL != nil {
		if *c.TTL < 1 || *c.TTL > int64(MaxTTL/time.Second) {
			return nil, fmt.Errorf("%w: ttl is out of bounds", ErrToken)
		}
		t.TTL = time.Duration(*c.TTL) * time.Second
	}
	return t, nil
}

func readClaims(payload []byte) (*received[jose.NumericDate, listJSON], error) {
	var c received[jose.NumericDate, listJSON]
	if err := jose.UnmarshalJSON(payload, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return &c, nil
}
