// Package walletapp is a wallet for one person on this machine, for development,
// demonstrations and conformance suites: the engine of package holder with an
// encrypted vault, configured by a file. It is not for production and refuses to
// run there: its keys are in software.
package walletapp

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"

	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/wallet/web"
)

// Config is the wallet's configuration file. Paths are relative to its folder.
type Config struct {
	// Mode must be test.
	Mode config.Mode `yaml:"mode"`
	// Vault is the file of the vault, which is made if it is not there, and
	// PassphraseFile has the passphrase, readable by its owner alone.
	Vault          string `yaml:"vault_file"`
	PassphraseFile string `yaml:"passphrase_file"`
	// Provider is the base URL of the wallet provider.
	Provider string `yaml:"wallet_provider"`
	// RedirectURI is where issuers send the browser back to.
	RedirectURI string `yaml:"redirect_uri"`
	// BatchSize is how many copies of each credential the wallet asks for.
	BatchSize int `yaml:"batch_size,omitempty"`
	// Issuers are whose credentials are taken, Verifiers whose requests are
	// answered.
	Issuers   []config.Anchor `yaml:"issuer_anchors"`
	Verifiers []config.Anchor `yaml:"verifier_anchors"`
	// Metadata are who may sign issuer metadata. With it unsigned metadata is
	// refused, unless UnsignedMetadata takes that too.
	Metadata         []config.Anchor `yaml:"metadata_anchors,omitempty"`
	UnsignedMetadata bool            `yaml:"unsigned_metadata,omitempty"`
	// Registrars are whose registration certificates of verifiers count. With them
	// people are told what a verifier is registered for, or that it is not.
	Registrars []config.Anchor `yaml:"registrar_anchors,omitempty"`
	// EncryptedOnly refuses verifiers that do not have answers encrypted.
	EncryptedOnly bool            `yaml:"encrypted_only,omitempty"`
	Outbound      config.Outbound `yaml:"outbound,omitempty"`
	// Web, if set, is where the wallet's pages are.
	Web *Web `yaml:"web,omitempty"`
}

// Web configures the wallet's pages. Whoever can open them has the wallet in
// hand, so they are for this machine alone.
type Web struct {
	// Listen is a host and port on loopback.
	Listen string `yaml:"listen"`
	// Origin is how browsers know the pages: https://127.0.0.1:7443.
	Origin string `yaml:"origin"`
	// KeyFile and ChainFile are the server's TLS key and certificates.
	KeyFile   string `yaml:"tls_key_file"`
	ChainFile string `yaml:"tls_chain_file"`
}

// errProduction is the answer to any other mode.
var errProduction = errors.New("mode: this wallet keeps its keys in software and runs in mode test alone")

// Load reads a configuration file. All faults are reported at once.
func Load(file string) (*Config, error) {
	c := &Config{}
	if err := config.DecodeFile(file, c); err != nil {
		return nil, err
	}
	config.Relative(filepath.Dir(file), &c.Vault, &c.PassphraseFile, &c.Outbound.Roots)
	if c.Web != nil {
		config.Relative(filepath.Dir(file), &c.Web.KeyFile, &c.Web.ChainFile)
	}
	for _, anchors := range [][]config.Anchor{c.Issuers, c.Verifiers, c.Metadata, c.Registrars} {
		for n := range anchors {
			config.Relative(filepath.Dir(file), &anchors[n].File)
		}
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("%s:\n%w", file, err)
	}
	return c, nil
}

func (c *Config) validate() error {
	var list []error
	need := func(ok bool, text string) {
		if !ok {
			list = append(list, errors.New(text))
		}
	}
	if c.Mode != config.ModeTest {
		list = append(list, errProduction)
	}
	need(c.Vault != "", "vault_file: needed")
	need(c.PassphraseFile != "", "passphrase_file: needed")
	need(https(c.Provider), "wallet_provider: must be an https URL")
	need(https(c.RedirectURI), "redirect_uri: must be an https URL")
	need(c.BatchSize >= 0 && c.BatchSize <= 100, "batch_size: must be from 1 to 100")
	need(len(c.Issuers) > 0, "issuer_anchors: at least one is needed")
	need(len(c.Verifiers) > 0, "verifier_anchors: at least one is needed")
	need(!c.UnsignedMetadata || len(c.Metadata) > 0, "unsigned_metadata: without metadata_anchors no other is taken")
	if c.Web != nil {
		need(onLoopback(c.Web.Listen), "web.listen: must be an address on loopback")
		need(https(c.Web.Origin), "web.origin: must be an https URL")
		need(c.RedirectURI == c.Web.Origin+web.PathCallback, "redirect_uri: must be web.origin with "+web.PathCallback)
		need(c.Web.KeyFile != "" && c.Web.ChainFile != "", "web: tls_key_file and tls_chain_file are needed")
	}
	return errors.Join(list...)
}

func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func https(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}
