package oauth_test

import (
	"context"
	"errors"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/oauth"
	"github.com/tegata-id/tegata/issuer/source"
)

// grants is the durable side. started and meanwhile, if set, run as a grant is
// started.
type grants struct {
	started   map[string]bool
	last      *evidence.Evidence
	revoked   []string
	refuse    error
	meanwhile func()
}

func (g *grants) Start(_ context.Context, grant oauth.Grant) (string, error) {
	if g.refuse != nil {
		return "", g.refuse
	}
	if g.started[grant.ID] {
		return "", oauth.ErrGrantExists
	}
	g.started[grant.ID], g.last = true, grant.Evidence
	if f := g.meanwhile; f != nil {
		g.meanwhile = nil
		f()
	}
	return "", nil
}

// Claims, Refresh and End are of servers with refresh tokens, which are tested
// with the records that they rest on.
func (g *grants) Claims(context.Context, string) (string, []byte, error) {
	return "", nil, oauth.ErrGrantRefused
}

func (g *grants) Refresh(context.Context, string, *evidence.Evidence) (string, error) {
	return "", oauth.ErrGrantRefused
}

func (g *grants) End(context.Context, string) error { return nil }

func (g *grants) Revoke(_ context.Context, id string) error {
	if !g.started[id] {
		return errors.New("a grant that does not exist can't be revoked for good")
	}
	g.revoked = append(g.revoked, id)
	return nil
}

// anybody accepts every answer to every challenge.
type anybody struct{}

func (anybody) Verify(context.Context, evidence.Challenge, evidence.Answer) (*evidence.Evidence, error) {
	return &evidence.Evidence{Kind: evidence.KindJPKISignature, Certificate: &evidence.Certificate{Pseudonym: "p"}}, nil
}

func (anybody) Person(context.Context, *evidence.Evidence, []string) (*source.Person, error) {
	return &source.Person{Name: "x"}, nil
}

func (anybody) StillTrue(context.Context, *evidence.Evidence, *source.Person, []string) error {
	return nil
}

func (anybody) Review(*source.Person, string) ([]oauth.Line, error) { return nil, nil }

const (
	reuseIssuer = "https://issuer.example"
	returnTo    = "https://wallet.example/callback"
)

// party is an authorization server and a wallet that talks to it without a
// network.
type party struct {
	server  *oauth.Server
	grants  *grants
	headers func(path string) oauth.ClientHeaders
	pkce    string
	fence   *fence
	// later lets time pass.
	later func(time.Duration) time.Time
}

// fence is a session store that lost data at a time.
type fence struct{ lost time.Time }

func (f *fence) Trusts(_ context.Context, issued time.Time) (bool, error) {
	return !issued.Before(f.lost), nil
}

func newParty(t *testing.T, wallets ...oauth.Wallet) *party {
	t.Helper()
	return newPartyWith(t, func(c *oauth.Config) { c.Wallets = wallets })
}

// newPartyWith changes the configuration of the server first.
func newPartyWith(t *testing.T, edit func(*oauth.Config)) *party {
	t.Helper()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var passed atomic.Int64 // what the clock has advanced by
	clock := func() time.Time { return now.Add(time.Duration(passed.Load())) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: now.Add(-48 * time.Hour)})
	must(err)
	provider, err := ca.IssueWalletProvider(trusttest.LeafOptions{})
	must(err)
	instance, err := keys.GenerateP256()
	must(err)
	attested, err := attestation.SignClientAttestation(attestation.ClientAttestation{
		ClientID: "wallet", InstanceKey: instance.Public(), IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}, provider)
	must(err)
	g := &grants{started: map[string]bool{}}
	p := &party{grants: g, pkce: openid4vci.NewCodeVerifier(), fence: &fence{}}
	config := oauth.Config{
		Issuer: reuseIssuer, Configurations: []oauth.Configuration{{ID: "a", Scope: "a"}}, OtherDevice: true,
		Sessions: session.New(session.NewMemory(clock, 0), session.NewRandomKeys(), "t", clock).Fenced(p.fence),
		Attesters: &trust.Policy{
			Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileWalletProvider, Revocation: trust.NotChecked("test"), Now: clock,
		},
		Prover: anybody{}, Source: anybody{}, Grants: g, Lifetimes: oauth.DefaultLifetimes, Now: clock,
	}
	edit(&config)
	p.server = oauth.New(config)
	p.later = func(d time.Duration) time.Time {
		return now.Add(time.Duration(passed.Add(int64(d))))
	}
	p.headers = func(path string) oauth.ClientHeaders {
		pop, err := attestation.SignPoP(attestation.PoP{ClientID: "wallet", Audience: reuseIssuer, Now: clock()}, instance)
		must(err)
		proof, err := dpop.Sign(dpop.ProofOptions{Method: "POST", URL: reuseIssuer + path, Now: clock()}, instance)
		must(err)
		return oauth.ClientHeaders{Attestation: []string{attested}, PoP: []string{pop}, DPoP: []string{proof}}
	}
	return p
}

