package wire

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// Encrypt returns a JWE by ECDH-ES to a JWK. The header needs enc and gets alg, epk
// and the kid of the key; zip in it compresses. lie may be nil; it changes the
// header when the key for the content has been derived from it.
func Encrypt(plain []byte, header Object, jwk any, lie func(Object)) (string, error) {
	to, err := Key(jwk)
	if err != nil {
		return "", err
	}
	ephemeral := NewKey()
	header["alg"], header["epk"] = "ECDH-ES", JWK(&ephemeral.PublicKey)
	if kid := Text(jwk.(Object), "kid"); kid != "" {
		header["kid"] = kid
	}
	gcm, err := sealer(Must(ephemeral.ECDH()), Must(to.ECDH()), header)
	if err != nil {
		return "", err
	}
	if Text(header, "zip") == "DEF" {
		var out bytes.Buffer
		w := Must(flate.NewWriter(&out, flate.DefaultCompression))
		_, _ = w.Write(plain)
		_ = w.Close()
		plain = out.Bytes()
	}
	if lie != nil {
		lie(header)
	}
	protected := B64(JSON(header))
	iv := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(iv)
	sealed := gcm.Seal(nil, iv, plain, []byte(protected))
	at := len(sealed) - gcm.Overhead()
	return strings.Join([]string{protected, "", B64(iv), B64(sealed[:at]), B64(sealed[at:])}, "."), nil
}

// Decrypt opens a JWE by ECDH-ES and returns its header too.
func Decrypt(jwe string, key *ecdsa.PrivateKey) (header Object, plain []byte, err error) {
	parts := strings.Split(jwe, ".")
	if len(parts) != 5 || parts[1] != "" {
		return nil, nil, errors.New("not a JWE by ECDH-ES")
	}
	raw := make([][]byte, 5)
	for i, part := range parts {
		if raw[i], err = UnB64(part); err != nil {
			return nil, nil, err
		}
	}
	if err = json.Unmarshal(raw[0], &header); err != nil {
		return nil, nil, err
	}
	epk, err := Key(header["epk"])
	if err != nil {
		return nil, nil, err
	}
	gcm, err := sealer(Must(key.ECDH()), Must(epk.ECDH()), header)
	if err != nil {
		return nil, nil, err
	}
	plain, err = gcm.Open(nil, raw[2], append(raw[3], raw[4]...), []byte(parts[0]))
	if err == nil && Text(header, "zip") == "DEF" {
		plain, err = io.ReadAll(flate.NewReader(bytes.NewReader(plain)))
	}
	return header, plain, err
}

// sealer derives the key for the content by ECDH-ES (RFC 7518 section 4.6).
func sealer(private *ecdh.PrivateKey, public *ecdh.PublicKey, header Object) (cipher.AEAD, error) {
	secret, err := private.ECDH(public)
	if err != nil {
		return nil, err
	}
	bits := map[string]uint32{"A128GCM": 128, "A256GCM": 256}[Text(header, "enc")]
	info := append(binary.BigEndian.AppendUint32(nil, 1), secret...)
	for _, part := range []string{Text(header, "enc"), decoded(header, "apu"), decoded(header, "apv")} {
		info = append(binary.BigEndian.AppendUint32(info, uint32(len(part))), part...)
	}
	block, err := aes.NewCipher(Digest(binary.BigEndian.AppendUint32(info, bits))[:bits/8])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func decoded(o Object, name string) string {
	raw, _ := UnB64(Text(o, name))
	return string(raw)
}
