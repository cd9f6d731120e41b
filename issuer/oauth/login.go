package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/catalogue"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

// login is one browser's way through the pages. Its secret is the cookie, so a
// signature moves on only the browser that was shown the challenge.
type login struct {
	RequestSecret string
	Request       pushedRequest
	// ID is the name of the session in the challenge.
	ID               string
	Nonce            string
	ChallengeExpires time.Time
	// Signings are the secrets under which an app gets the challenge and
	// leaves the answer, by where it signs.
	Signings map[evidence.Device]string
	// Visit is under way while the browser is at the front door.
	Visit    *evidence.Visit
	Evidence *evidence.Evidence
	Person   *source.Person
}

// Begin starts a login for a pushed request and returns its secret, which
// belongs into a cookie. The same request may be visited again until one of
// its logins has come to a decision.
func (s *Server) Begin(ctx context.Context, clientID, requestURI string) (string, error) {
	secret, ok := strings.CutPrefix(requestURI, requestURIPrefix)
	if !ok {
		return "", refuse(openid4vci.CodeInvalidRequest, "request_uri of the pushed authorization request endpoint is needed", nil)
	}
	const unknown = "request_uri is unknown, has expired or was used"
	request, version, err := s.requests.Get(ctx, secret)
	if err != nil {
		return "", stored(err, codeInvalidRequestURI, unknown)
	}
	now := s.cfg.Now()
	if request.Done || (!request.Visited && now.After(request.VisitBy)) {
		return "", refuse(codeInvalidRequestURI, unknown, nil)
	}
	if request.Client.ID != clientID {
		return "", refuse(openid4vci.CodeInvalidRequest, "client_id is not the one that pushed the request", nil)
	}
	if !request.Visited {
		request.Visited = true
		// Somebody faster means a second first visit, or a decision that
		// Decide will see.
		if err := s.requests.Swap(ctx, secret, version, request); err != nil && !errors.Is(err, session.ErrConflict) {
			return "", stored(err, codeInvalidRequestURI, unknown)
		}
	}
	cookie := newSecret()
	l := login{
		RequestSecret:    secret,
		Request:          request,
		ID:               publicID("login", cookie),
		Nonce:            newSecret(),
		ChallengeExpires: now.Add(s.cfg.Lifetimes.Challenge),
	}
	if err := s.openSigning(ctx, &l, evidence.SameDevice); err != nil {
		return "", err
	}
	if err := s.logins.Put(ctx, cookie, l); err != nil {
		return "", unavailable(err)
	}
	return cookie, nil
}

const lostLogin = "this login has expired; start again in the wallet"

// challenge rebuilds what the person signs from the login alone.
func (s *Server) challenge(l *login, device evidence.Device) evidence.Challenge {
	var names []string
	for _, id := range l.Request.Configurations {
		if c, ok := s.configuration(id); ok {
			names = append(names, c.Name["ja"]+" ("+c.ID+")")
		}
	}
	return evidence.Challenge{
		Issuer:      s.cfg.Issuer,
		Session:     l.ID,
		Nonce:       l.Nonce,
		Expires:     l.ChallengeExpires,
		Credentials: names,
		Wallet:      l.Request.Client.WalletName,
		ClientKey:   l.Request.Client.InstanceKey,
		DPoPKey:     l.Request.DPoPKey,
		Device:      device,

		Authentication: s.authentication(&l.Request, device),
	}
}

// unproven returns a login in which nobody has proven who they are yet.
func (s *Server) unproven(ctx context.Context, cookie string) (*login, error) {
	l, _, err := s.logins.Get(ctx, cookie)
	if err != nil {
		return nil, stored(err, openid4vci.CodeInvalidRequest, lostLogin)
	}
	if l.Evidence != nil {
		return nil, refuse(openid4vci.CodeInvalidRequest, "the challenge was answered before", nil)
	}
	return &l, nil
}

// Prove takes an answer to the challenge that the person brings to the browser
// themselves. Nobody knows where it was signed, so it counts as signed on
// another device and is taken only where that is allowed. On success Prove
// returns a new cookie; the old one is void, so that nobody who knew it before
// the proof can go on after it.
func (s *Server) Prove(ctx context.Context, cookie string, answer evidence.Answer) (string, error) {
	if !s.cfg.OtherDevice {
		return "", errOtherDevice()
	}
	l, err := s.unproven(ctx, cookie)
	if err != nil {
		return "", err
	}
	return s.prove(ctx, cookie, l, evidence.OtherDevice, answer)
}

// prove goes on with an answer that was signed on the device.
func (s *Server) prove(ctx context.Context, cookie string, l *login, device evidence.Device, answer evidence.Answer) (string, error) {
	proof, err := s.verify(ctx, s.challenge(l, device), l.Request.Returning, answer)
	if err != nil {
		return "", err
	}
	return s.proven(ctx, cookie, l, proof)
}

