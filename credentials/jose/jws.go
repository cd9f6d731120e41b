package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// The sizes that parsing accepts, in bytes or in certificates.
const (
	MaxTokenSize  = 1 << 20
	MaxHeaderSize = 64 << 10
	MaxX5CLength  = 8
)

var (
	// ErrToken says that a compact JWS or JWE is malformed or uses something
	// that is refused, such as crit or an algorithm outside the list.
	ErrToken = errors.New("malformed or refused JOSE token")
	// ErrSignature says that a signature does not verify under the given key.
	ErrSignature = errors.New("signature does not verify")
)

// Header is the protected header of a JWS.
type Header struct {
	Alg, Typ, Kid, Cty string
	// JWK is the jwk member: a key that whoever signed names. It proves
	// nothing by itself.
	JWK *JWK
	// X5C is the certificate chain, leaf first, unchecked.
	X5C []*x509.Certificate
	// Extra holds the members that are not listed above, as strict JSON
	// decodes them.
	Extra map[string]any
}

// Unverified is a compact JWS whose signature has not been checked.
type Unverified struct {
	Header    Header
	payload   []byte
	input     []byte
	signature []byte
}

// Sign returns the compact JWS of payload. The algorithm follows the signer's
// key, ES256, ES384 or ES512, and h.Alg must be empty or that one.
func Sign(h Header, payload []byte, signer crypto.Signer) (string, error) {
	alg, err := AlgorithmOf(signer.Public())
	if err != nil {
		return "", err
	}
	if h.Alg != "" && h.Alg != alg {
		return "", fmt.Errorf("header says %s, key signs %s", h.Alg, alg)
	}
	h.Alg = alg
	header, err := h.encode()
	if err != nil {
		return "", err
	}
	input := EncodeBase64(header) + "." + EncodeBase64(payload)
	s, err := jws.NewSigner(jwa.SignatureAlgorithm(alg))
	if err != nil {
		return "", fmt.Errorf("signer for %s: %w", alg, err)
	}
	signature, err := s.Sign([]byte(input), signer)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return input + "." + EncodeBase64(signature), nil
}

func (h Header) encode() ([]byte, error) {
	members := maps.Clone(h.Extra)
	if members == nil {
		members = map[string]any{}
	}
	for name, value := range map[string]string{"alg": h.Alg, "typ": h.Typ, "kid": h.Kid, "cty": h.Cty} {
		if value != "" {
			members[name] = value
		}
	}
	if h.JWK != nil {
		members["jwk"] = h.JWK
	}
	if len(h.X5C) > 0 {
		chain := make([]string, len(h.X5C))
		for i, cert := range h.X5C {
			chain[i] = base64.StdEncoding.EncodeToString(cert.Raw)
		}
		members["x5c"] = chain
	}
	out, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("encode header: %w", err)
	}
	return out, nil
}

// Parse splits a compact JWS and reads its header. The algorithms ES256, ES384
// and ES512 are accepted; none, MACs, RSA, crit, b64, jku and x5u are not.
// Errors wrap [ErrToken].
func Parse(compact string) (*Unverified, error) {
	parts, err := split(compact, 3)
	if err != nil {
		return nil, err
	}
	var raw [3][]byte
	for i, part := range parts {
		if raw[i], err = DecodeBase64(part); err != nil {
			return nil, fmt.Errorf("%w: part %d: %w", ErrToken, i+1, err)
		}
	}
	header, err := parseHeader(raw[0])
	if err != nil {
		return nil, err
	}
	switch header.Alg {
	case "ES256", "ES384", "ES512":
	default:
		return nil, fmt.Errorf("%w: algorithm is not accepted", ErrToken)
	}
	return &Unverified{
		Header:    *header,
		payload:   raw[1],
		input:     []byte(parts[0] + "." + parts[1]),
		signature: raw[2],
	}, nil
}

// split bounds a compact token before anything else looks at it.
func split(compact string, parts int) ([]string, error) {
	if len(compact) > MaxTokenSize {
		return nil, fmt.Errorf("%w: too large", ErrToken)
	}
	out := strings.SplitN(compact, ".", parts+1)
	if len(out) != parts {
		return nil, fmt.Errorf("%w: want %d parts", ErrToken, parts)
	}
	if len(out[0]) > MaxHeaderSize {
		return nil, fmt.Errorf("%w: header too large", ErrToken)
	}
	return out, nil
}

