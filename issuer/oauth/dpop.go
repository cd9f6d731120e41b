package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// verifyDPoP checks the DPoP header (RFC 9449 section 4.3) and returns the
// thumbprint of its key. accessToken is empty where no token is used. A proof
// that lacks nothing but a nonce is not used up.
func (s *Server) verifyDPoP(ctx context.Context, method, url string, headers []string, accessToken string) (string, error) {
	if len(headers) != 1 {
		return "", refuse(openid4vci.CodeInvalidDPoPProof, "one DPoP header is needed", nil)
	}
	now := s.cfg.Now()
	proof, err := dpop.Verify(headers[0], dpop.Expect{
		Method:      method,
		URL:         url,
		AccessToken: accessToken,
		CheckNonce:  s.cfg.DPoPNonces.Check(),
		Now:         now,
	})
	if dpop.CodeOf(err) == dpop.CodeUseNonce {
		return "", refuse(openid4vci.CodeUseDPoPNonce, "sign a new DPoP proof with the nonce of the DPoP-Nonce header", err)
	}
	if err != nil {
		return "", refuse(openid4vci.CodeInvalidDPoPProof, "the DPoP proof is not accepted", err)
	}
	first, err := s.cfg.Sessions.Once(ctx, "dpop", proof.KeyThumbprint+"|"+proof.ID, proof.IssuedAt, remember(proof.ForgetAfter, now))
	if err != nil {
		return "", unavailable(err)
	}
	if !first {
		return "", refuse(openid4vci.CodeInvalidDPoPProof, "the DPoP proof was used before, or may have been; sign a new one", nil)
	}
	return proof.KeyThumbprint, nil
}

// remember is how long the identifier of a proof is kept: until the proof would
// be refused for its age.
func remember(forgetAfter, now time.Time) time.Duration {
	return forgetAfter.Sub(now) + time.Second
}

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
