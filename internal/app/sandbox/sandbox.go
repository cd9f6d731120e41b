// Package sandbox makes everything that a deployment on one machine needs and
// that lasts no longer than the day: certification authorities, keys, tokens
// and a configuration file, in a folder of its own. The demonstration and the
// end-to-end tests run on it. Nothing in it is fit for production, and mode
// production refuses most of it.
package sandbox

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/walletapp"
	"github.com/tegata-id/tegata/internal/loopback"
	"github.com/tegata-id/tegata/internal/session"
)

// backdated is how old the CAs and signers are: credentials round their times
// down, and must not be older than their signer.
const backdated = 48 * time.Hour

// Options describe a sandbox.
type Options struct {
	Now time.Time
	// Redis is the address of a Redis server; empty keeps sessions in memory.
	Redis string
	// RedisTimeout is how long an operation of Redis may take; zero means the
	// default of the configuration.
	RedisTimeout time.Duration
	// JPKI configures how the issuer checks JPKI certificates. The zero value
	// makes a throwaway JPKI inside the issuer's process.
	JPKI config.JPKI
	// SignatureAnchors, if not empty, are written to a file and take the place
	// of JPKI.SignatureAnchors.
	SignatureAnchors []trust.Anchor
	// Outbound lists further addresses on loopback that may be connected to.
	Outbound []string
	// StatusWindow is how often status lists are published.
	StatusWindow time.Duration
	// BatchSize is that of the issuer.
	BatchSize int
}

// Sandbox is a folder with a configuration and what others need to talk to the
// process that runs on it.
type Sandbox struct {
	Dir string
	// ConfigFile is the configuration for all three roles.
	ConfigFile string
	// WalletFile is the configuration of a wallet for one person.
	WalletFile string
	// Issuer, Verifier and Provider are the origins.
	Issuer, Verifier, Provider string
	// TLSRoot is what clients must trust; TLS issues further server
	// certificates under it.
	TLSRoot *x509.Certificate
	TLS     *trusttest.CA
	// IssuerAnchors are those of the credentials, by format, and
	// VerifierAnchor that of request objects and of signed issuer metadata.
	IssuerAnchors  map[credentials.Format]trust.Anchor
	VerifierAnchor trust.Anchor
	// AdminToken creates offers, APIToken asks the verifier.
	AdminToken, APIToken string

	cas    *authorities
	config *config.Config
	// origins are those of the tenants in files of their own, by role.
	origins map[string]config.Endpoint
}

// authorities are the CAs of a sandbox.
type authorities struct {
	tls, issuing, iaca, provider, access *trusttest.CA
}

// New fills the folder, which must exist, and returns what is in it.
func New(dir string, o Options) (*Sandbox, error) {
	s := &Sandbox{Dir: dir, ConfigFile: filepath.Join(dir, "tegata.yaml"), WalletFile: filepath.Join(dir, "wallet.yaml")}
	var addresses []string
	for range 4 {
		address, err := loopback.Address()
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	s.Issuer, s.Verifier, s.Provider = "https://"+addresses[0], "https://"+addresses[1], "https://"+addresses[2]
	cas, err := newAuthorities(o.Now.Add(-backdated))
	if err != nil {
		return nil, err
	}
	s.TLS, s.TLSRoot = cas.tls, cas.tls.Certificate
	s.IssuerAnchors = map[credentials.Format]trust.Anchor{
		credentials.FormatSDJWTVC: cas.issuing.Anchor(credentials.FormatSDJWTVC),
		credentials.FormatMdoc:    cas.iaca.Anchor(credentials.FormatMdoc),
	}
	s.VerifierAnchor = cas.access.Anchor()
	w := &writer{dir: dir}
	s.cas, s.config = cas, s.write(w, cas, addresses[:3], o)
	w.yaml("tegata.yaml", s.config)
	w.yaml("wallet.yaml", s.wallet(w, addresses[3]))
	return s, w.err
}

// wallet returns the configuration of a wallet that trusts the sandbox.
func (s *Sandbox) wallet(w *writer, address string) *walletapp.Config {
	tls := w.key("tls-wallet", must(w, s.cas.tls.IssueTLS, trusttest.LeafOptions{DNSNames: []string{"localhost", "127.0.0.1"}}))
	if w.err != nil {
		return nil
	}
	return &walletapp.Config{
		Mode:  config.ModeTest,
		Vault: w.path("wallet.vault"), PassphraseFile: w.secret("wallet.passphrase"),
		Provider: s.Provider, RedirectURI: "https://" + address + "/callback", BatchSize: 4,
		Web:       &walletapp.Web{Listen: address, Origin: "https://" + address, KeyFile: tls[0].Key, ChainFile: tls[0].Chain},
		Issuers:   s.config.Verifier.Issuers,
		Verifiers: []config.Anchor{{File: w.certificate("access-ca", s.cas.access.Certificate)}},
		Outbound:  s.config.Outbound,
	}
}

func newAuthorities(notBefore time.Time) (*authorities, error) {
	var cas authorities
	for _, spec := range []struct {
		ca      **trusttest.CA
		name    string
		profile trusttest.Profile
	}{
		{&cas.tls, "Tegata Sandbox TLS CA", trusttest.Generic},
		{&cas.issuing, "Tegata Sandbox Issuing CA", trusttest.Generic},
		{&cas.iaca, "Tegata Sandbox IACA", trusttest.IACA},
		{&cas.provider, "Tegata Sandbox Wallet Provider CA", trusttest.Generic},
		{&cas.access, "Tegata Sandbox Access CA", trusttest.Generic},
	} {
		ca, err := trusttest.NewCA(trusttest.CAOptions{Name: spec.name, Profile: spec.profile, NotBefore: notBefore})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", spec.name, err)
		}
		*spec.ca = ca
	}
	return &cas, nil
}

