package openid4vci

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"

	"github.com/tegata-id/tegata/credentials/jose"
)

// ChallengeMethodS256 is the only code challenge method.
const ChallengeMethodS256 = "S256"

var (
	// ErrCodeVerifier says that a code verifier is malformed or is not the one
	// of the code challenge.
	ErrCodeVerifier = errors.New("code verifier does not fit the code challenge")
	// ErrCodeChallenge says that a code challenge cannot be one of S256.
	ErrCodeChallenge = errors.New("code challenge is not the S256 of anything")
)

// NewCodeVerifier returns a code verifier of 256 random bits (RFC 7636 section
// 4.1).
func NewCodeVerifier() string {
	raw := make([]byte, 32)
	rand.Read(raw)
	return jose.EncodeBase64(raw)
}

// CodeChallenge returns the S256 challenge of a verifier (RFC 7636 section
// 4.2).
func CodeChallenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return jose.EncodeBase64(sum[:])
}

// CheckCodeChallenge returns [ErrCodeChallenge] unless challenge is 32 bytes in
// base64url.
func CheckCodeChallenge(challenge string) error {
	if raw, err := jose.DecodeBase64(challenge); err != nil || len(raw) != sha256.Size {
		return ErrCodeChallenge
	}
	return nil
}

// VerifyCodeVerifier returns [ErrCodeVerifier] unless verifier has 43 to 128
// characters of the unreserved set and challenge is its S256.
func VerifyCodeVerifier(verifier, challenge string) error {
	if len(verifier) < 43 || len(verifier) > 128 || strings.ContainsFunc(verifier, reserved) {
		return ErrCodeVerifier
	}
	if subtle.ConstantTimeCompare([]byte(CodeChallenge(verifier)), []byte(challenge)) != 1 {
		return ErrCodeVerifier
	}
	return nil
}

func reserved(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("-._~", r)
}
