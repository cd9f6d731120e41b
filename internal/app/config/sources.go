package config

import (
	"net/url"
	"time"
)

// HTTPSource is a register behind HTTP; openapi/source.yaml says what it does.
type HTTPSource struct {
	// URL is its address: https, without a query.
	URL string `yaml:"url"`
	// Roots is a PEM file with the authority of the register's certificate, which
	// is trusted in place of all others.
	Roots string `yaml:"roots_file"`
	// Key is the client certificate that the register admits.
	Key KeyList `yaml:"key"`
	// Timeout is how long a lookup may take; 5s if left out.
	Timeout Duration `yaml:"timeout,omitempty"`
	// MaxAge is how old what the register says may be; 24h if left out.
	MaxAge Duration `yaml:"max_age,omitempty"`
}

// longestLookup is the longest that a person is made to wait for a register.
const longestLookup = 30 * time.Second

func (s *HTTPSource) check(key string, f faults) {
	if u, err := url.Parse(s.URL); err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		f.add(key+".url", "must be an https URL without a query, because it gets personal data")
	}
	if s.Roots == "" {
		f.add(key+".roots_file", "needed: the register's authority alone is trusted")
	}
	if len(s.Key) == 0 {
		f.add(key+".key", "needed: the register knows the issuer by it")
	}
	if time.Duration(s.Timeout) > longestLookup {
		f.add(key+".timeout", "must be %s or less", longestLookup)
	}
}
