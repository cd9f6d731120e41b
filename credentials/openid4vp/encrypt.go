package openid4vp

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tegata-id/tegata/credentials/jose"
)

// Encryption is the choice of key and content encryption for a response
// (section 8.3).
type Encryption struct {
	// Key is the verifier's key as it stands in the request.
	Key *jose.JWK
	// Enc is the content encryption.
	Enc string
}

// Encryption chooses from the verifier's metadata. Keys that cannot be used
// are passed over: other key types, private or malformed ones, another use
// than enc, another algorithm than ECDH-ES. P-256 goes before other curves and
// A256GCM before A128GCM (HAIP 1.0 section 5). The error is an [*Error] with
// the code invalid_request.
func (m *ClientMetadata) Encryption() (*Encryption, error) {
	if m == nil || m.JWKS == nil {
		return nil, invalid("client_metadata has no keys to encrypt the response to")
	}
	var chosen *jose.JWK
	for _, raw := range m.JWKS.Keys {
		key, err := jose.ParseJWK(raw)
		if err != nil || key.Alg != jose.ECDHES || (key.Use != "" && key.Use != "enc") {
			continue
		}
		if chosen == nil || (chosen.Crv != "P-256" && key.Crv == "P-256") {
			chosen = key
		}
	}
	if chosen == nil {
		return nil, invalid("client_metadata.jwks has no usable encryption key")
	}
	offered := m.EncryptedResponseEncValuesSupported
	if offered == nil {
		offered = []string{jose.A128GCM}
	}
	for _, enc := range []string{jose.A256GCM, jose.A128GCM} {
		if slices.Contains(offered, enc) {
			return &Encryption{Key: chosen, Enc: enc}, nil
		}
	}
	return nil, invalid("no content encryption of the request is supported")
}

// Thumbprint returns the RFC 7638 SHA-256 thumbprint of the key, which the
// session transcript of an mdoc contains.
func (e *Encryption) Thumbprint() []byte { return e.Key.Thumbprint() }

// Encrypt returns the response parameters as a compact JWE: the value of the
// form parameter or member response.
func (e *Encryption) Encrypt(p *ResponseParams) (string, error) {
	if err := p.validate(); err != nil {
		return "", err
	}
	payload, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encode response: %w", err)
	}
	return jose.Encrypt(payload, e.Key, e.Enc, jose.EncryptOptions{Cty: "json"})
}

// EncryptResponse chooses a key of the verifier's metadata, encrypts the
// response to it and returns the compact JWE together with the thumbprint of
// the key. Where presentations are bound to that key, use
// [ClientMetadata.Encryption] first; it makes the same choice.
func EncryptResponse(p *ResponseParams, m *ClientMetadata) (jwe string, thumbprint []byte, err error) {
	e, err := m.Encryption()
	if err != nil {
		return "", nil, err
	}
	if jwe, err = e.Encrypt(p); err != nil {
		return "", nil, err
	}
	return jwe, e.Thumbprint(), nil
}

// ErrOtherKey says that a response names another key than that of the request.
var ErrOtherKey = errors.New("encrypted to another key")

// DecryptResponse opens the compact JWE of a response. kid is that of the key
// in the request and must be echoed; encs are the content encryptions that the
// request offered. The payload must hold the response parameters themselves: a
// JWS inside is refused. Errors are [*Error].
func DecryptResponse(jwe string, priv crypto.PrivateKey, kid string, encs ...string) (*ResponseParams, error) {
	e, err := jose.ParseEncrypted(jwe)
	if err != nil {
		return nil, invalidBy("response is not an acceptable JWE", err)
	}
	if e.Header.Kid != kid {
		return nil, invalidBy("response is encrypted to another key", ErrOtherKey)
	}
	payload, err := e.Decrypt(priv, encs...)
	if err != nil {
		return nil, invalidBy("response cannot be decrypted", err)
	}
	return parseResponse(payload)
}
