package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// signing is a challenge that waits to be signed by an app. Its secret is in
// the link that opens the app, so whoever has the link can have anybody sign:
// an answer that arrives here moves nothing on. It stays until the browser that
// was shown the link comes with what only the app was told.
type signing struct {
	Challenge evidence.Challenge
	// Returning is that of the wallet's request.
	Returning *returning `json:",omitempty"`
	// Issued is when the challenge was made.
	Issued time.Time
	// Answer is nil until an app has left one that is accepted.
	Answer *evidence.Answer
	// Code is what the app was told for it.
	Code string
}

// Limits on what is tried for one signing, over all replicas.
const (
	// MaxDeposits is how many answers are looked at.
	MaxDeposits = 10
	// MaxSigningCodes is how many codes are compared that a person typed.
	MaxSigningCodes = 5
)

// signingCodeLength is the length of the code that a person types, in digits.
const signingCodeLength = 8

// Reasons for which an app is refused, in problem documents.
const (
	ReasonAnswered        = "answered"
	ReasonEvidenceRefused = "evidence_refused"
)

// Signing is what an app is told about what it shall sign.
type Signing struct {
	// Challenge is the text to show and to sign.
	Challenge []byte
	Device    evidence.Device
	Expires   time.Time
	// Authentication is what the authentication certificate is good for.
	Authentication evidence.Use
}

// Deposited is what an app does with the person once it has left an answer.
type Deposited struct {
	Device evidence.Device
	// Code belongs into a link that the app opens in the browser of its device
	// or, if it signed on another device, in front of the person.
	Code string
}

func errOtherDevice() error {
	return refuse(openid4vci.CodeInvalidRequest, "signing on another device is not allowed here", nil)
}

// openSigning makes the challenge of a login available to an app.
func (s *Server) openSigning(ctx context.Context, l *login, device evidence.Device) error {
	secret := newSecret()
	open := signing{Challenge: s.challenge(l, device), Returning: l.Request.Returning, Issued: s.cfg.Now()}
	if err := s.signings.PutUntil(ctx, secret, open, l.ChallengeExpires); err != nil {
		return unavailable(err)
	}
	if l.Signings == nil {
		l.Signings = map[evidence.Device]string{}
	}
	l.Signings[device] = secret
	return nil
}

// dropSignings removes challenges and answers that are of no more use.
func (s *Server) dropSignings(ctx context.Context, l *login) error {
	for _, secret := range l.Signings {
		if _, err := s.signings.Take(ctx, secret); err != nil && !errors.Is(err, session.ErrNotFound) {
			return unavailable(err)
		}
	}
	l.Signings = nil
	return nil
}

// SignElsewhere makes the challenge of a login available to an app on another
// device.
func (s *Server) SignElsewhere(ctx context.Context, cookie string) error {
	if !s.cfg.OtherDevice {
		return errOtherDevice()
	}
	l, version, err := s.logins.Get(ctx, cookie)
	switch {
	case err != nil:
		return stored(err, openid4vci.CodeInvalidRequest, lostLogin)
	case l.Evidence != nil || l.Signings[evidence.OtherDevice] != "":
		return nil
	case !s.cfg.Now().Before(l.ChallengeExpires):
		return refuse(openid4vci.CodeInvalidRequest, lostLogin, nil)
	}
	if err := s.openSigning(ctx, &l, evidence.OtherDevice); err != nil {
		return err
	}
	// Whoever was faster has made one, which the page then shows.
	if err := s.logins.Swap(ctx, cookie, version, l); err != nil && !errors.Is(err, session.ErrConflict) {
		return stored(err, openid4vci.CodeInvalidRequest, lostLogin)
	}
	return nil
}

// errNoSigning is for a link that leads nowhere, for whatever reason.
func errNoSigning(cause error) error {
	e := refuse("not_found", "there is nothing to sign here, or no longer", cause)
	e.Status = http.StatusNotFound
	return e
}

func (s *Server) signing(ctx context.Context, secret string) (*signing, session.Version, error) {
	open, version, err := s.signings.Get(ctx, secret)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return nil, version, errNoSigning(err)
	case err != nil:
		return nil, version, unavailable(err)
	case !s.cfg.Now().Before(open.Challenge.Expires):
		return nil, version, errNoSigning(nil)
	}
	return &open, version, nil
}

// Signing returns what the app that has the secret shall sign.
func (s *Server) Signing(ctx context.Context, secret string) (*Signing, error) {
	open, _, err := s.signing(ctx, secret)
	if err != nil {
		return nil, err
	}
	return &Signing{
		Challenge: open.Challenge.Bytes(), Device: open.Challenge.Device, Expires: open.Challenge.Expires,
		Authentication: open.Challenge.Authentication,
	}, nil
}

