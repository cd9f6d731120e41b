package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

type (
	// Pairs is a map in an order of its own, in which keys may stand twice.
	Pairs [][2]any
	// Tagged is a value under a tag.
	Tagged struct {
		Number uint64
		Value  any
	}
	// Encoded is CBOR already.
	Encoded []byte
)

// Tag puts a value under a tag.
func Tag(number uint64, value any) Tagged { return Tagged{number, value} }

// Get returns the value of the first such key, or nil.
func (p Pairs) Get(key any) any {
	for _, pair := range p {
		if pair[0] == key {
			return pair[1]
		}
	}
	return nil
}

// Set returns the map with another value for a key, or without it.
func (p Pairs) Set(key, value any) Pairs {
	var out Pairs
	found := false
	for _, pair := range p {
		if pair[0] == key {
			found = true
			if value == nil {
				continue
			}
			pair[1] = value
		}
		out = append(out, pair)
	}
	if !found && value != nil {
		out = append(out, [2]any{key, value})
	}
	return out
}

// head writes major type and argument in the shortest form.
func head(major byte, n uint64) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return []byte{major<<5 | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major<<5 | 25}, uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32([]byte{major<<5 | 26}, uint32(n))
	}
	return binary.BigEndian.AppendUint64([]byte{major<<5 | 27}, n)
}

// CBOR encodes nil, bool, int, string, []byte, []any and the types of this
// package.
func CBOR(v any) []byte {
	switch v := v.(type) {
	case nil:
		return []byte{0xf6}
	case bool:
		if v {
			return []byte{0xf5}
		}
		return []byte{0xf4}
	case int:
		if v < 0 {
			return head(1, uint64(-1-v))
		}
		return head(0, uint64(v))
	case string:
		return append(head(3, uint64(len(v))), v...)
	case []byte:
		return append(head(2, uint64(len(v))), v...)
	case Encoded:
		return v
	case Tagged:
		return append(head(6, v.Number), CBOR(v.Value)...)
	case []any:
		out := head(4, uint64(len(v)))
		for _, item := range v {
			out = append(out, CBOR(item)...)
		}
		return out
	case Pairs:
		out := head(5, uint64(len(v)))
		for _, pair := range v {
			out = append(append(out, CBOR(pair[0])...), CBOR(pair[1])...)
		}
		return out
	}
	panic(fmt.Sprintf("no CBOR for %T", v))
}

// Embed is CBOR in a byte string under tag 24.
func Embed(v any) Encoded { return CBOR(Tagged{24, CBOR(v)}) }

// Embedded reads what Embed wrote, once it is read.
func Embedded(v any) (any, error) {
	tag, _ := v.(Tagged)
	raw, ok := tag.Value.([]byte)
	if !ok || tag.Number != 24 {
		return nil, errCBOR
	}
	return ReadCBOR(raw)
}

var errCBOR = errors.New("not the CBOR of an mdoc")

// ReadCBOR reads one item and nothing after it, as the types that CBOR takes.
// Lengths must be in the shortest form, so that CBOR gives back what was read.
func ReadCBOR(data []byte) (any, error) {
	r := &reader{data: data}
	v, err := r.value()
	if err == nil && r.at != len(data) {
		err = errCBOR
	}
	return v, err
}

type reader struct {
	data []byte
	at   int
}

func (r *reader) head() (major byte, n uint64, err error) {
	if r.at >= len(r.data) {
		return 0, 0, errCBOR
	}
	first := r.data[r.at]
	major, n = first>>5, uint64(first&31)
	r.at++
	if n < 24 {
		return major, n, nil
	}
	size := 1 << (n - 24)
	if n > 27 || r.at+size > len(r.data) {
		return 0, 0, errCBOR
	}
	var wide [8]byte
	copy(wide[8-size:], r.data[r.at:r.at+size])
	r.at += size
	if n = binary.BigEndian.Uint64(wide[:]); len(head(major, n)) != 1+size {
		return 0, 0, errCBOR
	}
	return major, n, nil
}

func (r *reader) value() (any, error) {
	major, n, err := r.head()
	if err != nil {
		return nil, err
	}
	switch major {
	case 0:
		return int(n), nil
	case 1:
		return -1 - int(n), nil
	case 2, 3:
		if n > uint64(len(r.data)-r.at) {
			return nil, errCBOR
		}
		content := r.data[r.at : r.at+int(n)]
		r.at += int(n)
		if major == 3 {
			return string(content), nil
		}
		return content, nil
	case 4, 5:
		return r.items(major, n)
	case 6:
		content, err := r.value()
		return Tagged{n, content}, err
	}
	return map[uint64]any{20: false, 21: true}[n], nil
}

func (r *reader) items(major byte, n uint64) (any, error) {
	list, table := []any{}, Pairs{}
	for range n {
		item, err := r.value()
		if err != nil {
			return nil, err
		}
		if major == 4 {
			list = append(list, item)
			continue
		}
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		table = append(table, [2]any{item, value})
	}
	if major == 4 {
		return list, nil
	}
	return table, nil
}
