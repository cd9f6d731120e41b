package register

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/internal/individualnumber"
	"github.com/tegata-id/tegata/issuer/source"
)

// The limits on values.
const (
	maxText       = 2000      // characters
	maxIdentifier = 200       // characters
	maxBytes      = 128 << 10 // bytes, after decoding
	maxItems      = 100       // of an array or an object
)

// claimsOf reads the claims of an answer, of which none but the wanted ones may
// be there.
func claimsOf(v credentials.Value, wanted []string) (source.Claims, error) {
	object, ok := v.(credentials.Object)
	if !ok {
		return nil, fmt.Errorf("%w: claims are no object", ErrAnswer)
	}
	for name := range object {
		if !slices.Contains(wanted, name) {
			return nil, fmt.Errorf("%w: a claim that was not asked for", ErrAnswer)
		}
	}
	claims, err := objectOf(object)
	return source.Claims(claims), err
}

// valueOf returns the value that a tagged one stands for. What could be an
// Individual Number is refused here, before anything is stored.
func valueOf(v credentials.Value) (credentials.Value, error) {
	switch v := v.(type) {
	case credentials.Bool:
		return v, nil
	case credentials.Int:
		if v > 1<<53-1 || v < -(1<<53-1) {
			return nil, fmt.Errorf("%w: a number out of range", ErrAnswer)
		}
		return v, nil
	case credentials.Text:
		if utf8.RuneCountInString(string(v)) > maxText {
			return nil, fmt.Errorf("%w: a text that is too long", ErrAnswer)
		}
		if individualnumber.Find(string(v)) {
			return nil, fmt.Errorf("%w: a text that contains an Individual Number", ErrAnswer)
		}
		return v, nil
	case credentials.Array:
		if len(v) > maxItems {
			return nil, fmt.Errorf("%w: an array that is too long", ErrAnswer)
		}
		out := make(credentials.Array, len(v))
		for n, item := range v {
			var err error
			if out[n], err = valueOf(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	case credentials.Object:
		if len(v) == 1 {
			name := v.Names()[0]
			return typed(name, v[name])
		}
	}
	return nil, fmt.Errorf("%w: a value without a type", ErrAnswer)
}

func objectOf(v credentials.Object) (credentials.Object, error) {
	if len(v) > maxItems {
		return nil, fmt.Errorf("%w: an object with too many members", ErrAnswer)
	}
	out := make(credentials.Object, len(v))
	for name, item := range v {
		if !claimName.MatchString(name) || dcql.DeniedClaim(credentials.PathOf(name)) {
			return nil, fmt.Errorf("%w: a name that is none, or that of the Individual Number", ErrAnswer)
		}
		var err error
		if out[name], err = valueOf(item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// typed reads the value of an object that names its type.
func typed(name string, v credentials.Value) (credentials.Value, error) {
	if object, ok := v.(credentials.Object); ok && name == "object" {
		return objectOf(object)
	}
	text, ok := v.(credentials.Text)
	if !ok {
		return nil, fmt.Errorf("%w: a value of another type than it says", ErrAnswer)
	}
	switch name {
	case "full-date":
		if date, err := credentials.ParseFullDate(string(text)); err == nil {
			return date, nil
		}
	case "time":
		if t, err := time.Parse(timeFormat, string(text)); err == nil {
			return credentials.Time{Time: t}, nil
		}
	case "bytes":
		if b, err := jose.DecodeBase64(string(text)); err == nil && len(b) <= maxBytes {
			return credentials.Bytes(b), nil
		}
	case "identifier":
		if n := utf8.RuneCountInString(string(text)); n > 0 && n <= maxIdentifier {
			return text, nil
		}
	}
	return nil, fmt.Errorf("%w: a value of another type than it says", ErrAnswer)
}
