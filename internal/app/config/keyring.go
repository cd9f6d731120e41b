package config

import (
	"crypto"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/keys/pkcs11"
)

// Keyring loads keys and keeps the tokens open that some of them live in. It is
// safe for concurrent use.
type Keyring struct {
	mu     sync.Mutex
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

// Load reads a key with its chain and proves it: it signs, the signature
// verifies, and the certificate is for this key and valid at the given time.
func (r *Keyring) Load(use string, c Key, at time.Time) (*keys.Key, error) {
	key, err := r.load(use, c)
	if err != nil {
		return nil, err
	}
	if err := key.Prove(at); err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	return key, nil
}

// LoadRing reads the keys of one use and proves each of them. One of them must
// be fit to sign now.
func (r *Keyring) LoadRing(use string, list KeyList, now time.Time) (*keys.Ring, error) {
	if len(list) == 0 {
		list = KeyList{{}}
	}
	var entries []keys.Entry
	for _, c := range list {
		key, err := r.load(use, c)
		if err != nil {
			return nil, err
		}
		entries = append(entries, keys.Entry{Key: key, From: c.From})
	}
	ring, err := keys.NewRing(entries...)
	if err == nil {
		err = ring.Prove(now)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	return ring, nil
}

func (r *Keyring) load(use string, c Key) (*keys.Key, error) {
	if c.Key == "" && c.PKCS11 == nil || c.Chain == "" {
		return nil, fmt.Errorf("%s: key_file or pkcs11, and chain_file, are needed", use)
	}
	key, err := r.Open(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	return key, nil
}

// Open reads a key with its chain, if it has one yet.
func (r *Keyring) Open(c Key) (*keys.Key, error) {
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
func (r *Keyring) find(c *PKCS11) (crypto.Signer, error) {
	pin, err := ReadSecret("pin_file", c.PIN, 1)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
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

// Close closes the tokens. Their keys sign no longer.
func (r *Keyring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var failures []error
	for _, t := range r.tokens {
		if t.token != nil {
			failures = append(failures, t.token.Close())
		}
	}
	r.tokens = nil
	return errors.Join(failures...)
}