// verify checks an answer to a challenge; r is that of the wallet's request.
func (s *Server) verify(ctx context.Context, c evidence.Challenge, r *returning, answer evidence.Answer) (*evidence.Evidence, error) {
	if authenticates, alone := answer.Authenticates(); authenticates {
		return s.authenticated(ctx, c, r, answer, alone)
	}
	proof, err := s.cfg.Prover.Verify(ctx, c, answer)
	if err != nil {
		return nil, notProven(err)
	}
	return proof, nil
}

// notProven is the refusal for an error of those who check answers.
func notProven(err error) error {
	if errors.Is(err, evidence.ErrUnavailable) {
		return unavailable(err)
	}
	return refuse(openid4vci.CodeAccessDenied, "the signature or its certificate is not accepted", err)
}

// proven goes on with the login under a new cookie, now that the person is
// known.
func (s *Server) proven(ctx context.Context, cookie string, l *login, proof *evidence.Evidence) (string, error) {
	person, err := s.cfg.Source.Person(ctx, proof, l.Request.Configurations)
	if errors.Is(err, source.ErrUnavailable) {
		return "", unavailable(err)
	}
	if err != nil {
		description := noCredential
		if errors.Is(err, catalogue.ErrIncomplete) {
			description += ": " + err.Error() // which names the claim, and nothing of the person
		}
		return "", refuse(openid4vci.CodeAccessDenied, description, fmt.Errorf("%w: %w", errNoCredential, err))
	}
	if _, err := s.logins.Take(ctx, cookie); err != nil {
		return "", stored(err, openid4vci.CodeInvalidRequest, lostLogin)
	}
	if err := s.dropSignings(ctx, l); err != nil {
		return "", err
	}
	l.Evidence, l.Person = proof, person
	next := newSecret()
	if err := s.logins.Put(ctx, next, *l); err != nil {
		return "", unavailable(err)
	}
	return next, nil
}

// ProveTestPerson answers the challenge with the server-side card of a test
// person. No signature travels, so it counts as signed on the same device.
func (s *Server) ProveTestPerson(ctx context.Context, cookie, person string) (string, error) {
	if s.cfg.TestCards == nil {
		return "", refuse(openid4vci.CodeInvalidRequest, "there are no test persons here", nil)
	}
	l, err := s.unproven(ctx, cookie)
	if err != nil {
		return "", err
	}
	certificate, signature, err := s.cfg.TestCards.Sign(ctx, person, s.challenge(l, evidence.SameDevice).Bytes())
	if err != nil {
		return "", refuse(openid4vci.CodeInvalidRequest, "unknown test person", err)
	}
	return s.prove(ctx, cookie, l, evidence.SameDevice, evidence.Answer{Certificate: certificate, Signature: signature})
}

// Decide ends the login with the person's decision and returns where the
// browser goes. A denial before the proof is a decision too.
func (s *Server) Decide(ctx context.Context, cookie string, approved bool) (string, error) {
	l, _, err := s.logins.Get(ctx, cookie)
	if err != nil {
		return "", stored(err, openid4vci.CodeInvalidRequest, lostLogin)
	}
	if approved && l.Evidence == nil {
		return "", refuse(openid4vci.CodeInvalidRequest, "the challenge has not been answered", nil)
	}
	if _, err := s.logins.Take(ctx, cookie); err != nil {
		return "", stored(err, openid4vci.CodeInvalidRequest, lostLogin)
	}
	if err := s.dropSignings(ctx, &l); err != nil {
		return "", err
	}
	request, version, err := s.requests.Get(ctx, l.RequestSecret)
	if err != nil {
		return "", stored(err, codeInvalidRequestURI, lostLogin)
	}
	if request.Done {
		return "", refuse(codeInvalidRequestURI, "the request was decided before", nil)
	}
	request.Done = true
	if err := s.requests.Swap(ctx, l.RequestSecret, version, request); err != nil {
		return "", stored(err, codeInvalidRequestURI, "the request was decided before")
	}
	if !approved {
		return s.redirect(request, url.Values{"error": {openid4vci.CodeAccessDenied}}), nil
	}
	secret, err := s.newCode(ctx, &l)
	if err != nil {
		return "", err
	}
	return s.redirect(request, url.Values{"code": {secret}}), nil
}

// redirect builds the authorization response, with iss (RFC 9207) and with the
// state as the client sent it. What the redirect URI has of a query stays as it
// is (RFC 6749 section 3.1.2).
func (s *Server) redirect(request pushedRequest, params url.Values) string {
	params.Set("iss", s.cfg.Issuer)
	if request.State != "" {
		params.Set("state", request.State)
	}
	separator := "?"
	if strings.Contains(request.RedirectURI, "?") {
		separator = "&"
	}
	return request.RedirectURI + separator + params.Encode()
}
