package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

// code is what an authorization code stands for. It is marked as used and not
// deleted, so that a second use is seen.
type code struct {
	Request  pushedRequest
	Evidence *evidence.Evidence
	Person   *source.Person
	// Expires ends the code; the record lives on to notice a second use.
	Expires time.Time
	Used    bool
	// Token is the access token that the first use gave.
	Token string
}

// Access is what an access token allows, and for whom.
type Access struct {
	// GrantID is what credentials are counted under.
	GrantID string
	// RefreshedID is the ID of the grant that was refreshed, if it is another.
	RefreshedID    string
	ClientID       string
	InstanceKey    string
	DPoPKey        string
	Configurations []string
	// Details says that the token response named credential identifiers,
	// which the wallet must then use.
	Details  bool
	Evidence *evidence.Evidence
	Person   *source.Person
	Expires  time.Time
	// Statuses and StatusesEnd are those of the [Client] at the token request.
	Statuses    []credentials.StatusRef `json:",omitempty"`
	StatusesEnd time.Time               `json:",omitzero"`
}

// Consent names what the person agreed to: it stays the same when the grant is
// refreshed.
func (a *Access) Consent() string { return cmp.Or(a.RefreshedID, a.GrantID) }

// newCode returns a code for an approved login.
func (s *Server) newCode(ctx context.Context, l *login) (string, error) {
	expires := s.cfg.Now().Add(s.cfg.Lifetimes.Code)
	secret := l.Request.Code
	if secret == "" {
		secret = newSecret() // pushed before requests had one
	}
	request := l.Request
	request.Returning = nil // which is of no more use
	// The record outlives the code's validity, so that a second use within the
	// token's life is still seen.
	err := s.codes.PutUntil(ctx, secret, code{
		Request: request, Evidence: l.Evidence, Person: l.Person, Expires: expires,
	}, expires.Add(s.cfg.Lifetimes.Token))
	if err != nil {
		return "", unavailable(err)
	}
	return secret, nil
}

// Token answers a token request (RFC 6749 section 4.1.3, OpenID4VCI 1.0
// section 6). endpoint is the URL of the endpoint.
func (s *Server) Token(ctx context.Context, endpoint string, h ClientHeaders, form Params) (*openid4vci.TokenResponse, error) {
	client, err := s.authenticateClient(ctx, h, form)
	if err != nil {
		return nil, err
	}
	dpopKey, err := s.verifyDPoP(ctx, "POST", endpoint, h.DPoP, "")
	if err != nil {
		return nil, err
	}
	switch form.Get("grant_type") {
	case openid4vci.GrantAuthorizationCode:
		return s.exchangeCode(ctx, client, dpopKey, form)
	case openid4vci.GrantPreAuthorized:
		return s.exchangePreAuthorized(ctx, client, dpopKey, form)
	case openid4vci.GrantRefreshToken:
		if s.cfg.Lifetimes.Refresh > 0 {
			return s.refresh(ctx, client, dpopKey, form)
		}
	case "":
		return nil, refuse(openid4vci.CodeInvalidRequest, "grant_type is missing", nil)
	}
	return nil, refuse(openid4vci.CodeUnsupportedGrantType, "grant_type must be one of grant_types_supported", nil)
}

const badCode = "the code is unknown, has expired, was used, or was issued for another client or request"

func (s *Server) exchangeCode(ctx context.Context, client *Client, dpopKey string, form Params) (*openid4vci.TokenResponse, error) {
	if !form.Has("code") {
		return nil, refuse(openid4vci.CodeInvalidRequest, "code is missing", nil)
	}
	if form.Has("tx_code") {
		return nil, refuse(openid4vci.CodeInvalidRequest, "tx_code belongs to the pre-authorized code grant", nil)
	}
	secret := form.Get("code")
	c, version, err := s.codes.Get(ctx, secret)
	if err != nil {
		return nil, stored(err, openid4vci.CodeInvalidGrant, badCode)
	}
	request := c.Request
	switch {
	case request.Client.ID != client.ID, request.Client.InstanceKey != client.InstanceKey:
		return nil, refuse(openid4vci.CodeInvalidGrant, badCode, nil)
	case request.DPoPKey != "" && request.DPoPKey != dpopKey:
		return nil, refuse(openid4vci.CodeInvalidGrant, badCode, nil)
	case form.Get("redirect_uri") != request.RedirectURI:
		return nil, refuse(openid4vci.CodeInvalidGrant, badCode, nil)
	case openid4vci.VerifyCodeVerifier(form.Get("code_verifier"), request.CodeChallenge) != nil:
		return nil, refuse(openid4vci.CodeInvalidGrant, badCode, nil)
	}
	grantID := publicID("grant", secret)
	if c.Used {
		return nil, s.reused(ctx, grantID, c.Token)
	}
	if !s.cfg.Now().Before(c.Expires) {
		return nil, refuse(openid4vci.CodeInvalidGrant, badCode, nil)
	}
	access := Access{
		GrantID:        grantID,
		ClientID:       client.ID,
		InstanceKey:    client.InstanceKey,
		DPoPKey:        dpopKey,
		Configurations: request.Configurations,
		Details:        request.Details,
		Evidence:       c.Evidence,
		Person:         c.Person,
		Statuses:       client.Statuses,
		StatusesEnd:    client.StatusesEnd,
	}
	wallet, err := s.registered(client.ID)
	if err != nil {
		return nil, err
	}
	if err := s.narrow(wallet, &access, form); err != nil {
		return nil, err
	}
	return s.redeem(ctx, access, func(token string) error {
		c.Used, c.Token = true, token
		return s.codes.Swap(ctx, secret, version, c)
	})
}

