package e2e_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// racers is how many clients try the same thing at the same time.
const racers = 64

// prepared is a request that is ready to go.
type prepared struct {
	address string
	header  http.Header
	body    []byte
}

// race sends all requests at once and returns the answers.
func (d *deployment) race(t *testing.T, requests []prepared) []*answer {
	t.Helper()
	answers := make([]*answer, len(requests))
	start := make(chan struct{})
	var group sync.WaitGroup
	for i, r := range requests {
		group.Go(func() {
			<-start
			a, err := d.try(t, http.MethodPost, r.address, r.header, r.body)
			if err != nil {
				t.Error(err)
				a = &answer{}
			}
			answers[i] = a
		})
	}
	close(start)
	group.Wait()
	return answers
}

// onlyOne returns the one good answer; all others must have the code.
func onlyOne(t *testing.T, answers []*answer, code string) *answer {
	t.Helper()
	var good []*answer
	for _, a := range answers {
		if a.status/100 == 2 {
			good = append(good, a)
		} else if a.status != http.StatusBadRequest || a.code() != code {
			t.Errorf("got %d %s, want 400 %s", a.status, a.body, code)
		}
	}
	if len(good) != 1 {
		t.Fatalf("%d of %d succeeded, want 1", len(good), len(answers))
	}
	return good[0]
}

// TestRaces lets many clients do at once what may happen once, against two
// processes that share a Redis and a database.
func TestRaces(t *testing.T) {
	t.Parallel()
	t.Run(database.DriverSQLite, func(t *testing.T) {
		t.Parallel()
		testRaces(t, deployOptions{})
	})
	t.Run(database.DriverPostgres, func(t *testing.T) {
		t.Parallel()
		testRaces(t, deployOptions{postgres: databasetest.Shared(t)})
	})
}

func testRaces(t *testing.T, o deployOptions) {
	o.redis, o.patience = sessiontest.StartRedis(t), 20*time.Second
	web := newKey(t)
	o.configure = func(d *deployment) {
		returns := []string{"https://wallet.example/callback"}
		d.cfg.Issuer.Wallets = []config.Wallet{
			{ClientID: d.cfg.Provider.ClientID, RedirectURIs: returns},
			{ClientID: "web", Name: "Web", RedirectURIs: returns, JWKS: map[string]any{"keys": []any{jwkOf(t, web.Public())}}},
		}
	}
	d := deploy(t, o)
	d.addReplica(t)
	card := cardOf(t, "hanako")

	t.Run("O07 I10 a code", func(t *testing.T) {
		c := d.newClient(t)
		form := []byte(c.tokenForm(c.code(t, card)).Encode())
		requests := make([]prepared, racers)
		for i := range requests {
			requests[i] = prepared{d.endpoint("/token"), c.headers(t, d.endpoint("/token")), form}
		}
		before := d.query(t, "SELECT COUNT(*) FROM grants")
		var token openid4vci.TokenResponse
		onlyOne(t, d.race(t, requests), "invalid_grant").read(t, &token)
		if n := d.query(t, "SELECT COUNT(*) FROM grants") - before; n != 1 {
			t.Errorf("%d grants came of one code", n)
		}
		// The code was used more than once, so nothing comes of the token.
		c.credential(t, token.AccessToken, c.credentialRequest(t, 1), nil).want(t, http.StatusUnauthorized, "invalid_token")
	})
	t.Run("I11 a nonce", func(t *testing.T) {
		c := d.newClient(t)
		token := c.accessToken(t, card)
		body, err := json.Marshal(c.credentialRequest(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		requests := make([]prepared, racers)
		for i := range requests {
			requests[i] = prepared{d.endpoint("/credential"), c.resourceHeaders(t, token), body}
		}
		if got := onlyOne(t, d.race(t, requests), "invalid_nonce").credentials(t); len(got) != 1 {
			t.Errorf("%d credentials", len(got))
		}
	})
	t.Run("no more credentials than the grant yields", func(t *testing.T) {
		c := d.newClient(t)
		token := c.accessToken(t, card)
		requests := make([]prepared, racers)
		for i := range requests {
			body, err := json.Marshal(c.credentialRequest(t, 2))
			if err != nil {
				t.Fatal(err)
			}
			requests[i] = prepared{d.endpoint("/credential"), c.resourceHeaders(t, token), body}
		}
		before, got := d.query(t, "SELECT COUNT(*) FROM issued_credentials"), 0
		for _, a := range d.race(t, requests) {
			if a.status == http.StatusOK {
				got += len(a.credentials(t))
			} else {
				a.want(t, http.StatusBadRequest, "credential_request_denied")
			}
		}
		if rows := d.query(t, "SELECT COUNT(*) FROM issued_credentials") - before; got != 8 || rows != got {
			t.Errorf("%d credentials and %d rows, want 8: the grant yields 9, two at a time", got, rows)
		}
	})
	t.Run("O08 a DPoP proof", func(t *testing.T) {
		c := d.newClient(t)
		token := c.accessToken(t, card)
		header := c.resourceHeaders(t, token)
		requests := make([]prepared, racers)
		for i := range requests {
			requests[i] = prepared{d.endpoint("/credential"), header, []byte(`{"credential_configuration_id":"passport"}`)}
		}
		passed := 0
		for _, a := range d.race(t, requests) {
			if a.code() == "unknown_credential_configuration" {
				passed++
			} else {
				a.want(t, http.StatusUnauthorized, "invalid_dpop_proof")
			}
		}
		if passed != 1 {
			t.Errorf("the proof served %d times", passed)
		}
	})
	t.Run("O11 a client assertion", func(t *testing.T) {
		c := d.newClient(t)
		c.id = "web"
		now, form := d.clock.Now(), c.parForm()
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", signJWT(t, jose.Header{}, map[string]any{
			"iss": "web", "sub": "web", "aud": d.box.Issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		}, web))
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		requests := make([]prepared, racers)
		for i := range requests {
			requests[i] = prepared{d.endpoint("/par"), header, []byte(form.Encode())}
		}
		pushed := 0
		for _, a := range d.race(t, requests) {
			if a.status == http.StatusCreated {
				pushed++
			} else {
				a.want(t, http.StatusUnauthorized, "invalid_client")
			}
		}
		if pushed != 1 {
			t.Errorf("the assertion served %d times", pushed)
		}
	})
	t.Run("O16 a decision", func(t *testing.T) {
		c, b := d.newClient(t), d.newBrowser(t)
		b.login(t, c.request(t), card)
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Cookie": {b.cookie(t, d.box.Issuer)}}
		requests := make([]prepared, racers)
		for i := range requests {
			requests[i] = prepared{d.endpoint("/review"), header, []byte(url.Values(approve).Encode())}
		}
		codes := 0
		for _, a := range d.race(t, requests) {
			if a.status == http.StatusSeeOther && strings.Contains(a.header.Get("Location"), "code=") {
				codes++
			} else if a.status != http.StatusBadRequest {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
		if codes != 1 {
			t.Errorf("%d codes", codes)
		}
	})
}
