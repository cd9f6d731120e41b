package attestation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
)

// sign signs claims with a provider's key, whose chain becomes x5c.
func sign(typ string, claims any, key *keys.Key) (string, error) {
	if key == nil || key.Signer == nil || len(key.Chain) == 0 {
		return "", errors.New("attestation: the signer needs a key and its certificate chain")
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("attestation: %w", err)
	}
	return jose.Sign(jose.Header{Typ: typ, X5C: key.Chain}, payload, key.Signer)
}

// parse reads the form of a JWT of the given typ.
func parse(compact, typ string) (*jose.Unverified, *fault) {
	if len(compact) > MaxSize {
		return nil, &fault{reason: "the JWT is too large"}
	}
	u, err := jose.Parse(compact)
	if err != nil {
		return nil, &fault{"it is not a JWT as it should be", err}
	}
	if u.Header.Typ != typ {
		return nil, &fault{reason: "typ is not " + typ}
	}
	return u, nil
}

// open checks signature and chain of a provider's JWT and reads its claims.
func open(ctx context.Context, u *jose.Unverified, policy *trust.Policy, claims any) (*trust.Chain, *fault) {
	if policy == nil {
		return nil, &fault{reason: "nobody is trusted to sign attestations"}
	}
	x5c := u.Header.X5C
	if len(x5c) == 0 {
		return nil, &fault{reason: "the header has no x5c"}
	}
	payload, err := u.Verify(x5c[0].PublicKey)
	if err != nil {
		return nil, &fault{"the signature does not verify", err}
	}
	chain, err := policy.Verify(ctx, x5c[0], x5c[1:])
	if err != nil {
		return nil, &fault{"the signer is not trusted", err}
	}
	if err := jose.UnmarshalJSON(payload, claims); err != nil {
		return nil, &fault{"the claims are malformed", err}
	}
	return chain, nil
}

// lifetime holds the claims about time that every attestation may have.
type lifetime struct {
	IssuedAt *jose.NumericDate `json:"iat,omitempty"`
	Starts   *jose.NumericDate `json:"nbf,omitempty"`
	Expires  *jose.NumericDate `json:"exp,omitempty"`
}

// check compares the times that are present with now.
func (l lifetime) check(now time.Time, skew time.Duration) *fault {
	if l.Expires != nil && !now.Before(l.Expires.Time().Add(skew)) {
		return &fault{reason: "it has expired"}
	}
	if l.Starts != nil && l.Starts.Time().After(now.Add(skew)) {
		return &fault{reason: "it is not valid yet"}
	}
	if l.IssuedAt != nil && l.IssuedAt.Time().After(now.Add(skew)) {
		return &fault{reason: "it was issued in the future"}
	}
	return nil
}

// date returns nil for the zero time, which leaves the claim out.
func date(t time.Time) *jose.NumericDate {
	if t.IsZero() {
		return nil
	}
	d := jose.NewNumericDate(t)
	return &d
}

func timeOf(d *jose.NumericDate) time.Time {
	if d == nil {
		return time.Time{}
	}
	return d.Time()
}

// status is the status claim of draft-ietf-oauth-status-list section 6.1.
type status struct {
	List *statusList `json:"status_list,omitempty"`
}

type statusList struct {
	Index *uint64 `json:"idx"`
	URI   string  `json:"uri"`
}

// wrapped is how EUDI technical specification 3 places a status, with the time
// until which it is kept up.
type wrapped struct {
	Status  *status           `json:"status"`
	Expires *jose.NumericDate `json:"exp,omitempty"`
}

// wrap returns nil unless there is a status and a time until which it is kept up.
func wrap(ref *credentials.StatusRef, until time.Time) *wrapped {
	if ref == nil || until.IsZero() {
		return nil
	}
	return &wrapped{Status: statusOf(ref), Expires: date(until)}
}

func statusOf(ref *credentials.StatusRef) *status {
	if ref == nil {
		return nil
	}
	return &status{List: &statusList{Index: &ref.Index, URI: ref.URI}}
}

// refs returns the references in the given claims. A status by a mechanism
// that is not known here is a fault: nobody could check it.
func refs(claims ...*status) ([]credentials.StatusRef, *fault) {
	var out []credentials.StatusRef
	for _, s := range claims {
		if s == nil {
			continue
		}
		if s.List == nil || s.List.Index == nil || s.List.URI == "" {
			return nil, &fault{reason: "its status is not a status list reference"}
		}
		ref := credentials.StatusRef{URI: s.List.URI, Index: *s.List.Index}
		if !slices.Contains(out, ref) { // it may stand in both places
			out = append(out, ref)
		}
	}
	return out, nil
}

func (w *wrapped) until() time.Time {
	if w == nil {
		return time.Time{}
	}
	return timeOf(w.Expires)
}

func (w *wrapped) status() *status {
	if w == nil {
		return nil
	}
	return w.Status
}
