package mdoc

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/keys"
)

const (
	// randomSize is the length of an item's random in bytes, twice the least
	// that the standard asks for.
	randomSize = 32
	// maxValueDepth leaves room for the structures around an element value
	// within what strict readers, this one included, accept.
	maxValueDepth = 6
)

// Issue signs the draft and returns the IssuerSigned structure in CBOR. The
// first level of the draft's claims is the namespace, the second the element.
//
// Digests are SHA-256; the digestIDs of a namespace are in random order, so
// that they say nothing about which elements exist. It is an error if signed ≤
// validFrom < validUntil does not hold, if times have fractions of a second,
// or if a time lies outside the validity of the document signer's certificate:
// such a credential would be refused by every verifier, now or later.
func Issue(d credentials.Draft, key *keys.Key) ([]byte, error) {
	if err := checkDraft(d, key); err != nil {
		return nil, fmt.Errorf("mdoc: issue: %w", err)
	}
	deviceKey, err := cose.MarshalKey(d.HolderKey)
	if err != nil {
		return nil, fmt.Errorf("mdoc: issue: holder key: %w", err)
	}
	namespaces, digests, err := buildItems(d.Claims)
	if err != nil {
		return nil, fmt.Errorf("mdoc: issue: %w", err)
	}
	mso := securityObject{
		Version:         version,
		DigestAlgorithm: "SHA-256",
		ValueDigests:    digests,
		DeviceKeyInfo:   deviceKeyInfo{DeviceKey: deviceKey},
		DocType:         d.Type,
		ValidityInfo: validityInfo{
			Signed: cose.TDate{Time: d.SignedAt}, ValidFrom: cose.TDate{Time: d.ValidFrom}, ValidUntil: cose.TDate{Time: d.ValidUntil},
		},
	}
	if d.Status != nil {
		mso.Status = &statusInfo{StatusList: &statusListInfo{Index: &d.Status.Index, URI: d.Status.URI}}
		if d.Status.Identifier != "" {
			mso.Status = &statusInfo{IdentifierList: &identifierListInfo{ID: []byte(d.Status.Identifier), URI: d.Status.URI}}
		}
	}
	payload, err := cose.Encode(mso)
	if err != nil {
		return nil, fmt.Errorf("mdoc: issue: %w", err)
	}
	auth, err := cose.Sign1(cose.SignOptions{Chain: key.Chain}, payload.Raw(), key.Signer)
	if err != nil {
		return nil, fmt.Errorf("mdoc: issue: %w", err)
	}
	return cose.Marshal(issuerSigned{NameSpaces: namespaces, IssuerAuth: auth})
}

func checkDraft(d credentials.Draft, key *keys.Key) error {
	if d.Type == "" {
		return errors.New("no doctype")
	}
	if len(d.Claims) == 0 {
		return errors.New("no elements")
	}
	if d.Status != nil && d.Status.URI == "" {
		return errors.New("status without the address of its list")
	}
	for _, t := range []time.Time{d.SignedAt, d.ValidFrom, d.ValidUntil} {
		if t.IsZero() || t.Nanosecond() != 0 {
			return errors.New("a time is missing or has a fraction of a second")
		}
	}
	if d.ValidFrom.Before(d.SignedAt) || !d.ValidFrom.Before(d.ValidUntil) {
		return errors.New("times are not in the order signed, valid from, valid until")
	}
	if key == nil || key.Leaf() == nil {
		return errors.New("the signing key has no certificate")
	}
	leaf := key.Leaf()
	pub, err := key.Public()
	if err != nil {
		return err
	}
	if !pub.Equal(leaf.PublicKey) {
		return errors.New("the certificate is for another key")
	}
	if pub.Equal(d.HolderKey) {
		return errors.New("the holder key is the issuer's own")
	}
	if d.SignedAt.Before(leaf.NotBefore) || d.ValidUntil.After(leaf.NotAfter) {
		return errors.New("times are outside the validity of the document signer's certificate")
	}
	return nil
}

// buildItems encodes the elements and their digests by namespace.
func buildItems(claims credentials.Object) (map[string][]cose.EncodedCBOR, map[string]map[uint64]cose.Bytes, error) {
	namespaces := make(map[string][]cose.EncodedCBOR, len(claims))
	digests := make(map[string]map[uint64]cose.Bytes, len(claims))
	for _, namespace := range claims.Names() {
		elements, ok := claims[namespace].(credentials.Object)
		if !ok || len(elements) == 0 || namespace == "" {
			return nil, nil, fmt.Errorf("namespace %q has no elements", namespace)
		}
		var seed [32]byte
		rand.Read(seed[:])
		ids := mathrand.New(mathrand.NewChaCha8(seed)).Perm(len(elements))
		digests[namespace] = make(map[uint64]cose.Bytes, len(elements))
		for i, name := range elements.Names() {
			id := uint64(ids[i])
			item, err := buildItem(id, name, elements[name])
			if err != nil {
				return nil, nil, fmt.Errorf("element %q of %q: %w", name, namespace, err)
			}
			digest := sha256.Sum256(item.Raw())
			digests[namespace][id] = digest[:]
			namespaces[namespace] = append(namespaces[namespace], item)
		}
	}
	return namespaces, digests, nil
}

func buildItem(id uint64, name string, v credentials.Value) (cose.EncodedCBOR, error) {
	if name == "" {
		return cose.EncodedCBOR{}, errors.New("no name")
	}
	if depth(v) > maxValueDepth {
		return cose.EncodedCBOR{}, fmt.Errorf("nested deeper than %d", maxValueDepth)
	}
	value, err := cose.ValueToCBOR(v)
	if err != nil {
		return cose.EncodedCBOR{}, err
	}
	random := make([]byte, randomSize)
	rand.Read(random)
	return cose.Encode(issuerSignedItem{DigestID: &id, Random: random, ElementIdentifier: name, ElementValue: value})
}

// depth counts the arrays, maps and tags that a value is nested in.
func depth(v credentials.Value) int {
	deepest := 0
	switch v := v.(type) {
	case credentials.Array:
		for _, item := range v {
			deepest = max(deepest, depth(item))
		}
	case credentials.Object:
		for _, item := range v {
			deepest = max(deepest, depth(item))
		}
	case credentials.FullDate, credentials.Time:
	default:
		return 0
	}
	return deepest + 1
}
