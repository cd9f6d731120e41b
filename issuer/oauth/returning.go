package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// Authenticator checks a person's answer with the authentication certificate.
// [evidence.Authentication] is one.
type Authenticator interface {
	// Verify returns the pseudonym of the certificate, or errors that wrap
	// evidence.ErrRefused or evidence.ErrUnavailable.
	Verify(ctx context.Context, c evidence.Challenge, answer evidence.Answer) (pseudonym string, err error)
}

// returning is the wallet's part of a return: whose link the person's
// authentication certificate has to be. The token is opened anew each time it is
// needed, so that what has ended meanwhile is not used.
type returning struct {
	RefreshToken string
	Client       Client
}

// returns reads the refresh token of a pushed request. One in which no
// authentication certificate is linked means that the person proves who they are
// once more; one that is of no use to the client is refused, as at the token
// endpoint.
func (s *Server) returns(ctx context.Context, client *Client, wallet *Wallet, form Params) (*returning, error) {
	if s.cfg.Authenticator == nil || !form.Has("refresh_token") {
		return nil, nil
	}
	if err := wallet.checkGrant(openid4vci.GrantRefreshToken); err != nil {
		return nil, err
	}
	r := &returning{RefreshToken: form.Get("refresh_token"), Client: *client}
	access, err := s.reopened(ctx, r)
	if err != nil {
		return nil, err
	}
	if access.Evidence.Linked == "" {
		return nil, nil
	}
	return r, nil
}

// reopened returns what the wallet's refresh token stands for.
func (s *Server) reopened(ctx context.Context, r *returning) (*Access, error) {
	access, err := s.opened(ctx, r.RefreshToken)
	switch {
	case errors.Is(err, ErrGrantRefused):
		return nil, refuse(openid4vci.CodeInvalidGrant, badRefreshToken, err)
	case err != nil:
		return nil, unavailable(err)
	case !access.belongsTo(&r.Client) || access.Evidence == nil:
		return nil, refuse(openid4vci.CodeInvalidGrant, badRefreshToken, nil)
	}
	return access, nil
}

// authentication says what the authentication certificate is good for in a login.
// It is taken on the device of the browser alone: an answer that was carried over
// may be that of somebody who was talked into it.
func (s *Server) authentication(r *pushedRequest, device evidence.Device) evidence.Use {
	switch {
	case s.cfg.Authenticator == nil || device != evidence.SameDevice:
		return ""
	case r.Returning != nil:
		return evidence.UseReturn
	case s.refreshes(r.Client.ID):
		return evidence.UseLink
	}
	return ""
}

// authenticated checks an answer of the authentication certificate, with or
// without one of the signature certificate. What the two of them are good for is
// in the challenge that both have signed.
func (s *Server) authenticated(ctx context.Context, c evidence.Challenge, r *returning, answer evidence.Answer, alone bool) (*evidence.Evidence, error) {
	const refused = "the authentication certificate is not accepted here"
	wanted := evidence.UseLink
	if alone {
		wanted = evidence.UseReturn
	}
	if s.cfg.Authenticator == nil || c.Authentication != wanted || alone && r == nil {
		return nil, refuse(openid4vci.CodeAccessDenied, refused, nil)
	}
	if !s.cfg.Now().Before(c.Expires) {
		return nil, refuse(openid4vci.CodeAccessDenied, lostLogin, nil)
	}
	pseudonym, err := s.cfg.Authenticator.Verify(ctx, c, answer)
	if err != nil {
		return nil, notProven(err)
	}
	if alone {
		return s.returned(ctx, r, pseudonym)
	}
	proof, err := s.cfg.Prover.Verify(ctx, c, answer)
	if err != nil {
		return nil, notProven(err)
	}
	proof.Linked = pseudonym
	return proof, nil
}

// returned gives back what was proven when the authentication certificate was
// linked, if it still holds: the signature certificate is looked up, and if it is
// revoked, all that rests on it falls.
func (s *Server) returned(ctx context.Context, r *returning, pseudonym string) (*evidence.Evidence, error) {
	const refused = "what was proven before can't be used: it has ended, or another certificate was linked with it"
	access, err := s.reopened(ctx, r)
	switch {
	case openid4vci.CodeOf(err) == openid4vci.CodeInvalidGrant:
		return nil, refuse(openid4vci.CodeAccessDenied, refused, err)
	case err != nil:
		return nil, err
	}
	linked := access.Evidence.Linked
	if !s.cfg.Now().Before(s.evidenceEnds(access.Evidence)) || linked == "" || subtle.ConstantTimeCompare([]byte(linked), []byte(pseudonym)) != 1 {
		return nil, refuse(openid4vci.CodeAccessDenied, refused, nil)
	}
	_, err = s.cfg.Grants.Refresh(ctx, access.GrantID, access.Evidence)
	switch {
	case errors.Is(err, ErrGrantRefused):
		return nil, refuse(openid4vci.CodeAccessDenied, refused, err)
	case err != nil:
		return nil, unavailable(err)
	}
	return access.Evidence.Returning(), nil
}

// evidenceEnds is when refresh tokens on evidence that is used now end: they count
// from the consent, and coming back makes what was proven before no younger.
func (s *Server) evidenceEnds(e *evidence.Evidence) time.Time {
	if e != nil && e.Linked != "" {
		return e.VerifiedAt.Add(s.cfg.Lifetimes.Refresh)
	}
	return s.cfg.Now().Add(s.cfg.Lifetimes.Refresh)
}
