package openid4vci

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
)

// IssuerMetadata is the metadata of a credential issuer (section 12.2.4).
type IssuerMetadata struct {
	// CredentialIssuer is the identifier.
	CredentialIssuer string `json:"credential_issuer"`
	// AuthorizationServers are the issuer identifiers of authorization
	// servers; empty means that the issuer is its own.
	AuthorizationServers []string `json:"authorization_servers,omitempty"`
	// CredentialEndpoint is mandatory; the other endpoints are empty where
	// there is none.
	CredentialEndpoint         string `json:"credential_endpoint"`
	NonceEndpoint              string `json:"nonce_endpoint,omitempty"`
	DeferredCredentialEndpoint string `json:"deferred_credential_endpoint,omitempty"`
	NotificationEndpoint       string `json:"notification_endpoint,omitempty"`
	// RequestEncryption and ResponseEncryption are nil where the issuer does
	// not support encryption.
	RequestEncryption  *RequestEncryption  `json:"credential_request_encryption,omitempty"`
	ResponseEncryption *ResponseEncryption `json:"credential_response_encryption,omitempty"`
	// Batch is nil if only one credential is issued at a time.
	Batch   *Batch    `json:"batch_credential_issuance,omitempty"`
	Display []Display `json:"display,omitempty"`
	// Configurations are the credentials on offer by their IDs.
	Configurations map[string]*Configuration `json:"credential_configurations_supported"`
}

// RequestEncryption says how credential requests may be encrypted.
type RequestEncryption struct {
	Keys     KeySet   `json:"jwks"`
	Enc      []string `json:"enc_values_supported"`
	Zip      []string `json:"zip_values_supported,omitempty"`
	Required bool     `json:"encryption_required"`
}

// ResponseEncryption says how credential responses can be encrypted.
type ResponseEncryption struct {
	Alg      []string `json:"alg_values_supported"`
	Enc      []string `json:"enc_values_supported"`
	Zip      []string `json:"zip_values_supported,omitempty"`
	Required bool     `json:"encryption_required"`
}

