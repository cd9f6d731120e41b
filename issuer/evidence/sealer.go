package evidence

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// Sealer seals certificate handles to the re-check job. A handle tells the
// holder's municipality, and the serial number is personal information.
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

// Seal returns the sealed handle. It opens only together with the tenant and
// the pseudonym it was sealed for.
func (s *Sealer) Seal(tenant, pseudonym string, h jpki.Handle) ([]byte, error) {
	plain, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return s.aead.Seal(nil, nil, plain, associated(tenant, pseudonym)), nil
}

// Open is the reverse of [Sealer.Seal].
func (s *Sealer) Open(tenant, pseudonym string, sealed []byte) (jpki.Handle, error) {
	plain, err := s.aead.Open(nil, nil, sealed, associated(tenant, pseudonym))
	if err != nil {
		return jpki.Handle{}, errors.New("a sealed handle does not open")
	}
	var h jpki.Handle
	if err := json.Unmarshal(plain, &h); err != nil {
		return jpki.Handle{}, errors.New("a sealed handle is malformed")
	}
	return h, nil
}

func associated(tenant, pseudonym string) []byte {
	return []byte("tegata evidence handle v1\x00" + tenant + "\x00" + pseudonym)
}
