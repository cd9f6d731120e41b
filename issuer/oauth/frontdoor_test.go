package oauth_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/jpki"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/source"
)

// door vouches for whom the code names, unless it is away.
type door struct {
	visits int
	away   bool
	used   map[string]bool
}

func (d *door) Origin() string { return "https://op.example/auth" }

func (d *door) Begin(c evidence.Challenge, _ string) (string, evidence.Visit) {
	d.visits++
	state := fmt.Sprintf("state-%d", d.visits)
	return d.Origin() + "?state=" + state, evidence.Visit{State: state, Verifier: c.Session}
}

func (d *door) Finish(_ context.Context, c evidence.Challenge, v evidence.Visit, _ string, params map[string]string) (*evidence.Evidence, error) {
	switch {
	case d.away:
		return nil, evidence.ErrUnavailable
	case v.Verifier != c.Session || params["code"] == "" || d.used[params["code"]]:
		return nil, evidence.ErrRefused
	}
	d.used[params["code"]] = true
	return &evidence.Evidence{Kind: evidence.KindOpenID, Stated: &jpki.Attributes{Name: params["code"], Address: "東京都", Gender: 3}}, nil
}

// TestNegFrontDoor has people come back from the front door in the wrong
// browser, twice, or not at all.
func TestNegFrontDoor(t *testing.T) {
	t.Parallel()
	const back = "https://issuer.example/login/openid/callback"
	d := &door{used: map[string]bool{}}
	p := newPartyWith(t, func(c *oauth.Config) { c.FrontDoor, c.Source = d, attributes{} })
	s := &signers{party: p}
	leave := func(cookie string) string {
		t.Helper()
		location, err := p.server.Leave(t.Context(), cookie, back)
		if err != nil {
			t.Fatal(err)
		}
		return location[len(d.Origin()+"?state="):]
	}
	arrive := func(cookie, state, code string) (string, error) {
		return p.server.Arrive(t.Context(), cookie, back, map[string]string{"state": state, "code": code})
	}
	attacker, victim := p.begin(t), p.begin(t)
	_, err := arrive(victim, "", "x")
	wantRefusal(t, "a browser that never left", err, "invalid_request")
	state := leave(attacker)
	// I08: the attacker sends the victim to the provider, whose answer arrives
	// in the victim's browser.
	for name, cookie := range map[string]string{"without a login": "", "with a login": victim} {
		_, err = arrive(cookie, state, "hanako")
		wantRefusal(t, "victim's browser "+name, err, "invalid_request")
	}
	// The attacker's own answer is sent to the victim, who has left as well.
	own := leave(victim)
	_, err = arrive(victim, state, "attacker")
	wantRefusal(t, "attacker's answer in the victim's browser", err, "invalid_request")
	// None of that used anything up.
	next, err := arrive(victim, own, "hanako")
	if err != nil || s.name(t, next) != "hanako" || s.name(t, victim) != "" {
		t.Fatalf("honest twin: %v", err)
	}
	_, err = arrive(next, own, "taro")
	wantRefusal(t, "somebody else afterwards", err, "invalid_request")
	if err := p.redeem(t, p.approve(t, next)); err != nil || p.grants.last.Kind != evidence.KindOpenID {
		t.Errorf("grant %v, %v", p.grants.last, err)
	}

	t.Run("a visit serves once", func(t *testing.T) {
		cookie := p.begin(t)
		state := leave(cookie)
		_, err := arrive(cookie, state, "")
		wantRefusal(t, "refused", err, "access_denied")
		_, err = arrive(cookie, state, "hanako-2")
		wantRefusal(t, "the same visit again", err, "invalid_request")
		if _, err := arrive(cookie, leave(cookie), "hanako-2"); err != nil {
			t.Errorf("another visit: %v", err)
		}
	})
	t.Run("only the last visit counts", func(t *testing.T) {
		cookie := p.begin(t)
		first, last := leave(cookie), leave(cookie)
		_, err := arrive(cookie, first, "hanako-3")
		wantRefusal(t, "the first visit", err, "invalid_request")
		if _, err := arrive(cookie, last, "hanako-3"); err != nil {
			t.Errorf("the last visit: %v", err)
		}
	})
	t.Run("the provider is away", func(t *testing.T) {
		cookie := p.begin(t)
		state := leave(cookie)
		d.away = true
		_, err := arrive(cookie, state, "hanako-4")
		wantRefusal(t, "away", err, "temporarily_unavailable")
		d.away = false
		if _, err := arrive(cookie, leave(cookie), "hanako-4"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
	t.Run("the login ends", func(t *testing.T) {
		cookie := p.begin(t)
		state := leave(cookie)
		p.later(oauth.DefaultLifetimes.Login + time.Second)
		_, err := arrive(cookie, state, "hanako-5")
		wantRefusal(t, "too late", err, "invalid_request")
	})
	t.Run("nobody else vouches here", func(t *testing.T) {
		p := newParty(t)
		cookie := p.begin(t)
		_, err := p.server.Leave(t.Context(), cookie, back)
		wantRefusal(t, "leave", err, "invalid_request")
		_, err = p.server.Arrive(t.Context(), cookie, back, nil)
		wantRefusal(t, "arrive", err, "invalid_request")
	})
}

// attributes is a source that knows what the evidence says.
type attributes struct{}

func (attributes) Person(ctx context.Context, e *evidence.Evidence, _ []string) (*source.Person, error) {
	return source.Certificate{}.Person(ctx, e)
}

func (attributes) StillTrue(context.Context, *evidence.Evidence, *source.Person, []string) error {
	return nil
}

func (attributes) Review(*source.Person, string) ([]oauth.Line, error) { return nil, nil }
