package oauth

import (
	"context"
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
