package sdjwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
)

// Unverified is a credential as an issuer sent it, with its structure checked
// and its disclosures put in place, but with nobody having checked who signed
// it. See [Verifier.VerifyIssued].
type Unverified struct {
	// Type is vct, Issuer is iss, empty if there is none. TypeIntegrity is what the
	// type's metadata must be, vct#integrity, empty if it does not say.
	Type, TypeIntegrity, Issuer string
	// Claims holds all claims about the subject.
	Claims credentials.Object
	// HolderKey is the key in cnf, nil if there is none.
	HolderKey crypto.PublicKey
	// SignedAt, ValidFrom and ValidUntil are zero where the credential does
	// not say.
	SignedAt, ValidFrom, ValidUntil time.Time
	// Status is nil if the credential names no status list.
	Status *credentials.StatusRef
	// X5C is the chain in the header, leaf first, unchecked.
	X5C []*x509.Certificate

	parts       *parts
	payload     credentials.Object
	disclosures []*disclosure
}

// Parse reads an SD-JWT VC as a holder receives it: without a KB-JWT, which an
// issuer must not send. Digests are processed under all rules of RFC 9901
// section 7.1; the signature is not checked. Errors are of type [*Error].
func Parse(raw string) (*Unverified, error) {
	p, err := split(raw)
	if err != nil {
		return nil, err
	}
	if p.binding != "" {
		return nil, fail(ReasonMalformed, "an issuer must not send a KB-JWT")
	}
	token, err := parseIssuerToken(p.jwt, true)
	if err != nil {
		return nil, err
	}
	payload, disclosures, err := processPayload(token.UnverifiedPayload(), p.disclosures)
	if err != nil {
		return nil, err
	}
	f, err := readFacts(payload)
	if err != nil {
		return nil, err
	}
	return &Unverified{
		Type: f.vct, TypeIntegrity: f.integrity, Issuer: f.issuer, Claims: subjectClaims(payload), HolderKey: f.holder,
		SignedAt: f.signedAt, ValidFrom: f.validFrom, ValidUntil: f.validUntil, Status: f.status,
		X5C: token.Header.X5C, parts: p, payload: payload, disclosures: disclosures,
	}, nil
}

// parseIssuerToken reads the issuer-signed JWT and checks its typ.
func parseIssuerToken(compact string, legacy bool) (*jose.Unverified, error) {
	token, err := jose.Parse(compact)
	if err != nil {
		return nil, failWith(ReasonMalformed, "issuer-signed JWT", err)
	}
	if token.Header.Typ != typeHeader && (!legacy || token.Header.Typ != legacyTypeHeader) {
		return nil, fail(ReasonType, "typ is not "+typeHeader)
	}
	return token, nil
}

// processPayload decodes a payload and puts the disclosures in place.
func processPayload(data []byte, encoded []string) (credentials.Object, []*disclosure, error) {
	value, err := jose.DecodeValue(data)
	if err != nil {
		return nil, nil, failWith(ReasonMalformed, "payload", err)
	}
	payload, ok := value.(credentials.Object)
	if !ok {
		return nil, nil, fail(ReasonMalformed, "payload is not an object")
	}
	return process(payload, encoded)
}

// Present reads a credential and presents it; see [Unverified.Present].
func Present(raw string, paths []credentials.Path, b *credentials.Binding, holder crypto.Signer, now time.Time) (string, error) {
	u, err := Parse(raw)
	if err != nil {
		return "", err
	}
	return u.Present(paths, b, holder, now)
}

// Present returns the credential with the disclosures that the paths need:
// those of what a path selects, of everything beneath it, and of what it lies
// in. Array indexes count the elements of the whole credential. A path that
// selects nothing is an error that wraps [ErrPath].
//
// With a binding, a KB-JWT of the holder's key is appended, whose iat is now;
// the key must be the one in the credential; it signs all transaction data of
// the binding. Without one, the result is an
// SD-JWT that anybody could have presented.
func (u *Unverified) Present(paths []credentials.Path, b *credentials.Binding, holder crypto.Signer, now time.Time) (string, error) {
	var wanted []credentials.Path
	for _, path := range paths {
		found := resolve(path, nil, u.payload)
		if len(found) == 0 {
			return "", fmt.Errorf("%w: %s", ErrPath, path)
		}
		wanted = append(wanted, found...)
	}
	var out strings.Builder
	out.WriteString(u.parts.jwt)
	out.WriteByte('~')
	for _, d := range u.disclosures {
		related := func(p credentials.Path) bool { return isPrefix(p, d.path) || isPrefix(d.path, p) }
		if slices.ContainsFunc(wanted, related) {
			out.WriteString(d.encoded)
			out.WriteByte('~')
		}
	}
	if b == nil {
		return out.String(), nil
	}
	binding, err := u.sign(out.String(), b, holder, now)
	if err != nil {
		return "", fmt.Errorf("present SD-JWT: %w", err)
	}
	return out.String() + binding, nil
}

// bindingClaims is the payload of a KB-JWT (RFC 9901 section 4.3).
type bindingClaims struct {
	IssuedAt jose.NumericDate `json:"iat"`
	Audience string           `json:"aud"`
	Nonce    string           `json:"nonce"`
	Hash     string           `json:"sd_hash"`
	// DataHashes and DataAlgorithm are for transaction data.
	DataHashes    []string `json:"transaction_data_hashes,omitempty"`
	DataAlgorithm string   `json:"transaction_data_hashes_alg,omitempty"`
}

func (u *Unverified) sign(presented string, b *credentials.Binding, holder crypto.Signer, now time.Time) (string, error) {
	if b.Audience() == "" || b.Nonce == "" {
		return "", errors.New("binding has no audience or nonce")
	}
	expected, ok := u.HolderKey.(*ecdsa.PublicKey)
	if !ok || holder == nil || !expected.Equal(holder.Public()) {
		return "", errors.New("the credential is not bound to the holder's key")
	}
	hashes, algorithm, err := hashTransactionData(b.TransactionData)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(bindingClaims{
		IssuedAt: jose.NewNumericDate(now), Audience: b.Audience(), Nonce: b.Nonce, Hash: digestOf(presented),
		DataHashes: hashes, DataAlgorithm: algorithm,
	})
	if err != nil {
		return "", err
	}
	return jose.Sign(jose.Header{Typ: bindingType}, payload, holder)
}

// resolve returns the places that the path selects in v, which is at prefix.
func resolve(path, prefix credentials.Path, v credentials.Value) []credentials.Path {
	if len(path) == 0 {
		return []credentials.Path{prefix}
	}
	step := func(e credentials.PathElement, v credentials.Value) []credentials.Path {
		return resolve(path[1:], append(slices.Clone(prefix), e), v)
	}
	if name, ok := path[0].Name(); ok {
		if o, isObject := v.(credentials.Object); isObject && o[name] != nil {
			return step(path[0], o[name])
		}
		return nil
	}
	array, _ := v.(credentials.Array)
	if i, ok := path[0].Index(); ok {
		if i < 0 || i >= len(array) {
			return nil
		}
		return step(path[0], array[i])
	}
	var out []credentials.Path
	for i, element := range array {
		out = append(out, step(credentials.Index(i), element)...)
	}
	return out
}

func isPrefix(short, long credentials.Path) bool {
	return len(short) <= len(long) && short.Equal(long[:len(short)])
}
