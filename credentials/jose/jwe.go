package jose

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
)

// ErrDecrypt says that a JWE cannot be opened with the given key.
var ErrDecrypt = errors.New("cannot decrypt")

// ECDHES is the one key agreement that is used: ECDH-ES in direct mode
// (RFC 7518 section 4.6).
const ECDHES = "ECDH-ES"

// The content encryptions (RFC 7518 section 5.3).
const (
	A128GCM = "A128GCM"
	A256GCM = "A256GCM"
)

// DEF is the one compression, DEFLATE (RFC 7516 section 4.1.3).
const DEF = "DEF"

// EncryptOptions are the optional header members of a JWE.
type EncryptOptions struct {
	Cty string
	// Zip is DEF, or empty for no compression.
	Zip      string
	APU, APV []byte
}

// EncryptedHeader is the protected header of a JWE.
type EncryptedHeader struct{ Alg, Enc, Kid, Typ, Cty, Zip string }

// Encrypted is a compact JWE that has not been opened.
type Encrypted struct {
	Header  EncryptedHeader
	compact string
	// limit is how long the decompressed content may be, in bytes.
	limit int64
}

// Encrypt returns the compact JWE of plaintext for the key to, whose kid it
// carries, by ECDH-ES and the content encryption enc.
func Encrypt(plaintext []byte, to *JWK, enc string, opt EncryptOptions) (string, error) {
	if enc != A128GCM && enc != A256GCM {
		return "", fmt.Errorf("content encryption %q is not used", enc)
	}
	compression := jwa.NoCompress
	switch opt.Zip {
	case "":
	case DEF:
		compression = jwa.Deflate
	default:
		return "", fmt.Errorf("compression %q is not used", opt.Zip)
	}
	pub, err := to.EncryptionKey()
	if err != nil {
		return "", err
	}
	headers := jwe.NewHeaders()
	members := map[string]any{}
	if to.Kid != "" {
		members[jwe.KeyIDKey] = to.Kid
	}
	if opt.Cty != "" {
		members[jwe.ContentTypeKey] = opt.Cty
	}
	if len(opt.APU) > 0 {
		members[jwe.AgreementPartyUInfoKey] = opt.APU
	}
	if len(opt.APV) > 0 {
		members[jwe.AgreementPartyVInfoKey] = opt.APV
	}
	for name, value := range members {
		if err := headers.Set(name, value); err != nil {
			return "", fmt.Errorf("header %s: %w", name, err)
		}
	}
	// The library derives the key with apu and apv only if they are among the
	// recipient's headers, and merges those into the protected header.
	out, err := jwe.Encrypt(plaintext,
		jwe.WithKey(jwa.ECDH_ES, pub, jwe.WithPerRecipientHeaders(headers)),
		jwe.WithContentEncryption(jwa.ContentEncryptionAlgorithm(enc)),
		jwe.WithCompress(compression))
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	return string(out), nil
}

// ParseEncrypted splits a compact JWE and reads its header. Anything but
// ECDH-ES in direct mode, and crit, zip and the JSON serialization are refused.
// Errors wrap [ErrToken].
func ParseEncrypted(compact string) (*Encrypted, error) {
	return parseEncrypted(compact, 0)
}

// ParseCompressed is [ParseEncrypted] for a JWE that may be compressed, which
// its zip then says. A JWE is not opened if more than limit bytes, 1 or more,
// come out of the decompression.
func ParseCompressed(compact string, limit int64) (*Encrypted, error) {
	return parseEncrypted(compact, max(limit, 1))
}

// parseEncrypted accepts no compression if the limit is zero.
func parseEncrypted(compact string, limit int64) (*Encrypted, error) {
	parts, err := split(compact, 5)
	if err != nil {
		return nil, err
	}
	var raw [5][]byte
	for i, part := range parts {
		if raw[i], err = DecodeBase64(part); err != nil {
			return nil, fmt.Errorf("%w: part %d: %w", ErrToken, i+1, err)
		}
	}
	var members map[string]any
	if err := UnmarshalJSON(raw[0], &members); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrToken, err)
	}
	for _, name := range []string{"crit", "zip", "jku", "x5u", "p2c", "p2s"} {
		if _, ok := members[name]; ok && (name != "zip" || limit == 0) {
			return nil, fmt.Errorf("%w: header member %s is not accepted", ErrToken, name)
		}
	}
	var header struct {
		Alg string  `json:"alg"`
		Enc string  `json:"enc"`
		Kid string  `json:"kid"`
		Typ string  `json:"typ"`
		Cty string  `json:"cty"`
		Zip *string `json:"zip"`
		EPK *JWK    `json:"epk"`
	}
	if err := UnmarshalJSON(raw[0], &header); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrToken, err)
	}
	if header.Alg != ECDHES || header.EPK == nil || len(raw[1]) != 0 {
		return nil, fmt.Errorf("%w: only ECDH-ES in direct mode is accepted", ErrToken)
	}
	zip := ""
	if header.Zip != nil {
		if zip = *header.Zip; zip != DEF {
			return nil, fmt.Errorf("%w: only DEF is accepted as zip", ErrToken)
		}
	} else if _, ok := members["zip"]; ok {
		return nil, fmt.Errorf("%w: zip is null", ErrToken)
	}
	if len(raw[2]) != 12 || len(raw[4]) != 16 {
		return nil, fmt.Errorf("%w: length of nonce or tag", ErrToken)
	}
	return &Encrypted{
		Header:  EncryptedHeader{Alg: header.Alg, Enc: header.Enc, Kid: header.Kid, Typ: header.Typ, Cty: header.Cty, Zip: zip},
		compact: compact, limit: limit,
	}, nil
}

// Decrypt opens the JWE if its content encryption is one of encs, of which
// there must be one at least. Errors wrap [ErrDecrypt] and do not say more.
func (e *Encrypted) Decrypt(priv *ecdsa.PrivateKey, encs ...string) ([]byte, error) {
	if !slices.Contains(encs, e.Header.Enc) || (e.Header.Enc != A128GCM && e.Header.Enc != A256GCM) {
		return nil, fmt.Errorf("%w: content encryption was not offered", ErrDecrypt)
	}
	out, err := jwe.Decrypt([]byte(e.compact), jwe.WithKey(jwa.ECDH_ES, priv), jwe.WithMaxDecompressBufferSize(e.limit))
	if err != nil {
		return nil, ErrDecrypt
	}
	return out, nil
}
