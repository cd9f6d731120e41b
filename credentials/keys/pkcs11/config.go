// Package pkcs11 finds signing keys in hardware security modules and other
// tokens that have a PKCS #11 library (OASIS PKCS #11 version 2.40). The keys
// never leave the token; callers see a [crypto.Signer].
//
// The package needs cgo and loads the vendor's library into the process, so it
// is only built with -tags pkcs11. Without the tag [Open] returns [ErrNotBuilt].
package pkcs11

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

var (
	// ErrNotBuilt says that the binary cannot load PKCS #11 libraries.
	ErrNotBuilt = errors.New("pkcs11: built without -tags pkcs11 (which needs cgo)")
	// ErrPIN says that the token refused the PIN. Many tokens lock after a few
	// of these, so nobody should try again by itself.
	ErrPIN = errors.New("pkcs11: the token refuses the PIN")
	// ErrKeyNotFound says that the token has no pair of private and public key
	// of that name.
	ErrKeyNotFound = errors.New("pkcs11: no such key pair in the token")
	// ErrAmbiguous says that more than one key pair has that name.
	ErrAmbiguous = errors.New("pkcs11: more than one key pair has this name; give label and id")
	// ErrClosed says that the token was closed.
	ErrClosed = errors.New("pkcs11: the token is closed")
)

// Limits on what one process takes from a token, which it may share with
// others.
const (
	// MaxSessions is how many sessions are open at most, one of which keeps the
	// login. The token's own limit applies too.
	MaxSessions = 16
	// SessionWait is how long a signature waits for a session to become free.
	SessionWait = 5 * time.Second
)

// Config names a token and what opens it.
type Config struct {
	// Module is the absolute path of the vendor's library, so that the search
	// path of the loader has no say in it.
	Module string
	// TokenLabel or Slot, exactly one, names the token. Of several tokens with
	// one label the library's first is used; name those by slot.
	TokenLabel string
	Slot       *int
	// PIN is that of the token's user.
	PIN string
}

// Validate returns what is wrong with the names; the PIN is not looked at.
func (c Config) Validate() error {
	var faults []error
	if !filepath.IsAbs(c.Module) {
		faults = append(faults, errors.New("module must be an absolute path"))
	}
	if (c.TokenLabel == "") == (c.Slot == nil) {
		faults = append(faults, errors.New("either token_label or slot is needed"))
	}
	if c.Slot != nil && *c.Slot < 0 {
		faults = append(faults, errors.New("slot must not be negative"))
	}
	return errors.Join(faults...)
}

// KeyName names a key pair in a token by CKA_LABEL, CKA_ID, or both.
type KeyName struct {
	Label string
	ID    []byte
}

func (n KeyName) String() string {
	switch {
	case len(n.ID) == 0:
		return fmt.Sprintf("label %q", n.Label)
	case n.Label == "":
		return fmt.Sprintf("id %x", n.ID)
	}
	return fmt.Sprintf("label %q and id %x", n.Label, n.ID)
}
