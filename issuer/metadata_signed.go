package issuer

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// How long signed metadata is valid, and how long it is given out before it is
// signed anew.
const (
	signedMetadataLifetime = 24 * time.Hour
	signedMetadataRenewal  = time.Hour
)

// signedMetadata keeps the last metadata that was signed, so that who asks
// often does not make the issuer sign as often.
type signedMetadata struct {
	keys *keys.Ring

	mu sync.Mutex
	// parameters are what was signed last, and key what signed it.
	parameters      []byte
	key             *keys.Key
	signed          string
	issued, expires time.Time
}

// sign returns the metadata signed, and until when that is valid: not beyond the
// end of the signer's chain. The error is [keys.ErrNoSigner] if no key may sign.
func (s *signedMetadata) sign(m *openid4vci.IssuerMetadata, now time.Time) (string, time.Time, error) {
	key, err := s.keys.At(now)
	if err != nil {
		return "", time.Time{}, err
	}
	parameters, err := json.Marshal(m)
	if err != nil {
		return "", time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == key && bytes.Equal(s.parameters, parameters) && now.Before(s.expires) &&
		!now.Before(s.issued) && now.Sub(s.issued) < signedMetadataRenewal {
		return s.signed, s.expires, nil
	}
	issued := now.Truncate(time.Second)
	expires := issued.Add(signedMetadataLifetime)
	if _, end := key.Validity(); end.Before(expires) {
		expires = end
	}
	signed, err := openid4vci.SignMetadata(m, key, issued, expires)
	if err != nil {
		return "", time.Time{}, err
	}
	s.parameters, s.key, s.signed, s.issued, s.expires = parameters, key, signed, issued, expires
	return signed, expires, nil
}
