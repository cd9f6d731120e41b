package provider

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/internal/audit"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/nonce"
	"github.com/tegata-id/tegata/internal/session"
)

// Lifetimes of attestations.
const (
	DefaultLifetime = time.Hour
	MaxLifetime     = 24 * time.Hour
)

// Config is what a [Provider] is made of. Every field is needed unless it says
// otherwise.
type Config struct {
	Tenant string
	// Issuer is the base URL of the provider, without a trailing slash: the
	// aud of proofs and the iss of attestations. It is https but in test mode.
	Issuer string
	// OmitIssuer leaves iss out of client attestations, as drafts later than
	// 07 and the EUDI profile have it. Optional.
	OmitIssuer bool
	// ClientID is the client_id that all instances share.
	ClientID string
	// WalletName and WalletURL are for people. Optional.
	WalletName, WalletURL string
	// Certification is a URL about the certification of the wallet solution.
	// Optional.
	Certification string
	// Keys sign attestations. Their chains do not contain the anchor.
	Keys *keys.Ring
	// Platforms holds the platforms that instances may register on, by name.
	// Without any, nobody can register.
	Platforms map[string]Platform
	// TestMode admits the platform for tests and plain http. Optional.
	TestMode bool
	DB       *database.DB
	Sessions *session.Store
	// Audit is told of registrations and revocations.
	Audit *audit.Log
	// StatusLists make attestations revocable one by one; without them those
	// of a revoked instance stand until they expire. Optional.
	StatusLists *StatusLists
	// Secret, of 32 bytes or more, seals challenges. All replicas share it.
	Secret []byte
	// AdminToken, of 32 characters or more, is what the operator
	// authenticates with.
	AdminToken string
	// Lifetime is that of attestations, in whole minutes: 2 minutes to
	// MaxLifetime, DefaultLifetime if zero.
	Lifetime time.Duration
	// MaxKeys bounds the keys in one key attestation; the constant of that
	// name if zero.
	MaxKeys int
	// Log is told when the platform for tests is in use. Optional.
	Log *slog.Logger
	// Metrics are optional.
	Metrics *Metrics
	Now     func() time.Time
}

// Provider is the wallet provider of one tenant. It is safe for concurrent use.
type Provider struct {
	cfg        Config
	challenges *nonce.Nonces
	keyMAC     []byte // for the keys that were attested
	adminToken [sha256.Size]byte
}

// New returns a provider. It fails for a configuration that is not complete or
// not safe, and if a key cannot sign or none of them has a valid certificate now.
func New(cfg Config) (*Provider, error) {
	if cfg.Lifetime == 0 {
		cfg.Lifetime = DefaultLifetime
	}
	if cfg.MaxKeys == 0 {
		cfg.MaxKeys = MaxKeys
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	for _, check := range []func() error{cfg.checkParts, cfg.checkIdentity, cfg.checkLimits, cfg.checkKeys, cfg.checkPlatforms} {
		if err := check(); err != nil {
			return nil, fmt.Errorf("provider: %w", err)
		}
	}
	cfg.Platforms = maps.Clone(cfg.Platforms)
	key, err := DeriveKey(cfg.Secret, cfg.Tenant, "challenge")
	if err != nil {
		return nil, err
	}
	keyMAC, err := DeriveKey(cfg.Secret, cfg.Tenant, "attested keys")
	if err != nil {
		return nil, err
	}
	challenges, err := nonce.New(key, "wallet challenge", cfg.Tenant, cfg.Now)
	if err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	return &Provider{cfg: cfg, challenges: challenges, keyMAC: keyMAC, adminToken: sha256.Sum256([]byte(cfg.AdminToken))}, nil
}

// DeriveKey returns the 32 bytes that the secret of a provider has for a purpose,
// such as "audit".
func DeriveKey(secret []byte, tenant, purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "tegata wallet provider v1\x00"+tenant+"\x00"+purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	return key, nil
}

func (c *Config) checkParts() error {
	switch {
	case c.Tenant == "" || c.ClientID == "":
		return errors.New("tenant and client ID are needed")
	case c.DB == nil || c.Sessions == nil || c.Audit == nil || c.Now == nil:
		return errors.New("database, session store, audit log and clock are needed")
	case c.StatusLists != nil && (c.StatusLists.Lists == nil || c.StatusLists.Publisher == nil):
		return errors.New("status lists need a publisher")
	case len(c.Secret) < 32 || len(c.AdminToken) < 32:
		return errors.New("secret and operator's token need 32 bytes or more")
	}
	return nil
}

func (c *Config) checkIdentity() error {
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(c.Issuer, "?#") || strings.HasSuffix(c.Issuer, "/") {
		return errors.New("issuer is not a base URL without a trailing slash")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && c.TestMode) {
		return errors.New("issuer is not an https URL")
	}
	if c.StatusLists != nil {
		return status.CheckURI(StatusListURI(c.Issuer, "x"))
	}
	return nil
}

func (c *Config) checkLimits() error {
	if c.Lifetime < 2*time.Minute || c.Lifetime > MaxLifetime || c.Lifetime%time.Minute != 0 {
		return fmt.Errorf("lifetime of attestations is not whole minutes from 2m to %v", MaxLifetime)
	}
	if c.MaxKeys < 1 || c.MaxKeys > MaxKeys {
		return fmt.Errorf("number of keys in a key attestation is not 1 to %d", MaxKeys)
	}
	return nil
}

func (c *Config) checkKeys() error {
	if c.Keys == nil {
		return errors.New("a key for attestations is needed")
	}
	if err := c.Keys.Prove(c.Now()); err != nil {
		return err
	}
	for _, e := range c.Keys.All() {
		for _, cert := range e.Key.Chain {
			if bytes.Equal(cert.RawIssuer, cert.RawSubject) {
				return errors.New("the chain of a key for attestations must not contain a self-signed certificate") // HAIP 1.0 section 6.1.1
			}
		}
	}
	return nil
}

func (c *Config) checkPlatforms() error {
	for name, platform := range c.Platforms {
		if name == "" || platform.Verifier == nil {
			return fmt.Errorf("platform %q needs a name and a verifier", name)
		}
		if !software(platform.Verifier) {
			continue
		}
		if !c.TestMode {
			return fmt.Errorf("platform %q believes everybody and is for test mode alone", name)
		}
		c.Log.Warn("wallet instances register without being verified", "tenant", c.Tenant, "platform", name)
	}
	return nil
}
