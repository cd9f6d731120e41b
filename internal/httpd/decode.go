package httpd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials/jose"
)

// MaxParameters is the most parameters that Form and Query take.
const MaxParameters = 100

// Values are the parameters of a form or query, each at most once. A parameter
// without a value counts as left out (RFC 6749 section 3.1) and is not in it.
type Values map[string]string

// Get returns the value of a parameter, or "".
func (v Values) Get(name string) string { return v[name] }

// Has reports whether the parameter has a value.
func (v Values) Has(name string) bool { _, ok := v[name]; return ok }

// Form decodes a body of type application/x-www-form-urlencoded. Errors are
// *Error: wrong type, too large, bad encoding, a parameter given twice, too many
// parameters. The query string is left alone.
func Form(c echo.Context) (Values, error) {
	body, _, err := Body(c, "application/x-www-form-urlencoded")
	if err != nil {
		return nil, err
	}
	return parseParameters(string(body))
}

// Query decodes the query string with the same strictness as Form.
func Query(c echo.Context) (Values, error) {
	return parseParameters(c.Request().URL.RawQuery)
}

// JSON decodes a body of type application/json into v by the strict rules of
// jose.UnmarshalJSON. Errors are *Error.
func JSON(c echo.Context, v any) error {
	body, _, err := Body(c, "application/json")
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return invalid("the body is empty", nil)
	}
	if err := jose.UnmarshalJSON(body, v); err != nil {
		return invalid("the body is not the JSON that is expected here", err)
	}
	return nil
}

// Body reads a body whose media type is one of types, which are in lower case,
// and returns it with its type. Only the charset UTF-8 and no content encoding
// are accepted. Errors are *Error.
func Body(c echo.Context, types ...string) (body []byte, mediaType string, err error) {
	request := c.Request()
	mediaType, err = contentType(request.Header, types)
	if err != nil {
		return nil, "", err
	}
	// The announced length saves growing, but allocates nothing large on the
	// word of a client.
	read := bytes.NewBuffer(make([]byte, 0, bytes.MinRead+min(max(request.ContentLength, 0), 16<<10)))
	if _, err = read.ReadFrom(request.Body); err != nil {
		return nil, "", readError(err)
	}
	return read.Bytes(), mediaType, nil
}

func contentType(header http.Header, types []string) (string, error) {
	unsupported := func(cause error) error {
		return &Error{Status: http.StatusUnsupportedMediaType, Code: CodeUnsupportedMediaType,
			Description: "the content type must be " + strings.Join(types, " or "), Cause: cause}
	}
	values := header.Values("Content-Type")
	if len(values) != 1 {
		return "", unsupported(fmt.Errorf("%d Content-Type fields", len(values)))
	}
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return "", &Error{Status: http.StatusUnsupportedMediaType, Code: CodeUnsupportedMediaType,
			Description: "content encodings are not supported"}
	}
	mediaType, parameters, err := mime.ParseMediaType(values[0])
	if err != nil {
		return "", unsupported(err)
	}
	if !slices.Contains(types, mediaType) {
		return "", unsupported(errors.New("another content type"))
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return "", unsupported(errors.New("another charset"))
	}
	return mediaType, nil
}

// readError tells a body that is too large or too slow from one that broke off.
func readError(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &Error{Status: http.StatusRequestTimeout, Code: CodeRequestTimeout,
			Description: "the body took too long", Cause: err}
	}
	return invalid("the body could not be read", err)
}

func parseParameters(raw string) (Values, error) {
	values := Values{}
	seen := map[string]bool{}
	for count := 0; raw != ""; count++ {
		if count == MaxParameters {
			return nil, invalid("too many parameters", nil)
		}
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := unescape(rawName)
		if err != nil {
			return nil, err
		}
		value, err := unescape(rawValue)
		if err != nil {
			return nil, err
		}
		if name == "" {
			return nil, invalid("a parameter has no name", nil)
		}
		if seen[name] {
			return nil, invalid("a parameter is given more than once", nil)
		}
		seen[name] = true
		if value != "" {
			values[name] = value
		}
	}
	return values, nil
}

// unescape decodes a name or value. A semicolon separates parameters for some
// servers and not for others, and a zero byte ends text for some databases;
// neither may mean different things to us and to a proxy or store.
func unescape(raw string) (string, error) {
	if strings.Contains(raw, ";") {
		return "", invalid("a parameter holds a semicolon that is not percent-encoded", nil)
	}
	text, err := url.QueryUnescape(raw)
	if err != nil {
		return "", invalid("a parameter is not percent-encoded correctly", nil)
	}
	if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		return "", invalid("a parameter is not text in UTF-8", nil)
	}
	return text, nil
}

// limitedBody refuses to hand out more than limit bytes, without touching the
// body at all if its announced length is larger.
type limitedBody struct {
	body     io.ReadCloser
	limit    int64
	length   int64 // as announced, -1 if unknown
	read     int64
	response http.ResponseWriter
}

// Read implements io.Reader. Past the limit it returns an *Error.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.length > b.limit || b.read > b.limit {
		return 0, b.tooLarge()
	}
	// One byte more than allowed, to tell the exact length from an excess.
	if room := b.limit - b.read + 1; int64(len(p)) > room {
		p = p[:room]
	}
	n, err := b.body.Read(p)
	b.read += int64(n)
	if b.read > b.limit {
		return n - int(b.read-b.limit), b.tooLarge()
	}
	return n, err
}

func (b *limitedBody) tooLarge() error {
	b.response.Header().Set("Connection", "close") // the rest will not be read
	return &Error{Status: http.StatusRequestEntityTooLarge, Code: CodeRequestTooLarge,
		Description: fmt.Sprintf("the body is larger than %d bytes", b.limit)}
}

// Close implements io.Closer.
func (b *limitedBody) Close() error { return b.body.Close() }

// BodyLimit returns a middleware for routes whose bodies may have another size
// than the server's MaxBody, in bytes.
func BodyLimit(limit int64) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if body := eventOf(c).body; body != nil {
				body.limit = limit
			}
			return next(c)
		}
	}
}
