package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"

	"github.com/tegata-id/tegata/internal/telemetry"
)

// Log configures the log, which goes to standard error.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is json or text.
	Format string `yaml:"format"`
}

// Logger returns a logger that writes to w.
func (c Log) Logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if c.Level != "" {
		if err := level.UnmarshalText([]byte(c.Level)); err != nil {
			return nil, fmt.Errorf("log.level: %q is not debug, info, warn or error", c.Level)
		}
	}
	format := telemetry.LogFormat(c.Format)
	if c.Format == "" {
		format = telemetry.LogJSON
	}
	return telemetry.NewLogger(w, level, format)
}

// Telemetry configures traces.
type Telemetry struct {
	// OTLPEndpoint is the URL of an OTLP/HTTP receiver: https, or http on
	// loopback for a collector beside the process.
	OTLPEndpoint string `yaml:"otlp_endpoint"`
	// SampleRatio is the share of requests that are traced, above 0 and at
	// most 1.
	SampleRatio float64 `yaml:"sample_ratio"`
}

// Outbound limits outbound connections.
type Outbound struct {
	// Roots is a PEM file with roots to trust for TLS beside the system's.
	Roots string `yaml:"roots_file"`
	// AllowLoopback lists the host:port on this machine that may be connected
	// to although the address came from a message.
	AllowLoopback []string `yaml:"allow_loopback"`
}

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
