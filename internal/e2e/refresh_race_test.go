package e2e_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// TestRefreshRaces uses one refresh token at two processes by many at a time.
func TestRefreshRaces(t *testing.T) {
	t.Parallel()
	for _, driver := range databasetest.Drivers {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			testRefreshRaces(t, driver)
		})
	}
}

func testRefreshRaces(t *testing.T, driver string) {
	redis := sessiontest.NewRedisServer(t)
	d := deployTwo(t, driver, redis.Addr)
	d.direct(t)
	c := d.newClient(t)

	t.Run("R1 each period yields what the consent did", func(t *testing.T) {
		token := c.consent(t, cardOf(t, "hanako")).RefreshToken
		for period := range 2 {
			if got := d.stormRefresh(t, c, token); got != 8 {
				t.Errorf("period %d yields %d, want 8: 9, two at a time", period, got)
			}
			redis.FlushAll()
			if got := d.stormRefresh(t, c, token); got != 0 {
				t.Errorf("after Redis forgot, period %d yields %d more", period, got)
			}
			d.clock.advance(12 * time.Hour)
			c.attestation = d.attest(t, c.instance.Public(), nil)
		}
	})
	t.Run("I02 its code is used again meanwhile", func(t *testing.T) {
		code := c.code(t, cardOf(t, "hanako"))
		var tokens openid4vci.TokenResponse
		c.token(t, c.tokenForm(code), nil).read(t, &tokens)
		standing := d.query(t, standingCredentials)
		d.stormUntil(t, c, tokens.RefreshToken, func() {
			c.token(t, c.tokenForm(code), nil).want(t, http.StatusBadRequest, "invalid_grant")
		})
		if n := d.query(t, standingCredentials) - standing; n != 0 {
			t.Errorf("%d credentials stand", n)
		}
	})
	t.Run("it is revoked meanwhile", func(t *testing.T) {
		tokens := c.consent(t, cardOf(t, "hanako"))
		standing := d.query(t, standingCredentials)
		received := d.stormUntil(t, c, tokens.RefreshToken, func() {
			if a := c.revokeToken(t, tokens.RefreshToken); a.status != http.StatusOK {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
		if n := d.query(t, standingCredentials) - standing; n < received || n > 9 {
			t.Errorf("%d credentials were received, %d stand", received, n)
		}
	})
}

const standingCredentials = "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at = 0"

func (c *oauthClient) refreshRequest(t *testing.T, token string) func() prepared {
	return func() prepared {
		return prepared{c.d.endpoint("/token"), c.headers(t, c.d.endpoint("/token")), []byte(c.refreshForm(token).Encode())}
	}
}

func (c *oauthClient) copiesRequest(t *testing.T, token string) func() prepared {
	return func() prepared {
		body, err := json.Marshal(c.credentialRequest(t, 2))
		if err != nil {
			t.Error(err)
		}
		return prepared{c.d.endpoint("/credential"), c.resourceHeaders(t, token), body}
	}
}

// patiently makes a request again, with new proofs, for as long as the answer is
// to try later, or that Redis no longer knows which proofs were used.
func (c *oauthClient) patiently(t *testing.T, request func() prepared) *answer {
	t.Helper()
	for range 1000 {
		r := request()
		a, err := c.d.try(t, http.MethodPost, r.address, r.header, r.body)
		if err == nil && a.status != http.StatusServiceUnavailable && !refusedWith(a, "invalid_client", "invalid_dpop_proof", "invalid_nonce") {
			return a
		}
		time.Sleep(20 * time.Millisecond) // let others ask
	}
	t.Error("told to try later too often")
	return &answer{}
}

// stormRefresh has many refresh and ask for two copies each. It returns how many
// copies came, and fails the test if the rows are not as many.
func (d *deployment) stormRefresh(t *testing.T, c *oauthClient, token string) int {
	t.Helper()
	const all = "SELECT COUNT(*) FROM issued_credentials"
	before := d.query(t, all)
	var received atomic.Int64
	each(racers, func(int) {
		a := c.patiently(t, c.refreshRequest(t, token))
		var access openid4vci.TokenResponse
		if a.status != http.StatusOK || json.Unmarshal(a.body, &access) != nil {
			t.Errorf("refresh: %d %s", a.status, a.body)
			return
		}
		switch a := c.patiently(t, c.copiesRequest(t, access.AccessToken)); {
		case a.status == http.StatusOK:
			received.Add(int64(len(a.credentials(t))))
		case !refusedWith(a, "credential_request_denied"):
			t.Errorf("credential: %d %s", a.status, a.body)
		}
	})
	if rows := d.query(t, all) - before; int64(rows) != received.Load() {
		t.Errorf("%d credentials and %d rows", received.Load(), rows)
	}
	return int(received.Load())
}

// stormUntil has many refresh and use what they get, while something ends the
// refresh token. Afterwards nothing can be had. It returns how many credentials
// were received.
func (d *deployment) stormUntil(t *testing.T, c *oauthClient, token string, end func()) int {
	t.Helper()
	var received atomic.Int64
	var mu sync.Mutex
	var tokens []string
	var group sync.WaitGroup
	group.Go(end)
	each(racers, func(int) {
		a := c.patiently(t, c.refreshRequest(t, token))
		var access openid4vci.TokenResponse
		if a.status != http.StatusOK || json.Unmarshal(a.body, &access) != nil {
			if !refusedWith(a, "invalid_grant") {
				t.Errorf("refresh: %d %s", a.status, a.body)
			}
			return
		}
		mu.Lock()
		tokens = append(tokens, access.AccessToken)
		mu.Unlock()
		switch a := c.patiently(t, c.copiesRequest(t, access.AccessToken)); {
		case a.status == http.StatusOK:
			received.Add(int64(len(a.credentials(t))))
		case !refusedWith(a, "credential_request_denied", "invalid_token"):
			t.Errorf("credential: %d %s", a.status, a.body)
		}
	})
	group.Wait()
	c.patiently(t, c.refreshRequest(t, token)).want(t, http.StatusBadRequest, "invalid_grant")
	for _, access := range tokens {
		c.patiently(t, c.copiesRequest(t, access)).want(t, http.StatusUnauthorized, "invalid_token")
	}
	if n := d.query(t, "SELECT COUNT(*) FROM grants WHERE revoked_at <> 0 AND refresh_mac <> ''"); n != 0 {
		t.Errorf("%d ended grants have something sealed", n)
	}
	return int(received.Load())
}
