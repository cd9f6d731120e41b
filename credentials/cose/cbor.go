package cose

import (
	"errors"
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

type (
	// RawMessage is one encoded data item, kept as it is.
	RawMessage = cbor.RawMessage
	// Tag is a tagged data item to be encoded.
	Tag = cbor.Tag
	// ByteString is a byte string that can be the key of a map.
	ByteString = cbor.ByteString
)

// Bytes is a byte string. Unlike a plain []byte it never decodes from an array
// of integers, nor from null; use it for every byte string that is received.
type Bytes []byte

// UnmarshalCBOR accepts a byte string and nothing else.
func (b *Bytes) UnmarshalCBOR(data []byte) error {
	h, err := readHead(data)
	if err != nil {
		return err
	}
	if h.major != majorBytes {
		return malformed("byte string expected")
	}
	content, err := readString(h, data)
	if err != nil {
		return err
	}
	*b = append(Bytes{}, content...)
	return nil
}

// The modes are immutable once made. Options that the library refuses would be
// a fault of this package, which every call then reports.
var modes = sync.OnceValues(func() (modePair, error) {
	encOptions := cbor.CoreDetEncOptions()
	encOptions.TagsMd = cbor.TagsAllowed
	enc, err := encOptions.EncMode()
	if err != nil {
		return modePair{}, err
	}
	// The walker has the final say on structure; these options are the second
	// line and rule the mapping to Go types, of which the walker knows nothing.
	dec, err := cbor.DecOptions{
		DupMapKey:          cbor.DupMapKeyEnforcedAPF,
		IndefLength:        cbor.IndefLengthForbidden,
		MaxNestedLevels:    2 * MaxDepth,
		MaxArrayElements:   MaxElements,
		MaxMapPairs:        MaxElements,
		UTF8:               cbor.UTF8RejectInvalid,
		FieldNameMatching:  cbor.FieldNameMatchingCaseSensitive,
		ByteStringToString: cbor.ByteStringToStringForbidden,
		BignumTag:          cbor.BignumTagForbidden,
		TimeTagToAny:       cbor.TimeTagToRFC3339,
		IntDec:             cbor.IntDecConvertNone,
	}.DecMode()
	return modePair{enc, dec}, err
})

type modePair struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

// Marshal encodes v with the core deterministic encoding of RFC 8949 section
// 4.2.1: shortest heads and floats, map keys in the order of their encodings,
// definite lengths.
func Marshal(v any) ([]byte, error) {
	m, err := modes()
	if err != nil {
		return nil, fmt.Errorf("cose: %w", err)
	}
	data, err := m.enc.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("cose: encode: %w", err)
	}
	return data, nil
}

// Unmarshal decodes exactly one data item into v under the strict rules of the
// package. Field names match with their case; members that v has no field for
// are ignored. A violation of the rules wraps [ErrMalformed].
func Unmarshal(data []byte, v any) error {
	if err := check(data); err != nil {
		return fmt.Errorf("cose: %w", err)
	}
	m, err := modes()
	if err != nil {
		return fmt.Errorf("cose: %w", err)
	}
	if err := m.dec.Unmarshal(data, v); err != nil {
		if errors.Is(err, ErrMalformed) {
			return fmt.Errorf("cose: %w", err)
		}
		// The library's text names Go types and fields, never contents.
		return fmt.Errorf("cose: %w: %w", ErrMalformed, err)
	}
	return nil
}
