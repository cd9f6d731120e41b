package oidfwallet_test

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/tegata-id/tegata/credentials/keys"
)

// object is a JSON object.
type object = map[string]any

var b64 = base64.RawURLEncoding

// fine returns the value of what cannot fail.
func fine[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newKey() *ecdsa.PrivateKey { return fine(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func digest(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

// text returns a member of an object that is a string, or "".
func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

// only reports whether an object has these members and no others.
func only(o object, names ...string) bool {
	n := 0
	for _, name := range names {
		if _, ok := o[name]; ok {
			n++
		}
	}
	return n == len(o)
}

func parse(data []byte) (object, error) {
	var o object
	return o, json.Unmarshal(data, &o)
}

func jwkOf(key *ecdsa.PublicKey) object {
	point := fine(key.Bytes())
	return object{"kty": "EC", "crv": "P-256", "x": b64.EncodeToString(point[1:33]), "y": b64.EncodeToString(point[33:])}
}

func keyOf(jwk any) (*ecdsa.PublicKey, error) {
	o, _ := jwk.(object)
	x, _ := b64.DecodeString(text(o, "x"))
	y, _ := b64.DecodeString(text(o, "y"))
	if text(o, "kty") != "EC" || text(o, "crv") != "P-256" || o["d"] != nil {
		return nil, fmt.Errorf("not a public key on P-256: %v", jwk)
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
}

func thumbprint(key *ecdsa.PublicKey) []byte {
	jwk := jwkOf(key)
	return digest(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, jwk["x"], jwk["y"]))
}

// signRaw returns r and s of 32 bytes each.
func signRaw(key crypto.Signer, input []byte) []byte {
	var sig struct{ R, S *big.Int }
	fine(asn1.Unmarshal(fine(key.Sign(rand.Reader, digest(input), crypto.SHA256)), &sig))
	return append(sig.R.FillBytes(make([]byte, 32)), sig.S.FillBytes(make([]byte, 32))...)
}

func verifyRaw(key *ecdsa.PublicKey, input, signature []byte) error {
	if len(signature) != 64 || !ecdsa.Verify(key, digest(input), new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return errors.New("the signature does not verify")
	}
	return nil
}

// sign returns a JWS by ES256.
func sign(key crypto.Signer, header, claims object) string {
	h := object{"alg": "ES256"}
	for name, value := range header {
		h[name] = value
	}
	input := b64.EncodeToString(fine(json.Marshal(h))) + "." + b64.EncodeToString(fine(json.Marshal(claims)))
	return input + "." + b64.EncodeToString(signRaw(key, []byte(input)))
}

// readJWS returns header and claims of a JWS of a type.
func readJWS(typ, jws string) (header, claims object, err error) {
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		return nil, nil, errors.New("not a JWS")
	}
	for i, into := range []*object{&header, &claims} {
		raw, err := b64.DecodeString(parts[i])
		if err != nil {
			return nil, nil, err
		}
		if *into, err = parse(raw); err != nil {
			return nil, nil, err
		}
	}
	if text(header, "typ") != typ || text(header, "alg") != "ES256" {
		return nil, nil, fmt.Errorf("header %v, want %s by ES256", header, typ)
	}
	return header, claims, nil
}

func verify(key *ecdsa.PublicKey, jws string) error {
	at := strings.LastIndexByte(jws, '.')
	signature, err := b64.DecodeString(jws[at+1:])
	if err != nil {
		return err
	}
	return verifyRaw(key, []byte(jws[:at]), signature)
}

// leafOf returns the key of the leaf in an x5c that leads to the root without
// holding it.
func leafOf(header object, root *x509.Certificate) (*ecdsa.PublicKey, error) {
	list, _ := header["x5c"].([]any)
	var chain []*x509.Certificate
	between := x509.NewCertPool()
	for i, item := range list {
		encoded, _ := item.(string)
		der, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, err
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		if certificate.Equal(root) {
			return nil, errors.New("the anchor is in x5c")
		}
		if i > 0 {
			between.AddCert(certificate)
		}
		chain = append(chain, certificate)
	}
	if len(chain) == 0 || chain[0].CheckSignatureFrom(chain[0]) == nil {
		return nil, errors.New("no chain, or a leaf that signed itself")
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return nil, err
	}
	key, ok := chain[0].PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("the leaf has no EC key")
	}
	return key, nil
}

func x5c(key *keys.Key) []string {
	var out []string
	for _, c := range key.Chain {
		out = append(out, base64.StdEncoding.EncodeToString(c.Raw))
	}
	return out
}

// sealer derives the key for the content by ECDH-ES (RFC 7518 section 4.6).
func sealer(private *ecdh.PrivateKey, public *ecdh.PublicKey, header object) (cipher.AEAD, error) {
	secret, err := private.ECDH(public)
	if err != nil {
		return nil, err
	}
	bits := map[string]uint32{"A128GCM": 128, "A256GCM": 256}[text(header, "enc")]
	info := append(binary.BigEndian.AppendUint32(nil, 1), secret...)
	for _, part := range []string{text(header, "enc"), decoded(header, "apu"), decoded(header, "apv")} {
		info = append(binary.BigEndian.AppendUint32(info, uint32(len(part))), part...)
	}
	block, err := aes.NewCipher(digest(binary.BigEndian.AppendUint32(info, bits))[:bits/8])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func decoded(o object, name string) string {
	raw, _ := b64.DecodeString(text(o, name))
	return string(raw)
}

// encrypt returns a JWE by ECDH-ES to a JWK of the wallet.
func encrypt(plain []byte, jwk any, enc string) (string, error) {
	public, err := keyOf(jwk)
	if err != nil {
		return "", err
	}
	ephemeral := newKey()
	header := object{"alg": "ECDH-ES", "enc": enc, "epk": jwkOf(&ephemeral.PublicKey)}
	if kid := text(jwk.(object), "kid"); kid != "" {
		header["kid"] = kid
	}
	gcm, err := sealer(fine(ephemeral.ECDH()), fine(public.ECDH()), header)
	if err != nil {
		return "", err
	}
	protected := b64.EncodeToString(fine(json.Marshal(header)))
	iv := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(iv)
	sealed := gcm.Seal(nil, iv, plain, []byte(protected))
	at := len(sealed) - gcm.Overhead()
	return strings.Join([]string{protected, "", b64.EncodeToString(iv), b64.EncodeToString(sealed[:at]), b64.EncodeToString(sealed[at:])}, "."), nil
}

// decrypt opens a JWE.
func decrypt(jwe string, key *ecdsa.PrivateKey) (header object, plain []byte, err error) {
	parts := strings.Split(jwe, ".")
	if len(parts) != 5 || parts[1] != "" {
		return nil, nil, errors.New("not a JWE by ECDH-ES")
	}
	raw := make([][]byte, 5)
	for i, part := range parts {
		if raw[i], err = b64.DecodeString(part); err != nil {
			return nil, nil, err
		}
	}
	if header, err = parse(raw[0]); err != nil {
		return nil, nil, err
	}
	epk, err := keyOf(header["epk"])
	if err != nil {
		return nil, nil, err
	}
	gcm, err := sealer(fine(key.ECDH()), fine(epk.ECDH()), header)
	if err != nil {
		return nil, nil, err
	}
	plain, err = gcm.Open(nil, raw[2], append(raw[3], raw[4]...), []byte(parts[0]))
	return header, plain, err
}
