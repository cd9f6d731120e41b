package app

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// Mode says what a process may be used for.
type Mode string

// The modes. Production refuses test roots, the test policy arc, test persons
// and plain-http origins.
const (
	ModeProduction Mode = "production"
	ModeTest       Mode = "test"
)

// Config is the configuration file. Paths in it are relative to the file's
// folder. Secrets are never in the file: it names files that hold them.
type Config struct {
	Mode Mode `yaml:"mode"`
	// Log is where and how to log.
	Log LogConfig `yaml:"log"`
	// Database holds what must never be lost.
	Database DatabaseConfig `yaml:"database"`
	// Redis holds sessions. Without it the process keeps them in memory, and
	// must be the only one of its tenants.
	Redis *RedisConfig `yaml:"redis"`
	// SessionKeys is a file with the keys that seal sessions. Without Redis it
	// may be left out: the process then makes keys for its own life.
	SessionKeys string `yaml:"session_keys_file"`
	// Outbound limits what the process connects to.
	Outbound OutboundConfig `yaml:"outbound"`
	// Admin is the address of the listener for health, metrics and profiles,
	// for example 127.0.0.1:9090. Empty means none.
	Admin string `yaml:"admin_listen"`
	// Telemetry is where traces go. Without it there are none.
	Telemetry *TelemetryConfig `yaml:"telemetry"`
	// Drain is how long requests in flight may take after SIGTERM.
	Drain Duration `yaml:"drain"`

	Issuer   *IssuerConfig   `yaml:"issuer"`
	Verifier *VerifierConfig `yaml:"verifier"`
	Provider *ProviderConfig `yaml:"wallet_provider"`
}

// LogConfig configures the log, which goes to standard error.
type LogConfig struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is json or text.
	Format string `yaml:"format"`
}

// TelemetryConfig configures traces.
type TelemetryConfig struct {
	// OTLPEndpoint is the URL of an OTLP/HTTP receiver: https, or http on
	// loopback for a collector beside the process.
	OTLPEndpoint string `yaml:"otlp_endpoint"`
	// SampleRatio is the share of requests that are traced, above 0 and at
	// most 1.
	SampleRatio float64 `yaml:"sample_ratio"`
}

// DatabaseConfig names the SQL database.
type DatabaseConfig struct {
	// Driver is sqlite, for one process, or postgres.
	Driver string `yaml:"driver"`
	// Path is the file of an SQLite database.
	Path string `yaml:"path"`
	// URL names a PostgreSQL database, as postgres://user@host:port/name with
	// the parameters of libpq; there is no password in it.
	URL          string `yaml:"url"`
	PasswordFile string `yaml:"password_file"`
	// Timeout is how long a statement of PostgreSQL may take before the answer
	// is 503; 5s if left out.
	Timeout Duration `yaml:"timeout"`
	// Connections limits those that read; 8 if left out. There are two more
	// that write.
	Connections int `yaml:"connections"`
}

// RedisConfig names the Redis servers.
type RedisConfig struct {
	// Addresses has one address for a single server, all of them for a cluster
	// and those of the sentinels together with MasterName.
	Addresses    []string `yaml:"addresses"`
	MasterName   string   `yaml:"master_name"`
	Username     string   `yaml:"username"`
	PasswordFile string   `yaml:"password_file"`
	DB           int      `yaml:"db"`
	Prefix       string   `yaml:"prefix"`
	// Timeout is how long an operation may take before the answer is 503.
	Timeout Duration `yaml:"timeout"`
}

// OutboundConfig limits outbound connections.
type OutboundConfig struct {
	// Roots is a PEM file with roots to trust for TLS beside the system's.
	Roots string `yaml:"roots_file"`
	// AllowLoopback lists the host:port on this machine that may be connected
	// to although the address came from a message.
	AllowLoopback []string `yaml:"allow_loopback"`
}

// ListenConfig is where a role listens and how it is known from outside.
type ListenConfig struct {
	// Tenant names the issuer, verifier or provider in rows and keys.
	Tenant string `yaml:"tenant"`
	// Listen is host:port.
	Listen string `yaml:"listen"`
	// Origin is the https origin under which the world knows the role.
	Origin string `yaml:"origin"`
	// TLS names the server certificate; without it a proxy ends TLS.
	TLS *KeyConfig `yaml:"tls"`
}

// AnchorConfig names trust anchors and what they are trusted for.
type AnchorConfig struct {
	// File is a PEM file with one certificate or more.
	File         string   `yaml:"file"`
	Jurisdiction string   `yaml:"jurisdiction"`
	Formats      []string `yaml:"formats"`
	Types        []string `yaml:"types"`
	// CertifiedSeal says that a list of trusted entities names the services
	// under this anchor as certified electronic seals.
	CertifiedSeal bool `yaml:"certified_seal"`
}

