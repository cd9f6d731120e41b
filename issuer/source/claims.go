package source

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials"
)

// Claims are typed values by name. Their JSON form keeps every type, so that a
// person can be stored and read again without loss: texts, booleans, whole
// numbers, nulls and arrays are themselves, and all else is an object of one
// member that names the type, such as {"full-date": "1985-04-01"}.
type Claims credentials.Object

// The types that JSON lacks, as members of an object.
const (
	tagFullDate = "full-date"
	tagTime     = "time"
	tagBytes    = "bytes"
	tagFloat    = "float"
	tagObject   = "object"
)

// MarshalJSON implements json.Marshaler.
func (c Claims) MarshalJSON() ([]byte, error) {
	tagged, err := tag(credentials.Object(c))
	if err != nil {
		return nil, err
	}
	return json.Marshal(tagged)
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Claims) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var tagged any
	if err := d.Decode(&tagged); err != nil {
		return errors.New("claims: not JSON")
	}
	v, err := untag(tagged)
	if err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	object, ok := v.(credentials.Object)
	if !ok {
		return errors.New("claims: not an object")
	}
	*c = Claims(object)
	return nil
}

func tag(v credentials.Value) (any, error) {
	switch v := v.(type) {
	case credentials.Text, credentials.Bool, credentials.Int, credentials.Null:
		return v.JSON(), nil
	case credentials.FullDate:
		return map[string]any{tagFullDate: v.String()}, nil
	case credentials.Time:
		return map[string]any{tagTime: v.String()}, nil
	case credentials.Bytes:
		return map[string]any{tagBytes: v.JSON()}, nil
	case credentials.Float:
		return map[string]any{tagFloat: float64(v)}, nil
	case credentials.Array:
		out := make([]any, len(v))
		for i, item := range v {
			var err error
			if out[i], err = tag(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	case credentials.Object:
		out := make(map[string]any, len(v))
		for name, item := range v {
			var err error
			if out[name], err = tag(item); err != nil {
				return nil, err
			}
		}
		return map[string]any{tagObject: out}, nil
	}
	return nil, fmt.Errorf("claims: no JSON form of %T", v)
}

func untag(v any) (credentials.Value, error) {
	switch v := v.(type) {
	case []any:
		out := make(credentials.Array, len(v))
		for i, item := range v {
			var err error
			if out[i], err = untag(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if len(v) != 1 {
			return nil, errors.New("an object that names no type, or several")
		}
		for name, item := range v {
			return untagOne(name, item)
		}
	}
	return credentials.FromJSON(v)
}

func untagOne(name string, item any) (credentials.Value, error) {
	text, isText := item.(string)
	switch {
	case name == tagObject:
		members, ok := item.(map[string]any)
		if !ok {
			return nil, errors.New("not an object")
		}
		out := make(credentials.Object, len(members))
		for name, member := range members {
			var err error
			if out[name], err = untag(member); err != nil {
				return nil, err
			}
		}
		return out, nil
	case name == tagFloat:
		number, ok := item.(json.Number)
		if !ok {
			return nil, errors.New("not a number")
		}
		f, err := number.Float64()
		return credentials.Float(f), err
	case name == tagFullDate && isText:
		return credentials.ParseFullDate(text)
	case name == tagTime && isText:
		t, err := time.Parse(time.RFC3339, text)
		return credentials.Time{Time: t.UTC()}, err
	case name == tagBytes && isText:
		b, err := base64.RawURLEncoding.DecodeString(text)
		return credentials.Bytes(b), err
	}
	return nil, errors.New("an object that names no known type")
}
