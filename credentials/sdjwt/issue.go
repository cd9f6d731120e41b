package sdjwt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
)

// Options change what [Issue] does.
type Options struct {
	// Decoys is the number of digests without a disclosure that are added to
	// each list of digests, so that its length says less (RFC 9901 section
	// 4.2.5).
	Decoys int
}

// Issue signs a draft and returns the SD-JWT, which ends with "~". Every claim
// but those that the draft always shows is selectively disclosable, each object
// member and array element by itself; salts are fresh and have 128 bits. The header carries the key's chain in x5c.
// Times are written in whole seconds, rounded down, and left out where zero.
//
// Drafts without a type or a holder key, with reserved claim names or values
// that JSON lacks, and with the issuer's own key as the holder's are errors.
func Issue(d credentials.Draft, key *keys.Key) (string, error) { return Options{}.Issue(d, key) }

// Issue is like the function of this name, under the options.
func (o Options) Issue(d credentials.Draft, key *keys.Key) (string, error) {
	if err := checkSigner(d, key); err != nil {
		return "", fmt.Errorf("issue SD-JWT: %w", err)
	}
	b := &builder{decoys: o.Decoys}
	payload, err := b.payload(d)
	if err != nil {
		return "", fmt.Errorf("issue SD-JWT: %w", err)
	}
	token, err := jose.Sign(jose.Header{Typ: typeHeader, X5C: key.Chain}, payload, key.Signer)
	if err != nil {
		return "", fmt.Errorf("issue SD-JWT: %w", err)
	}
	out := make([]byte, 0, len(token)+1+b.size)
	out = append(append(out, token...), '~')
	for _, d := range b.disclosures {
		out = append(append(out, d...), '~')
	}
	if len(out) > MaxSize {
		return "", fmt.Errorf("issue SD-JWT: larger than %d bytes", MaxSize)
	}
	return string(out), nil
}

func checkSigner(d credentials.Draft, key *keys.Key) error {
	pub, err := key.Public()
	if err != nil {
		return err
	}
	leaf := key.Leaf()
	if leaf == nil || !pub.Equal(leaf.PublicKey) {
		return errors.New("the key has no certificate of its own")
	}
	// HAIP 1.0 section 6.1.1: no anchor in the chain, no self-signed leaf.
	for _, cert := range key.Chain {
		if bytes.Equal(cert.RawIssuer, cert.RawSubject) {
			return errors.New("the key's chain includes a self-signed certificate")
		}
	}
	if holder, ok := d.HolderKey.(*ecdsa.PublicKey); !ok || holder == nil {
		return errors.New("the draft has no usable holder key")
	} else if pub.Equal(holder) {
		return errors.New("the holder's key is the issuer's own")
	}
	if d.Type == "" {
		return errors.New("the draft has no type")
	}
	if !d.ValidUntil.IsZero() && !d.ValidUntil.After(d.ValidFrom) {
		return errors.New("the draft ends before it begins")
	}
	return nil
}

// builder collects disclosures while it writes the payload that refers to them.
type builder struct {
	decoys      int
	disclosures []string
	size        int
	depth       int
	// random is used up from the front, so that one read serves many salts.
	random []byte
}

func (b *builder) payload(d credentials.Draft) ([]byte, error) {
	for name := range d.Claims {
		if describesCredential(name) {
			return nil, fmt.Errorf("claim %q describes the credential and is not the subject's", name)
		}
	}
	out := []byte{'{'}
	hidden := d.Claims
	if len(d.Always) > 0 {
		hidden = maps.Clone(d.Claims)
		for _, name := range d.Always {
			v, ok := hidden[name]
			if !ok {
				continue
			}
			member, err := plainMember(name, v)
			if err != nil {
				return nil, err
			}
			out = append(append(out, member...), ',')
			delete(hidden, name)
		}
	}
	if len(hidden) > 0 {
		digests, err := b.members(hidden)
		if err != nil {
			return nil, err
		}
		out = append(out, `"_sd":`...)
		out = appendDigests(out, digests)
		out = append(out, `,"_sd_alg":"sha-256",`...)
	}
	jwk, err := jose.NewJWK(d.HolderKey)
	if err != nil {
		return nil, err
	}
	holder, err := json.Marshal(jwk)
	if err != nil {
		return nil, err
	}
	out = append(append(append(out, `"cnf":{"jwk":`...), holder...), '}')
	for _, member := range []struct {
		name string
		at   credentials.Time
	}{
		{"exp", credentials.Time{Time: d.ValidUntil}}, {"iat", credentials.Time{Time: d.SignedAt}},
		{"nbf", credentials.Time{Time: d.ValidFrom}},
	} {
		if !member.at.IsZero() {
			out = append(out, `,"`+member.name+`":`...)
			out = strconv.AppendInt(out, member.at.Unix(), 10)
		}
	}
	if d.Issuer != "" {
		if out, err = jsontext.AppendQuote(append(out, `,"iss":`...), d.Issuer); err != nil {
			return nil, errors.New("issuer is not valid UTF-8")
		}
	}
	if out, err = appendStatus(out, d.Status); err != nil {
		return nil, err
	}
	if out, err = jsontext.AppendQuote(append(out, `,"vct":`...), d.Type); err != nil {
		return nil, errors.New("type is not valid UTF-8")
	}
	if d.TypeIntegrity != "" {
		if out, err = jsontext.AppendQuote(append(out, `,"vct#integrity":`...), d.TypeIntegrity); err != nil {
			return nil, errors.New("the integrity of the type is not valid UTF-8")
		}
	}
	return append(out, '}'), nil
}