// KeySet is a JWK set. Keys of kinds that are not used here are left out when
// it is read (RFC 7517 section 5).
type KeySet struct {
	Keys []jose.JWK `json:"keys"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *KeySet) UnmarshalJSON(data []byte) error {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := jose.UnmarshalJSON(data, &raw); err != nil {
		return err
	}
	s.Keys = nil
	for _, k := range raw.Keys {
		if jwk, err := jose.ParseJWK(k); err == nil {
			s.Keys = append(s.Keys, *jwk)
		}
	}
	return nil
}

// Batch says how many proofs one credential request may have, at least 2.
type Batch struct {
	Size int `json:"batch_size"`
}

// Display describes an issuer, a credential or a claim in one language.
type Display struct {
	Name string `json:"name,omitempty"`
	// Locale is a language tag of BCP 47.
	Locale          string `json:"locale,omitempty"`
	Logo            *Image `json:"logo,omitempty"`
	Description     string `json:"description,omitempty"`
	BackgroundColor string `json:"background_color,omitempty"`
	BackgroundImage *Image `json:"background_image,omitempty"`
	TextColor       string `json:"text_color,omitempty"`
}

// DisplayName returns the name in a language (the first part of a tag of BCP 47),
// else the first name, else the fallback.
func DisplayName(display []Display, language, fallback string) string {
	name := ""
	for _, d := range display {
		tag, _, _ := strings.Cut(d.Locale, "-")
		if strings.EqualFold(tag, language) && d.Name != "" {
			return d.Name
		}
		if name == "" {
			name = d.Name
		}
	}
	if name == "" {
		return fallback
	}
	return name
}

// Image is a picture by its URI, whose scheme can be https or data.
type Image struct {
	URI     string `json:"uri"`
	AltText string `json:"alt_text,omitempty"`
}

// Configuration describes one credential that can be issued.
type Configuration struct {
	Format credentials.Format `json:"format"`
	// Scope is the OAuth scope value; HAIP 1.0 demands one for each
	// configuration.
	Scope string `json:"scope,omitempty"`
	// SigningAlgorithms are what the issuer signs with: names for SD-JWT VC,
	// COSE numbers for mdoc.
	SigningAlgorithms []Algorithm `json:"credential_signing_alg_values_supported,omitempty"`
	// BindingMethods and ProofTypes are both present if the credential is
	// bound to a key, and both absent otherwise.
	BindingMethods []string             `json:"cryptographic_binding_methods_supported,omitempty"`
	ProofTypes     map[string]ProofType `json:"proof_types_supported,omitempty"`
	// VCT is the type of an SD-JWT VC, Doctype that of an mdoc.
	VCT      string              `json:"vct,omitempty"`
	Doctype  string              `json:"doctype,omitempty"`
	Metadata *CredentialMetadata `json:"credential_metadata,omitempty"`
}

// Type returns the vct or the doctype.
func (c *Configuration) Type() string {
	if c.Format == credentials.FormatMdoc {
		return c.Doctype
	}
	return c.VCT
}

// Algorithm is an algorithm by its JOSE name or, with an empty name, by its
// COSE number.
type Algorithm struct {
	Name string
	COSE int64
}

// MarshalJSON writes a string or an integer.
func (a Algorithm) MarshalJSON() ([]byte, error) {
	if a.Name != "" {
		return json.Marshal(a.Name)
	}
	return strconv.AppendInt(nil, a.COSE, 10), nil
}

// UnmarshalJSON reads a string or an integer.
func (a *Algorithm) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &a.Name)
	}
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return errors.New("algorithm is neither string nor integer")
	}
	a.COSE = n
	return nil
}

// ProofType says what key proofs of a type must be like.
type ProofType struct {
	SigningAlgorithms []string `json:"proof_signing_alg_values_supported"`
	// KeyAttestations is nil if no key attestation is needed; empty, it asks
	// for one without constraints.
	KeyAttestations *KeyAttestationsRequired `json:"key_attestations_required,omitempty"`
}

// KeyAttestationsRequired lists the values that a key attestation may assert.
// A nil list does not constrain.
type KeyAttestationsRequired struct {
	KeyStorage         []string `json:"key_storage,omitempty"`
	UserAuthentication []string `json:"user_authentication,omitempty"`
}

// CredentialMetadata is for display.
type CredentialMetadata struct {
	Display []Display          `json:"display,omitempty"`
	Claims  []ClaimDescription `json:"claims,omitempty"`
	// ReusePolicy is nil if credentials may be shown as often as the wallet
	// likes.
	ReusePolicy *ReusePolicy `json:"credential_reuse_policy,omitempty"`
}

// ClaimDescription describes a claim of a credential (appendix B). Display is
// used in metadata only.
type ClaimDescription struct {
	Path      credentials.Path `json:"path,omitempty"`
	Mandatory bool             `json:"mandatory,omitempty"`
	Display   []Display        `json:"display,omitempty"`
}

// ParseIssuerMetadata reads the metadata of the issuer with the given
// identifier and validates what concerns the issuer as a whole. What a
// configuration says is judged by [IssuerMetadata.Configuration], so that one
// that is malformed or of an unknown format does not spoil the others.
func ParseIssuerMetadata(data []byte, identifier string) (*IssuerMetadata, error) {
	var m IssuerMetadata
	if err := parse(data, &m); err != nil {
		return nil, fmt.Errorf("issuer metadata: %w", err)
	}
	if err := m.Validate(identifier); err != nil {
		return nil, err
	}
	return &m, nil
}

// AuthorizationServer returns the authorization server to use, given the
// authorization_server parameter of an offer's grant, or "". A parameter that
// is not among the metadata's servers is an error.
func (m *IssuerMetadata) AuthorizationServer(hint string) (string, error) {
	switch {
	case hint != "" && !slices.Contains(m.AuthorizationServers, hint):
		return "", errors.New("issuer metadata: authorization_server of the offer is not listed")
	case hint != "":
		return hint, nil
	case len(m.AuthorizationServers) > 0:
		return m.AuthorizationServers[0], nil
	}
	return m.CredentialIssuer, nil
}

// BatchSize returns how many proofs one request may have.
func (m *IssuerMetadata) BatchSize() int {
	if m.Batch == nil {
		return 1
	}
	return m.Batch.Size
}

// Configuration returns the configuration with the given ID after validating
// it. Unknown IDs are an *[Error] with [CodeUnknownCredentialConfiguration].
func (m *IssuerMetadata) Configuration(id string) (*Configuration, error) {
	c := m.Configurations[id]
	if c == nil {
		return nil, NewError(CodeUnknownCredentialConfiguration, "no such credential configuration")
	}
	return c, c.Validate()
}

// ReusePolicyARF is the only reuse policy there is: that of annex II of the
// Architecture and Reference Framework of the European Union.
const ReusePolicyARF = "arf_annex_ii"

// ReusePolicy tells wallets how often to show one credential (ETSI TS 119 472-3
// section 4.2.4.2). The options are in the order of the issuer's preference.
type ReusePolicy struct {
	ID      string        `json:"id"`
	Options []ReuseOption `json:"options"`
}

// ReuseOption is an option of a [ReusePolicy].
type ReuseOption struct {
	// Details are once_only, limited_time, rotating-batch and per-relying-party.
	Details   []string `json:"details"`
	BatchSize int      `json:"batch_size,omitempty"`
	// Unused is how many credentials are left when the wallet gets new ones.
	Unused *int `json:"reissue_trigger_unused,omitempty"`
	// LifetimeLeft is how long before their end it does, in seconds.
	LifetimeLeft int64 `json:"reissue_trigger_lifetime_left,omitempty"`
}
