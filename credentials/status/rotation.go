package status

import (
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
)

// SignAt is [Sign] with the key of the ring that signs at now. The token begins
// and ends within the validity of that key's chain, whatever the options say,
// and expires is when it ends. TTL shrinks with it. The error wraps [keys.ErrNoSigner]
// if no key may sign a token that lives a second.
func SignAt(now time.Time, o TokenOptions, l *List, ring *keys.Ring) (token string, expires time.Time, err error) {
	key, o, err := o.at(now, ring)
	if err != nil {
		return "", time.Time{}, err
	}
	token, err = Sign(o, l, key)
	return token, o.Expires, err
}

// SignCWTAt is [SignAt] for the CWT form.
func SignCWTAt(now time.Time, o TokenOptions, l *List, ring *keys.Ring) (token []byte, expires time.Time, err error) {
	key, o, err := o.at(now, ring)
	if err != nil {
		return nil, time.Time{}, err
	}
	token, err = SignCWT(o, l, key)
	return token, o.Expires, err
}

// at returns the key that signs at now, and the options within its validity.
func (o TokenOptions) at(now time.Time, ring *keys.Ring) (*keys.Key, TokenOptions, error) {
	key, err := ring.At(now)
	if err != nil {
		return nil, o, fmt.Errorf("sign status list: %w", err)
	}
	begins, ends := key.Validity()
	if !o.IssuedAt.IsZero() && o.IssuedAt.Before(begins) {
		o.IssuedAt = begins
	}
	if o.Expires.IsZero() || o.Expires.After(ends) {
		o.Expires = ends
	}
	left := o.Expires.Sub(now).Truncate(time.Second)
	if left < time.Second {
		return nil, o, fmt.Errorf("sign status list: %w", errors.Join(keys.ErrNoSigner, errors.New("the signer ends")))
	}
	o.TTL = min(o.TTL, left)
	return key, o, nil
}
