package status

import (
	"context"
	"crypto"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
)

// CWTMediaType is what a status list in CWT form is requested and served as.
// It is also the type in its protected header.
const CWTMediaType = "application/statuslist+cwt"

// claimsCBOR are the claims of a token in CWT form, to be signed.
type claimsCBOR struct {
	Subject  string    `cbor:"2,keyasint"`
	Expires  int64     `cbor:"4,keyasint,omitempty"`
	IssuedAt int64     `cbor:"6,keyasint"`
	List     *listCBOR `cbor:"65533,keyasint"`
	TTL      int64     `cbor:"65534,keyasint,omitempty"`
}

// SignCWT returns the list as a Status List Token in CWT form (section 5.2), a
// COSE_Sign1 with tag 18 and the key's chain in x5chain.
func SignCWT(o TokenOptions, l *List, key *keys.Key) ([]byte, error) {
	if err := o.check(key); err != nil {
		return nil, err
	}
	body, err := l.cbor(o.AggregationURI)
	if err != nil {
		return nil, fmt.Errorf("sign status list: %w", err)
	}
	c := claimsCBOR{Subject: o.URI, IssuedAt: o.IssuedAt.Unix(), TTL: int64(o.TTL / time.Second), List: body}
	if !o.Expires.IsZero() {
		c.Expires = o.Expires.Unix()
	}
	payload, err := cose.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("sign status list: %w", err)
	}
	token, err := cose.Sign1(cose.SignOptions{Chain: key.Chain, Type: CWTMediaType, Tagged: true}, payload, key.Signer)
	if err != nil {
		return nil, fmt.Errorf("sign status list: %w", err)
	}
	return token, nil
}

// VerifyCWT is [Verify] for a token in CWT form. A token without tag 18 is
// refused, and so is one that is not a COSE_Sign1; the CWT tag in front of it,
// which older drafts allowed, is passed over.
func VerifyCWT(ctx context.Context, token []byte, uri string, policy *trust.Policy, now time.Time) (*Token, error) {
	return verifyCWT(ctx, token, CWTMediaType, uri, policy, now)
}

func verifyCWT(ctx context.Context, token []byte, media, uri string, policy *trust.Policy, now time.Time) (*Token, error) {
	u, err := parseCWT(token, media)
	if err != nil {
		return nil, err
	}
	if len(u.Chain) == 0 {
		return nil, fmt.Errorf("%w: no x5chain", ErrToken)
	}
	chain, err := policy.Verify(ctx, u.Chain[0], u.Chain[1:])
	if err != nil {
		return nil, fmt.Errorf("status list signer: %w", err)
	}
	t, err := finishCWT(u, media, u.Chain[0].PublicKey, uri, now)
	if err != nil {
		return nil, err
	}
	t.Chain = chain
	return t, nil
}

// VerifyCWTWithKey is [VerifyWithKey] for a token in CWT form.
func VerifyCWTWithKey(token []byte, uri string, pub crypto.PublicKey, now time.Time) (*Token, error) {
	u, err := parseCWT(token, CWTMediaType)
	if err != nil {
		return nil, err
	}
	return finishCWT(u, CWTMediaType, pub, uri, now)
}

// tagCWT is the tag of RFC 8392 section 6 as it is encoded: 61 in two bytes.
const tagCWT = "\xd8\x3d"

func parseCWT(token []byte, media string) (*cose.Unverified, error) {
	if len(token) > 2 && string(token[:2]) == tagCWT {
		token = token[2:]
	}
	u, err := cose.ParseSign1(token)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	case !u.Tagged:
		return nil, fmt.Errorf("%w: not tagged as COSE_Sign1", ErrToken)
	case u.Type != media:
		return nil, fmt.Errorf("%w: wrong type", ErrToken)
	}
	return u, nil
}

// finishCWT checks everything that does not concern the signer's certificate.
func finishCWT(u *cose.Unverified, media string, pub crypto.PublicKey, uri string, now time.Time) (*Token, error) {
	payload, err := u.Verify(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	var c received[cborDate, listCBOR]
	if err := cose.Unmarshal(payload, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	t, err := c.check(uri, now)
	if err != nil {
		return nil, err
	}
	if media == IdentifierMediaType {
		err = t.readIdentifiers(payload)
		return t, err
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

// cborDate is a NumericDate of RFC 8392 section 2: seconds since the Unix epoch,
// an integer or a floating-point number, without a tag.
type cborDate int64

// UnmarshalCBOR accepts untagged numbers from 1970 to 9999.
func (d *cborDate) UnmarshalCBOR(data []byte) error {
	const unsigned, float, latest = 0, 7, 253402300799 // the latest is the last second of 9999
	var seconds float64                                // exact up to 2^53
	if len(data) == 0 || data[0]>>5 != unsigned && data[0]>>5 != float {
		return fmt.Errorf("%w: a time is not an untagged number", cose.ErrMalformed)
	}
	if err := cose.Unmarshal(data, &seconds); err != nil {
		return err
	}
	if !(seconds >= 0 && seconds <= latest) { // which NaN is not either
		return fmt.Errorf("%w: a time is out of range", cose.ErrMalformed)
	}
	*d = cborDate(seconds)
	return nil
}

// Time returns the moment.
func (d cborDate) Time() time.Time { return time.Unix(int64(d), 0).UTC() }
