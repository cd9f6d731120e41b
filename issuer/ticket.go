package issuer

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/tegata-id/tegata/credentials/jose"
)

// tickets makes and reads the secrets of one purpose that wallets bring back: a
// handle, by which what was put down is found, and behind it the key that opens
// that. The database has a keyed hash of the first and nothing of the second, so
// whoever reads it, with all the keys of the issuer, learns nothing of what was
// put down.
type tickets struct {
	macKey []byte
	label  string
}

const (
	ticketHandle = 16
	ticketKey    = 32
	// sealedFormat stands in front of what is sealed.
	sealedFormat = 1
)

// The errors of a ticket.
var (
	errTicket       = errors.New("the ticket does not open it")
	errSealedFormat = errors.New("it is sealed in a form that this release does not know")
)

// newTickets returns the tickets of a purpose, which open what is bound to a label.
func newTickets(secret []byte, tenant, purpose, label string) (*tickets, error) {
	key, err := DeriveKey(secret, tenant, purpose)
	if err != nil {
		return nil, err
	}
	return &tickets{macKey: key, label: label + "\x00" + tenant + "\x00"}, nil
}

// ticket is one of the secrets.
type ticket struct {
	// id is what the database knows it by.
	id     string
	secret []byte
	label  string
}

func (t *tickets) issue() ticket {
	secret := make([]byte, ticketHandle+ticketKey)
	_, _ = rand.Read(secret) // never fails
	return t.of(secret)
}

func (t *tickets) parse(text string) (k ticket, ok bool) {
	secret, err := jose.DecodeBase64(text)
	if err != nil || len(secret) != ticketHandle+ticketKey {
		return ticket{}, false
	}
	return t.of(secret), true
}

func (t *tickets) of(secret []byte) ticket {
	mac := hmac.New(sha256.New, t.macKey)
	mac.Write(secret[:ticketHandle])
	return ticket{id: hex.EncodeToString(mac.Sum(nil)), secret: secret, label: t.label}
}

// text is what the wallet gets.
func (k ticket) text() string { return jose.EncodeBase64(k.secret) }

// seal puts down something that belongs to about and to nothing else.
func (k ticket) seal(plain []byte, about string) ([]byte, error) {
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{sealedFormat}, nil, plain, []byte(k.label+about)), nil
}

// open is the reverse of seal. It fails with [errTicket] or [errSealedFormat].
func (k ticket) open(sealed []byte, about string) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealedFormat {
		return nil, errSealedFormat
	}
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed[1:], []byte(k.label+about))
	if err != nil {
		return nil, errTicket
	}
	return plain, nil
}

func (k ticket) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.secret[ticketHandle:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