// plainMember writes a member that is shown in every presentation, with all that
// is in it.
func plainMember(name string, v credentials.Value) ([]byte, error) {
	if reservedName(name) {
		return nil, fmt.Errorf("claim name %q is reserved", name)
	}
	out, err := jsontext.AppendQuote(nil, name)
	if err != nil {
		return nil, errors.New("claim name is not valid UTF-8")
	}
	return appendPlain(append(out, ':'), v)
}

func appendPlain(out []byte, v credentials.Value) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case credentials.Object:
		out = append(out, '{')
		for i, name := range v.Names() {
			if i > 0 {
				out = append(out, ',')
			}
			member, err := plainMember(name, v[name])
			if err != nil {
				return nil, err
			}
			out = append(out, member...)
		}
		return append(out, '}'), nil
	case credentials.Array:
		out = append(out, '[')
		for i, element := range v {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendPlain(out, element); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	}
	return appendScalar(out, v)
}

func appendStatus(out []byte, ref *credentials.StatusRef) ([]byte, error) {
	if ref == nil {
		return out, nil
	}
	if err := status.CheckURI(ref.URI); err != nil {
		return nil, err
	}
	out = append(out, `,"status":{"status_list":{"idx":`...)
	out = strconv.AppendUint(out, ref.Index, 10)
	out, err := jsontext.AppendQuote(append(out, `,"uri":`...), ref.URI)
	return append(out, "}}"...), err
}

// members makes a disclosure of every member and returns the digests, sorted,
// so that their order says nothing.
func (b *builder) members(o credentials.Object) ([]string, error) {
	digests := make([]string, 0, len(o)+b.decoys)
	for _, name := range o.Names() {
		if reservedName(name) {
			return nil, fmt.Errorf("claim name %q is reserved", name)
		}
		quoted, err := jsontext.AppendQuote(nil, name)
		if err != nil {
			return nil, errors.New("claim name is not valid UTF-8")
		}
		digest, err := b.disclose(quoted, o[name])
		if err != nil {
			return nil, err
		}
		digests = append(digests, digest)
	}
	for range b.decoys {
		digests = append(digests, digestOf(b.salt()))
	}
	slices.Sort(digests)
	return digests, nil
}

// disclose makes the disclosure of one value, of an array element if name is
// nil, and returns its digest.
func (b *builder) disclose(name []byte, v credentials.Value) (string, error) {
	if b.depth++; b.depth > MaxDepth {
		return "", fmt.Errorf("claims are nested more than %d deep", MaxDepth)
	}
	defer func() { b.depth-- }()
	text := make([]byte, 0, 96)
	text = append(append(append(text, `["`...), b.salt()...), `",`...)
	if name != nil {
		text = append(append(text, name...), ',')
	}
	text, err := b.value(text, v)
	if err != nil {
		return "", err
	}
	if len(b.disclosures) == MaxDisclosures {
		return "", fmt.Errorf("more than %d claims", MaxDisclosures)
	}
	encoded := jose.EncodeBase64(append(text, ']'))
	b.disclosures = append(b.disclosures, encoded)
	b.size += len(encoded) + 1
	return digestOf(encoded), nil
}

func (b *builder) value(out []byte, v credentials.Value) ([]byte, error) {
	switch v := v.(type) {
	case credentials.Object:
		if len(v) == 0 {
			return append(out, "{}"...), nil
		}
		digests, err := b.members(v)
		if err != nil {
			return nil, err
		}
		return append(appendDigests(append(out, `{"_sd":`...), digests), '}'), nil
	case credentials.Array:
		out = append(out, '[')
		for i, element := range v {
			if i > 0 {
				out = append(out, ',')
			}
			digest, err := b.disclose(nil, element)
			if err != nil {
				return nil, err
			}
			out = append(append(append(out, `{"...":"`...), digest...), `"}`...)
		}
		return append(out, ']'), nil
	}
	return appendScalar(out, v)
}

func appendScalar(out []byte, v credentials.Value) ([]byte, error) {
	if v == nil {
		return nil, errors.New("claim without a value")
	}
	switch v := v.JSON().(type) {
	case string:
		out, err := jsontext.AppendQuote(out, v)
		if err != nil {
			return nil, errors.New("text is not valid UTF-8")
		}
		return out, nil
	case int64:
		return strconv.AppendInt(out, v, 10), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case nil:
		return append(out, "null"...), nil
	default:
		number, err := json.Marshal(v)
		if err != nil {
			return nil, errors.New("value that JSON lacks")
		}
		return append(out, number...), nil
	}
}

func appendDigests(out []byte, digests []string) []byte {
	for i, digest := range digests {
		out = append(out, "[,"[min(i, 1)], '"')
		out = append(append(out, digest...), '"')
	}
	return append(out, ']')
}

// salt returns 128 fresh random bits in base64url.
func (b *builder) salt() string {
	const size = 16
	if len(b.random) < size {
		b.random = make([]byte, 32*size)
		rand.Read(b.random) // never fails
	}
	out := base64.RawURLEncoding.EncodeToString(b.random[:size])
	b.random = b.random[size:]
	return out
}

// digestOf hashes a disclosure as it is written (RFC 9901 section 4.2.3).
func digestOf(encoded string) string {
	sum := sha256.Sum256([]byte(encoded))
	return jose.EncodeBase64(sum[:])
}
