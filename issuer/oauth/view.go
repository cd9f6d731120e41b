package oauth

import (
	"context"
	"errors"
	"html/template"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

// View is what the pages show of a login.
type View struct {
	Issuer string
	Wallet string
	// Configurations is what will be issued.
	Configurations []Configuration
	// Challenges are the texts to be signed, by where that may happen, and
	// Expires is when they stop being accepted. Both are empty once the person
	// is known. A device on which nobody may sign has no challenge.
	Challenges map[evidence.Device][]byte
	Expires    time.Time
	// Signings are the secrets of [Server.Signing].
	Signings map[evidence.Device]string
	// Authentication is what the authentication certificate does if it signs on
	// the device of the browser; once the person is known, what it has done.
	Authentication evidence.Use
	// Person is nil until the challenge has been answered; Issued is what the
	// credentials will say then.
	Person *source.Person
	Issued []Issued
	// FrontDoor is a URL of where else the person can prove who they are, or
	// empty.
	FrontDoor string
	// TestPersons is empty except in mode test.
	TestPersons []TestPerson
	// RedirectURI is where the decision leads.
	RedirectURI string
}

// View returns what the pages show.
func (s *Server) View(ctx context.Context, cookie string) (*View, error) {
	l, _, err := s.logins.Get(ctx, cookie)
	if err != nil {
		return nil, stored(err, openid4vci.CodeInvalidRequest, lostLogin)
	}
	return s.view(&l)
}

func (s *Server) view(l *login) (*View, error) {
	v := &View{Issuer: s.cfg.Issuer, Wallet: l.Request.Client.WalletName, Person: l.Person, RedirectURI: l.Request.RedirectURI}
	for _, id := range l.Request.Configurations {
		if c, ok := s.configuration(id); ok {
			v.Configurations = append(v.Configurations, c)
		}
	}
	if l.Person == nil {
		v.Authentication = s.authentication(&l.Request, evidence.SameDevice)
		v.Challenges = map[evidence.Device][]byte{evidence.SameDevice: s.challenge(l, evidence.SameDevice).Bytes()}
		if s.cfg.OtherDevice {
			v.Challenges[evidence.OtherDevice] = s.challenge(l, evidence.OtherDevice).Bytes()
		}
		v.Expires, v.Signings = l.ChallengeExpires, l.Signings
		if s.cfg.FrontDoor != nil {
			v.FrontDoor = s.cfg.FrontDoor.Origin()
		}
		if s.cfg.TestCards != nil {
			v.TestPersons = s.cfg.TestCards.Persons()
		}
		return v, nil
	}
	switch {
	case l.Evidence.Kind == evidence.KindJPKIReturning:
		v.Authentication = evidence.UseReturn
	case l.Evidence.Linked != "":
		v.Authentication = evidence.UseLink
	}
	for _, c := range v.Configurations {
		lines, err := s.cfg.Source.Review(l.Person, c.ID)
		if err != nil {
			return nil, refuse(openid4vci.CodeAccessDenied, noCredential, err)
		}
		v.Issued = append(v.Issued, Issued{Configuration: c, Lines: lines})
	}
	return v, nil
}

const noCredential = "no credential can be made of what is known of the person"

// errNoCredential tells refusals for what is known of a person from those for
// how they proved who they are.
var errNoCredential = errors.New("not enough is known")

// Issued is a credential on the review page.
type Issued struct {
	Configuration
	Lines []Line
}

// Line is a claim on the review page.
type Line struct {
	// ID is where the claim stands, Name what it is called by language, in lower
	// case.
	ID   string
	Name map[string]string
	// Text is the value. Image is the data URL of a picture instead.
	Text  string
	Image template.URL
}
