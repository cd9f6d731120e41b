// Package config is what an operator writes: the configuration file, the files
// of the tenants beside it, and the keys, certificates and secrets that they
// name.
package config

import (
	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// Mode says what a process may be used for.
type Mode string

// The modes. Production refuses test roots, the test policy arc, test persons
// and plain-http origins.
const (
	ModeProduction Mode = "production"
	ModeTest       Mode = "test"
)

// JPKI returns which hierarchies of JPKI the mode admits.
func (m Mode) JPKI() jpki.Mode {
	if m == ModeTest {
		return jpki.Test
	}
	return jpki.Production
}

// Config is the configuration file. Paths in it are relative to the file's
// folder. Secrets are never in the file: it names files that hold them.
type Config struct {
	Mode Mode `yaml:"mode"`
	// Log is where and how to log.
	Log Log `yaml:"log"`
	// Database holds what must never be lost.
	Database Database `yaml:"database"`
	// Redis holds sessions. Without it the process keeps them in memory, and
	// must be the only one of its tenants.
	Redis *Redis `yaml:"redis"`
	// SessionKeys is a file with the keys that seal sessions. Without Redis it
	// may be left out: the process then makes keys for its own life.
	SessionKeys string `yaml:"session_keys_file"`
	// Outbound limits what the process connects to.
	Outbound Outbound `yaml:"outbound"`
	// TrustedProxies are the networks, as 10.0.0.0/8, of the proxies in front,
	// whose X-Forwarded-For is believed.
	TrustedProxies []string `yaml:"trusted_proxies,omitempty"`
	// RateLimit is for clients whose address is known: where this process ends
	// TLS, or TrustedProxies names the proxies.
	RateLimit RateLimit `yaml:"rate_limit,omitempty"`
	// Admin is the address of the listener for health, metrics and profiles,
	// for example 127.0.0.1:9090. Empty means none.
	Admin string `yaml:"admin_listen"`
	// Telemetry is where traces go. Without it there are none.
	Telemetry *Telemetry `yaml:"telemetry"`
	// Drain is how long requests in flight may take after SIGTERM.
	Drain Duration `yaml:"drain"`

	// TenantsDir is a folder with a file for every further tenant, named after
	// its identifier: city-tegata.yaml. Such a file has one of the sections of
	// [Roles] and nothing else; paths in it are relative to the folder.
	TenantsDir string `yaml:"tenants_dir"`
	Roles      `yaml:",inline"`

	// file is where the configuration was read from, and tenants what was in
	// TenantsDir.
	file    string
	tenants []Tenant
}

// Roles are the sections of the tenants in one file.
type Roles struct {
	Issuer   *Issuer   `yaml:"issuer,omitempty"`
	Verifier *Verifier `yaml:"verifier,omitempty"`
	Provider *Provider `yaml:"wallet_provider,omitempty"`
}

// Endpoint is where a tenant listens and how it is known from outside.
type Endpoint struct {
	// Tenant names the issuer, verifier or provider in rows and keys. It must
	// never change, and never be given to another.
	Tenant string `yaml:"tenant"`
	// Listen is host:port. Tenants may share it; they are then told apart by
	// origin and path.
	Listen string `yaml:"listen"`
	// Origin is the https origin under which the world knows the tenant.
	Origin string `yaml:"origin"`
	// Path is what follows the origin in every address of the tenant, such as
	// /13103. Tenants of one origin each need one.
	Path string `yaml:"path,omitempty"`
	// TLS names the server certificate; without it a proxy ends TLS.
	TLS *KeyList `yaml:"tls"`
}

// BaseURL is the identifier of the tenant: origin and path.
func (l *Endpoint) BaseURL() string { return l.Origin + l.Path }

// Anchor names trust anchors and what they are trusted for.
type Anchor struct {
	// File is a PEM file with one certificate or more.
	File         string   `yaml:"file"`
	Jurisdiction string   `yaml:"jurisdiction"`
	Formats      []string `yaml:"formats"`
	Types        []string `yaml:"types"`
	// CertifiedSeal says that a list of trusted entities names the services
	// under this anchor as certified electronic seals.
	CertifiedSeal bool `yaml:"certified_seal"`
}
