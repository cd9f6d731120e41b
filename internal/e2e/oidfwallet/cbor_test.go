package oidfwallet_test

import (
	"encoding/binary"
	"fmt"
)

type (
	// pairs is a map in the order of its encoding.
	pairs [][2]any
	// tagged is a value under a tag.
	tagged struct {
		number uint64
		value  any
	}
	// encoded is CBOR already.
	encoded []byte
)

// cborHead writes major type and argument in the shortest form.
func cborHead(major byte, n uint64) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return []byte{major<<5 | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major<<5 | 25}, uint16(n))
	}
	return binary.BigEndian.AppendUint32([]byte{major<<5 | 26}, uint32(n))
}

func cbor(v any) []byte {
	switch v := v.(type) {
	case nil:
		return []byte{0xf6}
	case int:
		if v < 0 {
			return cborHead(1, uint64(-1-v))
		}
		return cborHead(0, uint64(v))
	case string:
		return append(cborHead(3, uint64(len(v))), v...)
	case []byte:
		return append(cborHead(2, uint64(len(v))), v...)
	case encoded:
		return v
	case tagged:
		return append(cborHead(6, v.number), cbor(v.value)...)
	case []any:
		out := cborHead(4, uint64(len(v)))
		for _, item := range v {
			out = append(out, cbor(item)...)
		}
		return out
	case pairs:
		out := cborHead(5, uint64(len(v)))
		for _, pair := range v {
			out = append(append(out, cbor(pair[0])...), cbor(pair[1])...)
		}
		return out
	}
	panic(fmt.Sprintf("no CBOR for %T", v))
}

// embed is CBOR in a byte string under tag 24.
func embed(v any) encoded { return cbor(tagged{24, cbor(v)}) }
