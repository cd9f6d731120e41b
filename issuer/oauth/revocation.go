package oauth

import (
	"context"
	"crypto/subtle"
	"errors"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/session"
)

// Revoke ends an access token at the wish of the wallet instance that it was
// given to (RFC 7009 section 2). What was issued with it stays. An unknown token
// is no error, and neither is one of another instance, which stays as it is: the
// answer tells nobody whether a token exists.
func (s *Server) Revoke(ctx context.Context, h ClientHeaders, form Params) error {
	client, err := s.authenticateClient(ctx, h, form)
	if err != nil {
		return err
	}
	if !form.Has("token") {
		return refuse(openid4vci.CodeInvalidRequest, "token is missing", nil)
	}
	token := form.Get("token")
	access, _, err := s.tokens.Get(ctx, token)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return nil
	case err != nil:
		return unavailable(err)
	}
	if access.ClientID != client.ID || subtle.ConstantTimeCompare([]byte(access.InstanceKey), []byte(client.InstanceKey)) != 1 {
		return nil
	}
	if _, err := s.tokens.Take(ctx, token); err != nil && !errors.Is(err, session.ErrNotFound) {
		return unavailable(err)
	}
	return nil
}
