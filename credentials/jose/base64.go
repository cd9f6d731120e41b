package jose

import (
	"encoding/base64"
	"errors"
	"strings"
)

// ErrBase64 says that a text is not canonical base64url without padding.
var ErrBase64 = errors.New("not canonical base64url")

var strictBase64 = base64.RawURLEncoding.Strict()

// EncodeBase64 returns base64url without padding.
func EncodeBase64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// DecodeBase64 reads base64url without padding. Unlike the standard library it
// refuses line breaks, which it would skip, and trailing bits that are not zero.
func DecodeBase64(s string) ([]byte, error) {
	if hasLineBreak(s) {
		return nil, ErrBase64
	}
	out, err := strictBase64.DecodeString(s)
	if err != nil {
		return nil, ErrBase64
	}
	return out, nil
}

// hasLineBreak is faster than strings.ContainsAny, which looks at every byte by
// itself.
func hasLineBreak(s string) bool {
	return strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0
}
