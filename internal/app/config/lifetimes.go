package config

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// Lifetimes bounds what an authorization server hands out. What is left out has
// its default.
type Lifetimes struct {
	// Request is from the pushed request to the first visit.
	Request Duration `yaml:"request,omitempty"`
	// Login is for the pages.
	Login Duration `yaml:"login,omitempty"`
	// Code is for an authorization code, at most a minute (FAPI 2.0 section
	// 5.3.2.1).
	Code Duration `yaml:"code,omitempty"`
	// AccessToken is for an access token, and so, without refresh tokens, for all
	// that comes of a consent.
	AccessToken Duration `yaml:"access_token,omitempty"`
	// PreAuthorized is for a pre-authorized code.
	PreAuthorized Duration `yaml:"pre_authorized,omitempty"`
	// RefreshToken is for a refresh token, from the consent, and so for how old
	// the evidence may be that new credentials rest on. Left out, there are none.
	RefreshToken Duration `yaml:"refresh_token,omitempty"`
	// RefreshPeriod is how long what a consent yields has to last a wallet: each
	// period yields as much again.
	RefreshPeriod Duration `yaml:"refresh_period,omitempty"`
}

// Validity is the longest a credential lives: MaxValidity, or 31 days.
func (i *Issuer) Validity() time.Duration { return i.MaxValidity.Or(31 * 24 * time.Hour) }

// check says which lifetimes are too short to be of use or too long to be safe.
func (l *Lifetimes) check(f faults) {
	for _, bound := range []struct {
		name              string
		value             Duration
		shortest, longest time.Duration
	}{
		{"request", l.Request, 10 * time.Second, 10 * time.Minute},
		{"login", l.Login, time.Minute, time.Hour},
		{"code", l.Code, 10 * time.Second, time.Minute},
		{"access_token", l.AccessToken, time.Minute, time.Hour},
		{"pre_authorized", l.PreAuthorized, time.Minute, 24 * time.Hour},
		{"refresh_token", l.RefreshToken, time.Hour, 366 * 24 * time.Hour},
		{"refresh_period", l.RefreshPeriod, time.Hour, 31 * 24 * time.Hour},
	} {
		if v := time.Duration(bound.value); v != 0 && (v < bound.shortest || v > bound.longest || v%time.Second != 0) {
			f.add("lifetimes."+bound.name, "must be whole seconds from %s to %s", bound.shortest, bound.longest)
		}
	}
	if l.RefreshPeriod != 0 && l.RefreshToken == 0 {
		f.add("lifetimes.refresh_period", "is of no use without refresh_token")
	}
}

// Duration is a time.Duration written as in Go: 90s, 15m, 744h.
type Duration time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	v, err := time.ParseDuration(node.Value)
	if err != nil || v < 0 {
		// This type of error lets the decoder go on to further mistakes.
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %q is not a duration such as 90s or 15m", node.Line, node.Value)}}
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// Or returns the duration, or the fallback if it is left out.
func (d Duration) Or(fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return time.Duration(d)
}
