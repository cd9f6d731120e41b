package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// LoadConfig reads and validates a configuration file. Unknown keys, more than
// one document and values that contradict each other are errors; all of the
// latter are reported at once.
func LoadConfig(path string) (*Config, error) {
	c, err := decodeConfig(path)
	if err != nil {
		return nil, err
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("%s:\n%w", path, err)
	}
	c.resolve(filepath.Dir(path))
	return c, nil
}

// decodeConfig reads the file. Where the error is a [*yaml.TypeError], which
// lists unknown keys and values of the wrong kind, it also returns what could
// be read beside them.
func decodeConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var c Config
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		return &c, fmt.Errorf("%s: %w", path, err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one YAML document", path)
	}
	return &c, nil
}

// validate returns every fault that can be seen without opening a file.
func (c *Config) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("  "+format, args...)) }
	if c.Mode != ModeProduction && c.Mode != ModeTest {
		fault("mode: must be production or test")
	}
	if c.Issuer == nil && c.Verifier == nil && c.Provider == nil {
		fault("one of issuer, verifier and wallet_provider is needed")
	}
	if c.Redis != nil && len(c.Redis.Addresses) == 0 {
		fault("redis.addresses: at least one is needed")
	}
	if c.Redis != nil && c.SessionKeys == "" {
		fault("session_keys_file: needed with redis")
	}
	c.Database.check(c.Issuer != nil || c.Provider != nil, c.Mode, fault)
	if c.Mode == ModeProduction && len(c.Outbound.AllowLoopback) > 0 {
		fault("outbound.allow_loopback: not in mode production")
	}
	if c.Telemetry != nil {
		c.Telemetry.check(fault)
	}
	if c.Issuer != nil {
		c.Issuer.check("issuer", c.Mode, fault)
		if c.Issuer.BatchSize < 0 || c.Issuer.BatchSize == 1 || c.Issuer.BatchSize > 100 {
			fault("issuer.batch_size: must be from 2 to 100")
		}
		c.Issuer.checkWallets(c.Mode, fault)
		c.Issuer.JPKI.check(c.Mode, fault)
	}
	if c.Verifier != nil {
		c.Verifier.check("verifier", c.Mode, fault)
	}
	if c.Provider != nil {
		c.Provider.check("wallet_provider", c.Mode, fault)
		if c.Provider.ClientID == "" {
			fault("wallet_provider.client_id: needed")
		}
		if c.Provider.SoftwarePlatform && c.Mode == ModeProduction {
			fault("wallet_provider.software_platform: not in mode production")
		}
	}
	for _, key := range c.allKeys() {
		key.config.check(key.name, fault)
	}
	c.checkDistinct(fault)
	return errors.Join(faults...)
}

func (t *TelemetryConfig) check(fault func(string, ...any)) {
	u, err := url.Parse(t.OTLPEndpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		fault("telemetry.otlp_endpoint: must be an https URL, or http on loopback, without credentials")
	}
	if !(t.SampleRatio > 0 && t.SampleRatio <= 1) {
		fault("telemetry.sample_ratio: must be above 0 and at most 1")
	}
}

func loopback(host string) bool {
	return strings.HasPrefix(host, "127.") || host == "localhost" || host == "::1"
}

func (i *IssuerConfig) checkWallets(mode Mode, fault func(string, ...any)) {
	if mode == ModeProduction && len(i.Wallets) == 0 {
		fault("issuer.wallets: at least one is needed, because codes must not be sent to addresses that nobody registered")
	}
	for n, w := range i.Wallets {
		if w.ClientID == "" || len(w.RedirectURIs) == 0 {
			fault("issuer.wallets[%d]: client_id and redirect_uris are needed", n)
		}
	}
}

func (j *JPKIConfig) check(mode Mode, fault func(string, ...any)) {
	switch {
	case j.Throwaway && mode == ModeProduction:
		fault("issuer.jpki.throwaway: not in mode production")
	case j.Throwaway && (len(j.SignatureAnchors) > 0 || j.CRLURL != ""):
		fault("issuer.jpki.throwaway: not together with signature_anchors and crl_url")
	case j.Throwaway:
	case len(j.SignatureAnchors) == 0:
		fault("issuer.jpki.signature_anchors: at least one is needed")
	case !strings.HasPrefix(j.CRLURL, "https://"):
		fault("issuer.jpki.crl_url: an https URL is needed, because nothing is issued on a certificate that may be revoked")
	}
}

func (l *ListenConfig) check(role string, mode Mode, fault func(string, ...any)) {
	if l.Tenant == "" || strings.ContainsAny(l.Tenant, " /:|") {
		fault("%s.tenant: needed, without space, slash, colon or bar", role)
	}
	if l.Listen == "" {
		fault("%s.listen: needed", role)
	}
	u, err := url.Parse(l.Origin)
	switch {
	case err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		fault("%s.origin: must be an origin such as https://issuer.example", role)
	case u.Scheme != "https":
		fault("%s.origin: must be https", role)
	case mode == ModeProduction && loopback(u.Hostname()):
		fault("%s.origin: loopback is not for mode production", role)
	}
}

// resolve makes the paths of the file relative to its folder.
func (c *Config) resolve(dir string) {
	paths := []*string{&c.Database.Path, &c.Database.PasswordFile, &c.SessionKeys, &c.Outbound.Roots}
	anchors := func(list []AnchorConfig) {
		for i := range list {
			paths = append(paths, &list[i].File)
		}
	}
	for _, key := range c.allKeys() {
		paths = append(paths, &key.config.Key, &key.config.Chain)
		if key.config.PKCS11 != nil {
			paths = append(paths, &key.config.PKCS11.PIN)
		}
	}
	if c.Redis != nil {
		paths = append(paths, &c.Redis.PasswordFile)
	}
	if i := c.Issuer; i != nil {
		paths = append(paths, &i.AdminToken, &i.Secret)
		anchors(i.WalletProviders)
		anchors(i.JPKI.SignatureAnchors)
	}
	if v := c.Verifier; v != nil {
		paths = append(paths, &v.APIToken)
		anchors(v.Issuers)
	}
	if p := c.Provider; p != nil {
		paths = append(paths, &p.AdminToken, &p.Secret)
	}
	for _, path := range paths {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}
