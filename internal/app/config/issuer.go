package config

import (
	"net/url"
	"time"
)

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

// HTTPSource is a register behind HTTP; openapi/source.yaml says what it does.
type HTTPSource struct {
	// URL is its address: https, without a query.
	URL string `yaml:"url"`
	// Roots is a PEM file with the authority of the register's certificate, which
	// is trusted in place of all others.
	Roots string `yaml:"roots_file"`
	// Key is the client certificate that the register admits.
	Key KeyList `yaml:"key"`
	// Timeout is how long a lookup may take; 5s if left out.
	Timeout Duration `yaml:"timeout,omitempty"`
	// MaxAge is how old what the register says may be; 24h if left out.
	MaxAge Duration `yaml:"max_age,omitempty"`
}

// longestLookup is the longest that a person is made to wait for a register.
const longestLookup = 30 * time.Second

func (s *HTTPSource) check(key string, f faults) {
	if u, err := url.Parse(s.URL); err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		f.add(key+".url", "must be an https URL without a query, because it gets personal data")
	}
	if s.Roots == "" {
		f.add(key+".roots_file", "needed: the register's authority alone is trusted")
	}
	if len(s.Key) == 0 {
		f.add(key+".key", "needed: the register knows the issuer by it")
	}
	if time.Duration(s.Timeout) > longestLookup {
		f.add(key+".timeout", "must be %s or less", longestLookup)
	}
}