// redeem starts the grant that a code stands for and issues its token. mark
// remembers in the session store that the code was used, and for which token.
//
// The grant comes first: it decides who is the one to redeem the code, and
// whoever comes second, even at the same time, has something to revoke.
func (s *Server) redeem(ctx context.Context, access Access, mark func(token string) error) (*openid4vci.TokenResponse, error) {
	refreshToken, err := s.startGrant(ctx, access)
	if err != nil {
		return nil, err
	}
	token := newSecret()
	if err := mark(token); err != nil {
		return nil, stored(err, openid4vci.CodeInvalidGrant, badCode)
	}
	response, err := s.respond(ctx, token, access)
	if err != nil {
		return nil, err
	}
	response.RefreshToken = refreshToken
	return response, nil
}

// respond puts down what an access token allows.
func (s *Server) respond(ctx context.Context, token string, access Access) (*openid4vci.TokenResponse, error) {
	access.Expires = s.cfg.Now().Add(s.cfg.Lifetimes.Token)
	if err := s.tokens.Put(ctx, token, access); err != nil {
		return nil, unavailable(err)
	}
	return s.tokenResponse(token, access), nil
}

// startGrant has the database decide who is first to use a code, and returns a
// refresh token where there are any.
func (s *Server) startGrant(ctx context.Context, access Access) (refreshToken string, err error) {
	g := Grant{
		ID: access.GrantID, Configurations: access.Configurations, Evidence: access.Evidence,
		Expires: s.cfg.Now().Add(s.cfg.Lifetimes.Token),
	}
	if s.refreshes(access.ClientID) {
		g.Expires = s.evidenceEnds(access.Evidence)
		access.Statuses, access.StatusesEnd = nil, time.Time{} // each refresh brings its own
		if g.Claims, err = json.Marshal(access); err != nil {
			return "", errors.New("what a token allows has no JSON form") // the error may quote it
		}
	}
	return s.start(ctx, g)
}

func (s *Server) start(ctx context.Context, g Grant) (refreshToken string, err error) {
	refreshToken, err = s.cfg.Grants.Start(ctx, g)
	switch {
	case errors.Is(err, ErrGrantExists):
		return "", s.reused(ctx, g.ID, "")
	case errors.Is(err, ErrGrantRefused):
		return "", refuse(openid4vci.CodeInvalidGrant, "what the code stood for has ended", err)
	case err != nil:
		return "", unavailable(err)
	}
	return refreshToken, nil
}

// void uses up a code without giving anything for it. If it was used before,
// which the session store may have forgotten, that comes to an end.
func (s *Server) void(ctx context.Context, access Access) error {
	g := Grant{ID: access.GrantID, Configurations: access.Configurations, Evidence: access.Evidence, Expires: s.cfg.Now()}
	if _, err := s.start(ctx, g); err != nil {
		return err
	}
	return s.reused(ctx, access.GrantID, "")
}

func (s *Server) tokenResponse(token string, access Access) *openid4vci.TokenResponse {
	response := &openid4vci.TokenResponse{
		AccessToken: token,
		TokenType:   "DPoP",
		ExpiresIn:   int64(s.cfg.Lifetimes.Token.Seconds()),
	}
	var scopes []string
	for _, id := range access.Configurations {
		if configuration, ok := s.configuration(id); ok {
			scopes = append(scopes, configuration.Scope)
		}
		if access.Details {
			response.AuthorizationDetails = append(response.AuthorizationDetails, openid4vci.AuthorizationDetail{
				Type:                      openid4vci.DetailType,
				CredentialConfigurationID: id,
				CredentialIdentifiers:     []string{id},
			})
		}
	}
	response.Scope = strings.Join(scopes, " ")
	return response
}

// reused ends what the first use of a code gave: whoever comes second may be
// the rightful one.
func (s *Server) reused(ctx context.Context, grantID, token string) error {
	if err := s.cfg.Grants.Revoke(ctx, grantID); err != nil {
		return unavailable(err)
	}
	if _, err := s.tokens.Take(ctx, token); err != nil && !errors.Is(err, session.ErrNotFound) {
		return unavailable(err)
	}
	return refuse(openid4vci.CodeInvalidGrant, badCode, nil)
}