func parseHeader(data []byte) (*Header, error) {
	var known struct {
		Alg *string        `json:"alg"`
		Typ string         `json:"typ"`
		Kid string         `json:"kid"`
		Cty string         `json:"cty"`
		JWK *JWK           `json:"jwk"`
		X5C jsontext.Value `json:"x5c"`
		// Extra takes all others.
		Extra map[string]any `json:",embed"`
	}
	if err := UnmarshalJSON(data, &known); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrToken, err)
	}
	for _, name := range []string{"crit", "b64", "jku", "x5u", "zip"} {
		if _, ok := known.Extra[name]; ok {
			return nil, fmt.Errorf("%w: header member %s is not accepted", ErrToken, name)
		}
	}
	if known.Alg == nil {
		return nil, fmt.Errorf("%w: header has no alg", ErrToken)
	}
	chain, err := parseX5C(known.X5C)
	if err != nil {
		return nil, err
	}
	return &Header{
		Alg: *known.Alg, Typ: known.Typ, Kid: known.Kid, Cty: known.Cty,
		JWK: known.JWK, X5C: chain, Extra: known.Extra,
	}, nil
}

// parseX5C reads the member of the header, which is nil if there is none.
func parseX5C(member jsontext.Value) ([]*x509.Certificate, error) {
	if member == nil {
		return nil, nil
	}
	var encoded []string
	if err := UnmarshalJSON(member, &encoded); err != nil {
		return nil, fmt.Errorf("%w: x5c: %w", ErrToken, err)
	}
	if len(encoded) == 0 || len(encoded) > MaxX5CLength {
		return nil, fmt.Errorf("%w: x5c has no certificates or too many", ErrToken)
	}
	var chain []*x509.Certificate
	for _, e := range encoded {
		if hasLineBreak(e) {
			return nil, fmt.Errorf("%w: x5c is not base64", ErrToken)
		}
		der, err := base64.StdEncoding.Strict().DecodeString(e)
		if err != nil {
			return nil, fmt.Errorf("%w: x5c is not base64", ErrToken)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%w: x5c certificate: %w", ErrToken, err)
		}
		chain = append(chain, cert)
	}
	return chain, nil
}

// UnverifiedPayload returns the payload although nobody has checked the
// signature: to find the key that it must be checked with, or for a holder who
// trusts the channel.
func (u *Unverified) UnverifiedPayload() []byte { return u.payload }

// Verify checks the signature and returns the payload. The algorithm must be
// the one of the key's curve. Errors wrap [ErrSignature].
func (u *Unverified) Verify(pub crypto.PublicKey) ([]byte, error) {
	alg, err := AlgorithmOf(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if alg != u.Header.Alg {
		return nil, fmt.Errorf("%w: header says %s, key is for %s", ErrSignature, u.Header.Alg, alg)
	}
	if err := VerifySignature(pub, u.input, u.signature); err != nil {
		return nil, err
	}
	return u.payload, nil
}

// VerifySignature checks an ECDSA signature over message by the algorithm of
// the key's curve. The signature is r and s in full length, one after the other
// (RFC 7518 section 3.4). Errors wrap [ErrSignature].
func VerifySignature(pub crypto.PublicKey, message, signature []byte) error {
	alg, err := AlgorithmOf(pub)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	v, err := jws.NewVerifier(jwa.SignatureAlgorithm(alg))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if err := v.Verify(message, signature, pub); err != nil {
		return ErrSignature
	}
	return nil
}

// AlgorithmOf returns the signature algorithm of a key: ES256, ES384 or ES512
// by its curve.
func AlgorithmOf(pub crypto.PublicKey) (string, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return "", fmt.Errorf("no signature algorithm for a key of type %T", pub)
	}
	switch key.Curve {
	case curves["P-256"]:
		return "ES256", nil
	case curves["P-384"]:
		return "ES384", nil
	case curves["P-521"]:
		return "ES512", nil
	}
	return "", errors.New("no signature algorithm for the curve")
}
