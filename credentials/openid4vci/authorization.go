package openid4vci

import (
	"errors"
	"fmt"
	"slices"
)

// maxDetails bounds the objects in authorization_details.
const maxDetails = 32

// AuthorizationDetail asks for, or in a token response grants, one credential
// (sections 5.1.1 and 6.2).
type AuthorizationDetail struct {
	// Type is [DetailType].
	Type                      string             `json:"type"`
	CredentialConfigurationID string             `json:"credential_configuration_id,omitempty"`
	Locations                 []string           `json:"locations,omitempty"`
	Claims                    []ClaimDescription `json:"claims,omitempty"`
	// CredentialIdentifiers is in token responses only.
	CredentialIdentifiers []string `json:"credential_identifiers,omitempty"`
}

// ParseAuthorizationDetails reads the authorization_details of a request.
// Types other than [DetailType] are refused, as RFC 9396 section 5 demands;
// errors are of type *[Error] with [CodeInvalidAuthorizationDetails].
func ParseAuthorizationDetails(data []byte) ([]AuthorizationDetail, error) {
	var details []AuthorizationDetail
	if err := parse(data, &details); err != nil {
		return nil, wrap(CodeInvalidAuthorizationDetails, "authorization_details is malformed", err)
	}
	if len(details) == 0 || len(details) > maxDetails {
		return nil, NewError(CodeInvalidAuthorizationDetails, "authorization_details is empty or has too many objects")
	}
	for _, d := range details {
		if d.Type != DetailType {
			return nil, NewError(CodeInvalidAuthorizationDetails, "type is not "+DetailType)
		}
		if d.CredentialConfigurationID == "" {
			return nil, NewError(CodeInvalidAuthorizationDetails, "no credential_configuration_id")
		}
		if d.Claims != nil && len(d.Claims) == 0 {
			return nil, NewError(CodeInvalidAuthorizationDetails, "claims is empty")
		}
		if err := CheckClaims(d.Claims); err != nil {
			return nil, wrap(CodeInvalidAuthorizationDetails, "claims repeat or contradict each other", err)
		}
	}
	return details, nil
}

// CheckLocation demands that locations, if present, is the issuer. If the
// issuer's metadata has authorization_servers it must be present.
func (d *AuthorizationDetail) CheckLocation(m *IssuerMetadata) error {
	if d.Locations == nil && len(m.AuthorizationServers) == 0 {
		return nil
	}
	if !slices.Equal(d.Locations, []string{m.CredentialIssuer}) {
		return NewError(CodeInvalidAuthorizationDetails, "locations is not the credential issuer identifier")
	}
	return nil
}

// PARResponse is the response to a pushed authorization request (RFC 9126
// section 2.2).
type PARResponse struct {
	RequestURI string `json:"request_uri"`
	// ExpiresIn is in seconds.
	ExpiresIn int64 `json:"expires_in"`
}

// ParsePARResponse reads and validates the response of a PAR endpoint.
func ParsePARResponse(data []byte) (*PARResponse, error) {
	var r PARResponse
	if err := parse(data, &r); err != nil {
		return nil, fmt.Errorf("PAR response: %w", err)
	}
	if r.RequestURI == "" || r.ExpiresIn <= 0 {
		return nil, errors.New("PAR response: no request_uri or no positive expires_in")
	}
	return &r, nil
}

// TokenResponse is the successful response of a token endpoint (section 6.2).
type TokenResponse struct {
	AccessToken string `json:"access_token"`
	// TokenType is DPoP for tokens bound to a DPoP key.
	TokenType string `json:"token_type"`
	// ExpiresIn is in seconds; 0 if not said.
	ExpiresIn            int64                 `json:"expires_in,omitempty"`
	RefreshToken         string                `json:"refresh_token,omitempty"`
	Scope                string                `json:"scope,omitempty"`
	AuthorizationDetails []AuthorizationDetail `json:"authorization_details,omitempty"`
}

// ParseTokenResponse reads and validates the response of a token endpoint.
// Authorization details of other types are left out.
func ParseTokenResponse(data []byte) (*TokenResponse, error) {
	var r TokenResponse
	if err := parse(data, &r); err != nil {
		return nil, fmt.Errorf("token response: %w", err)
	}
	if r.AccessToken == "" || r.TokenType == "" || r.ExpiresIn < 0 {
		return nil, errors.New("token response: no access_token or token_type, or a negative expires_in")
	}
	r.AuthorizationDetails = slices.DeleteFunc(r.AuthorizationDetails, func(d AuthorizationDetail) bool { return d.Type != DetailType })
	for _, d := range r.AuthorizationDetails {
		if d.CredentialConfigurationID == "" {
			return nil, errors.New("token response: authorization_details without credential_configuration_id")
		}
		if err := distinct(d.CredentialIdentifiers); err != nil {
			return nil, fmt.Errorf("token response: credential_identifiers: %w", err)
		}
	}
	return &r, nil
}

// NonceResponse is the response of the nonce endpoint (section 7.2).
type NonceResponse struct {
	Nonce string `json:"c_nonce"`
}

// ParseNonceResponse reads and validates the response of a nonce endpoint.
func ParseNonceResponse(data []byte) (*NonceResponse, error) {
	var r NonceResponse
	if err := parse(data, &r); err != nil {
		return nil, fmt.Errorf("nonce response: %w", err)
	}
	if r.Nonce == "" {
		return nil, errors.New("nonce response: no c_nonce")
	}
	return &r, nil
}

// ChallengeResponse is the response of the challenge endpoint
// (Attestation-Based Client Authentication).
type ChallengeResponse struct {
	Challenge string `json:"attestation_challenge"`
}

// ParseChallengeResponse reads and validates the response of a challenge
// endpoint.
func ParseChallengeResponse(data []byte) (*ChallengeResponse, error) {
	var r ChallengeResponse
	if err := parse(data, &r); err != nil {
		return nil, fmt.Errorf("challenge response: %w", err)
	}
	if r.Challenge == "" {
		return nil, errors.New("challenge response: no attestation_challenge")
	}
	return &r, nil
}
