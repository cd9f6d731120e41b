// Package verifier is the role of a relying party's backend: it asks wallets
// for credentials over OpenID4VP 1.0 under the HAIP 1.0 profile, verifies what
// they present, and hands the answer, with the reasons it can be trusted, to
// the relying party's program or to a page.
//
// A [Verifier] is one tenant: an origin and path, a key that signs requests,
// trust per credential format, and one relying party or many. Each
// transaction has secrets of its own that are independent of one another: the
// name by which the relying party knows it, the address of the request, the
// address of the response, the nonce, the state, the key that the response is
// encrypted to, and the response code. All of them end with the transaction,
// which is answered once at most.
package verifier

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/verifier/webhook"
)

// FormatVerifier checks presentations of one format: everything that is
// cryptographic, and that the issuer is trusted for the type. raw is the string
// in the VP token. An error is [*Refused] where the presentation is at fault.
type FormatVerifier interface {
	Verify(ctx context.Context, raw string, b credentials.Binding) (*credentials.Verified, error)
}

// StatusChecker resolves status references; [*status.Checker] is one.
type StatusChecker interface {
	Check(ctx context.Context, ref credentials.StatusRef) (status.Result, error)
}

// Format is how credentials of one format are verified.
type Format struct {
	// Verifier is made by [SDJWT] or [Mdoc].
	Verifier FormatVerifier
	// Anchors are those of the verifier's trust policy.
	Anchors []trust.Anchor
	// Status is StatusRefuse if empty.
	Status StatusPolicy
}

// Lifetimes bounds a transaction.
type Lifetimes struct {
	// Request is how long a wallet may take to answer.
	Request time.Duration
	// Result is how long an answer waits to be fetched.
	Result time.Duration
}

// DefaultLifetimes are those that the documentation names.
var DefaultLifetimes = Lifetimes{Request: 5 * time.Minute, Result: 10 * time.Minute}

// Config is what a [Verifier] is made of. Every field is needed unless it says
// otherwise.
type Config struct {
	// Tenant names the verifier in cookies; Sessions belongs to the same
	// tenant.
	Tenant string
	// BaseURL is the https origin with an optional path, without a trailing
	// slash.
	BaseURL string
	// NameJA and NameEN are what people read.
	NameJA, NameEN string
	// Keys sign requests. A transaction keeps the key that it began with.
	Keys *keys.Ring
	// Request says in what form requests are made.
	Request  RequestForm
	Sessions *session.Store
	Formats  map[credentials.Format]Format
	Status   StatusChecker
	// APIToken is the bearer token of the relying party, at least 32
	// characters. Empty leaves the relying-party API to Parties; without either
	// there is none.
	APIToken string
	// Parties are relying parties with keys and limits of their own.
	Parties []Party
	// ClientAnchors certify relying parties by name; see Party.CertificateName.
	ClientAnchors []trust.Anchor
	// Outbox takes what parties with a webhook are told, and WebhookKeys are
	// published for them. Both may be nil if there are none.
	Outbox      *webhook.Outbox
	WebhookKeys *keys.Ring
	// WalletURL is what request links start with; "openid4vp://" if empty.
	WalletURL string
	// Presets are the queries with names; [DefaultPresets] if nil.
	Presets   []Preset
	Lifetimes Lifetimes
	// TestMode makes every page say that this is a test environment.
	TestMode bool
	// Metrics are optional.
	Metrics *Metrics
	Now     func() time.Time
}

// Verifier is one relying party's verifier. It is safe for concurrent use.
type Verifier struct {
	cfg       Config
	parties   *partyTable
	presented map[string]Preset

	transactions *session.Objects[transaction]
	// requests, responses and browsers lead from a secret to the name of the
	// transaction.
	requests  *session.Objects[pointer]
	responses *session.Objects[pointer]
	browsers  *session.Objects[pointer]
	// slots are the places of waiting transactions of parties with a limit.
	slots *session.Objects[struct{}]
	// repeats are the answers to creations with an idempotency key.
	repeats *session.Objects[repeat]

	streams, pageStreams streams
	pace                 pace
}

const minToken = 32

// New returns the verifier, or an error if the configuration is incomplete or
// contradictory.
func New(cfg Config) (*Verifier, error) {
	if cfg.WalletURL == "" {
		cfg.WalletURL = openid4vp.EndpointOpenID4VP
	}
	if cfg.Presets == nil {
		cfg.Presets = DefaultPresets(slices.Collect(maps.Keys(cfg.Formats))...)
	}
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("verifier: %w", err)
	}
	lifetime := cfg.Lifetimes.Request + cfg.Lifetimes.Result
	v := &Verifier{
		pace:         defaultPace,
		cfg:          cfg,
		presented:    map[string]Preset{},
		transactions: session.NewObjects[transaction](cfg.Sessions, "vp-transaction", lifetime),
		requests:     session.NewObjects[pointer](cfg.Sessions, "vp-request", cfg.Lifetimes.Request),
		responses:    session.NewObjects[pointer](cfg.Sessions, "vp-response", cfg.Lifetimes.Request),
		browsers:     session.NewObjects[pointer](cfg.Sessions, "vp-browser", lifetime),
		slots:        session.NewObjects[struct{}](cfg.Sessions, "vp-slot", cfg.Lifetimes.Request),
		repeats:      session.NewObjects[repeat](cfg.Sessions, "vp-repeat", lifetime),
	}
	var err error
	if v.parties, err = newPartyTable(&v.cfg); err != nil {
		return nil, fmt.Errorf("verifier: %w", err)
	}
	for _, p := range cfg.Presets {
		if _, err := v.checkQuery(p.Query); err != nil {
			return nil, fmt.Errorf("verifier: preset %s: %w", p.ID, err)
		}
		v.presented[p.ID] = p
	}
	return v, nil
}

func (c *Config) validate() error {
	u, err := url.Parse(c.BaseURL)
	switch {
	case c.Tenant == "" || c.Sessions == nil || c.Status == nil || c.Now == nil:
		return errors.New("tenant, sessions, status checker and clock are needed")
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(c.BaseURL, "/"):
		return errors.New("the base URL is not an https URL without query and trailing slash")
	case c.Keys == nil:
		return errors.New("a key for requests is needed")
	case len(c.Formats) == 0:
		return errors.New("no credential format is configured")
	case c.Request.validate(u.Hostname(), c.Keys) != nil:
		return c.Request.validate(u.Hostname(), c.Keys)
	case c.Lifetimes.Request <= 0 || c.Lifetimes.Result <= 0:
		return errors.New("lifetimes must be positive")
	case c.APIToken != "" && len(c.APIToken) < minToken:
		return fmt.Errorf("the relying party's token has less than %d characters", minToken)
	}
	for name, f := range c.Formats {
		if f.Verifier == nil || len(f.Anchors) == 0 {
			return fmt.Errorf("format %s needs a verifier and trust anchors", name)
		}
		if f.Status != "" && f.Status != StatusRefuse && f.Status != StatusReport {
			return fmt.Errorf("format %s: unknown policy for an undetermined status", name)
		}
	}
	return nil
}

// newSecret returns 256 random bits in base64url: 43 characters.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return jose.EncodeBase64(b[:])
}

// sameSecret compares in constant time. Nothing equals the empty string.
func sameSecret(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
