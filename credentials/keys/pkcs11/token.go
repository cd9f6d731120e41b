//go:build pkcs11 && cgo

package pkcs11

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/ThalesGroup/crypto11"
	p11 "github.com/miekg/pkcs11"

	"github.com/tegata-id/tegata/credentials/keys"
)

// pinErrors are the answers of a token that mean a wrong PIN.
var pinErrors = []p11.Error{p11.CKR_PIN_INCORRECT, p11.CKR_PIN_INVALID, p11.CKR_PIN_LEN_RANGE}

// Token is an open token, logged in. It is safe for concurrent use. Within a
// process a token knows one login only, so open each once: a second Open does
// not find out whether its PIN is right.
type Token struct {
	context *crypto11.Context
	name    string

	mu     sync.RWMutex
	closed bool
}

// Open loads the library, finds the token and logs in. The caller closes the
// token after the last signature. Errors are [ErrPIN] or those of the library;
// the PIN appears in none of them.
func Open(c Config) (*Token, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("pkcs11: %w", err)
	}
	if c.PIN == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrPIN)
	}
	context, err := crypto11.Configure(&crypto11.Config{
		Path: c.Module, TokenLabel: c.TokenLabel, SlotNumber: c.Slot, Pin: c.PIN,
		MaxSessions: MaxSessions, PoolWaitTimeout: SessionWait,
	})
	var answer p11.Error
	switch {
	case errors.As(err, &answer) && slices.Contains(pinErrors, answer):
		return nil, fmt.Errorf("%w: %s", ErrPIN, c.name())
	case err != nil:
		return nil, fmt.Errorf("pkcs11: open %s: %w", c.name(), err)
	}
	return &Token{context: context, name: c.name()}, nil
}

// name says which token it is, for errors.
func (c Config) name() string {
	if c.Slot != nil {
		return fmt.Sprintf("slot %d of %s", *c.Slot, c.Module)
	}
	return fmt.Sprintf("token %q of %s", c.TokenLabel, c.Module)
}

// Key finds a key pair. Errors are [ErrKeyNotFound], [ErrAmbiguous], or that
// the key is not ECDSA on a curve of package keys.
func (t *Token) Key(name KeyName) (crypto.Signer, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed {
		return nil, ErrClosed
	}
	if name.Label == "" && len(name.ID) == 0 {
		return nil, errors.New("pkcs11: a key needs a label or an id")
	}
	found, err := t.context.FindKeyPairs(name.ID, []byte(name.Label))
	switch {
	case err != nil:
		return nil, fmt.Errorf("pkcs11: find %s in %s: %w", name, t.name, err)
	case len(found) == 0:
		return nil, fmt.Errorf("%w: %s in %s", ErrKeyNotFound, name, t.name)
	case len(found) > 1:
		return nil, fmt.Errorf("%w: %s in %s", ErrAmbiguous, name, t.name)
	}
	key := keys.Key{Signer: found[0]}
	if _, err := key.Public(); err != nil {
		return nil, fmt.Errorf("pkcs11: %s in %s: %w", name, t.name, err)
	}
	return &signer{token: t, key: found[0], name: name}, nil
}

// Close waits for signatures under way, logs out and unloads the library if no
// other token uses it. Keys of the token return [ErrClosed] from then on.
func (t *Token) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	return t.context.Close()
}

// signer shows of a key what signing needs; the library's own type could also
// delete it.
type signer struct {
	token *Token
	key   crypto.Signer
	name  KeyName
}

func (s *signer) Public() crypto.PublicKey { return s.key.Public() }

// Sign returns an ASN.1 signature over a digest of the given hash. The token
// makes its own random numbers.
func (s *signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	// Tokens sign whatever they get, so a wrong length would not be noticed.
	if hash := opts.HashFunc(); hash == 0 || len(digest) != hash.Size() {
		return nil, fmt.Errorf("pkcs11: %d bytes are not a digest of the given hash", len(digest))
	}
	s.token.mu.RLock()
	defer s.token.mu.RUnlock()
	if s.token.closed {
		return nil, ErrClosed
	}
	signature, err := s.key.Sign(random, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("pkcs11: sign with %s in %s: %w", s.name, s.token.name, err)
	}
	return signature, nil
}
