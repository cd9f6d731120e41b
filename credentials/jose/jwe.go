package jose

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
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
	Header EncryptedHeader
	epk    *JWK
	// apu and apv are the parties that the key is derived with.
	apu, apv []byte
	// protected is the header as received, which the tag covers.
	protected []byte
	nonce     []byte
	// sealed is the ciphertext and the tag.
	sealed []byte
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
	e, err := parseEncryptedHeader(raw[0], limit > 0)
	if err != nil {
		return nil, err
	}
	if len(raw[1]) != 0 {
		return nil, fmt.Errorf("%w: only ECDH-ES in direct mode is accepted", ErrToken)
	}
	if len(raw[2]) != 12 || len(raw[4]) != 16 {
		return nil, fmt.Errorf("%w: length of nonce or tag", ErrToken)
	}
	e.protected, e.nonce, e.sealed, e.limit = []byte(parts[0]), raw[2], append(raw[3], raw[4]...), limit
	return e, nil
}

// parseEncryptedHeader reads the protected header.
func parseEncryptedHeader(data []byte, compressed bool) (*Encrypted, error) {
	var header struct {
		Alg string         `json:"alg"`
		Enc string         `json:"enc"`
		Kid string         `json:"kid"`
		Typ string         `json:"typ"`
		Cty string         `json:"cty"`
		Zip jsontext.Value `json:"zip"`
		EPK *JWK           `json:"epk"`
		APU string         `json:"apu"`
		APV string         `json:"apv"`

		Crit jsontext.Value `json:"crit"`
		JKU  jsontext.Value `json:"jku"`
		X5U  jsontext.Value `json:"x5u"`
		P2C  jsontext.Value `json:"p2c"`
		P2S  jsontext.Value `json:"p2s"`
	}
	if err := UnmarshalJSON(data, &header); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrToken, err)
	}
	for name, value := range map[string]jsontext.Value{"crit": header.Crit, "jku": header.JKU, "x5u": header.X5U, "p2c": header.P2C, "p2s": header.P2S} {
		if value != nil {
			return nil, fmt.Errorf("%w: header member %s is not accepted", ErrToken, name)
		}
	}
	if header.Alg != ECDHES || header.EPK == nil {
		return nil, fmt.Errorf("%w: only ECDH-ES in direct mode is accepted", ErrToken)
	}
	zip := ""
	if header.Zip != nil && (!compressed || UnmarshalJSON(header.Zip, &zip) != nil || zip != DEF) {
		return nil, fmt.Errorf("%w: compression is not accepted, or none but DEF", ErrToken)
	}
	apu, errU := DecodeBase64(header.APU)
	apv, errV := DecodeBase64(header.APV)
	if errU != nil || errV != nil {
		return nil, fmt.Errorf("%w: apu or apv is not base64url", ErrToken)
	}
	return &Encrypted{
		Header: EncryptedHeader{Alg: header.Alg, Enc: header.Enc, Kid: header.Kid, Typ: header.Typ, Cty: header.Cty, Zip: zip},
		epk:    header.EPK, apu: apu, apv: apv,
	}, nil
}

// Decrypt opens the JWE with an *ecdsa.PrivateKey or *ecdh.PrivateKey if its
// content encryption is one of encs, of which there must be one at least.
// Errors wrap [ErrDecrypt] and do not say more.
func (e *Encrypted) Decrypt(priv crypto.PrivateKey, encs ...string) ([]byte, error) {
	if !slices.Contains(encs, e.Header.Enc) || (e.Header.Enc != A128GCM && e.Header.Enc != A256GCM) {
		return nil, fmt.Errorf("%w: content encryption was not offered", ErrDecrypt)
	}
	out, err := e.open(priv)
	if err != nil {
		return nil, ErrDecrypt
	}
	return out, nil
}

// open derives the key, opens the content with it and undoes the compression.
func (e *Encrypted) open(priv crypto.PrivateKey) ([]byte, error) {
	own, err := agreementKey(priv)
	if err != nil {
		return nil, err
	}
	pub, err := e.epk.ecdsa()
	if err != nil {
		return nil, err
	}
	theirs, err := pub.ECDH()
	if err != nil {
		return nil, err
	}
	shared, err := own.ECDH(theirs) // an error if they are of two curves
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(e.deriveKey(shared))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	content, err := aead.Open(nil, e.nonce, e.sealed, e.protected)
	if err != nil || e.Header.Zip == "" {
		return content, err
	}
	content, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(content)), e.limit+1))
	if err == nil && int64(len(content)) > e.limit {
		err = errors.New("too much comes out of the decompression")
	}
	return content, err
}

func agreementKey(priv crypto.PrivateKey) (*ecdh.PrivateKey, error) {
	switch priv := priv.(type) {
	case *ecdh.PrivateKey:
		return priv, nil
	case *ecdsa.PrivateKey:
		return priv.ECDH()
	}
	return nil, fmt.Errorf("no key agreement with a key of type %T", priv)
}

// deriveKey is the Concat KDF (RFC 7518 section 4.6.2). No content encryption
// that is used needs more than one block of SHA-256.
func (e *Encrypted) deriveKey(shared []byte) []byte {
	size := 16
	if e.Header.Enc == A256GCM {
		size = 32
	}
	input := append([]byte{0, 0, 0, 1}, shared...)
	for _, field := range [][]byte{[]byte(e.Header.Enc), e.apu, e.apv} {
		input = binary.BigEndian.AppendUint32(input, uint32(len(field)))
		input = append(input, field...)
	}
	input = binary.BigEndian.AppendUint32(input, uint32(8*size))
	key := sha256.Sum256(input)
	return key[:size]
}
