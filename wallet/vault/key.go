package vault

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
)

// unusedKey is how long a key is kept that nothing is bound to: longer than
// an issuer may take to issue later.
const unusedKey = 45 * 24 * time.Hour

// storedKey is a private key in PKCS #8.
type storedKey struct {
	ID      string    `json:"id"`
	PKCS8   []byte    `json:"pkcs8"`
	Created time.Time `json:"created"`
}

// signer signs with a key of the vault and does nothing else.
type signer struct {
	id      string
	private *ecdsa.PrivateKey
}

// Public implements [crypto.Signer].
func (s *signer) Public() crypto.PublicKey { return s.private.Public() }

// Sign implements [crypto.Signer].
func (s *signer) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.private.Sign(r, digest, opts)
}

// NewKey makes a P-256 key that is in the vault before it is known to anybody.
// It is forgotten if nothing has become bound to it after 45 days.
func (v *Vault) NewKey(context.Context) (crypto.Signer, error) {
	private, err := keys.GenerateP256()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	stored := storedKey{ID: rand.Text(), PKCS8: der, Created: v.now()}
	err = v.change(func(s *state) error {
		s.forgetUnused(stored.Created)
		s.Keys = append(s.Keys, stored)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &signer{stored.ID, private}, nil
}

// own returns the name of a key of [Vault.NewKey].
func (s *state) own(key crypto.Signer) (id string, err error) {
	own, ok := key.(*signer)
	if !ok || !slices.ContainsFunc(s.Keys, func(k storedKey) bool { return k.ID == own.id }) {
		return "", errors.New("the key is not of this vault")
	}
	return own.id, nil
}

func (s *state) signer(id string) (*signer, error) {
	n := slices.IndexFunc(s.Keys, func(k storedKey) bool { return k.ID == id })
	if n < 0 {
		return nil, errors.New("a key is missing")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(s.Keys[n].PKCS8)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, ErrFile
	}
	return &signer{id, private}, nil
}

// used reports whether a credential or an instance has the key.
func (s *state) used(id string) bool {
	return slices.ContainsFunc(s.Credentials, func(r record) bool { return r.Key == id }) ||
		slices.ContainsFunc(s.Instances, func(i instance) bool { return i.Key == id })
}

func (s *state) forgetUnused(now time.Time) {
	s.Keys = slices.DeleteFunc(s.Keys, func(k storedKey) bool {
		return !s.used(k.ID) && now.Sub(k.Created) > unusedKey
	})
}
