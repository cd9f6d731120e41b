package session

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// sealFormat is the first byte of a sealed value: format, key id (4 bytes),
// then nonce, ciphertext and tag. The plaintext is the expiry in Unix
// milliseconds (8 bytes) and the content.
const sealFormat = 1

const sealHeader = 5

// maxContent bounds one object's content, in bytes.
const maxContent = 1 << 20

// What a name is used for. Objects, counters and replay marks of the same kind
// and secret are different things.
const (
	useObject  = "o"
	useCounter = "c"
	useMark    = "s"
)

var (
	errNoKeys   = errors.New("session: no keys")
	errNoSecret = errors.New("session: an empty secret names nothing")
)

// Store is one tenant's part of a Backend. Two tenants with the same secret
// for the same kind have different objects, and neither can open the other's.
// It is safe for concurrent use.
//
// On the backend an object's key is its use, its kind and an HMAC-SHA256 of
// tenant, kind and secret, so that a dump of the backend holds no code and no
// session id that works. Values are sealed with AES-256-GCM under a key for
// that object alone (so that random nonces can't run out) with tenant, kind,
// key name, format and key id as associated data. Whoever can write to the
// backend can still delete an object, put back an older value of the same
// object, or reset a counter.
type Store struct {
	backend Backend
	tenant  string
	now     func() time.Time
	nameKey []byte
	current KeyID
	seal    map[KeyID][]byte
	fence   Fence // nil without one
}

// New makes the Store of a tenant. With zero Keys every operation fails.
func New(backend Backend, keys Keys, tenant string, now func() time.Time) *Store {
	s := &Store{backend: backend, tenant: tenant, now: now, current: keys.current, seal: make(map[KeyID][]byte)}
	if len(keys.seal) == 0 {
		return s // zero Keys: derived names would be everybody's
	}
	s.nameKey = derive(keys.name, "name", tenant)
	for id, secret := range keys.seal {
		s.seal[id] = derive(secret, "seal", tenant)
	}
	return s
}

// derive makes a tenant's key out of a master secret (RFC 5869, SHA-256).
func derive(secret Secret, use, tenant string) []byte {
	key, err := hkdf.Key(sha256.New, secret[:], nil, "tegata session "+use+" v1\x00"+tenant, 32)
	if err != nil {
		return nil // only for absurd lengths; a nil key fails every operation
	}
	return key
}

// Ping tells whether the backend works; otherwise ErrUnavailable.
func (s *Store) Ping(ctx context.Context) error { return s.backend.Ping(ctx) }

// Count adds one to the counter of kind and secret and returns its new value.
// The counter starts again at one when lifetime has passed since its first
// count. It is kept in clear under a hashed name.
func (s *Store) Count(ctx context.Context, kind, secret string, lifetime time.Duration) (int64, error) {
	name, err := s.name(useCounter, kind, secret)
	if err != nil {
		return 0, err
	}
	return s.backend.Count(ctx, name, s.now().Add(lifetime))
}

// Seen remembers secret for lifetime and reports whether this was the first
// time: the replay guard for jti values, nonces and the like. Lifetime must
// cover the time for which the caller would accept the secret. On an error
// first is false, and the caller must refuse. A backend that loses data forgets
// it: see [Store.Once].
func (s *Store) Seen(ctx context.Context, kind, secret string, lifetime time.Duration) (first bool, err error) {
	name, err := s.name(useMark, kind, secret)
	if err != nil {
		return false, err
	}
	err = s.backend.Add(ctx, name, []byte{sealFormat}, s.now().Add(lifetime))
	if errors.Is(err, ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// name returns the backend key of a secret.
func (s *Store) name(use, kind, secret string) (string, error) {
	if len(s.nameKey) == 0 {
		return "", errNoKeys
	}
	if secret == "" {
		return "", errNoSecret
	}
	mac := hmac.New(sha256.New, s.nameKey)
	mac.Write(frame(use, s.tenant, kind, secret))
	return use + ":" + kind + ":" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// sealValue seals content for one backend key.
func (s *Store) sealValue(kind, name string, expires time.Time, content []byte) ([]byte, error) {
	if len(content) > maxContent {
		return nil, fmt.Errorf("session: object of kind %s is too large", kind)
	}
	head := make([]byte, sealHeader, sealHeader+12+8+len(content)+16)
	head[0] = sealFormat
	binary.BigEndian.PutUint32(head[1:], uint32(s.current))
	aead, err := s.aead(s.current, kind, name)
	if err != nil {
		return nil, err
	}
	plain := binary.BigEndian.AppendUint64(nil, uint64(expires.UnixMilli()))
	return aead.Seal(head, nil, append(plain, content...), s.associated(head, kind, name)), nil
}

// openValue undoes sealValue. The sealed expiry counts, not what the backend
// says: it returns ErrNotFound if it has come, and ErrSealed if the value does
// not belong here.
func (s *Store) openValue(kind, name string, sealed []byte) (content []byte, expires time.Time, err error) {
	bad := fmt.Errorf("%w (kind %s)", ErrSealed, kind)
	if len(sealed) < sealHeader || sealed[0] != sealFormat {
		return nil, time.Time{}, bad
	}
	head := sealed[:sealHeader]
	aead, err := s.aead(KeyID(binary.BigEndian.Uint32(head[1:])), kind, name)
	if err != nil {
		return nil, time.Time{}, bad
	}
	plain, err := aead.Open(nil, nil, sealed[sealHeader:], s.associated(head, kind, name))
	if err != nil || len(plain) < 8 {
		return nil, time.Time{}, bad
	}
	expires = time.UnixMilli(int64(binary.BigEndian.Uint64(plain)))
	if expires.UnixMilli() <= s.now().UnixMilli() {
		return nil, time.Time{}, ErrNotFound
	}
	return plain[8:], expires, nil
}

// aead returns the cipher for one backend key; it puts its random nonce in
// front of the ciphertext.
func (s *Store) aead(id KeyID, kind, name string) (cipher.AEAD, error) {
	key := s.seal[id]
	if len(key) == 0 {
		return nil, errNoKeys
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(frame("object", kind, name))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (s *Store) associated(head []byte, kind, name string) []byte {
	return frame(string(head), s.tenant, kind, name)
}

// frame joins parts so that no two lists of parts join to the same bytes.
func frame(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}
