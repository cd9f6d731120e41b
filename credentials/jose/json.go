package jose

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tegata-id/tegata/credentials"
)

// MaxDepth is the deepest nesting of arrays and objects that [UnmarshalJSON]
// and [DecodeValue] accept.
const MaxDepth = 32

// ErrJSON says that a document is not JSON as this package accepts it.
var ErrJSON = errors.New("malformed JSON")

// UnmarshalJSON reads one JSON document into v by its json struct tags. Unlike
// encoding/json it refuses duplicate member names, matches names exactly, and
// refuses invalid UTF-8, lone surrogates and nesting beyond [MaxDepth]. Unknown
// members are ignored. Errors wrap [ErrJSON] and never quote the document.
func UnmarshalJSON(data []byte, v any) error {
	if err := checkDepth(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return jsonError(err)
	}
	return nil
}

// DecodeValue reads one JSON document into a claims tree under the rules of
// [UnmarshalJSON]. Whole numbers keep their exact value; numbers outside the
// range of int64 and float64 are errors.
func DecodeValue(data []byte) (credentials.Value, error) {
	if err := checkDepth(data); err != nil {
		return nil, err
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(data)) // which it reads in place
	v, err := readValue(d)
	if err != nil {
		return nil, jsonError(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: data after the document", ErrJSON)
	}
	return v, nil
}

func readValue(d *jsontext.Decoder) (credentials.Value, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case 'n':
		return credentials.Null{}, nil
	case 't', 'f':
		return credentials.Bool(token.Bool()), nil
	case '"':
		return credentials.Text(token.String()), nil
	case '0':
		return number(token.String())
	case '[':
		out := credentials.Array{}
		for d.PeekKind() != ']' {
			item, err := readValue(d)
			if err != nil {
				return nil, err
			}
			out = append(out, item)
		}
		_, err := d.ReadToken()
		return out, err
	case '{':
		out := credentials.Object{}
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String()
			if out[key], err = readValue(d); err != nil {
				return nil, err
			}
		}
		_, err := d.ReadToken()
		return out, err
	}
	return nil, errors.New("unexpected token")
}

func number(text string) (credentials.Value, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return credentials.Int(n), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, errors.New("number out of range")
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return credentials.Int(int64(f)), nil
	}
	return credentials.Float(f), nil
}

// checkDepth bounds nesting before a recursive decoder runs.
func checkDepth(data []byte) error {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = closingQuote(data, i)
		case '[', '{':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("%w: nested too deeply", ErrJSON)
			}
		case ']', '}':
			depth--
		}
	}
	return nil
}

// closingQuote returns where the string that begins at open ends: the next
// quote with an even number of backslashes before it, or the end of the data.
func closingQuote(data []byte, open int) int {
	for i := open; ; {
		n := bytes.IndexByte(data[i+1:], '"')
		if n < 0 {
			return len(data)
		}
		end := i + 1 + n
		backslashes := 0
		for end-1-backslashes > i && data[end-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return end
		}
		i = end
	}
}

// jsonError keeps what kind of fault it is and where, but not the library's
// text, which can quote the document.
func jsonError(err error) error {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return fmt.Errorf("%w: duplicate member name", ErrJSON)
		}
		return fmt.Errorf("%w: syntax error at byte %d", ErrJSON, syntactic.ByteOffset)
	}
	if errors.Is(err, ErrKey) {
		return fmt.Errorf("%w: %w", ErrJSON, ErrKey)
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return fmt.Errorf("%w: member of the wrong type at byte %d", ErrJSON, semantic.ByteOffset)
	}
	return ErrJSON
}

// NumericDate is seconds since 1970-01-01T00:00:00Z (RFC 7519 section 2). Only
// whole, non-negative numbers up to the year 9999 are accepted.
type NumericDate int64

// NewNumericDate returns t rounded down to whole seconds.
func NewNumericDate(t time.Time) NumericDate { return NumericDate(t.Unix()) }

// Time returns the date in UTC.
func (d NumericDate) Time() time.Time { return time.Unix(int64(d), 0).UTC() }

// UnmarshalJSON implements json.Unmarshaler.
func (d *NumericDate) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil || n < 0 || n > 253402300799 {
		return errors.New("not a whole number of seconds")
	}
	*d = NumericDate(n)
	return nil
}
