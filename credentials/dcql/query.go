package dcql

import (
	"slices"

	"github.com/tegata-id/tegata/credentials"
)

// Query is a DCQL query (OpenID4VP 1.0 section 6).
type Query struct {
	Credentials    []CredentialQuery    `json:"credentials"`
	CredentialSets []CredentialSetQuery `json:"credential_sets,omitempty"`
}

// CredentialQuery asks for one or more presentations of matching credentials
// (section 6.1).
type CredentialQuery struct {
	ID     string             `json:"id"`
	Format credentials.Format `json:"format"`
	// Multiple allows more than one presentation.
	Multiple           bool               `json:"multiple,omitempty"`
	Meta               Meta               `json:"meta"`
	TrustedAuthorities []TrustedAuthority `json:"trusted_authorities,omitempty"`
	// HolderBinding is nil where the query does not say; see
	// [CredentialQuery.HolderBindingRequired].
	HolderBinding *bool         `json:"require_cryptographic_holder_binding,omitempty"`
	Claims        []ClaimsQuery `json:"claims,omitempty"`
	// ClaimSets names combinations of claims by id, preferred ones first.
	ClaimSets [][]string `json:"claim_sets,omitempty"`
}

// Meta holds the format's own constraints: VCTValues for SD-JWT VC (appendix
// B.3.5), DoctypeValue for mdoc (B.2.3). Of other formats nothing is kept.
type Meta struct {
	VCTValues    []string `json:"vct_values,omitempty"`
	DoctypeValue string   `json:"doctype_value,omitempty"`
}

// TrustedAuthority names authorities or trust frameworks, one of which must
// stand behind a credential (section 6.1.1).
type TrustedAuthority struct {
	Type   string   `json:"type"`
	Values []string `json:"values"`
}

// AuthorityKeyIdentifier is the type of [TrustedAuthority] whose values are
// base64url key identifiers. It is the only type that is evaluated: a
// credential matches no authority of another type.
const AuthorityKeyIdentifier = "aki"

// CredentialSetQuery lists combinations of credential queries, one of which
// satisfies the use case (section 6.2).
type CredentialSetQuery struct {
	Options [][]string `json:"options"`
	// Required is nil where the query does not say; see
	// [CredentialSetQuery.IsRequired].
	Required *bool `json:"required,omitempty"`
}

// ClaimsQuery asks for one claim (section 6.3).
type ClaimsQuery struct {
	ID   string           `json:"id,omitempty"`
	Path credentials.Path `json:"path"`
	// Values holds Text, Int and Bool only. If there are any, the claim counts
	// only if it equals one of them in type and value.
	Values []credentials.Value `json:"values,omitempty"`
	// IntentToRetain is the mdoc parameter of that name; nil if the verifier
	// makes no statement.
	IntentToRetain *bool `json:"intent_to_retain,omitempty"`
}

// HolderBindingRequired reports whether a proof of possession is required,
// which is the default.
func (c *CredentialQuery) HolderBindingRequired() bool {
	return c.HolderBinding == nil || *c.HolderBinding
}

// IsRequired reports whether the set must be satisfied, which is the default.
func (s *CredentialSetQuery) IsRequired() bool { return s.Required == nil || *s.Required }

// Credential returns the credential query with the given id, or nil.
func (q *Query) Credential(id string) *CredentialQuery {
	i := slices.IndexFunc(q.Credentials, func(c CredentialQuery) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return &q.Credentials[i]
}

// HolderBindingRequired reports whether every credential query requires a
// proof of possession. Where one does not, the request needs a state
// (OpenID4VP 1.0 section 5.3).
func (q *Query) HolderBindingRequired() bool {
	for i := range q.Credentials {
		if !q.Credentials[i].HolderBindingRequired() {
			return false
		}
	}
	return true
}