// IssuerConfig configures a credential issuer.
type IssuerConfig struct {
	ListenConfig `yaml:",inline"`
	// NameJA and NameEN are what people read.
	NameJA string `yaml:"name_ja"`
	NameEN string `yaml:"name_en"`
	// AdminToken is a file with the token that creates offers.
	AdminToken string `yaml:"admin_token_file"`
	Keys       struct {
		SDJWT  KeyConfig `yaml:"sd_jwt"`
		Mdoc   KeyConfig `yaml:"mdoc"`
		Status KeyConfig `yaml:"status"`
	} `yaml:"keys"`
	// Secret is a file with 32 bytes or more, in hexadecimal, from which the
	// issuer derives the keys for pseudonyms, handles and status indexes. It
	// must outlive every credential.
	Secret string `yaml:"secret_file"`
	// WalletProviders are the anchors of wallet attestations.
	WalletProviders []AnchorConfig `yaml:"wallet_providers"`
	// Wallets are the wallets that may ask for credentials, and where each may
	// have the person return to. Only mode test may leave it out, which lets
	// every attested wallet name any address.
	Wallets []WalletConfig `yaml:"wallets"`
	JPKI    JPKIConfig     `yaml:"jpki"`
	// MaxValidity is the longest a credential lives.
	MaxValidity Duration `yaml:"max_validity"`
	// BatchSize is how many credentials of one configuration a wallet may ask
	// for at once.
	BatchSize int `yaml:"batch_size"`
	// StatusWindow is how often status lists are published.
	StatusWindow Duration `yaml:"status_window"`
}

// WalletConfig registers a wallet with an issuer.
type WalletConfig struct {
	// ClientID is the subject of the wallet's attestations.
	ClientID string `yaml:"client_id"`
	// RedirectURIs are compared character by character.
	RedirectURIs []string `yaml:"redirect_uris"`
}

// JPKIConfig says how JPKI certificates are checked.
type JPKIConfig struct {
	// SignatureAnchors are the CAs of signature certificates.
	SignatureAnchors []AnchorConfig `yaml:"signature_anchors"`
	// CRLURL is where the operator gets revocation lists from: an https URL to
	// which "/", the hexadecimal key identifier of the CA, "/" and the
	// percent-encoded name of the partition are added.
	CRLURL string `yaml:"crl_url"`
	// CRLRefresh is how long a list serves before a newer one is asked for.
	CRLRefresh Duration `yaml:"crl_refresh"`
	// RecheckInterval is how often live credentials are matched with the lists.
	RecheckInterval Duration `yaml:"recheck_interval"`
	// Throwaway makes a test JPKI inside the process, with test persons and
	// their cards on the login page, in place of anchors and CRLs. It is for
	// mode test, and what was issued under it is forgotten with the process.
	Throwaway bool `yaml:"throwaway"`
}

// VerifierConfig configures a verifier.
type VerifierConfig struct {
	ListenConfig `yaml:",inline"`
	NameJA       string `yaml:"name_ja"`
	NameEN       string `yaml:"name_en"`
	// APIToken is a file with the token of the relying party.
	APIToken string `yaml:"api_token_file"`
	Keys     struct {
		Request KeyConfig `yaml:"request"`
	} `yaml:"keys"`
	// Issuers are the anchors of credentials and of their status lists.
	Issuers []AnchorConfig `yaml:"issuers"`
	// WalletURL is what a request link starts with: openid4vp:// or the https
	// URL of a web wallet.
	WalletURL string `yaml:"wallet_url"`
}

// ProviderConfig configures a wallet provider.
type ProviderConfig struct {
	ListenConfig `yaml:",inline"`
	// ClientID is the client identifier that all instances share.
	ClientID   string `yaml:"client_id"`
	WalletName string `yaml:"wallet_name"`
	WalletURL  string `yaml:"wallet_url"`
	AdminToken string `yaml:"admin_token_file"`
	Keys       struct {
		Attestation KeyConfig `yaml:"attestation"`
	} `yaml:"keys"`
	// Secret is a file with 32 bytes or more, in hexadecimal.
	Secret string `yaml:"secret_file"`
	// SoftwarePlatform lets any program register as a wallet instance. It is
	// for mode test.
	SoftwarePlatform bool `yaml:"software_platform"`
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

func (d Duration) or(fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return time.Duration(d)
}
