package status

import (
	"crypto"
	"time"
)

// VerifyWithKey checks a token by a bare key. The examples of the draft have no
// certificates.
func VerifyWithKey(token, uri string, pub crypto.PublicKey, now time.Time) (*Token, error) {
	u, err := parseToken(token)
	if err != nil {
		return nil, err
	}
	return finish(u, pub, uri, now)
}

// VerifyCWTWithKey is VerifyWithKey for the CWT form.
func VerifyCWTWithKey(token []byte, uri string, pub crypto.PublicKey, now time.Time) (*Token, error) {
	u, err := parseCWT(token)
	if err != nil {
		return nil, err
	}
	return finishCWT(u, pub, uri, now)
}

// List returns the token's list.
func (t *Token) List() *List { return t.list }
