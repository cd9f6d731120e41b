package cose

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"

	gocose "github.com/veraison/go-cose"
)

// headerType is the header parameter typ (RFC 9596).
const headerType = gocose.HeaderLabelType

// maxChain is the greatest number of certificates in an x5chain.
const maxChain = 8

// SignOptions says what [Sign1] puts around the payload.
type SignOptions struct {
	// Chain goes into the unprotected header as x5chain (RFC 9360): leaf
	// first, without the trust anchor. Empty leaves the header out.
	Chain []*x509.Certificate
	// Protected holds further protected header parameters by label. The
	// algorithm is added and must not be among them.
	Protected map[any]any
	// Type goes into the protected header as typ (RFC 9596), a media type;
	// empty leaves it out.
	Type string
	// Detached leaves the payload out of the message (nil in its place).
	Detached bool
	// Tagged puts tag 18 in front of the message.
	Tagged bool
}

// Sign1 signs payload and returns a COSE_Sign1 (RFC 9052 section 4.2). The algorithm follows from the key: ES256, ES384 or ES512.
func Sign1(opt SignOptions, payload []byte, key crypto.Signer) ([]byte, error) {
	if key == nil {
		return nil, errors.New("cose: no signer")
	}
	s, _, err := suiteFor(key.Public())
	if err != nil {
		return nil, err
	}
	if len(payload) == 0 {
		return nil, errors.New("cose: empty payload")
	}
	msg := gocose.NewSign1Message()
	msg.Payload = payload
	for label, value := range opt.Protected {
		msg.Headers.Protected[label] = value
	}
	if opt.Type != "" {
		msg.Headers.Protected[headerType] = opt.Type
	}
	if chain := encodeChain(opt.Chain); chain != nil {
		msg.Headers.Unprotected[gocose.HeaderLabelX5Chain] = chain
	}
	if err := msg.Sign(rand.Reader, nil, signer{s, key}); err != nil {
		return nil, fmt.Errorf("cose: sign: %w", err)
	}
	if opt.Detached {
		msg.Payload = nil
	}
	encode := (*gocose.UntaggedSign1Message)(msg).MarshalCBOR
	if opt.Tagged {
		encode = msg.MarshalCBOR
	}
	out, err := encode()
	if err != nil {
		return nil, fmt.Errorf("cose: sign: %w", err)
	}
	return out, nil
}

// encodeChain returns the x5chain of RFC 9360 section 2: one certificate as
// byte string, several as an array of them.
func encodeChain(chain []*x509.Certificate) any {
	switch len(chain) {
	case 0:
		return nil
	case 1:
		return chain[0].Raw
	}
	out := make([]any, len(chain))
	for i, cert := range chain {
		out[i] = cert.Raw
	}
	return out
}

// Unverified is a COSE_Sign1 that was parsed and not verified.
type Unverified struct {
	// Chain is the x5chain as sent, leaf first; nil if there is none. It is
	// a claim of the sender like everything else before verification.
	Chain []*x509.Certificate
	// Algorithm is the COSE algorithm identifier of the protected header.
	Algorithm int64
	// Type is typ of the protected header (RFC 9596) if it is text.
	Type string
	// Tagged says that the message came with tag 18.
	Tagged bool

	message *gocose.Sign1Message
}

// ParseSign1 decodes a COSE_Sign1, untagged or with tag 18. It refuses a
// message whose protected header is empty, lacks the algorithm or has crit,
// labels that stand in both headers, and certificates that do not parse.
func ParseSign1(data []byte) (*Unverified, error) {
	if err := check(data); err != nil {
		return nil, fmt.Errorf("cose: %w", err)
	}
	tagged := false
	if h, err := readHead(data); err == nil && h.major == majorTag && h.arg == tagSign1 {
		data, tagged = data[h.size:], true
	}
	var msg gocose.UntaggedSign1Message
	if err := msg.UnmarshalCBOR(data); err != nil {
		return nil, fmt.Errorf("cose: COSE_Sign1: %w: %w", ErrMalformed, err)
	}
	u := &Unverified{Tagged: tagged, message: (*gocose.Sign1Message)(&msg)}
	if err := u.readHeaders(); err != nil {
		return nil, fmt.Errorf("cose: COSE_Sign1: %w", err)
	}
	return u, nil
}

