package openid4vci

import (
	"errors"
	"fmt"
	"slices"
)

// AuthorizationServerMetadata is the metadata of an authorization server (RFC
// 8414), with the members that issuance uses.
type AuthorizationServerMetadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint,omitempty"`
	TokenEndpoint         string `json:"token_endpoint"`
	// PAREndpoint and RequirePAR are of RFC 9126.
	PAREndpoint string `json:"pushed_authorization_request_endpoint,omitempty"`
	RequirePAR  bool   `json:"require_pushed_authorization_requests,omitempty"`
	// ChallengeEndpoint hands out challenges for client attestations.
	ChallengeEndpoint  string `json:"challenge_endpoint,omitempty"`
	RevocationEndpoint string `json:"revocation_endpoint,omitempty"`
	JWKSURI            string `json:"jwks_uri,omitempty"`
	// StatusListAggregationEndpoint lists the status lists of what is issued
	// (draft-ietf-oauth-status-list section 9.1).
	StatusListAggregationEndpoint string `json:"status_list_aggregation_endpoint,omitempty"`

	ScopesSupported        []string `json:"scopes_supported,omitempty"`
	ResponseTypesSupported []string `json:"response_types_supported,omitempty"`
	ResponseModesSupported []string `json:"response_modes_supported,omitempty"`
	GrantTypesSupported    []string `json:"grant_types_supported,omitempty"`
	// AuthMethodsSupported are the token endpoint's, which the PAR endpoint
	// shares.
	AuthMethodsSupported               []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	AuthSigningAlgorithms              []string `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	RevocationAuthMethods              []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	RevocationAuthAlgorithms           []string `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`
	CodeChallengeMethodsSupported      []string `json:"code_challenge_methods_supported,omitempty"`
	DPoPSigningAlgorithms              []string `json:"dpop_signing_alg_values_supported,omitempty"`
	ClientAttestationSigningAlgorithms []string `json:"client_attestation_signing_alg_values_supported,omitempty"`
	ClientAttestationPoPAlgorithms     []string `json:"client_attestation_pop_signing_alg_values_supported,omitempty"`
	AuthorizationDetailsTypes          []string `json:"authorization_details_types_supported,omitempty"`
	// IssParameterSupported says that authorization responses have iss (RFC
	// 9207).
	IssParameterSupported bool `json:"authorization_response_iss_parameter_supported,omitempty"`
	// AnonymousPreAuthorized admits token requests with a pre-authorized code
	// but without a client (section 12.3).
	AnonymousPreAuthorized bool `json:"pre-authorized_grant_anonymous_access_supported"`
}

// ParseAuthorizationServerMetadata reads and validates the metadata of the
// authorization server with the given issuer identifier.
func ParseAuthorizationServerMetadata(data []byte, issuer string) (*AuthorizationServerMetadata, error) {
	var m AuthorizationServerMetadata
	if err := parse(data, &m); err != nil {
		return nil, fmt.Errorf("authorization server metadata: %w", err)
	}
	if err := m.Validate(issuer); err != nil {
		return nil, err
	}
	return &m, nil
}

// Validate checks that the metadata is that of the issuer, character by
// character (RFC 8414 section 3.3), that there is a token endpoint, and that
// every endpoint is an https URL.
func (m *AuthorizationServerMetadata) Validate(issuer string) error {
	if m.Issuer != issuer {
		return errors.New("authorization server metadata: issuer is not the identifier that was asked for")
	}
	if err := CheckIdentifier(issuer); err != nil {
		return fmt.Errorf("authorization server metadata: %w", err)
	}
	for name, endpoint := range map[string]string{
		"authorization_endpoint": m.AuthorizationEndpoint, "token_endpoint": m.TokenEndpoint,
		"pushed_authorization_request_endpoint": m.PAREndpoint, "challenge_endpoint": m.ChallengeEndpoint,
		"revocation_endpoint": m.RevocationEndpoint, "jwks_uri": m.JWKSURI,
	} {
		if endpoint == "" && name != "token_endpoint" {
			continue
		}
		if err := checkURL(endpoint); err != nil {
			return fmt.Errorf("authorization server metadata: %s: %w", name, err)
		}
	}
	if m.RequirePAR && m.PAREndpoint == "" {
		return errors.New("authorization server metadata: pushed authorization requests are required but have no endpoint")
	}
	return nil
}

// SupportsGrant reports whether the server supports a grant type. Without
// grant_types_supported it supports the authorization code (RFC 8414 section
// 2).
func (m *AuthorizationServerMetadata) SupportsGrant(grant string) bool {
	if m.GrantTypesSupported == nil {
		return grant == GrantAuthorizationCode
	}
	return slices.Contains(m.GrantTypesSupported, grant)
}

// CheckHighAssurance reports what a wallet needs of the server under HAIP 1.0
// section 4 that the metadata lacks: pushed requests, PKCE with S256, DPoP
// with ES256 and iss in authorization responses.
func (m *AuthorizationServerMetadata) CheckHighAssurance() error {
	switch {
	case m.AuthorizationEndpoint == "" || m.PAREndpoint == "":
		return errors.New("authorization server metadata: no authorization endpoint or no pushed authorization requests")
	case !slices.Contains(m.CodeChallengeMethodsSupported, ChallengeMethodS256):
		return errors.New("authorization server metadata: no PKCE with S256")
	case !slices.Contains(m.DPoPSigningAlgorithms, "ES256"):
		return errors.New("authorization server metadata: no DPoP with ES256")
	case !m.IssParameterSupported:
		return errors.New("authorization server metadata: no iss in authorization responses")
	}
	return nil
}
