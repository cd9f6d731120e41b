package credentials

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

// Value is one node of a claims tree. The set of implementations is closed:
// [Text], [Bool], [Int], [Float], [FullDate], [Time], [Bytes], [Null], [Array]
// and [Object].
type Value interface {
	// JSON returns the value as encoding/json would decode it, with integers
	// as int64. Types that JSON lacks take the form of RFC 8949 section 6.1
	// or, for dates, of the text that the CBOR tag carries.
	JSON() any
	isValue()
}

type (
	// Text is a UTF-8 string.
	Text string
	// Bool is true or false.
	Bool bool
	// Int is a whole number.
	Int int64
	// Float is a number that is not whole.
	Float float64
	// Bytes is a byte string: a CBOR bstr, base64url without padding in JSON.
	Bytes []byte
	// Null is the JSON and CBOR null.
	Null struct{}
	// Array is an ordered list of values.
	Array []Value
	// Object maps names to values. For mdoc the first level is the namespace
	// and the second the element identifier.
	Object map[string]Value
)

// FullDate is a calendar date without a time or zone: full-date of RFC 3339,
// CBOR tag 1004 (RFC 8943).
type FullDate struct {
	Year  int
	Month time.Month
	Day   int
}

// Time is a point in time with a resolution of seconds: tdate, CBOR tag 0.
type Time struct{ time.Time }

func (Text) isValue()     {}
func (Bool) isValue()     {}
func (Int) isValue()      {}
func (Float) isValue()    {}
func (Bytes) isValue()    {}
func (Null) isValue()     {}
func (Array) isValue()    {}
func (Object) isValue()   {}
func (FullDate) isValue() {}
func (Time) isValue()     {}

// JSON implements [Value].
func (v Text) JSON() any { return string(v) }

// JSON implements [Value].
func (v Bool) JSON() any { return bool(v) }

// JSON implements [Value].
func (v Int) JSON() any { return int64(v) }

// JSON implements [Value].
func (v Float) JSON() any { return float64(v) }

// JSON implements [Value].
func (v Bytes) JSON() any { return base64.RawURLEncoding.EncodeToString(v) }

// JSON implements [Value].
func (v Null) JSON() any { return nil }

// JSON implements [Value].
func (v FullDate) JSON() any { return v.String() }

// JSON implements [Value].
func (v Time) JSON() any { return v.String() }

// JSON implements [Value].
func (v Array) JSON() any {
	out := make([]any, len(v))
	for i, item := range v {
		out[i] = item.JSON()
	}
	return out
}

// JSON implements [Value].
func (v Object) JSON() any {
	out := make(map[string]any, len(v))
	for name, item := range v {
		out[name] = item.JSON()
	}
	return out
}

// String returns the date as YYYY-MM-DD.
func (v FullDate) String() string {
	return fmt.Sprintf("%04d-%02d-%02d", v.Year, int(v.Month), v.Day)
}

// String returns the time in UTC as RFC 3339 without a fraction.
func (v Time) String() string { return v.UTC().Truncate(time.Second).Format(time.RFC3339) }

// ParseFullDate reads YYYY-MM-DD and refuses dates that no calendar has.
func ParseFullDate(s string) (FullDate, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return FullDate{}, fmt.Errorf("full-date: %w", err)
	}
	return FullDate{Year: t.Year(), Month: t.Month(), Day: t.Day()}, nil
}

// AgeAt returns the whole years from the date to the given day. A birthday on
// 29 February is counted on 1 March in other years.
func (v FullDate) AgeAt(day FullDate) int {
	age := day.Year - v.Year
	if day.Month < v.Month || (day.Month == v.Month && day.Day < v.Day) {
		age--
	}
	return age
}

// DateOf returns the calendar date of t in the given zone.
func DateOf(t time.Time, zone *time.Location) FullDate {
	y, m, d := t.In(zone).Date()
	return FullDate{Year: y, Month: m, Day: d}
}

// Names returns the member names in byte order.
func (v Object) Names() []string { return slices.Sorted(maps.Keys(v)) }

// FromJSON converts what a JSON decoder gives (nil, bool, string, float64,
// int64, json.Number-like text via [fmt.Stringer], []any, map[string]any) into
// a [Value]. Numbers that are whole and fit become [Int].
func FromJSON(v any) (Value, error) {
	switch v := v.(type) {
	case nil:
		return Null{}, nil
	case bool:
		return Bool(v), nil
	case string:
		return Text(v), nil
	case int:
		return Int(v), nil
	case int64:
		return Int(v), nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return Int(v), nil
		}
		return Float(v), nil
	case fmt.Stringer:
		return numberFromText(v.String())
	case []any:
		out := make(Array, len(v))
		for i, item := range v {
			value, err := FromJSON(item)
			if err != nil {
				return nil, err
			}
			out[i] = value
		}
		return out, nil
	case map[string]any:
		out := make(Object, len(v))
		for name, item := range v {
			value, err := FromJSON(item)
			if err != nil {
				return nil, err
			}
			out[name] = value
		}
		return out, nil
	}
	return nil, fmt.Errorf("no claim value for Go type %T", v)
}

func numberFromText(s string) (Value, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Int(n), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, fmt.Errorf("number out of range")
	}
	return Float(f), nil
}
