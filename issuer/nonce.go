package issuer

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/session"
)

// nonceLifetime is how long a c_nonce may be used, and nonceSkew how far the
// clock of the replica that made it may be ahead.
const (
	nonceLifetime = 5 * time.Minute
	nonceSkew     = 5 * time.Second
)

// errNonce says that a c_nonce is not one of ours, has expired or was used.
var errNonce = errors.New("c_nonce is unknown, has expired or was used")

// nonces makes and consumes c_nonce values (OpenID4VCI 1.0 section 7). A nonce
// is its own time of issue, sealed; only nonces that were used take up memory.
type nonces struct {
	aead     cipher.AEAD
	tenant   string
	sessions *session.Store
	now      func() time.Time
}

func newNonces(key []byte, tenant string, sessions *session.Store, now func() time.Time) (*nonces, error) {
	if len(key) != 32 {
		return nil, errors.New("the key for nonces must have 32 bytes")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &nonces{aead: aead, tenant: tenant, sessions: sessions, now: now}, nil
}

func (n *nonces) associated() []byte { return []byte("tegata c_nonce v1\x00" + n.tenant) }

// fresh returns a new nonce.
func (n *nonces) fresh() string {
	issued := binary.BigEndian.AppendUint64(nil, uint64(n.now().Unix()))
	return jose.EncodeBase64(n.aead.Seal(nil, nil, issued, n.associated()))
}

// consume accepts a nonce once, and none from before the session store lost data. Errors wrap errNonce or come from the session
// store.
func (n *nonces) consume(ctx context.Context, nonce string) error {
	sealed, err := jose.DecodeBase64(nonce)
	if err != nil {
		return errNonce
	}
	plain, err := n.aead.Open(nil, nil, sealed, n.associated())
	if err != nil || len(plain) != 8 {
		return errNonce
	}
	issued := time.Unix(int64(binary.BigEndian.Uint64(plain)), 0)
	age := n.now().Sub(issued)
	if age < -nonceSkew || age >= nonceLifetime {
		return errNonce
	}
	first, err := n.sessions.Once(ctx, "c_nonce", nonce, issued, nonceLifetime+nonceSkew)
	if err != nil {
		return err
	}
	if !first {
		return errNonce
	}
	return nil
}
