package cose

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Limits on everything that is decoded.
const (
	// MaxSize is the greatest length of an encoded data item in bytes.
	MaxSize = 1 << 20
	// MaxDepth is how deep arrays, maps and tags may be nested, counted on
	// into data items embedded with tag 24.
	MaxDepth = 16
	// MaxElements is the greatest number of elements of one array and of
	// pairs of one map.
	MaxElements = 4096
	// MaxItems is the greatest number of data items in all, those embedded
	// with tag 24 among them. An item can be one byte, but takes dozens once
	// it is decoded.
	MaxItems = 32768
)

// ErrMalformed is wrapped by every error about bytes that are not the CBOR
// that this package accepts.
var ErrMalformed = errors.New("malformed CBOR")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Major types of RFC 8949 section 3.1.
const (
	majorUint   = 0
	majorNegInt = 1
	majorBytes  = 2
	majorText   = 3
	majorArray  = 4
	majorMap    = 5
	majorTag    = 6
	majorSimple = 7
)

// Tags that the package knows.
const (
	tagTDate     = 0
	tagPosBignum = 2
	tagNegBignum = 3
	tagSign1     = 18
	tagEncoded   = 24
	tagFullDate  = 1004
)

// head is the first part of a data item: major type, additional information
// and argument.
type head struct {
	major, info byte
	arg         uint64
	size        int // bytes of the head itself
}

func readHead(data []byte) (head, error) {
	if len(data) == 0 {
		return head{}, malformed("truncated")
	}
	h := head{major: data[0] >> 5, info: data[0] & 0x1f, size: 1}
	switch {
	case h.info < 24:
		h.arg = uint64(h.info)
		return h, nil
	case h.info == 31:
		return head{}, malformed("indefinite length")
	case h.info > 27:
		return head{}, malformed("reserved additional information %d", h.info)
	}
	n := 1 << (h.info - 24)
	if len(data) < 1+n {
		return head{}, malformed("truncated")
	}
	for _, b := range data[1 : 1+n] {
		h.arg = h.arg<<8 | uint64(b)
	}
	h.size = 1 + n
	return h, nil
}

// readString reads a byte or text string of which the head is known and
// returns its contents.
func readString(h head, data []byte) ([]byte, error) {
	rest := data[h.size:]
	if h.arg > uint64(len(rest)) {
		return nil, malformed("string longer than the data")
	}
	content := rest[:h.arg]
	if h.major == majorText && !utf8.Valid(content) {
		return nil, malformed("text that is not UTF-8")
	}
	return content, nil
}

// check verifies that data is exactly one acceptable data item.
func check(data []byte) error {
	if len(data) > MaxSize {
		return malformed("longer than %d bytes", MaxSize)
	}
	return new(scanner).checkItem(data, 0)
}

// scanner walks over encoded data and counts its items.
type scanner struct{ items int }

func (s *scanner) checkItem(data []byte, depth int) error {
	n, err := s.scan(data, depth)
	if err != nil {
		return err
	}
	if n != len(data) {
		return malformed("%d bytes after the data item", len(data)-n)
	}
	return nil
}

// scan walks over the data item at the start of data, which lies inside depth
// arrays, maps and tags, and returns its length.
func (s *scanner) scan(data []byte, depth int) (int, error) {
	if s.items++; s.items > MaxItems {
		return 0, malformed("more than %d data items", MaxItems)
	}
	h, err := readHead(data)
	if err != nil {
		return 0, err
	}
	switch h.major {
	case majorUint, majorNegInt:
		return h.size, nil
	case majorBytes, majorText:
		content, err := readString(h, data)
		return h.size + len(content), err
	case majorSimple:
		return h.size, checkSimple(h)
	}
	if depth >= MaxDepth {
		return 0, malformed("nested deeper than %d", MaxDepth)
	}
	if h.major == majorTag {
		return s.tag(h, data, depth+1)
	}
	return s.container(h, data, depth+1)
}

func checkSimple(h head) error {
	switch {
	case h.info >= 20 && h.info <= 22: // false, true, null
		return nil
	case h.info >= 25: // floats of 16, 32 and 64 bits
		return nil
	case h.info == 24 && h.arg < 32:
		return malformed("simple value %d in two bytes", h.arg)
	}
	return malformed("simple value %d has no meaning here", h.arg)
}

func (s *scanner) tag(h head, data []byte, depth int) (int, error) {
	content := data[h.size:]
	n, err := s.scan(content, depth)
	if err != nil {
		return 0, err
	}
	inner, err := readHead(content)
	if err != nil {
		return 0, err
	}
	switch h.arg {
	case tagPosBignum, tagNegBignum:
		return 0, malformed("bignum")
	case tagTDate, tagFullDate:
		if inner.major != majorText {
			return 0, malformed("tag %d on something that is not text", h.arg)
		}
	case tagEncoded:
		if inner.major != majorBytes {
			return 0, malformed("tag 24 on something that is not a byte string")
		}
		if err := s.checkItem(content[inner.size:n], depth); err != nil {
			return 0, fmt.Errorf("embedded: %w", err)
		}
	}
	return h.size + n, nil
}

func (s *scanner) container(h head, data []byte, depth int) (int, error) {
	// Every element takes a byte at least, so that a count beyond the data is
	// refused before anything is done for it.
	if h.arg > MaxElements || h.arg > uint64(len(data)-h.size) {
		return 0, malformed("%d elements are too many", h.arg)
	}
	offset := h.size
	var seen map[string]struct{}
	if h.major == majorMap {
		seen = make(map[string]struct{}, h.arg)
	}
	for range h.arg {
		if seen != nil {
			key, n, err := scanKey(data[offset:])
			if err != nil {
				return 0, err
			}
			if _, twice := seen[key]; twice {
				return 0, malformed("duplicate map key")
			}
			seen[key] = struct{}{}
			offset += n
		}
		n, err := s.scan(data[offset:], depth)
		if err != nil {
			return 0, err
		}
		offset += n
	}
	return offset, nil
}

// scanKey reads a map key and returns it in a form in which equal keys are
// equal however they are encoded. Keys are integers, text and byte strings;
// anything else (NaN among it, which equals nothing) is refused.
func scanKey(data []byte) (key string, n int, err error) {
	h, err := readHead(data)
	if err != nil {
		return "", 0, err
	}
	switch h.major {
	case majorUint, majorNegInt:
		return string('0'+rune(h.major)) + strconv.FormatUint(h.arg, 10), h.size, nil
	case majorBytes, majorText:
		content, err := readString(h, data)
		if err != nil {
			return "", 0, err
		}
		return string('0'+rune(h.major)) + string(content), h.size + len(content), nil
	}
	return "", 0, malformed("map key of major type %d", h.major)
}
