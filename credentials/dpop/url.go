package dpop

import (
	"errors"
	"net/url"
	"strings"
)

var errURL = errors.New("dpop: not an absolute http or https URL without user information")

// NormalizeURL returns the form in which the htu claim is compared (RFC 9449
// section 4.3): without query and fragment, with scheme and host in lower
// case, without the scheme's default port, with "/" for an empty path and with
// percent-encodings in upper case and only where they are needed (RFC 3986
// sections 6.2.2 and 6.2.3). Dot segments stay, so that they never match.
func NormalizeURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "" {
		return "", errURL
	}
	scheme := strings.ToLower(u.Scheme)
	host := strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", errURL
	}
	host = strings.TrimSuffix(host, ":")
	path := normalizePath(u.EscapedPath())
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path, nil
}

func normalizePath(escaped string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c != '%' || i+2 >= len(escaped) {
			b.WriteByte(c)
			continue
		}
		c = unhex(escaped[i+1])<<4 | unhex(escaped[i+2])
		i += 2
		if unreserved(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// unhex is called on what url.Parse has found to be hexadecimal digits.
func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
