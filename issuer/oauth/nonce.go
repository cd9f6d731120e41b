package oauth

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
)

// nonceSkew is how far the clock of the replica that made a nonce may be ahead.
const nonceSkew = 5 * time.Second

// NonceLifetime is how long a value of [Nonces] may be used.
const NonceLifetime = 5 * time.Minute

// Nonces makes values that clients put into what they sign, to show that they
// signed it just now. A nonce is its own time of issue, sealed: every replica
// accepts those of the others, and none takes up memory. Whoever needs each to
// be used once remembers those that were used.
type Nonces struct {
	aead       cipher.AEAD
	associated []byte
	now        func() time.Time
}

// NewNonces returns the nonces of a tenant for one purpose under a key of 32
// bytes. Nonces of another tenant, purpose or key are not accepted.
func NewNonces(key []byte, purpose, tenant string, now func() time.Time) (*Nonces, error) {
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

// errNonce says that a nonce is not one of ours or has expired.
var errNonce = errors.New("the nonce is missing, not of this server, or has expired")

// Issued returns when a nonce was made, in whole seconds, or an error unless it
// is one of these and younger than [NonceLifetime].
func (n *Nonces) Issued(nonce string) (time.Time, error) {
	sealed, err := jose.DecodeBase64(nonce)
	if err != nil {
		return time.Time{}, errNonce
	}
	plain, err := n.aead.Open(nil, nil, sealed, n.associated)
	if err != nil || len(plain) != 8 {
		return time.Time{}, errNonce
	}
	issued := time.Unix(int64(binary.BigEndian.Uint64(plain)), 0)
	if age := n.now().Sub(issued); age < -nonceSkew || age >= NonceLifetime {
		return time.Time{}, errNonce
	}
	return issued, nil
}

// check is nil where nothing is asked for, as dpop.Expect has it.
func (n *Nonces) check() func(nonce string) error {
	if n == nil {
		return nil
	}
	return func(nonce string) error {
		_, err := n.Issued(nonce)
		return err
	}
}
