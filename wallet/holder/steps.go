package holder

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tegata-id/tegata/internal/fetch"
)

// The parties of a [Step].
const (
	PartyWallet              = "wallet"
	PartyBrowser             = "browser"
	PartyPerson              = "person"
	PartyProvider            = "wallet provider"
	PartyIssuer              = "issuer"
	PartyAuthorizationServer = "authorization server"
	PartyVerifier            = "verifier"
	PartyTypes               = "type authority"
)

// Step is one exchange between two parties, for people who want to watch.
type Step struct {
	// Name says what was exchanged, From who asked and To who answered.
	Name, From, To string
	// Detail adds the host and the status, or what was decided. It holds no
	// secrets and no claims.
	Detail string
	// Duration is by the wallet's clock.
	Duration time.Duration
}

// stepper reports steps.
type stepper struct {
	http   HTTP
	now    func() time.Time
	report func(Step)
}

func (w *Wallet) stepper() stepper { return stepper{w.HTTP, w.Now, w.OnStep} }

// begin starts a step; the function it returns ends it.
func (s stepper) begin(name, from, to string) func(detail string) {
	if s.report == nil {
		return func(string) {}
	}
	start := s.now()
	return func(detail string) {
		s.report(Step{Name: name, From: from, To: to, Detail: detail, Duration: s.now().Sub(start)})
	}
}

// get is a step of the wallet.
func (s stepper) get(ctx context.Context, name, to, address string, accept ...string) (*fetch.Response, error) {
	done := s.begin(name, PartyWallet, to)
	response, err := s.http.Get(ctx, address, accept...)
	done(describe("GET", address, response, err))
	return response, err
}

// post is a step of the wallet.
func (s stepper) post(ctx context.Context, name, to, address, contentType string, body []byte, headers http.Header) (*fetch.Response, error) {
	done := s.begin(name, PartyWallet, to)
	response, err := s.http.Post(ctx, address, contentType, body, headers)
	done(describe("POST", address, response, err))
	return response, err
}

// describe leaves out path and query, which may hold secrets.
func describe(method, address string, response *fetch.Response, err error) string {
	text := method
	if u, parseErr := url.Parse(address); parseErr == nil {
		text += " " + u.Host
	}
	var status *fetch.StatusError
	switch {
	case errors.As(err, &status):
		return text + " " + strconv.Itoa(status.Response.Status)
	case err != nil:
		return text + " failed"
	}
	return text + " " + strconv.Itoa(response.Status)
}

// answer returns the response whatever its status, or nil if there is none.
func answer(response *fetch.Response, err error) *fetch.Response {
	var status *fetch.StatusError
	if errors.As(err, &status) {
		return status.Response
	}
	return response
}
