package issuer

import (
	"context"
	"errors"
	"time"

	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// nonceSkew is how much longer than its lifetime a used c_nonce is remembered,
// because the clock of the replica that made it may have been ahead.
const nonceSkew = 5 * time.Second

// errNonce says that a c_nonce is not one of ours, has expired or was used.
var errNonce = errors.New("c_nonce is unknown, has expired or was used")

// nonces makes and consumes c_nonce values (OpenID4VCI 1.0 section 7). Only
// those that were used take up memory.
type nonces struct {
	values   *oauth.Nonces
	sessions *session.Store
}

func newNonces(key []byte, tenant string, sessions *session.Store, now func() time.Time) (*nonces, error) {
	values, err := oauth.NewNonces(key, "c_nonce", tenant, now)
	if err != nil {
		return nil, err
	}
	return &nonces{values: values, sessions: sessions}, nil
}

// fresh returns a new nonce.
func (n *nonces) fresh() string { return n.values.Fresh() }

// consume accepts a nonce once, and none from before the session store lost data. Errors wrap errNonce or come from the session
// store.
func (n *nonces) consume(ctx context.Context, nonce string) error {
	issued, err := n.values.Issued(nonce)
	if err != nil {
		return errNonce
	}
	first, err := n.sessions.Once(ctx, "c_nonce", nonce, issued, oauth.NonceLifetime+nonceSkew)
	if err != nil {
		return err
	}
	if !first {
		return errNonce
	}
	return nil
}
