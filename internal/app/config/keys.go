package config

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials/keys/pkcs11"
)

// Key names a key and its certificates. The key is in a file or in a
// hardware module.
type Key struct {
	// Key is a PEM file with a private key, PKCS #8 or SEC 1, readable by its
	// owner alone.
	Key string `yaml:"key_file,omitempty"`
	// PKCS11 names a key in a hardware module, in place of Key. It needs a
	// binary that was built with -tags pkcs11.
	PKCS11 *PKCS11 `yaml:"pkcs11,omitempty"`
	// Chain is a PEM file with the certificates, leaf first, without the
	// anchor.
	Chain string `yaml:"chain_file"`
	// From is when the key is used first. A key of which this lies ahead is
	// published and signs nothing. Left out, it is used as soon as its
	// certificate is valid.
	From time.Time `yaml:"from,omitempty"`
}

// PKCS11 names a key pair in a token behind a PKCS #11 library.
type PKCS11 struct {
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

func (p *PKCS11) token() pkcs11.Config {
	return pkcs11.Config{Module: p.Module, TokenLabel: p.TokenLabel, Slot: p.Slot}
}

func (p *PKCS11) key() (pkcs11.KeyName, error) {
	id, err := hex.DecodeString(p.KeyID)
	return pkcs11.KeyName{Label: p.KeyLabel, ID: id}, err
}

// check finds contradictions. That a key is missing altogether is found when it
// is loaded.
func (l KeyList) check(name string, f faults) {
	for _, k := range l {
		p := k.PKCS11
		if p == nil {
			continue
		}
		if k.Key != "" {
			f.add(name, "key_file and pkcs11 exclude each other")
		}
		if err := p.token().Validate(); err != nil {
			f.add(name+".pkcs11", "%s", err)
		}
		if p.PIN == "" {
			f.add(name+".pkcs11.pin_file", "needed")
		}
		if _, err := p.key(); err != nil {
			f.add(name+".pkcs11.key_id", "must be hexadecimal")
		} else if p.KeyLabel == "" && p.KeyID == "" {
			f.add(name+".pkcs11", "key_label or key_id is needed")
		}
	}
}

// KeyList is a key, or the keys of one use that follow one another.
type KeyList []Key

// UnmarshalYAML implements yaml.Unmarshaler: one key may stand without a list
// around it.
func (l *KeyList) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.MappingNode {
		*l = KeyList{{}}
		return strictly(node, &(*l)[0])
	}
	return strictly(node, (*[]Key)(l))
}

// strictly decodes a node with unknown keys as errors, which the decoder forgets
// inside of an Unmarshaler.
func strictly(node *yaml.Node, v any) error {
	data, err := yaml.Marshal(node)
	if err != nil {
		return err
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		var mistakes *yaml.TypeError
		if errors.As(err, &mistakes) {
			for i, text := range mistakes.Errors {
				_, text, _ = strings.Cut(text, ": ")
				mistakes.Errors[i] = fmt.Sprintf("line %d: %s", node.Line, text)
			}
		}
		return err
	}
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (l KeyList) MarshalYAML() (any, error) {
	if len(l) == 1 {
		return l[0], nil
	}
	return []Key(l), nil
}

// NamedKeys are the keys of one use.
type NamedKeys struct {
	// Use is what they are called in the section: tls or keys.sd_jwt.
	Use  string
	List *KeyList
}

// Keys returns every key of a tenant. Those that are left out have empty lists.
func (t *Tenant) Keys() []NamedKeys {
	var all []NamedKeys
	if t.TLS != nil {
		all = append(all, NamedKeys{UseTLS, t.TLS})
	}
	switch {
	case t.Issuer != nil:
		k := &t.Issuer.Keys
		all = append(all, NamedKeys{"keys.sd_jwt", &k.SDJWT}, NamedKeys{"keys.mdoc", &k.Mdoc}, NamedKeys{"keys.status", &k.Status})
		if len(k.Metadata) > 0 {
			all = append(all, NamedKeys{"keys.metadata", &k.Metadata})
		}
		if t.Issuer.OpenID != nil || len(k.OpenID) > 0 {
			all = append(all, NamedKeys{"keys.openid", &k.OpenID})
		}
		for _, name := range slices.Sorted(maps.Keys(t.Issuer.Sources)) {
			if s := t.Issuer.Sources[name]; s != nil && s.HTTP != nil {
				all = append(all, NamedKeys{"sources." + name + ".http.key", &s.HTTP.Key})
			}
		}
	case t.Verifier != nil:
		all = append(all, NamedKeys{"keys.request", &t.Verifier.Keys.Request})
		if len(t.Verifier.Keys.Webhook) > 0 {
			all = append(all, NamedKeys{"keys.webhook", &t.Verifier.Keys.Webhook})
		}
	case t.Provider != nil:
		all = append(all, NamedKeys{"keys.attestation", &t.Provider.Keys.Attestation})
		if len(t.Provider.Keys.Status) > 0 {
			all = append(all, NamedKeys{"keys.status", &t.Provider.Keys.Status})
		}
	}
	return all
}

// UseTLS is the use of server certificates.
const UseTLS = "tls"
