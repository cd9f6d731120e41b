package cose

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
)

const tagMac0 = 17

// VerifyMac0 checks a COSE_Mac0 (RFC 9052 section 6.2), untagged or with tag 17,
// over a payload that travels elsewhere. The one algorithm is HMAC 256/256 with
// a key of 32 bytes, named in the protected header. Errors wrap [ErrMalformed],
// [ErrAlgorithm] or [ErrSignature].
func VerifyMac0(data, payload, key []byte) error {
	if err := check(data); err != nil {
		return fmt.Errorf("cose: %w", err)
	}
	if h, err := readHead(data); err == nil && h.major == majorTag && h.arg == tagMac0 {
		data = data[h.size:]
	}
	var message []RawMessage
	if err := Unmarshal(data, &message); err != nil {
		return err
	}
	const null = "\xf6"
	if len(message) != 4 || string(message[2]) != null || len(payload) == 0 || len(key) != sha256.Size {
		return fmt.Errorf("cose: %w", malformed("not a COSE_Mac0 with a payload that is detached"))
	}
	var protected, tag Bytes
	var header, unprotected map[int64]RawMessage
	for _, part := range []struct {
		data RawMessage
		to   any
	}{{message[0], &protected}, {message[1], &unprotected}, {message[3], &tag}} {
		if err := Unmarshal(part.data, part.to); err != nil {
			return err
		}
	}
	if err := Unmarshal(protected, &header); err != nil {
		return err
	}
	const algorithm = "\x05"
	if len(header) != 1 || string(header[1]) != algorithm || unprotected[1] != nil || unprotected[2] != nil {
		return fmt.Errorf("cose: %w: not HMAC 256/256 alone", ErrAlgorithm)
	}
	authenticated, err := Marshal([]any{"MAC0", []byte(protected), []byte{}, payload})
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(authenticated)
	if !hmac.Equal(mac.Sum(nil), tag) {
		return fmt.Errorf("cose: %w", ErrSignature)
	}
	return nil
}
