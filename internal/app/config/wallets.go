package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer"
)

// Wallet registers a wallet with an issuer.
type Wallet struct {
	// ClientID is the subject of the wallet's attestations, or of the assertions
	// of a client with keys.
	ClientID string `yaml:"client_id"`
	// RedirectURIs are compared character by character.
	RedirectURIs []string `yaml:"redirect_uris"`
	// Provider is a PEM file with the anchor among the issuer's
	// wallet_providers under which the attestations of this wallet are signed.
	// It is needed where there is more than one.
	Provider string `yaml:"provider_file,omitempty"`
	// JWKS are the public keys of a client that authenticates with them
	// (private_key_jwt) and not with attestations, such as a web wallet with a
	// server; JWKSFile is a file that holds them in place of JWKS.
	JWKS     map[string]any `yaml:"jwks,omitempty"`
	JWKSFile string         `yaml:"jwks_file,omitempty"`
	// Name is what people read of a client with keys.
	Name string `yaml:"name,omitempty"`
	// Credentials and GrantTypes limit what the wallet may ask for and by which
	// grants; left out they limit nothing.
	Credentials []string `yaml:"credentials,omitempty"`
	GrantTypes  []string `yaml:"grant_types,omitempty"`
}

// HasKeys reports whether the wallet authenticates with keys of its own.
func (w *Wallet) HasKeys() bool { return w.JWKS != nil || w.JWKSFile != "" }

// Attested reports whether wallets may authenticate with attestations.
func (i *Issuer) Attested() bool {
	return len(i.Wallets) == 0 || slices.ContainsFunc(i.Wallets, func(w Wallet) bool { return !w.HasKeys() })
}

func (i *Issuer) checkWallets(mode Mode, f faults) {
	if mode == ModeProduction && len(i.Wallets) == 0 {
		f.add("wallets", "at least one is needed, because codes must not be sent to addresses that nobody registered")
	}
	if len(i.WalletProviders) == 0 && len(i.KeyAttestations) > 0 {
		f.add("key_attestations", "wallet_providers are needed, because nobody else attests keys")
	}
	seen := map[string]bool{}
	for n, w := range i.Wallets {
		where := fmt.Sprintf("wallets[%d]", n)
		if w.ClientID == "" || len(w.RedirectURIs) == 0 {
			f.add(where, "client_id and redirect_uris are needed")
		}
		if seen[w.ClientID] {
			f.add(where+".client_id", "registered twice: a wallet has one way to authenticate")
		}
		seen[w.ClientID] = true
		w.check(where, mode, len(i.WalletProviders), f)
		i.checkWanted(where+".credentials", w.Credentials, f)
	}
}

// checkWanted looks at credential configurations that a wallet is limited to.
func (i *Issuer) checkWanted(where string, ids []string, f faults) {
	offered, err := i.Configurations()
	if err != nil {
		return // which is reported elsewhere
	}
	for _, id := range ids {
		if !slices.ContainsFunc(offered, func(c issuer.Configuration) bool { return c.ID == id }) {
			f.add(where, "%q is not offered", id)
		}
	}
}

// check looks at one wallet. providers is how many could speak for it.
func (w *Wallet) check(where string, mode Mode, providers int, f faults) {
	switch {
	case w.JWKS != nil && w.JWKSFile != "":
		f.add(where+".jwks_file", "not together with jwks")
	case w.HasKeys() && w.Provider != "":
		f.add(where+".provider_file", "not together with keys: a wallet has one way to authenticate")
	case w.HasKeys() && w.Name == "":
		f.add(where+".name", "needed with keys, because nobody else says how the wallet is called")
	case !w.HasKeys() && w.Name != "":
		f.add(where+".name", "only with keys: otherwise the wallet's provider says how it is called")
	case !w.HasKeys() && mode == ModeProduction && w.Provider == "" && providers > 1:
		f.add(where+".provider_file", "needed with several wallet_providers, because each could speak for the wallets of the others")
	}
	for _, grant := range w.GrantTypes {
		if known := []string{openid4vci.GrantAuthorizationCode, openid4vci.GrantPreAuthorized, openid4vci.GrantRefreshToken}; !slices.Contains(known, grant) {
			f.add(where+".grant_types", "%s are known", strings.Join(known, ", "))
		}
	}
}

// LoadClientKeys reads the keys of a registered wallet: public, on P-256, each
// with a kid of its own if there are several.
func LoadClientKeys(use string, w *Wallet) ([]jose.JWK, error) {
	var data []byte
	var err error
	if w.JWKSFile != "" {
		use += ".jwks_file"
		data, err = os.ReadFile(w.JWKSFile)
	} else {
		use += ".jwks"
		data, err = json.Marshal(w.JWKS)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	var set jose.JWKSet
	if err := jose.UnmarshalJSON(data, &set); err != nil {
		return nil, fmt.Errorf("%s: %w", use, err)
	}
	if len(set.Keys) == 0 {
		return nil, errors.New(use + ": keys is empty or missing")
	}
	seen := map[string]bool{}
	for n, key := range set.Keys {
		public, err := key.VerificationKey()
		if err != nil {
			return nil, fmt.Errorf("%s: key %d: %w", use, n, err)
		}
		if alg, err := jose.AlgorithmOf(public); err != nil || alg != "ES256" {
			return nil, fmt.Errorf("%s: key %d is not on P-256", use, n)
		}
		if len(set.Keys) > 1 && (key.Kid == "" || seen[key.Kid]) {
			return nil, fmt.Errorf("%s: key %d needs a kid of its own", use, n)
		}
		seen[key.Kid] = true
	}
	return set.Keys, nil
}
