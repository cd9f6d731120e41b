package statuslist

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/internal/httpd"
)

// CodeNotAcceptable and CodeNotImplemented are the codes of errors that
// [Respond] returns.
const (
	CodeNotAcceptable  = "not_acceptable"
	CodeNotImplemented = "not_implemented"
)

// Respond answers a request for a status list (section 8) with the token that
// find returns, in the form that the client likes best, JWT if it does not
// mind, under gzip if it takes that, or with 304 if the client has it. maxAge bounds how long caches on the
// way may keep it. Beside those of find, errors are [*httpd.Error]: 406 for a
// client that takes neither form, 501 for one that asks for the past (section
// 8.4), which would tell too much.
func Respond(c echo.Context, maxAge time.Duration, now time.Time, find func() (Publication, error)) error {
	header := c.Response().Header()
	header.Add("Vary", "Accept, Accept-Encoding")
	if c.QueryParams().Has("time") {
		return &httpd.Error{Status: http.StatusNotImplemented, Code: CodeNotImplemented, Description: "only the present status list is served"}
	}
	form := httpd.Preferred(c.Request().Header, status.MediaType, status.CWTMediaType)
	if form == "" {
		return &httpd.Error{
			Status: http.StatusNotAcceptable, Code: CodeNotAcceptable,
			Description: "the status list is " + status.MediaType + " or " + status.CWTMediaType,
		}
	}
	pub, err := find()
	if err != nil {
		return err
	}
	body := []byte(pub.JWT)
	if form == status.CWTMediaType {
		body = []byte(pub.CWT)
	}
	if len(body) == 0 {
		return httpd.Unavailable(errNoForm)
	}
	age := max(0, min(maxAge, pub.Expires.Sub(now)))
	header.Set("Cache-Control", "public, max-age="+strconv.FormatInt(int64(age/time.Second), 10))
	if httpd.AcceptsGzip(c.Request().Header) {
		if body, err = compress(body); err != nil {
			return err
		}
		header.Set("Content-Encoding", "gzip")
	}
	return httpd.WriteTagged(c, form, body)
}

// compress returns the token under gzip, always the same for the same token. The
// list in it is compressed already: what is left to gain is that of base64,
// which Huffman codes alone give at a fraction of the cost.
func compress(token []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.HuffmanOnly)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(token); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// errNoForm is met where an older release has published and no newer token can
// be made.
var errNoForm = errors.New("statuslist: the form was not published")
