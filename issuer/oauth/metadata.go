package oauth

import (
	"slices"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// Endpoints are the absolute URLs that the metadata names.
type Endpoints struct {
	PushedAuthorizationRequest string
	Authorization              string
	Token                      string
	Revocation                 string
	// Challenge is empty where no challenges are demanded.
	Challenge string
}

// Metadata returns the authorization server metadata (RFC 8414).
func (s *Server) Metadata(e Endpoints) openid4vci.AuthorizationServerMetadata {
	algorithms := []string{"ES256", "ES384", "ES512"}
	m := openid4vci.AuthorizationServerMetadata{
		Issuer:                        s.cfg.Issuer,
		AuthorizationEndpoint:         e.Authorization,
		TokenEndpoint:                 e.Token,
		PAREndpoint:                   e.PushedAuthorizationRequest,
		RequirePAR:                    true,
		ChallengeEndpoint:             e.Challenge,
		RevocationEndpoint:            e.Revocation,
		ResponseTypesSupported:        []string{"code"},
		ResponseModesSupported:        []string{"query"},
		GrantTypesSupported:           []string{openid4vci.GrantAuthorizationCode, openid4vci.GrantPreAuthorized},
		CodeChallengeMethodsSupported: []string{openid4vci.ChallengeMethodS256},
		DPoPSigningAlgorithms:         algorithms,
		AuthorizationDetailsTypes:     []string{openid4vci.DetailType},
		IssParameterSupported:         true,
	}
	byKey := slices.ContainsFunc(s.cfg.Wallets, func(w Wallet) bool { return w.byKey() })
	attested := len(s.cfg.Wallets) == 0 || slices.ContainsFunc(s.cfg.Wallets, func(w Wallet) bool { return !w.byKey() })
	if attested {
		m.AuthMethodsSupported = append(m.AuthMethodsSupported, attestation.AuthMethod)
		m.ClientAttestationSigningAlgorithms, m.ClientAttestationPoPAlgorithms = algorithms, algorithms
	}
	if byKey {
		m.AuthMethodsSupported = append(m.AuthMethodsSupported, "private_key_jwt")
		m.AuthSigningAlgorithms = []string{assertionAlgorithm}
	}
	m.RevocationAuthMethods, m.RevocationAuthAlgorithms = m.AuthMethodsSupported, m.AuthSigningAlgorithms
	if s.cfg.Lifetimes.Refresh > 0 {
		m.GrantTypesSupported = append(m.GrantTypesSupported, openid4vci.GrantRefreshToken)
	}
	for _, c := range s.cfg.Configurations {
		m.ScopesSupported = append(m.ScopesSupported, c.Scope)
	}
	return m
}
