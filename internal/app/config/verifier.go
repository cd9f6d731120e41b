package config

import (
	"fmt"
	"slices"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vp"
	"github.com/tegata-id/tegata/verifier"
)

// Verifier configures a verifier.
type Verifier struct {
	Endpoint `yaml:",inline"`
	NameJA   string `yaml:"name_ja"`
	NameEN   string `yaml:"name_en"`
	// APIToken is a file with the token of the relying party that has no limits.
	// It may be left out where there are others.
	APIToken string `yaml:"api_token_file"`
	// RelyingParties have API keys and limits of their own; those in the files
	// of the folder PartiesDir too.
	RelyingParties []RelyingParty `yaml:"relying_parties,omitempty"`
	PartiesDir     string         `yaml:"relying_parties_dir,omitempty"`
	// MutualTLS lets relying parties authenticate by client certificate.
	MutualTLS *MutualTLS `yaml:"mutual_tls,omitempty"`
	Keys      struct {
		Request KeyList `yaml:"request"`
		// Webhook signs what relying parties with a webhook are told.
		Webhook KeyList `yaml:"webhook,omitempty"`
	} `yaml:"keys"`
	// Issuers are the anchors of credentials and of their status lists.
	Issuers []Anchor `yaml:"issuers"`
	// WalletURL is what a request link starts with: openid4vp:// or the https
	// URL of a web wallet.
	WalletURL string `yaml:"wallet_url"`
	// Request says in what form requests are made.
	Request VerifierRequest `yaml:"request"`
	// UndeterminedStatus says by format whether a presentation whose revocation
	// can't be found out is refused, which is the default, or accepted and
	// reported.
	UndeterminedStatus map[string]string `yaml:"undetermined_status"`

	// inFolder are the relying parties in PartiesDir.
	inFolder []RelyingParty
}

// VerifierRequest says in what form a verifier makes its requests. What is left
// out is as HAIP 1.0 demands.
type VerifierRequest struct {
	// Prefix is that of the client identifier: x509_hash, x509_san_dns or, in
	// mode test, redirect_uri, whose requests are not signed.
	Prefix string `yaml:"client_id_prefix"`
	// Mode is direct_post.jwt or direct_post, whose responses are not encrypted.
	Mode string `yaml:"response_mode"`
	// ByValue puts requests for wallets on the same device into the link.
	ByValue bool `yaml:"by_value"`
	// VerifierInfo are statements about the relying party, sent with requests.
	VerifierInfo []VerifierInfo `yaml:"verifier_info"`
}

// VerifierInfo names a statement of somebody else about the relying party.
type VerifierInfo struct {
	// Format is, for example, registration_cert.
	Format string `yaml:"format"`
	// File holds the statement as text, such as a JWT.
	File string `yaml:"file"`
}

func (v *Verifier) check(mode Mode, f faults) {
	v.checkParties(f)
	if v.MutualTLS != nil {
		v.MutualTLS.check(v, mode, f)
	}
	r := v.Request
	if !slices.Contains([]string{"", string(openid4vp.X509Hash), string(openid4vp.X509SanDNS), string(openid4vp.RedirectURI)}, r.Prefix) {
		f.add("request.client_id_prefix", "one of %s, %s, %s", openid4vp.X509Hash, openid4vp.X509SanDNS, openid4vp.RedirectURI)
	}
	if r.Prefix == string(openid4vp.RedirectURI) && mode == ModeProduction {
		f.add("request.client_id_prefix", "%s is not for mode production, because wallets can't tell who asks", openid4vp.RedirectURI)
	}
	if r.Prefix == string(openid4vp.RedirectURI) && r.ByValue {
		f.add("request.by_value", "not with %s, whose requests are in the link anyway", openid4vp.RedirectURI)
	}
	if !slices.Contains([]string{"", string(openid4vp.DirectPost), string(openid4vp.DirectPostJWT)}, r.Mode) {
		f.add("request.response_mode", "one of %s, %s", openid4vp.DirectPostJWT, openid4vp.DirectPost)
	}
	for i, info := range r.VerifierInfo {
		if info.Format == "" || info.File == "" {
			f.add(fmt.Sprintf("request.verifier_info[%d]", i), "format and file are needed")
		}
	}
	for format, policy := range v.UndeterminedStatus {
		if !slices.Contains([]string{string(credentials.FormatSDJWTVC), string(credentials.FormatMdoc)}, format) {
			f.add("undetermined_status", "there is no format %q", format)
		}
		if p := verifier.StatusPolicy(policy); p != verifier.StatusRefuse && p != verifier.StatusReport {
			f.add("undetermined_status", "one of %s, %s", verifier.StatusRefuse, verifier.StatusReport)
		}
	}
}
