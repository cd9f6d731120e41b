package cose

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials"
)

// EncodedCBOR is a data item inside a byte string with tag 24 (RFC 8949
// section 3.4.5.1): #6.24(bstr .cbor any). It keeps the bytes as received, so
// that digests and signatures are computed over what was sent.
type EncodedCBOR struct {
	raw     []byte // with tag and byte string head
	content []byte
}

// Encode wraps the deterministic encoding of v.
func Encode(v any) (EncodedCBOR, error) {
	content, err := Marshal(v)
	if err != nil {
		return EncodedCBOR{}, err
	}
	raw, err := Marshal(Tag{Number: tagEncoded, Content: content})
	if err != nil {
		return EncodedCBOR{}, err
	}
	return EncodedCBOR{raw: raw, content: content}, nil
}

// Raw returns all bytes including the tag. They must not be changed.
func (e EncodedCBOR) Raw() []byte { return e.raw }

// Content returns the embedded data item. It must not be changed.
func (e EncodedCBOR) Content() []byte { return e.content }

// Decode decodes the embedded data item like [Unmarshal].
func (e EncodedCBOR) Decode(v any) error { return Unmarshal(e.content, v) }

// MarshalCBOR returns the bytes as they were received or made.
func (e EncodedCBOR) MarshalCBOR() ([]byte, error) {
	if e.raw == nil {
		return nil, errors.New("empty embedded data item")
	}
	return e.raw, nil
}

// UnmarshalCBOR accepts tag 24 on a byte string that holds exactly one data
// item.
func (e *EncodedCBOR) UnmarshalCBOR(data []byte) error {
	if err := check(data); err != nil {
		return err
	}
	tag, err := readHead(data)
	if err != nil {
		return err
	}
	if tag.major != majorTag || tag.arg != tagEncoded {
		return malformed("tag 24 expected")
	}
	inner, err := readHead(data[tag.size:])
	if err != nil {
		return err
	}
	e.raw = bytes.Clone(data)
	e.content = e.raw[tag.size+inner.size:]
	return nil
}

// TDate is a tdate: RFC 3339 text with tag 0, in UTC with the letter Z and
// without fractions of a second, as ISO/IEC 18013-5 demands in an MSO.
type TDate struct{ time.Time }

// MarshalCBOR refuses a time with fractions of a second rather than dropping
// them.
func (d TDate) MarshalCBOR() ([]byte, error) {
	if d.Nanosecond() != 0 {
		return nil, errors.New("tdate with a fraction of a second")
	}
	return Marshal(Tag{Number: tagTDate, Content: d.UTC().Format(time.RFC3339)})
}

// UnmarshalCBOR refuses offsets, fractions and anything without tag 0.
func (d *TDate) UnmarshalCBOR(data []byte) error {
	text, err := taggedText(data, tagTDate)
	if err != nil {
		return err
	}
	d.Time, err = parseTDate(text)
	return err
}

func parseTDate(text string) (time.Time, error) {
	// time.Parse takes a fraction that the layout lacks; the length does not.
	if len(text) != len("2006-01-02T15:04:05Z") {
		return time.Time{}, malformed("tdate with an offset or a fraction")
	}
	t, err := time.Parse("2006-01-02T15:04:05Z", text)
	if err != nil {
		return time.Time{}, malformed("tdate that is no time in UTC")
	}
	return t, nil
}

func parseFullDate(text string) (credentials.FullDate, error) {
	date, err := credentials.ParseFullDate(text)
	if err != nil {
		return date, malformed("full-date that is no date")
	}
	return date, nil
}

// taggedText returns the text under the given tag.
func taggedText(data []byte, number uint64) (string, error) {
	tag, err := readHead(data)
	if err != nil {
		return "", err
	}
	if tag.major != majorTag || tag.arg != number {
		return "", malformed("tag %d expected", number)
	}
	inner, err := readHead(data[tag.size:])
	if err != nil {
		return "", err
	}
	if inner.major != majorText {
		return "", malformed("tag %d on something that is not text", number)
	}
	text, err := readString(inner, data[tag.size:])
	if err != nil {
		return "", fmt.Errorf("tag %d: %w", number, err)
	}
	return string(text), nil
}
