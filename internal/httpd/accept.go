package httpd

import (
	"net/http"
	"strconv"
	"strings"
)

// Preferred returns which of the media types the Accept headers of a request like
// best (RFC 9110 section 12.5.1), the first of them if they like several as much,
// and "" if none. Without such a header anything will do.
func Preferred(header http.Header, forms ...string) string {
	accept := strings.Join(header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return forms[0]
	}
	best, bestQuality := "", 0.0
	for _, form := range forms {
		if q := quality(accept, form); q > bestQuality {
			best, bestQuality = form, q
		}
	}
	return best
}

// AcceptsGzip reports whether the Accept-Encoding headers of a request take gzip
// (RFC 9110 section 12.5.3). Without such a header it is not used.
func AcceptsGzip(header http.Header) bool {
	weight, named := 0.0, false
	for _, part := range strings.Split(strings.Join(header.Values("Accept-Encoding"), ","), ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip":
			weight, named = weightOf(parameters), true
		case "*":
			if !named {
				weight = weightOf(parameters)
			}
		}
	}
	return weight > 0
}

// quality returns the weight of a media type, which is that of the most specific
// range it falls into.
func quality(accept, form string) float64 {
	group, _, _ := strings.Cut(form, "/")
	weight, specific := 0.0, 0
	for _, part := range strings.Split(accept, ",") {
		mediaRange, parameters, _ := strings.Cut(part, ";")
		rank := 0
		switch strings.ToLower(strings.TrimSpace(mediaRange)) {
		case form:
			rank = 3
		case group + "/*":
			rank = 2
		case "*/*":
			rank = 1
		}
		if rank > specific {
			weight, specific = weightOf(parameters), rank
		}
	}
	return weight
}

// weightOf reads q; what cannot be read counts as 1.
func weightOf(parameters string) float64 {
	for _, parameter := range strings.Split(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		if q, err := strconv.ParseFloat(value, 64); err == nil && q >= 0 && q <= 1 {
			return q
		}
	}
	return 1
}
