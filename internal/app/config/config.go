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

// Log configures the log, which goes to standard error.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is json or text.
	Format string `yaml:"format"`
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

// Database names the SQL database.
type Database struct {
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

// Redis names the Redis servers.
type Redis struct {
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

// Outbound limits outbound connections.
type Outbound struct {
	// Roots is a PEM file with roots to trust for TLS beside the system's.
	Roots string `yaml:"roots_file"`
	// AllowLoopback lists the host:port on this machine that may be connected
	// to although the address came from a message.
	AllowLoopback []string `yaml:"allow_loopback"`
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

// Issuer configures a credential issuer.
type Issuer struct {
	Endpoint `yaml:",inline"`
	// NameJA and NameEN are what people read.
	NameJA string `yaml:"name_ja"`
	NameEN string `yaml:"name_en"`
	// AdminToken is a file with the token that creates offers.
	AdminToken string `yaml:"admin_token_file"`
	Keys       struct {
		SDJWT  KeyList `yaml:"sd_jwt"`
		Mdoc   KeyList `yaml:"mdoc"`
		Status KeyList `yaml:"status"`
		// Metadata signs the issuer metadata, for wallets that ask for it
		// signed. Without it they get what everybody gets.
		Metadata KeyList `yaml:"metadata,omitempty"`
		// OpenID authenticates the issuer to the OpenID provider.
		OpenID KeyList `yaml:"openid,omitempty"`
	} `yaml:"keys"`
	// Secret is a file with 32 bytes or more, in hexadecimal, from which the
	// issuer derives the keys for pseudonyms, handles and status indexes. It
	// must outlive every credential.
	Secret string `yaml:"secret_file"`
	// WalletProviders are the anchors of wallet attestations. They may be left
	// out where every registered wallet has keys.
	WalletProviders []Anchor `yaml:"wallet_providers"`
	// Wallets are the wallets that may ask for credentials, and where each may
	// have the person return to. Only mode test may leave it out, which lets
	// every attested wallet name any address.
	Wallets []Wallet `yaml:"wallets"`
	JPKI    JPKI     `yaml:"jpki"`
	// DPoPNonces demands nonces of the server in DPoP proofs.
	DPoPNonces bool `yaml:"dpop_nonces,omitempty"`
	// AttestationChallenges demands challenges of the server in the proofs of
	// possession of wallet attestations.
	AttestationChallenges bool `yaml:"attestation_challenges,omitempty"`
	// EncryptionRequired refuses credential requests in clear, and those that
	// don't ask for an encrypted response.
	EncryptionRequired bool `yaml:"encryption_required,omitempty"`
	// OpenID is a second way to prove who a person is; without it there is none.
	OpenID *OpenID `yaml:"openid,omitempty"`
	// Lifetimes bounds requests, logins, codes and tokens.
	Lifetimes Lifetimes `yaml:"lifetimes,omitempty"`
	// Types are files with types of credentials of the issuer's own, one in each.
	// One with the id of a shipped type takes its place.
	Types []string `yaml:"types,omitempty"`
	// Sources are the registers that types take claims from, by the names that
	// the types use.
	Sources map[string]*Source `yaml:"sources,omitempty"`
	// Credentials are the entries of the catalogue that this issuer offers, by
	// their credential configuration identifiers; if left out, the flagship and
	// all types of its own.
	Credentials []string `yaml:"credentials,omitempty"`
	// MaxValidity is the longest a credential lives.
	MaxValidity Duration `yaml:"max_validity"`
	// BatchSize is how many credentials of one configuration a wallet may ask
	// for at once.
	BatchSize int `yaml:"batch_size"`
	// StatusListSize is how many entries a new status list has, 131072 if left
	// out. What a token of it weighs grows with it, and so does the crowd that a
	// credential hides in.
	StatusListSize int `yaml:"status_list_size,omitempty"`
	// StatusWindow is how often status lists are published.
	StatusWindow Duration `yaml:"status_window"`
	// Cascade says, by type, what becomes of credentials when the certificate
	// is revoked that they rest on, or the wallet that got them. Left out, they
	// become INVALID.
	Cascade map[string]CascadeRule `yaml:"cascade,omitempty"`
	// KeyAttestations says, by type, what a wallet provider must attest of the
	// keys that credentials get bound to. Left out, nothing.
	KeyAttestations map[string]KeyAttestation `yaml:"key_attestations,omitempty"`
	// Deferred says, by type, what issuance waits for: approval is that of the
	// operator. Left out, nothing.
	Deferred map[string]string `yaml:"deferred,omitempty"`
}

// Approval has the operator approve every issuance.
const Approval = "approval"

// KeyAttestation lists the values of which a key attestation must have one
// (OpenID4VCI 1.0 appendix D.2). A list that is left out asks for nothing.
type KeyAttestation struct {
	KeyStorage         []string `yaml:"key_storage,omitempty"`
	UserAuthentication []string `yaml:"user_authentication,omitempty"`
}

// CascadeRule is the rule for a type of credential.
type CascadeRule struct {
	// None lets credentials stand, which then live for at most 24 hours.
	None bool `yaml:"none,omitempty"`
	// Stand lists the reasons for which they stand.
	Stand []string `yaml:"stand,omitempty"`
}

// OpenID names an OpenID provider that proves who people are, in the shape of
// the Digital Agency's authentication app. The issuer authenticates to it with
// the keys under keys.openid.
type OpenID struct {
	// Issuer is the provider's issuer identifier, which ends with a realm, such
	// as https://auth-and-sign.go.jp/api/realms/main. Its endpoints are below
	// it.
	Issuer   string `yaml:"issuer"`
	ClientID string `yaml:"client_id"`
	// ACRValues are what the provider is asked for; the ID token must say one.
	ACRValues []string `yaml:"acr_values"`
}

// Values of the fields of [JPKI].
const (
	NonceRequired = "required"
	NonceOptional = "optional"
	NonceNone     = "none"
	HashSHA256    = "sha256"
	HashSHA1      = "sha1"
	UseFresh      = "use_fresh"
	HardFail      = "hard_fail"
)

// JPKI says how JPKI certificates are checked. At least one way to look up
// revocation is needed.
type JPKI struct {
	// SignatureAnchors are the CAs of signature certificates.
	SignatureAnchors []Anchor `yaml:"signature_anchors"`
	// SmartphonePolicies are the certificate policies of signature
	// certificates on smartphones, which are accepted beside those of cards.
	SmartphonePolicies []string `yaml:"smartphone_policies,omitempty"`
	// CRLURL is where the operator gets revocation lists from: an https URL to
	// which "/", the hexadecimal key identifier of the CA, "/" and the
	// percent-encoded name of the partition are added.
	CRLURL string `yaml:"crl_url"`
	// CRLFolder is a folder with the revocation lists, in place of CRLURL: the
	// same names below it, with ".crl" at their ends.
	CRLFolder string `yaml:"crl_folder"`
	// CRLRefresh is how long a list serves before a newer one is asked for.
	CRLRefresh Duration `yaml:"crl_refresh"`
	// OCSPURL is the OCSP responder for all anchors, by https, or by http where
	// nobody listens: requests name serial numbers. It is asked before the
	// platform operator and revocation lists. A responder whose certificate
	// lacks id-pkix-ocsp-nocheck needs revocation lists beside it.
	OCSPURL string `yaml:"ocsp_url"`
	// OCSPNonce says whether responses have to return the nonce: required,
	// which is the default, optional or none.
	OCSPNonce string `yaml:"ocsp_nonce"`
	// OCSPHash is the hash that requests name certificates with: sha256, which
	// is the default, or sha1.
	OCSPHash string `yaml:"ocsp_hash"`
	// OperatorURL is where a platform operator answers questions about single
	// certificates in JSON, by https. It is asked before revocation lists.
	OperatorURL string `yaml:"operator_url"`
	// OperatorToken is a file with the bearer token for the operator.
	OperatorToken string `yaml:"operator_token_file"`
	// StatusRefresh is how long an answer by OCSP or of the operator serves
	// before it is asked for again.
	StatusRefresh Duration `yaml:"status_refresh"`
	// OnUnavailable is use_fresh, which is the default: while nothing newer can
	// be had, what is at hand serves until it ends; or hard_fail: nothing is
	// issued from the moment that something newer was due.
	OnUnavailable string `yaml:"on_unavailable"`
	// RecheckInterval is how often the certificates that live credentials rest on
	// are looked up, and the wallets that got them.
	RecheckInterval Duration `yaml:"recheck_interval"`
	// Throwaway makes a test JPKI inside the process, with test persons and
	// their cards on the login page, in place of anchors and CRLs. It is for
	// mode test, and what was issued under it is forgotten with the process.
	Throwaway bool `yaml:"throwaway"`
	// OtherDevice lets people sign on another device than that of their browser,
	// by a typed code or by pasting the signature. Such evidence is recorded as
	// of lower assurance, because people can be talked into signing for others.
	OtherDevice bool `yaml:"other_device"`
	// Returning, if set, lets people link their authentication certificate and
	// come back with it.
	Returning *ReturningUsers `yaml:"returning_users,omitempty"`
	// SignerURL is what links to the signer app begin with; tegata-sign:// if
	// left out. Better is an https URL that the app has claimed on the phone.
	SignerURL string `yaml:"signer_url"`
}

// ReturningUsers says how authentication certificates of JPKI are checked. Where
// signature certificates are looked up, they are too, except by OCSP.
type ReturningUsers struct {
	// AuthenticationAnchors are the CAs of authentication certificates; those of
	// the throwaway JPKI are left out.
	AuthenticationAnchors []Anchor `yaml:"authentication_anchors,omitempty"`
	// SmartphonePolicies are the policies of authentication certificates on
	// smartphones, which are accepted beside those of cards.
	SmartphonePolicies []string `yaml:"smartphone_policies,omitempty"`
	// OCSPURL is the OCSP responder for these anchors, as in [JPKI].
	OCSPURL string `yaml:"ocsp_url,omitempty"`
}

// Authentication returns how authentication certificates are looked up, as if
// they were those of j.
func (j *JPKI) Authentication() *JPKI {
	a := *j
	a.SignatureAnchors, a.OCSPURL = nil, ""
	if r := j.Returning; r != nil {
		a.SignatureAnchors, a.SmartphonePolicies, a.OCSPURL = r.AuthenticationAnchors, r.SmartphonePolicies, r.OCSPURL
	}
	return &a
}