// Deposit takes an app's answer and keeps it for the browser. The first answer
// that is accepted stays; the same again, because the app did not see what it
// got for it, gets the same.
func (s *Server) Deposit(ctx context.Context, secret string, answer evidence.Answer) (*Deposited, error) {
	open, version, err := s.signing(ctx, secret)
	if err != nil {
		return nil, err
	}
	if open.Answer != nil {
		return open.again(answer)
	}
	attempts, err := s.cfg.Sessions.Count(ctx, "signing-deposit", secret, s.cfg.Lifetimes.Challenge)
	if err != nil {
		return nil, unavailable(err)
	}
	if attempts > MaxDeposits {
		return nil, errNoSigning(errors.New("too many answers"))
	}
	if _, err := s.verify(ctx, open.Challenge, open.Returning, answer); err != nil {
		return nil, asReason(err)
	}
	open.Answer = &answer
	if open.Code, err = newSigningCode(open.Challenge.Device); err != nil {
		return nil, err
	}
	switch err := s.signings.Swap(ctx, secret, version, *open); {
	case errors.Is(err, session.ErrConflict):
		return nil, answered()
	case errors.Is(err, session.ErrNotFound):
		return nil, errNoSigning(err)
	case err != nil:
		return nil, unavailable(err)
	}
	return open.deposited(), nil
}

func (s *signing) deposited() *Deposited {
	return &Deposited{Device: s.Challenge.Device, Code: s.Code}
}

// again answers a second deposit.
func (s *signing) again(answer evidence.Answer) (*Deposited, error) {
	if !s.Answer.Equal(answer) {
		return nil, answered()
	}
	return s.deposited(), nil
}

func answered() error {
	e := refuse(ReasonAnswered, "the challenge was answered before", nil)
	e.Status = http.StatusConflict
	return e
}

// asReason gives a refusal the reason that apps are told.
func asReason(err error) error {
	var e *openid4vci.Error
	if errors.As(err, &e) && e.Code == openid4vci.CodeAccessDenied {
		return refuse(ReasonEvidenceRefused, e.Description, e.Err)
	}
	return err
}

// newSigningCode returns what only the app is told: too long to guess where a
// link carries it, short enough to be typed where a person does.
func newSigningCode(device evidence.Device) (string, error) {
	if device != evidence.OtherDevice {
		return newSecret(), nil
	}
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(signingCodeLength), nil)
	n, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%0*d", signingCodeLength, n), nil
}

// errSigningCode says that the person typed a wrong code and may try again.
var errSigningCode = errors.New("the code is wrong")

// Finish goes on with the answer that an app left, in the browser that was shown
// the link and has come with the code that only the app was told. On success it
// returns a new cookie, as [Server.Prove] does. Nothing is used up by a browser
// with another login.
func (s *Server) Finish(ctx context.Context, cookie string, device evidence.Device, code string) (string, error) {
	l, err := s.unproven(ctx, cookie)
	if err != nil {
		return "", err
	}
	secret := l.Signings[device]
	open, _, err := s.signing(ctx, secret)
	if err != nil {
		return "", lostSigning(err)
	}
	if device == evidence.OtherDevice {
		if err := s.countCode(ctx, secret, open); err != nil {
			return "", err
		}
	}
	if open.Answer == nil || open.Code == "" || subtle.ConstantTimeCompare([]byte(open.Code), []byte(code)) != 1 {
		return "", refuse(openid4vci.CodeInvalidRequest, "nothing was signed for this browser", errSigningCode)
	}
	return s.prove(ctx, cookie, l, device, *open.Answer)
}

// lostSigning turns the refusal of an app into that of a browser.
func lostSigning(err error) error {
	var e *openid4vci.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound {
		return refuse(openid4vci.CodeInvalidRequest, lostLogin, e.Err)
	}
	return err
}

// countCode counts a typed code before it is compared, so that no number of
// attempts at the same time gets more than [MaxSigningCodes]. If the session
// store has lost data, and perhaps the count, the code is refused.
func (s *Server) countCode(ctx context.Context, secret string, open *signing) error {
	attempts, err := s.cfg.Sessions.Count(ctx, "signing-code", secret, s.cfg.Lifetimes.Challenge)
	if err != nil {
		return unavailable(err)
	}
	trusted, err := s.cfg.Sessions.Trusts(ctx, open.Issued)
	if err != nil {
		return unavailable(err)
	}
	if attempts > MaxSigningCodes || !trusted {
		return refuse(openid4vci.CodeInvalidRequest, "too many codes were tried; start again in the wallet", nil)
	}
	return nil
}