func (u *Unverified) readHeaders() error {
	headers := u.message.Headers
	var encoded Bytes
	if err := encoded.UnmarshalCBOR(headers.RawProtected); err != nil {
		return err
	}
	if len(encoded) == 0 {
		return fmt.Errorf("%w: empty protected header", ErrAlgorithm)
	}
	// The walker saw a byte string; what is in it has not been checked yet.
	if err := check(encoded); err != nil {
		return fmt.Errorf("protected header: %w", err)
	}
	for label := range headers.Protected {
		if _, both := headers.Unprotected[label]; both {
			return malformed("header %v is both protected and unprotected", label)
		}
	}
	for _, bucket := range []map[any]any{headers.Protected, headers.Unprotected} {
		if _, ok := bucket[gocose.HeaderLabelCritical]; ok {
			return malformed("critical header parameters are not supported")
		}
		if chain, ok := bucket[gocose.HeaderLabelX5Chain]; ok {
			var err error
			if u.Chain, err = decodeChain(chain); err != nil {
				return err
			}
		}
	}
	alg, err := headers.Protected.Algorithm()
	if err != nil {
		return ErrAlgorithm
	}
	u.Algorithm = int64(alg)
	u.Type, _ = headers.Protected[headerType].(string)
	return nil
}

func decodeChain(v any) ([]*x509.Certificate, error) {
	list, ok := v.([]any)
	if !ok {
		// One certificate. An array of one is against RFC 9360 but common.
		list = []any{v}
	}
	if len(list) == 0 || len(list) > maxChain {
		return nil, malformed("x5chain of %d certificates", len(list))
	}
	chain := make([]*x509.Certificate, len(list))
	for i, item := range list {
		der, ok := item.([]byte)
		if !ok {
			return nil, malformed("x5chain entry that is not a byte string")
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, malformed("x5chain: certificate %d does not parse", i)
		}
		chain[i] = cert
	}
	return chain, nil
}

// UnverifiedPayload returns the payload before its signature was checked, nil
// if it is detached.
func (u *Unverified) UnverifiedPayload() []byte { return u.message.Payload }

// Verify checks the signature under pub and returns the payload. The algorithm
// must be the one that belongs to the key's curve. It fails with
// [ErrSignature] or [ErrAlgorithm], and if the payload is detached or empty.
func (u *Unverified) Verify(pub crypto.PublicKey) ([]byte, error) {
	if len(u.message.Payload) == 0 {
		return nil, errors.New("cose: COSE_Sign1 has no payload")
	}
	if err := u.verify(pub, u.message.Payload); err != nil {
		return nil, err
	}
	return u.message.Payload, nil
}

// VerifyDetached checks the signature over a payload that travels elsewhere.
// A message that carries a payload of its own is refused.
func (u *Unverified) VerifyDetached(pub crypto.PublicKey, payload []byte) error {
	if u.message.Payload != nil {
		return errors.New("cose: COSE_Sign1 carries a payload where it must be detached")
	}
	if len(payload) == 0 {
		return errors.New("cose: empty payload")
	}
	return u.verify(pub, payload)
}

func (u *Unverified) verify(pub crypto.PublicKey, payload []byte) error {
	s, key, err := suiteFor(pub)
	if err != nil {
		return err
	}
	named := gocose.Algorithm(u.Algorithm)
	if named != s.alg && named != s.specified {
		return fmt.Errorf("cose: %w: %d", ErrAlgorithm, u.Algorithm)
	}
	message := *u.message
	message.Payload = payload
	if err := message.Verify(nil, verifier{s, key, named}); err != nil {
		return fmt.Errorf("cose: %w: %w", ErrSignature, err)
	}
	return nil
}
