package oauth

import (
	"context"
	"crypto/subtle"
	"errors"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// FrontDoor is somebody else who proves who a person is: the browser is sent
// there and comes back. [openid.Provider] is one.
type FrontDoor interface {
	// Origin is a URL of where the browser is sent.
	Origin() string
	// Begin returns where the browser goes, and what the login keeps of it.
	Begin(c evidence.Challenge, redirectURI string) (location string, visit evidence.Visit)
	// Finish returns the evidence, or errors that wrap evidence.ErrRefused or
	// evidence.ErrUnavailable.
	Finish(ctx context.Context, c evidence.Challenge, visit evidence.Visit, redirectURI string, params map[string]string) (*evidence.Evidence, error)
}

const noFrontDoor = "nobody else proves identities here"

// Leave returns where the browser of a login goes to have somebody else prove
// who the person is. Of several visits only the last counts.
func (s *Server) Leave(ctx context.Context, cookie, redirectURI string) (location string, err error) {
	if s.cfg.FrontDoor == nil {
		return "", refuse(openid4vci.CodeInvalidRequest, noFrontDoor, nil)
	}
	l, version, err := s.logins.Get(ctx, cookie)
	switch {
	case err != nil:
		return "", stored(err, openid4vci.CodeInvalidRequest, lostLogin)
	case l.Evidence != nil:
		return "", refuse(openid4vci.CodeInvalidRequest, "the challenge was answered before", nil)
	}
	location, visit := s.cfg.FrontDoor.Begin(s.challenge(&l, evidence.SameDevice), redirectURI)
	l.Visit = &visit
	if err := s.logins.Swap(ctx, cookie, version, l); err != nil {
		return "", stored(err, openid4vci.CodeInvalidRequest, lostLogin)
	}
	return location, nil
}

// Arrive goes on when the browser comes back. A state that is not that of this
// browser's login uses nothing up, because others can send the browser here;
// after that the visit serves once, whatever comes of it. On success Arrive
// returns a new cookie, as [Server.Prove] does.
func (s *Server) Arrive(ctx context.Context, cookie, redirectURI string, params map[string]string) (string, error) {
	if s.cfg.FrontDoor == nil {
		return "", refuse(openid4vci.CodeInvalidRequest, noFrontDoor, nil)
	}
	l, version, err := s.logins.Get(ctx, cookie)
	if err != nil {
		return "", stored(err, openid4vci.CodeInvalidRequest, lostLogin)
	}
	visit := l.Visit
	if l.Evidence != nil || visit == nil || subtle.ConstantTimeCompare([]byte(visit.State), []byte(params["state"])) != 1 {
		return "", refuse(openid4vci.CodeInvalidRequest, "this browser did not leave to prove who the person is", nil)
	}
	l.Visit = nil
	switch err := s.logins.Swap(ctx, cookie, version, l); {
	case errors.Is(err, session.ErrConflict):
		return "", refuse(openid4vci.CodeInvalidRequest, "the answer was used before", err)
	case err != nil:
		return "", stored(err, openid4vci.CodeInvalidRequest, lostLogin)
	}
	proof, err := s.cfg.FrontDoor.Finish(ctx, s.challenge(&l, evidence.SameDevice), *visit, redirectURI, params)
	switch {
	case errors.Is(err, evidence.ErrUnavailable):
		return "", unavailable(err)
	case err != nil:
		return "", refuse(openid4vci.CodeAccessDenied, "the person's identity was not confirmed", err)
	}
	return s.proven(ctx, cookie, &l, proof)
}