// begin pushes a request and visits it.
func (p *party) begin(t *testing.T) (cookie string) {
	t.Helper()
	pushed, err := p.server.Push(t.Context(), reuseIssuer+"/par", p.headers("/par"), oauth.Params{
		"client_id": "wallet", "response_type": "code", "redirect_uri": returnTo, "scope": "a",
		"code_challenge": openid4vci.CodeChallenge(p.pkce), "code_challenge_method": "S256",
	})
	if err != nil {
		t.Fatal(err)
	}
	if cookie, err = p.server.Begin(t.Context(), "wallet", pushed.RequestURI); err != nil {
		t.Fatal(err)
	}
	return cookie
}

func (p *party) code(t *testing.T, cookie string) string {
	t.Helper()
	next, err := p.server.Prove(t.Context(), cookie, evidence.Answer{})
	if err != nil {
		t.Fatal(err)
	}
	target, err := p.server.Decide(t.Context(), next, true)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("code")
}

func (p *party) redeem(t *testing.T, code string) error {
	t.Helper()
	_, err := p.server.Token(t.Context(), reuseIssuer+"/token", p.headers("/token"), oauth.Params{
		"grant_type": "authorization_code", "client_id": "wallet", "code": code, "redirect_uri": returnTo, "code_verifier": p.pkce,
	})
	return err
}

// TestReuse uses codes twice, also while the first use is in flight.
func TestReuse(t *testing.T) {
	t.Parallel()
	t.Run("honest twin", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		if err := p.redeem(t, p.code(t, p.begin(t))); err != nil || len(p.grants.revoked) != 0 {
			t.Errorf("error %v, revoked %v", err, p.grants.revoked)
		}
	})
	t.Run("I02 afterwards", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		code := p.code(t, p.begin(t))
		if err := p.redeem(t, code); err != nil {
			t.Fatal(err)
		}
		if err := p.redeem(t, code); openid4vci.CodeOf(err) != openid4vci.CodeInvalidGrant || len(p.grants.revoked) != 1 {
			t.Errorf("error %v, revoked %v", err, p.grants.revoked)
		}
	})
	t.Run("O07 while the first use is in flight", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		code := p.code(t, p.begin(t))
		var second error
		p.grants.meanwhile = func() { second = p.redeem(t, code) }
		if err := p.redeem(t, code); err != nil {
			t.Errorf("first use: %v", err)
		}
		// The grant is there to be revoked, so that the revocation lasts.
		if openid4vci.CodeOf(second) != openid4vci.CodeInvalidGrant || len(p.grants.revoked) != 1 {
			t.Errorf("second use: %v, revoked %v", second, p.grants.revoked)
		}
	})
	t.Run("a database that is away burns no code", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		code := p.code(t, p.begin(t))
		p.grants.refuse = errors.New("away")
		if err := p.redeem(t, code); openid4vci.CodeOf(err) != openid4vci.CodeTemporarilyUnavailable {
			t.Errorf("error %v", err)
		}
		p.grants.refuse = nil
		if err := p.redeem(t, code); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
	t.Run("I34 evidence that was revoked since", func(t *testing.T) {
		t.Parallel()
		p := newParty(t)
		p.grants.refuse = oauth.ErrGrantRefused
		if err := p.redeem(t, p.code(t, p.begin(t))); openid4vci.CodeOf(err) != openid4vci.CodeInvalidGrant {
			t.Errorf("error %v", err)
		}
	})
}

// TestApproveTooEarly approves before the challenge is answered. That changes
// nothing: the person can still go on.
func TestApproveTooEarly(t *testing.T) {
	t.Parallel()
	p := newParty(t)
	cookie := p.begin(t)
	if _, err := p.server.Decide(t.Context(), cookie, true); openid4vci.CodeOf(err) != openid4vci.CodeInvalidRequest {
		t.Errorf("error %v", err)
	}
	if p.code(t, cookie) == "" {
		t.Error("no code afterwards")
	}
}
