package evidence

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
)

// Sealer seals to the re-check job what it needs to look something up again. The
// handle of a certificate tells the holder's municipality, and its serial number
// is personal information; the status reference of an attestation names a wallet
// instance.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns a sealer under a key of 32 bytes.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != 32 {
		return nil, errors.New("the key for handles must have 32 bytes")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead: aead}, nil
}

// Seal returns the sealed handle, which is of a type that JSON has a form for. It
// opens only together with the tenant and the pseudonym it was sealed for.
func (s *Sealer) Seal(tenant, pseudonym string, handle any) ([]byte, error) {
	plain, err := json.Marshal(handle)
	if err != nil {
		return nil, err
	}
	return s.aead.Seal(nil, nil, plain, associated(tenant, pseudonym)), nil
}

// Open is the reverse of [Sealer.Seal]. The handle is a pointer.
func (s *Sealer) Open(tenant, pseudonym string, sealed []byte, handle any) error {
	plain, err := s.aead.Open(nil, nil, sealed, associated(tenant, pseudonym))
	if err != nil {
		return errors.New("a sealed handle does not open")
	}
	if err := json.Unmarshal(plain, handle); err != nil {
		return errors.New("a sealed handle is malformed")
	}
	return nil
}

func associated(tenant, pseudonym string) []byte {
	return []byte("tegata evidence handle v1\x00" + tenant + "\x00" + pseudonym)
}
