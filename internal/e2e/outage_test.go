package e2e_test

import (
	"database/sql"
	"net/http"
	"net/url"
	"testing"

	"github.com/tegata-id/tegata/internal/session/sessiontest"
)

// unavailable demands a 503 with a time to try again.
func (a *answer) unavailable(t *testing.T, what string) {
	t.Helper()
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("%s: %d %s, Retry-After %q", what, a.status, a.body, a.header.Get("Retry-After"))
	}
}

// TestRedisAway stops Redis: nothing that changes state goes on, and what needs
// none keeps serving. Afterwards all is as before.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	redis := sessiontest.NewRedisServer(t)
	d := deploy(t, deployOptions{redis: redis.Addr})
	c, card := d.newClient(t), cardOf(t, "hanako")
	tokens := c.consent(t, card)
	token, code := tokens.AccessToken, c.code(t, card)
	list := d.statusList(t, c, token)
	before := d.rows(t)

	redis.Freeze()
	c.push(t, c.parForm(), nil).unavailable(t, "/par")
	c.token(t, c.tokenForm(code), nil).unavailable(t, "/token")
	c.refresh(t, tokens.RefreshToken).unavailable(t, "/token with a refresh token")
	c.credential(t, token, []byte("{}"), nil).unavailable(t, "/credential")
	b := d.newBrowser(t)
	for what, p := range map[string]*page{
		"/authorize": b.open(t, d.endpoint("/authorize?client_id=x&request_uri=urn:ietf:params:oauth:request_uri:x")),
		"/start":     b.post(t, d.box.Verifier+"/start", url.Values{"preset": {"adult"}, "flow": {"same_device"}}),
	} {
		(&answer{p.status, p.header, []byte(p.body)}).unavailable(t, what)
	}
	for _, path := range []string{"/.well-known/openid-credential-issuer", "/.well-known/oauth-authorization-server", list} {
		if a := d.send(t, http.MethodGet, d.endpoint(path), nil, nil); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if after := d.rows(t); after != before {
		t.Errorf("rows before %s, after %s", before, after)
	}
	redis.Thaw()

	// What was asked for in vain has left no trace in the code. (Proofs may have.)
	c.token(t, c.tokenForm(code), nil).read(t, &struct{}{})
	c.refreshed(t, tokens.RefreshToken)
	c.credential(t, token, c.credentialRequest(t, 1), nil).credentials(t)
}

// TestDatabaseAway holds the database's lock for longer than writers wait.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c, card := d.newClient(t), cardOf(t, "hanako")
	tokens := c.consent(t, card)
	token, code := tokens.AccessToken, c.code(t, card)
	request := c.credentialRequest(t, 1)
	before := d.rows(t)

	db, err := sql.Open("sqlite", "file:"+d.cfg.Database.Path+"?_txlock=immediate&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lock, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.token(t, c.tokenForm(code), nil).unavailable(t, "/token")
	c.refresh(t, tokens.RefreshToken).unavailable(t, "/token with a refresh token")
	c.credential(t, token, request, nil).unavailable(t, "/credential")
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if after := d.rows(t); after != before {
		t.Errorf("rows before %s, after %s", before, after)
	}
	// The code was not burnt, and a wallet with a new nonce gets its credential.
	c.token(t, c.tokenForm(code), nil).read(t, &struct{}{})
	c.refreshed(t, tokens.RefreshToken)
	c.credential(t, token, request, nil).want(t, http.StatusBadRequest, "invalid_nonce")
	c.credential(t, token, c.credentialRequest(t, 1), nil).credentials(t)
}

// statusList has a credential issued and returns the path of its status list.
func (d *deployment) statusList(t *testing.T, c *oauthClient, token string) string {
	t.Helper()
	c.credential(t, token, c.credentialRequest(t, 1), nil).credentials(t)
	db := d.openDatabase(t)
	defer db.Close()
	var id string
	if err := db.QueryRowContext(t.Context(), "SELECT list_id FROM issued_credentials LIMIT 1").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return "/status-lists/" + id
}
