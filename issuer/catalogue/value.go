package catalogue

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/issuer/source"
)

const (
	// maxLatin is the longest text of ISO/IEC 18013-5, in characters.
	maxLatin = 150
	// maxPortrait is the largest portrait, in bytes.
	maxPortrait = 128 << 10
)

// fit returns the value as the shape demands it. What came as text becomes a
// date, a time or bytes. Errors repeat nothing of the value.
func (s *Shape) fit(v credentials.Value) (credentials.Value, error) {
	switch s.Kind {
	case KindText, KindLatin, KindIdentifier:
		return s.fitText(v)
	case KindCorporateNumber:
		number, err := as[credentials.Text](v)
		if err == nil && !trust.ValidCorporateNumber(string(number)) {
			return nil, errors.New("is no corporate number: 13 digits, of which the first checks the others")
		}
		return number, err
	case KindBool:
		return as[credentials.Bool](v)
	case KindUnsigned, KindInteger:
		n, err := as[credentials.Int](v)
		if err == nil && s.Kind == KindUnsigned && n < 0 {
			return nil, errors.New("is negative")
		}
		return n, err
	case KindFullDate:
		if text, ok := v.(credentials.Text); ok {
			date, err := credentials.ParseFullDate(string(text))
			if err != nil {
				return nil, errors.New("is not a date")
			}
			return date, nil
		}
		return as[credentials.FullDate](v)
	case KindTime:
		if text, ok := v.(credentials.Text); ok {
			t, err := time.Parse(time.RFC3339, string(text))
			if err != nil {
				return nil, errors.New("is not a time")
			}
			return credentials.Time{Time: t.UTC().Truncate(time.Second)}, nil
		}
		return as[credentials.Time](v)
	case KindBytes, KindPortrait:
		return s.fitBytes(v)
	case KindList:
		return s.fitList(v)
	case KindObject:
		return s.fitObject(v)
	}
	return nil, errors.New("has no type")
}

// as returns v if it is a T.
func as[T credentials.Value](v credentials.Value) (T, error) {
	t, ok := v.(T)
	if !ok {
		return t, errors.New("is of another type")
	}
	return t, nil
}

func (s *Shape) fitText(v credentials.Value) (credentials.Value, error) {
	text, err := as[credentials.Text](v)
	if err != nil {
		return nil, err
	}
	check := source.CheckText
	if s.Kind == KindIdentifier {
		check = source.CheckIdentifier
	}
	if err := check(string(text)); err != nil {
		return nil, err
	}
	longest := s.MaxLength
	if s.Kind == KindLatin {
		if longest == 0 {
			longest = maxLatin
		}
		if strings.ContainsFunc(string(text), func(r rune) bool { return r > 0xff }) {
			return nil, errors.New("has characters outside of ISO 8859-1")
		}
	}
	if longest != 0 && utf8.RuneCountInString(string(text)) > longest {
		return nil, fmt.Errorf("is longer than %d characters", longest)
	}
	return text, nil
}

func (s *Shape) fitBytes(v credentials.Value) (credentials.Value, error) {
	if text, ok := v.(credentials.Text); ok {
		// Both alphabets, with and without padding, and broken into lines.
		plain := strings.NewReplacer("-", "+", "_", "/", "=", "", "\n", "", "\r", "", " ", "").Replace(string(text))
		decoded, err := base64.RawStdEncoding.DecodeString(plain)
		if err != nil {
			return nil, errors.New("is not base64")
		}
		v = credentials.Bytes(decoded)
	}
	b, err := as[credentials.Bytes](v)
	if err != nil || s.Kind == KindBytes || len(b) == 0 {
		return b, err
	}
	if len(b) > maxPortrait {
		return nil, fmt.Errorf("is larger than %d bytes", maxPortrait)
	}
	if mediaType(b) == "" {
		return nil, errors.New("is neither JPEG nor JPEG 2000")
	}
	return b, nil
}

// mediaType tells JPEG from JPEG 2000 by how they begin; it is empty for all
// else.
func mediaType(portrait []byte) string {
	switch {
	case bytes.HasPrefix(portrait, []byte{0xff, 0xd8, 0xff}):
		return "image/jpeg"
	case bytes.HasPrefix(portrait, []byte("\x00\x00\x00\x0cjP  \r\n\x87\n")), bytes.HasPrefix(portrait, []byte{0xff, 0x4f, 0xff, 0x51}):
		return "image/jp2"
	}
	return ""
}

// DataURL returns a portrait as an SD-JWT VC and a page show it; it is empty if
// there is none.
func DataURL(portrait credentials.Bytes) string {
	if len(portrait) == 0 {
		return ""
	}
	return "data:" + mediaType(portrait) + ";base64," + base64.StdEncoding.EncodeToString(portrait)
}

// IsDataURL reports whether text is the data URL of a portrait: of a picture that
// holds no script.
func IsDataURL(text string) bool {
	return strings.HasPrefix(text, "data:image/jpeg;base64,") || strings.HasPrefix(text, "data:image/jp2;base64,")
}

func (s *Shape) fitList(v credentials.Value) (credentials.Value, error) {
	list, err := as[credentials.Array](v)
	if err != nil {
		return nil, err
	}
	out := make(credentials.Array, len(list))
	for i, item := range list {
		if out[i], err = s.Items.fit(item); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return out, nil
}

func (s *Shape) fitObject(v credentials.Value) (credentials.Value, error) {
	object, err := as[credentials.Object](v)
	if err != nil {
		return nil, err
	}
	out := make(credentials.Object, len(object))
	for name, member := range object {
		shape, ok := s.Members[name]
		if !ok {
			return nil, errors.New("has a member that the type does not name")
		}
		if out[name], err = shape.fit(member); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for name, shape := range s.Members {
		if _, ok := out[name]; !ok && !shape.Optional {
			return nil, fmt.Errorf("%s: is missing", name)
		}
	}
	return out, nil
}

// forSDJWT gives portraits the form that they have in an SD-JWT VC.
func (s *Shape) forSDJWT(v credentials.Value) credentials.Value {
	switch v := v.(type) {
	case credentials.Bytes:
		if s.Kind == KindPortrait {
			return credentials.Text(DataURL(v))
		}
	case credentials.Array:
		out := make(credentials.Array, len(v))
		for i, item := range v {
			out[i] = s.Items.forSDJWT(item)
		}
		return out
	case credentials.Object:
		out := make(credentials.Object, len(v))
		for name, member := range v {
			shape := s.Members[name]
			out[name] = shape.forSDJWT(member)
		}
		return out
	}
	return v
}
