package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// Authenticate checks the access token and the DPoP proof of a request to a
// protected resource (RFC 9449 section 7.1) and returns what the token allows.
// authorization and proofs are all values of the Authorization and the DPoP
// header.
func (s *Server) Authenticate(ctx context.Context, method, target string, authorization, proofs []string) (*Access, error) {
	if len(authorization) != 1 {
		return nil, refuse(openid4vci.CodeInvalidToken, "one Authorization header is needed", nil)
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	if !strings.EqualFold(scheme, "DPoP") || token == "" {
		return nil, refuse(openid4vci.CodeInvalidToken, "the authorization scheme must be DPoP", nil)
	}
	access, _, err := s.tokens.Get(ctx, token)
	if err != nil {
		return nil, stored(err, openid4vci.CodeInvalidToken, "the access token is unknown or has expired")
	}
	if !s.cfg.Now().Before(access.Expires) {
		return nil, refuse(openid4vci.CodeInvalidToken, "the access token is unknown or has expired", nil)
	}
	key, err := s.verifyDPoP(ctx, method, target, proofs, token)
	if err != nil {
		var refused *openid4vci.Error
		if errors.As(err, &refused) && (refused.Code == openid4vci.CodeInvalidDPoPProof || refused.Code == openid4vci.CodeUseDPoPNonce) {
			refused.Status = http.StatusUnauthorized
		}
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(key), []byte(access.DPoPKey)) != 1 {
		return nil, refuse(openid4vci.CodeInvalidToken, "the access token is bound to another key", nil)
	}
	return &access, nil
}
