package oidfissuer_test

import (
	"encoding/binary"
	"errors"
	"testing"
)

// cborTag is a tagged item.
type cborTag struct {
	number  uint64
	content any
}

// reader reads deterministically encoded CBOR, which is what an mdoc is made of.
type reader struct {
	data []byte
	at   int
}

var errCBOR = errors.New("not the CBOR of an mdoc")

// cborPairs is a map in the order of its encoding, with the encoding of each
// value.
type cborPairs []struct {
	key, value any
	raw        []byte
}

func (p cborPairs) get(key any) any {
	for _, pair := range p {
		if pair.key == key {
			return pair.value
		}
	}
	return nil
}

// cborArray has the encodings of its items beside them.
type cborArray struct {
	items []any
	raw   [][]byte
}

func (r *reader) head() (major byte, n uint64, err error) {
	if r.at >= len(r.data) {
		return 0, 0, errCBOR
	}
	first := r.data[r.at]
	r.at++
	major, n = first>>5, uint64(first&31)
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
	return major, binary.BigEndian.Uint64(wide[:]), nil
}

func (r *reader) value() (any, error) {
	major, n, err := r.head()
	if err != nil {
		return nil, err
	}
	switch major {
	case 0:
		return int64(n), nil
	case 1:
		return -1 - int64(n), nil
	case 2, 3:
		if r.at+int(n) > len(r.data) {
			return nil, errCBOR
		}
		content := r.data[r.at : r.at+int(n)]
		r.at += int(n)
		if major == 3 {
			return string(content), nil
		}
		return content, nil
	case 4:
		var out cborArray
		for range n {
			from := r.at
			item, err := r.value()
			if err != nil {
				return nil, err
			}
			out.items, out.raw = append(out.items, item), append(out.raw, r.data[from:r.at])
		}
		return out, nil
	case 5:
		return r.pairs(n)
	case 6:
		content, err := r.value()
		return cborTag{n, content}, err
	}
	return map[uint64]any{20: false, 21: true}[n], nil
}

func (r *reader) pairs(n uint64) (any, error) {
	out := cborPairs{}
	for range n {
		key, err := r.value()
		if err != nil {
			return nil, err
		}
		from := r.at
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		if raw, ok := key.([]byte); ok {
			key = string(raw)
		}
		out = append(out, struct {
			key, value any
			raw        []byte
		}{key, value, r.data[from:r.at]})
	}
	return out, nil
}

// readCBOR reads one item and nothing after it.
func readCBOR(t *testing.T, data []byte) any {
	t.Helper()
	r := &reader{data: data}
	v, err := r.value()
	if err != nil || r.at != len(data) {
		t.Fatalf("CBOR: %v, %d of %d bytes read", err, r.at, len(data))
	}
	return v
}

// as converts what was read, or fails the test.
func as[T any](t *testing.T, v any) T {
	t.Helper()
	out, ok := v.(T)
	if !ok {
		t.Fatalf("CBOR: %T in place of %T", v, out)
	}
	return out
}

// cborBytes encodes a byte string, or a text string as major type 3.
func cborBytes(major byte, content []byte) []byte {
	out := []byte{major<<5 | 25, 0, 0}
	binary.BigEndian.PutUint16(out[1:], uint16(len(content)))
	switch {
	case len(content) < 24:
		out = []byte{major<<5 | byte(len(content))}
	case len(content) < 256:
		out = []byte{major<<5 | 24, byte(len(content))}
	}
	return append(out, content...)
}
