package openid4vci

import (
	"crypto/ecdsa"
	"errors"
	"slices"

	"github.com/tegata-id/tegata/credentials/jose"
)

// MediaTypeEncrypted is the media type of encrypted requests and responses
// (section 10). Those in clear are application/json.
const MediaTypeEncrypted = "application/jwt"

// Open decrypts a credential request that came as a compact JWE for the issuer's
// key, whose kid is in m. The content must not be longer than limit bytes,
// compressed or not. Errors are of type *[Error] with
// [CodeInvalidEncryptionParameters] and are the same for every reason why the
// content can't be had.
func (m *RequestEncryption) Open(compact string, private *ecdsa.PrivateKey, limit int64) ([]byte, error) {
	bad := func(err error) error {
		return wrap(CodeInvalidEncryptionParameters, "the request is not encrypted as the metadata ask for", err)
	}
	e, err := jose.ParseCompressed(compact, limit)
	if err != nil {
		return nil, bad(err)
	}
	named := slices.ContainsFunc(m.Keys.Keys, func(k jose.JWK) bool { return k.Kid == e.Header.Kid && k.Alg == e.Header.Alg })
	if !named {
		return nil, bad(errors.New("kid or alg is not that of the key"))
	}
	if e.Header.Zip != "" && !slices.Contains(m.Zip, e.Header.Zip) {
		return nil, bad(errors.New("zip was not offered"))
	}
	content, err := e.Decrypt(private, m.Enc...)
	if err != nil {
		return nil, bad(err)
	}
	if int64(len(content)) > limit {
		return nil, bad(errTooLarge)
	}
	return content, nil
}

// Seal returns a response as the compact JWE that the parameters ask for.
func (p *EncryptionParameters) Seal(response []byte) (string, error) {
	return jose.Encrypt(response, p.JWK, p.Enc, jose.EncryptOptions{Cty: "json", Zip: p.Zip})
}