// write writes the files and returns the configuration that names them.
func (s *Sandbox) write(w *writer, cas *authorities, addresses []string, o Options) *config.Config {
	host := trusttest.LeafOptions{DNSNames: []string{"localhost", "127.0.0.1"}}
	listen := func(role, address string) config.Endpoint {
		tls := w.key("tls-"+role, must(w, cas.tls.IssueTLS, host))
		return config.Endpoint{Tenant: "sandbox", Listen: address, Origin: "https://" + address, TLS: &tls}
	}
	s.AdminToken, s.APIToken = rand.Text()+rand.Text(), rand.Text()+rand.Text()

	c := &config.Config{Mode: config.ModeTest}
	c.Log.Format = "text"
	c.Database.Path = w.path("tegata.db")
	c.Outbound.Roots = w.certificate("tls-root", s.TLSRoot)
	c.Outbound.AllowLoopback = append(append([]string{}, addresses...), o.Outbound...)
	if o.Redis != "" {
		c.Redis = &config.Redis{Addresses: []string{o.Redis}, Prefix: "tegata:", Timeout: config.Duration(o.RedisTimeout)}
		c.SessionKeys = w.file("session.keys", session.NewRandomKeys().Encode())
	}

	c.Issuer = &config.Issuer{
		Endpoint: listen("issuer", addresses[0]),
		NameJA:   "手形市（試験環境）", NameEN: "Tegata City (sandbox)",
		AdminToken:      w.file("issuer-admin.token", []byte(s.AdminToken)),
		Secret:          w.secret("issuer.secret"),
		WalletProviders: []config.Anchor{{File: w.certificate("wallet-provider-ca", cas.provider.Certificate)}},
		JPKI:            o.JPKI,
		BatchSize:       o.BatchSize,
		Lifetimes:       config.Lifetimes{RefreshToken: config.Duration(90 * 24 * time.Hour)},
		StatusWindow:    config.Duration(o.StatusWindow),
		StatusListSize:  1 << 14, // published every second in places
	}
	cas.issuerKeys(w, c.Issuer)
	if len(o.SignatureAnchors) > 0 {
		c.Issuer.JPKI.SignatureAnchors = nil
		for i, anchor := range o.SignatureAnchors {
			file := w.certificate(fmt.Sprintf("jpki-signature-%d", i), anchor.Certificate)
			c.Issuer.JPKI.SignatureAnchors = append(c.Issuer.JPKI.SignatureAnchors, config.Anchor{File: file, Jurisdiction: "JP"})
		}
	} else if !o.JPKI.LooksUp() {
		c.Issuer.JPKI.Throwaway = true
	}

	c.Verifier = &config.Verifier{
		Endpoint: listen("verifier", addresses[1]),
		NameJA:   "手形銀行（試験環境）", NameEN: "Tegata Bank (sandbox)",
		APIToken: w.file("verifier-api.token", []byte(s.APIToken)),
		Issuers: []config.Anchor{
			{File: w.certificate("issuing-ca", cas.issuing.Certificate), Jurisdiction: "JP", Formats: []string{string(credentials.FormatSDJWTVC)}},
			{File: w.certificate("iaca", cas.iaca.Certificate), Jurisdiction: "JP", Formats: []string{string(credentials.FormatMdoc)}},
		},
	}
	cas.verifierKeys(w, c.Verifier)

	c.Provider = &config.Provider{
		Endpoint: listen("provider", addresses[2]),
		ClientID: "tegata-sandbox-wallet", WalletName: "手形ウォレット",
		AdminToken:       w.file("provider-admin.token", []byte(rand.Text()+rand.Text())),
		Secret:           w.secret("provider.secret"),
		SoftwarePlatform: true,
	}
	cas.providerKeys(w, c.Provider)
	return c
}

func (cas *authorities) issuerKeys(w *writer, c *config.Issuer) {
	c.Keys.SDJWT = w.key("sd-jwt", must(w, cas.issuing.IssueSDJWTSigner, trusttest.LeafOptions{}))
	c.Keys.Mdoc = w.key("mdoc", must(w, cas.iaca.IssueMdocSigner, trusttest.LeafOptions{}))
	c.Keys.Status = w.key("status", must(w, cas.issuing.IssueStatusSigner, trusttest.LeafOptions{}))
	c.Keys.Metadata = w.key("metadata", must(w, cas.access.IssueVerifierAccess, trusttest.LeafOptions{
		Name: "Tegata Sandbox Issuer Access", DNSNames: []string{"127.0.0.1"},
	}))
}

func (cas *authorities) verifierKeys(w *writer, c *config.Verifier) {
	c.Keys.Request = w.key("request", must(w, cas.access.IssueVerifierAccess, trusttest.LeafOptions{
		DNSNames: []string{"127.0.0.1", "localhost"}, Organization: "手形銀行", OrganizationIdentifier: "NTRJP-" + trust.CorporateNumber("100401098765"),
	}))
}

func (cas *authorities) providerKeys(w *writer, c *config.Provider) {
	c.Keys.Attestation = w.key("attestation", must(w, cas.provider.IssueWalletProvider, trusttest.LeafOptions{}))
}

func must(w *writer, issue func(trusttest.LeafOptions) (*keys.Key, error), o trusttest.LeafOptions) *keys.Key {
	key, err := issue(o)
	w.fail(err)
	return key
}
