//go:build !pkcs11 || !cgo

package pkcs11

import "crypto"

// Token is an open token. In this build there is none.
type Token struct{}

// Open returns [ErrNotBuilt].
func Open(Config) (*Token, error) { return nil, ErrNotBuilt }

// Key returns [ErrNotBuilt].
func (*Token) Key(KeyName) (crypto.Signer, error) { return nil, ErrNotBuilt }

// Close does nothing.
func (*Token) Close() error { return nil }
