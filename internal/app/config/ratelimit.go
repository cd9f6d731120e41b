package config

import "net/netip"

// RateLimit bounds what one address may ask for without authentication: pushed
// requests, answers to logins, signer apps' answers, registrations, and
// transactions that a browser begins. What is left out has its default.
type RateLimit struct {
	// Off turns it off, for where a proxy does this.
	Off bool `yaml:"off,omitempty"`
	// PerSecond is how many requests an IPv4 address or an IPv6 /64 may make in a
	// second, 20 if left out; Burst how many at once, 300 if left out.
	PerSecond float64 `yaml:"per_second,omitempty"`
	Burst     int     `yaml:"burst,omitempty"`
}

func (l RateLimit) check(f faults) {
	if v := l.PerSecond; v != 0 && (v < 0.1 || v > 100_000) {
		f.add("rate_limit.per_second", "must be from 0.1 to 100000")
	}
	if v := l.Burst; v != 0 && (v < 1 || v > 1_000_000) {
		f.add("rate_limit.burst", "must be from 1 to 1000000")
	}
}

// Proxies returns the networks of TrustedProxies.
func (c *Config) Proxies() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range c.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}
