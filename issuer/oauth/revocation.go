package oauth

import (
	"context"
	"crypto/subtle"
	"errors"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/session"
)

// Revoke ends a token at the wish of the wallet instance that it was given to
// (RFC 7009 section 2). With a refresh token end the access tokens that came of
// it, and what was sealed for it is deleted. What was issued stays. An unknown
// token is no error, and neither is one of another instance, which stays as it
// is: the answer tells nobody whether a token exists.
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
		return s.revokeRefresh(ctx, client, token)
	case err != nil:
		return unavailable(err)
	}
	if !access.belongsTo(client) {
		return nil
	}
	if _, err := s.tokens.Take(ctx, token); err != nil && !errors.Is(err, session.ErrNotFound) {
		return unavailable(err)
	}
	return nil
}

func (s *Server) revokeRefresh(ctx context.Context, client *Client, token string) error {
	access, err := s.opened(ctx, token)
	switch {
	case errors.Is(err, ErrGrantRefused):
		return nil
	case err != nil:
		return unavailable(err)
	}
	if !access.belongsTo(client) {
		return nil
	}
	if err := s.cfg.Grants.End(ctx, access.GrantID); err != nil {
		return unavailable(err)
	}
	return nil
}

// belongsTo reports whether a token was given to this instance of a wallet. A
// client with keys has no instances, and its keys follow one another within the
// life of a refresh token.
func (a *Access) belongsTo(client *Client) bool {
	if client.ByKey {
		return a.ClientID == client.ID
	}
	return a.ClientID == client.ID && subtle.ConstantTimeCompare([]byte(a.InstanceKey), []byte(client.InstanceKey)) == 1
}
