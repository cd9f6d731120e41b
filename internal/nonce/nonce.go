// Package nonce makes values that others put into what they sign, to show that
// they signed it just now: c_nonce, DPoP nonces, challenges for attestations and
// for wallet instances. A nonce is its own time of issue, sealed: every replica
// accepts those of the others, and none takes up memory until it is used.
package nonce

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

const (
	// Lifetime is how long a nonce may be used.
	Lifetime = 5 * time.Minute
	// skew is how far the clock of the replica that made a nonce may be ahead.
	skew = 5 * time.Second
)

// Why a nonce is not accepted.
var (
	ErrUnknown = errors.New("the nonce is missing or not of this server")
	ErrExpired = errors.New("the nonce has expired")
	ErrUsed    = errors.New("the nonce was used before, or may have been")
)

// Nonces are those of a tenant for one purpose. Whoever needs each to be used once
// asks for that with [Nonces.Consume].
type Nonces struct {
	aead       cipher.AEAD
	associated []byte
	now        func() time.Time
}

// New returns the nonces of a tenant for one purpose under a key of 32 bytes.
// Nonces of another tenant, purpose or key are not accepted.
func New(key []byte, purpose, tenant string, now func() time.Time) (*Nonces, error) {
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
	return &Nonces{aead: aead, associated: []byte("tegata " + purpose + " v1\x00" + tenant), now: now}, nil
}

// Fresh returns a new nonce.
func (n *Nonces) Fresh() string {
	issued := binary.BigEndian.AppendUint64(nil, uint64(n.now().Unix()))
	return jose.EncodeBase64(n.aead.Seal(nil, nil, issued, n.associated))
}

// Issued returns when a nonce was made, in whole seconds, or ErrUnknown or
// ErrExpired.
func (n *Nonces) Issued(nonce string) (time.Time, error) {
	sealed, err := jose.DecodeBase64(nonce)
	if err != nil {
		return time.Time{}, ErrUnknown
	}
	plain, err := n.aead.Open(nil, nil, sealed, n.associated)
	if err != nil || len(plain) != 8 {
		return time.Time{}, ErrUnknown
	}
	issued := time.Unix(int64(binary.BigEndian.Uint64(plain)), 0)
	if age := n.now().Sub(issued); age < -skew || age >= Lifetime {
		return time.Time{}, ErrExpired
	}
	return issued, nil
}

// Check returns what accepts nonces, as often as they come, or nil for no Nonces.
func (n *Nonces) Check() func(nonce string) error {
	if n == nil {
		return nil
	}
	return func(nonce string) error {
		_, err := n.Issued(nonce)
		return err
	}
}

// Consume accepts a nonce once, and none from before the session store lost data.
// The store remembers it under kind. Errors are those of [Nonces.Issued], ErrUsed,
// or come from the store.
func (n *Nonces) Consume(ctx context.Context, sessions *session.Store, kind, nonce string) error {
	issued, err := n.Issued(nonce)
	if err != nil {
		return err
	}
	first, err := sessions.Once(ctx, kind, nonce, issued, Lifetime+skew)
	if err != nil {
		return err
	}
	if !first {
		return ErrUsed
	}
	return nil
}

// Invalid reports whether an error is about a nonce and not about the store.
func Invalid(err error) bool {
	return errors.Is(err, ErrUnknown) || errors.Is(err, ErrExpired) || errors.Is(err, ErrUsed)
}
