package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer/source"
)

const badRefreshToken = "the refresh token is unknown, has expired, was revoked, or was issued to another client"

// refresh answers a token request with a refresh token (RFC 6749 section 6). The
// token stays the same (FAPI 2.0 section 5.3.2.1): it is bound to the key of the
// wallet instance, which the client has just proven, and not to a DPoP key.
//
// Nothing is known of the person until the token opens it. What the database
// says of the grant comes first, then the look at the certificate, then the
// count, then what registers say, and only then the new access token.
func (s *Server) refresh(ctx context.Context, client *Client, dpopKey string, form Params) (*openid4vci.TokenResponse, error) {
	wallet, err := s.registered(client.ID)
	if err != nil {
		return nil, err
	}
	if err := wallet.checkGrant(openid4vci.GrantRefreshToken); err != nil {
		return nil, err
	}
	if !form.Has("refresh_token") {
		return nil, refuse(openid4vci.CodeInvalidRequest, "refresh_token is missing", nil)
	}
	access, err := s.opened(ctx, form.Get("refresh_token"))
	switch {
	case errors.Is(err, ErrGrantRefused):
		return nil, refuse(openid4vci.CodeInvalidGrant, badRefreshToken, err)
	case err != nil:
		return nil, unavailable(err)
	case !access.belongsTo(client):
		return nil, refuse(openid4vci.CodeInvalidGrant, badRefreshToken, nil)
	}
	if err := s.narrowScope(access, form); err != nil {
		return nil, err
	}
	if err := s.narrow(wallet, access, form); err != nil {
		return nil, err
	}
	access.RefreshedID = access.GrantID
	access.GrantID, err = s.cfg.Grants.Refresh(ctx, access.RefreshedID, access.Evidence)
	switch {
	case errors.Is(err, ErrGrantRefused):
		return nil, refuse(openid4vci.CodeInvalidGrant, badRefreshToken, err)
	case err != nil:
		return nil, unavailable(err)
	}
	switch err := s.cfg.Source.StillTrue(ctx, access.Evidence, access.Person, access.Configurations); {
	case errors.Is(err, source.ErrUnavailable):
		return nil, unavailable(err)
	case err != nil:
		return nil, refuse(openid4vci.CodeInvalidGrant, "what is on record of the person is no longer what they agreed to; they have to agree again", err)
	}
	access.DPoPKey, access.Statuses, access.StatusesEnd = dpopKey, client.Statuses, client.StatusesEnd
	return s.respond(ctx, newSecret(), *access)
}

// refreshes reports whether a client gets refresh tokens.
func (s *Server) refreshes(clientID string) bool {
	wallet, err := s.registered(clientID)
	return s.cfg.Lifetimes.Refresh > 0 && err == nil && wallet.checkGrant(openid4vci.GrantRefreshToken) == nil
}

// opened returns what a refresh token stands for: what the first access token
// allowed.
func (s *Server) opened(ctx context.Context, refreshToken string) (*Access, error) {
	id, claims, err := s.cfg.Grants.Claims(ctx, refreshToken)
	if err != nil {
		return nil, err
	}
	var access Access
	if json.Unmarshal(claims, &access) != nil || access.GrantID != id { // the error may quote them
		return nil, fmt.Errorf("%w: what was sealed in it is malformed", ErrGrantRefused)
	}
	return &access, nil
}

// narrowScope reduces what the token allows to the scopes that are asked for. All
// must be among those that were granted.
func (s *Server) narrowScope(access *Access, form Params) error {
	if !form.Has("scope") {
		return nil
	}
	var kept []string
	for _, scope := range strings.Fields(form.Get("scope")) {
		i := slices.IndexFunc(access.Configurations, func(id string) bool {
			c, ok := s.configuration(id)
			return ok && c.Scope == scope
		})
		if i < 0 {
			return refuse(openid4vci.CodeInvalidScope, "scope has what was not granted", nil)
		}
		kept = append(kept, access.Configurations[i])
	}
	if len(kept) == 0 {
		return refuse(openid4vci.CodeInvalidScope, "scope is empty", nil)
	}
	slices.Sort(kept)
	access.Configurations = slices.Compact(kept)
	return nil
}
