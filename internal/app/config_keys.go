package app

import (
	"encoding/hex"

	"github.com/tegata-id/tegata/credentials/keys/pkcs11"
)

// KeyConfig names a key and its certificates. The key is in a file or in a
// hardware module.
type KeyConfig struct {
	// Key is a PEM file with a private key, PKCS #8 or SEC 1, readable by its
	// owner alone.
	Key string `yaml:"key_file,omitempty"`
	// PKCS11 names a key in a hardware module, in place of Key. It needs a
	// binary that was built with -tags pkcs11.
	PKCS11 *PKCS11Config `yaml:"pkcs11,omitempty"`
	// Chain is a PEM file with the certificates, leaf first, without the
	// anchor.
	Chain string `yaml:"chain_file"`
}

// PKCS11Config names a key pair in a token behind a PKCS #11 library.
type PKCS11Config struct {
	// Module is the absolute path of the vendor's library.
	Module string `yaml:"module"`
	// TokenLabel or Slot, exactly one, names the token.
	TokenLabel string `yaml:"token_label,omitempty"`
	Slot       *int   `yaml:"slot,omitempty"`
	// PIN is a file with the user PIN, readable by its owner alone.
	PIN string `yaml:"pin_file"`
	// KeyLabel is CKA_LABEL and KeyID, in hexadecimal, CKA_ID. One is needed;
	// both are where one alone names several keys.
	KeyLabel string `yaml:"key_label,omitempty"`
	KeyID    string `yaml:"key_id,omitempty"`
}

func (p *PKCS11Config) token() pkcs11.Config {
	return pkcs11.Config{Module: p.Module, TokenLabel: p.TokenLabel, Slot: p.Slot}
}

func (p *PKCS11Config) key() (pkcs11.KeyName, error) {
	id, err := hex.DecodeString(p.KeyID)
	return pkcs11.KeyName{Label: p.KeyLabel, ID: id}, err
}

// check finds contradictions. That a key is missing altogether is found when it
// is loaded.
func (k *KeyConfig) check(name string, fault func(string, ...any)) {
	p := k.PKCS11
	if p == nil {
		return
	}
	if k.Key != "" {
		fault("%s: key_file and pkcs11 exclude each other", name)
	}
	if err := p.token().Validate(); err != nil {
		fault("%s.pkcs11: %w", name, err)
	}
	if p.PIN == "" {
		fault("%s.pkcs11.pin_file: needed", name)
	}
	if _, err := p.key(); err != nil {
		fault("%s.pkcs11.key_id: must be hexadecimal", name)
	} else if p.KeyLabel == "" && p.KeyID == "" {
		fault("%s.pkcs11: key_label or key_id is needed", name)
	}
}

// namedKey is a key with its place in the configuration.
type namedKey struct {
	name   string
	config *KeyConfig
}

// allKeys returns every key of the configuration, those that are left out
// included.
func (c *Config) allKeys() []namedKey {
	var all []namedKey
	role := func(name string, l *ListenConfig, signing ...namedKey) {
		if l.TLS != nil {
			all = append(all, namedKey{name + ".tls", l.TLS})
		}
		for _, key := range signing {
			all = append(all, namedKey{name + ".keys." + key.name, key.config})
		}
	}
	if i := c.Issuer; i != nil {
		role("issuer", &i.ListenConfig,
			namedKey{"sd_jwt", &i.Keys.SDJWT}, namedKey{"mdoc", &i.Keys.Mdoc}, namedKey{"status", &i.Keys.Status})
	}
	if v := c.Verifier; v != nil {
		role("verifier", &v.ListenConfig, namedKey{"request", &v.Keys.Request})
	}
	if p := c.Provider; p != nil {
		role("wallet_provider", &p.ListenConfig, namedKey{"attestation", &p.Keys.Attestation})
	}
	return all
}
