package jpkitest

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// cardFile is a card as it is written down, the keys in clear: the person is
// made up, and nothing that is set up for production accepts the certificates.
type cardFile struct {
	Person         Person    `json:"person"`
	Signature      *slotFile `json:"signature,omitempty"`
	Authentication *slotFile `json:"authentication"`
}

type slotFile struct {
	Certificate []byte `json:"certificate"` // DER
	Key         []byte `json:"key"`         // PKCS #8
	PIN         string `json:"pin"`
	// Left is how often the PIN may still be wrong, of Tries.
	Tries int `json:"tries"`
	Left  int `json:"left"`
}

var (
	signPINFormat = regexp.MustCompile(`^[0-9A-Z]{6,16}$`)
	authPINFormat = regexp.MustCompile(`^[0-9]{4}$`)
)

// MarshalJSON writes the card down with its keys, PINs and counters.
func (c *Card) MarshalJSON() ([]byte, error) {
	signature, err := c.signature.file()
	if err != nil {
		return nil, err
	}
	authentication, err := c.authentication.file()
	if err != nil {
		return nil, err
	}
	return json.Marshal(cardFile{Person: c.Person, Signature: signature, Authentication: authentication})
}

// ReadCard is the reverse of [Card.MarshalJSON].
func ReadCard(data []byte) (*Card, error) {
	var f cardFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, errors.New("jpkitest: not a card")
	}
	c := &Card{Person: f.Person}
	c.signature.format, c.authentication.format = signPINFormat, authPINFormat
	if f.Signature != nil {
		if err := c.signature.read(f.Signature); err != nil {
			return nil, err
		}
	}
	if f.Authentication == nil {
		return nil, errors.New("jpkitest: a card without the certificate for authentication")
	}
	return c, c.authentication.read(f.Authentication)
}

func (s *slot) file() (*slotFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == nil {
		return nil, nil
	}
	key, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		return nil, fmt.Errorf("jpkitest: %w", err)
	}
	return &slotFile{Certificate: s.cert.Raw, Key: key, PIN: s.pin, Tries: s.tries, Left: s.left}, nil
}

func (s *slot) read(f *slotFile) error {
	cert, err := x509.ParseCertificate(f.Certificate)
	if err != nil {
		return errors.New("jpkitest: a card with a malformed certificate")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(f.Key)
	if err != nil {
		return errors.New("jpkitest: a card with a malformed key")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) || f.Left < 0 || f.Left > f.Tries {
		return errors.New("jpkitest: a card whose parts do not fit")
	}
	s.cert, s.key, s.pin, s.tries, s.left = cert, key, f.PIN, f.Tries, f.Left
	return nil
}
