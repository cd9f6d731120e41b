package session

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
)

// KeyID names a sealing key. It stands in clear in front of every value.
type KeyID uint32

// Secret is a master secret of 32 random bytes. It prints as "(secret)".
type Secret [32]byte

// String hides the secret.
func (Secret) String() string { return "(secret)" }

// GoString hides the secret.
func (Secret) GoString() string { return "(secret)" }

// MarshalText hides the secret, from JSON and the like too; see Keys.Encode.
func (Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// Keys are the master secrets of a deployment; every replica has the same.
// Per-tenant keys are derived from them. The zero value seals nothing and
// opens nothing.
//
// The name secret gives objects their keys in the backend and has to stay the
// same for as long as sessions shall survive: a new one makes every session
// unfindable. Sealing keys rotate: first every replica gets the new key, then
// one after the other makes it current, and the old one is removed when the
// longest lifetime has passed.
type Keys struct {
	name    Secret
	current KeyID
	seal    map[KeyID]Secret
}

// NewKeys makes Keys of a name secret and sealing secrets, of which current
// seals and all open. It refuses zero secrets and any secret used twice.
func NewKeys(name Secret, current KeyID, seal map[KeyID]Secret) (Keys, error) {
	k := Keys{name: name, current: current, seal: make(map[KeyID]Secret, len(seal))}
	used := map[Secret]bool{{}: true, name: true}
	if name == (Secret{}) {
		return Keys{}, errors.New("session keys: the name secret is missing")
	}
	for id, s := range seal {
		if used[s] {
			return Keys{}, fmt.Errorf("session keys: sealing secret %d is zero or used twice", id)
		}
		used[s] = true
		k.seal[id] = s
	}
	if _, ok := seal[current]; !ok {
		return Keys{}, fmt.Errorf("session keys: there is no sealing secret %d to be current", current)
	}
	return k, nil
}

// NewRandomKeys makes Keys that nobody else has: for demonstrations, tests and
// the file of a new deployment (see Encode).
func NewRandomKeys() Keys {
	k := Keys{current: 1, seal: make(map[KeyID]Secret)}
	rand.Read(k.name[:]) // never fails
	k.seal[1] = NewSecret()
	return k
}

// NewSecret makes a random secret.
func NewSecret() Secret {
	var s Secret
	rand.Read(s[:]) // never fails
	return s
}

// ParseKeys reads what Encode writes, one entry a line:
//
//	# a comment
//	name <secret>
//	seal 1 <secret>
//	seal 2 <secret> current
//
// A secret is 32 bytes in base64url without padding. Errors name the line,
// never what stands in it.
func ParseKeys(data []byte) (Keys, error) {
	var name Secret
	var current KeyID
	var names, currents int
	seal := make(map[KeyID]Secret)
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		f := bytes.Fields(lines.Bytes())
		if len(f) == 0 || f[0][0] == '#' {
			continue
		}
		word := string(f[0])
		isCurrent := len(f) == 4 && string(f[3]) == "current"
		switch {
		case word == "name" && len(f) == 2 && decodeSecret(&name, f[1]):
			names++
		case word == "seal" && (len(f) == 3 || isCurrent):
			var s Secret
			id, err := strconv.ParseUint(string(f[1]), 10, 32)
			if _, twice := seal[KeyID(id)]; err != nil || twice || !decodeSecret(&s, f[2]) {
				return Keys{}, fmt.Errorf("session keys: line %d: bad or repeated sealing secret", n)
			}
			seal[KeyID(id)] = s
			if isCurrent {
				current = KeyID(id)
				currents++
			}
		default:
			return Keys{}, fmt.Errorf("session keys: line %d is not understood", n)
		}
	}
	if err := lines.Err(); err != nil {
		return Keys{}, fmt.Errorf("session keys: %w", err)
	}
	if names != 1 || currents != 1 {
		return Keys{}, errors.New("session keys: need one name secret and one current sealing secret")
	}
	return NewKeys(name, current, seal)
}

// Encode writes the keys as ParseKeys reads them. The result is secret.
func (k Keys) Encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "name %s\n", encodeSecret(k.name))
	ids := make([]KeyID, 0, len(k.seal))
	for id := range k.seal {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		mark := ""
		if id == k.current {
			mark = " current"
		}
		fmt.Fprintf(&b, "seal %d %s%s\n", id, encodeSecret(k.seal[id]), mark)
	}
	return b.Bytes()
}

// String shows which keys there are, not what they are.
func (k Keys) String() string {
	return fmt.Sprintf("session keys (current %d of %d)", k.current, len(k.seal))
}

// GoString is String.
func (k Keys) GoString() string { return k.String() }

// LogValue shows which keys there are, not what they are.
func (k Keys) LogValue() slog.Value {
	return slog.GroupValue(slog.Uint64("current", uint64(k.current)), slog.Int("count", len(k.seal)))
}

func encodeSecret(s Secret) string { return base64.RawURLEncoding.EncodeToString(s[:]) }

func decodeSecret(to *Secret, text []byte) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	return err == nil && copy(to[:], b) == len(to) && len(b) == len(to)
}
