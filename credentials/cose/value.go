package cose

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/tegata-id/tegata/credentials"
)

// ValueFromCBOR converts one data item into a claim value under the strict
// rules of the package: tag 0 becomes [credentials.Time], tag 1004 becomes
// [credentials.FullDate], a byte string [credentials.Bytes]. The bytes of CBOR
// embedded with tag 24 become Bytes as well. Other tags, map keys that are not
// text and integers beyond 64 bits have no claim value and are refused.
func ValueFromCBOR(data []byte) (credentials.Value, error) {
	if err := check(data); err != nil {
		return nil, fmt.Errorf("cose: %w", err)
	}
	v, _, err := decodeValue(data)
	if err != nil {
		return nil, fmt.Errorf("cose: %w", err)
	}
	return v, nil
}

// decodeValue reads the item at the start of data, which check has accepted,
// and returns its length.
func decodeValue(data []byte) (credentials.Value, int, error) {
	h, err := readHead(data)
	if err != nil {
		return nil, 0, err
	}
	switch h.major {
	case majorUint, majorNegInt:
		if h.arg > math.MaxInt64 {
			return nil, 0, malformed("integer beyond 64 bits")
		}
		n := int64(h.arg)
		if h.major == majorNegInt {
			n = -1 - n
		}
		return credentials.Int(n), h.size, nil
	case majorBytes, majorText:
		content, err := readString(h, data)
		if err != nil {
			return nil, 0, err
		}
		if h.major == majorText {
			return credentials.Text(content), h.size + len(content), nil
		}
		return credentials.Bytes(bytes.Clone(content)), h.size + len(content), nil
	case majorArray:
		return decodeArray(h, data)
	case majorMap:
		return decodeObject(h, data)
	case majorTag:
		return decodeTagged(h, data)
	}
	return decodeSimple(h)
}

func decodeArray(h head, data []byte) (credentials.Value, int, error) {
	offset, out := h.size, make(credentials.Array, 0, h.arg)
	for range h.arg {
		v, n, err := decodeValue(data[offset:])
		if err != nil {
			return nil, 0, err
		}
		out, offset = append(out, v), offset+n
	}
	return out, offset, nil
}

func decodeObject(h head, data []byte) (credentials.Value, int, error) {
	offset, out := h.size, make(credentials.Object, h.arg)
	for range h.arg {
		name, n, err := decodeValue(data[offset:])
		if err != nil {
			return nil, 0, err
		}
		text, ok := name.(credentials.Text)
		if !ok {
			return nil, 0, malformed("map key that is not text in a claim")
		}
		v, m, err := decodeValue(data[offset+n:])
		if err != nil {
			return nil, 0, err
		}
		out[string(text)], offset = v, offset+n+m
	}
	return out, offset, nil
}

func decodeTagged(h head, data []byte) (credentials.Value, int, error) {
	v, n, err := decodeValue(data[h.size:])
	if err != nil {
		return nil, 0, err
	}
	n += h.size
	switch h.arg {
	case tagEncoded:
		return v, n, nil
	case tagTDate:
		t, err := parseTDate(string(v.(credentials.Text)))
		return credentials.Time{Time: t}, n, err
	case tagFullDate:
		date, err := parseFullDate(string(v.(credentials.Text)))
		return date, n, err
	}
	return nil, 0, malformed("tag %d in a claim", h.arg)
}

func decodeSimple(h head) (credentials.Value, int, error) {
	switch h.info {
	case 20, 21:
		return credentials.Bool(h.info == 21), h.size, nil
	case 22:
		return credentials.Null{}, h.size, nil
	case 25:
		return credentials.Float(halfFloat(uint16(h.arg))), h.size, nil
	case 26:
		return credentials.Float(math.Float32frombits(uint32(h.arg))), h.size, nil
	case 27:
		return credentials.Float(math.Float64frombits(h.arg)), h.size, nil
	}
	return nil, 0, malformed("simple value %d", h.arg)
}

// halfFloat converts an IEEE 754 binary16 number (RFC 8949 appendix D).
func halfFloat(bits uint16) float64 {
	exponent, mantissa := int(bits>>10)&0x1f, float64(bits&0x3ff)
	var v float64
	switch {
	case exponent == 0:
		v = math.Ldexp(mantissa, -24)
	case exponent < 31:
		v = math.Ldexp(mantissa+1024, exponent-25)
	case mantissa == 0:
		v = math.Inf(1)
	default:
		v = math.NaN()
	}
	return math.Copysign(v, 1-2*float64(bits>>15))
}

// ValueToCBOR encodes a claim value deterministically: FullDate with tag 1004,
// Time with tag 0.
func ValueToCBOR(v credentials.Value) ([]byte, error) {
	item, err := encodable(v)
	if err != nil {
		return nil, fmt.Errorf("cose: %w", err)
	}
	return Marshal(item)
}

func encodable(v credentials.Value) (any, error) {
	switch v := v.(type) {
	case credentials.Text:
		return string(v), nil
	case credentials.Bool:
		return bool(v), nil
	case credentials.Int:
		return int64(v), nil
	case credentials.Float:
		return float64(v), nil
	case credentials.Bytes:
		return append([]byte{}, v...), nil // nil would become null
	case credentials.Null:
		return nil, nil
	case credentials.FullDate:
		return Tag{Number: tagFullDate, Content: v.String()}, nil
	case credentials.Time:
		return TDate{v.Truncate(time.Second)}, nil
	case credentials.Array:
		out := make([]any, len(v))
		for i, item := range v {
			e, err := encodable(item)
			if err != nil {
				return nil, err
			}
			out[i] = e
		}
		return out, nil
	case credentials.Object:
		out := make(map[string]any, len(v))
		for name, item := range v {
			e, err := encodable(item)
			if err != nil {
				return nil, err
			}
			out[name] = e
		}
		return out, nil
	}
	return nil, fmt.Errorf("no CBOR for a claim value of Go type %T", v)
}
