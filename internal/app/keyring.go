package app

import (
	"crypto"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/keys/pkcs11"
)

// keyring loads keys and keeps the tokens open that some of them live in. Use
// it from one goroutine; the keys themselves may be used from many.
type keyring struct {
	tokens map[tokenName]*openToken
}

type tokenName struct {
	module, label string
	slot          int
}

// openToken is the outcome of opening a token. A failure is kept as well: a
// wrong PIN that is tried once for each key would lock the token.
type openToken struct {
	token *pkcs11.Token
	pin   []byte
	err   error
}

// load reads a key with its chain and proves it: it signs, the signature
// verifies, and the certificate is for this key and valid now.
func (r *keyring) load(use string, c KeyConfig, now time.Time) (*keys.Key, error) {
	if c.Key == "" && c.PKCS11 == nil || c.Chain == "" {
		return nil, fmt.Errorf("%s: key_file or pkcs11, and chain_file, are needed", use)
	}
	key, err := r.open(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	if err := key.Prove(now); err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	return key, nil
}

// loadRing is load for the keys of one use.
func (r *keyring) loadRing(use string, c KeyConfig, now time.Time) (*keys.Ring, error) {
	key, err := r.load(use, c, now)
	if err != nil {
		return nil, err
	}
	ring, err := keys.NewRing(keys.Entry{Key: key})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	return ring, nil
}

// open reads a key with its chain, if it has one yet.
func (r *keyring) open(c KeyConfig) (*keys.Key, error) {
	if c.PKCS11 == nil {
		return keys.LoadFile(c.Key, c.Chain)
	}
	signer, err := r.find(c.PKCS11)
	if err != nil {
		return nil, err
	}
	return keys.WithChainFile(signer, c.Chain)
}

// find returns a key of a token, which it opens if it is the first.
func (r *keyring) find(c *PKCS11Config) (crypto.Signer, error) {
	pin, err := readSecret("pin_file", c.PIN, 1)
	if err != nil {
		return nil, err
	}
	name := tokenName{c.Module, c.TokenLabel, -1}
	if c.Slot != nil {
		name.slot = *c.Slot
	}
	opened := r.tokens[name]
	if opened == nil {
		config := c.token()
		config.PIN = string(pin)
		opened = &openToken{pin: pin}
		opened.token, opened.err = pkcs11.Open(config)
		if r.tokens == nil {
			r.tokens = map[tokenName]*openToken{}
		}
		r.tokens[name] = opened
	}
	if opened.err != nil {
		return nil, opened.err
	}
	// A token knows one login for the whole process.
	if subtle.ConstantTimeCompare(opened.pin, pin) != 1 {
		return nil, errors.New("pin_file: another PIN than a key in the same token has")
	}
	key, err := c.key()
	if err != nil {
		return nil, fmt.Errorf("key_id: %w", err)
	}
	return opened.token.Key(key)
}

// close closes the tokens. Their keys sign no longer.
func (r *keyring) close() error {
	var failures []error
	for _, t := range r.tokens {
		if t.token != nil {
			failures = append(failures, t.token.Close())
		}
	}
	r.tokens = nil
	return errors.Join(failures...)
}
