package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/internal/session/sessiontest"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
)

// TestDataLoss uses up one thing of every kind, lets Redis lose what it knows
// of that, and sends everything once more.
func TestDataLoss(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		redis []string
		fault func(r *sessiontest.RedisServer, old []byte)
	}{
		"restarted":           {[]string{"--appendonly", "yes", "--appendfsync", "always"}, func(r *sessiontest.RedisServer, _ []byte) { r.Restart() }},
		"R7 restarted, empty": {nil, func(r *sessiontest.RedisServer, _ []byte) { r.RollBack(nil) }},
		"R7 flushed":          {nil, func(r *sessiontest.RedisServer, _ []byte) { r.FlushAll() }},
		"R7 rolled back":      {nil, func(r *sessiontest.RedisServer, old []byte) { r.RollBack(old) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := sessiontest.NewRedisServer(t, tc.redis...)
			d := deploy(t, deployOptions{redis: redis.Addr, patience: 5 * time.Second})
			d.addReplica(t)
			u := d.prepareUse(t)
			old := redis.Snapshot()
			u.consume(t)
			issued := d.query(t, "SELECT COUNT(*) FROM issued_credentials")

			tc.fault(redis, old)
			u.replay(t)
			if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials"); n != issued {
				t.Errorf("%d credentials more", n-issued)
			}
			if name == "R7 rolled back" || name == "restarted" {
				// The code is known again, so using it again is noticed.
				if n := d.query(t, "SELECT COUNT(*) FROM grants WHERE id IN (SELECT grant_id FROM issued_credentials) AND revoked_at > 0"); n < 1 {
					t.Error("reuse of a code revoked nothing")
				}
			}
			d.works(t)
		})
	}
}

// use is a wallet's things of which each serves once.
type use struct {
	d *deployment
	c *oauthClient
	// code was given before the snapshot; decision gives another one.
	code     string
	decision prepared
	offered  []byte
	token    string
	nonce    []byte // a credential request
	proof    http.Header
	pop      http.Header
	wallet   *holder.Wallet
	link     string
	id       string
	response prepared
	back     string
}

// prepareUse makes everything and uses nothing.
func (d *deployment) prepareUse(t *testing.T) *use {
	t.Helper()
	c, card := d.newClient(t), cardOf(t, "hanako")
	u := &use{d: d, c: c, wallet: d.receive(t, card), token: c.accessToken(t, card), code: c.code(t, card), offered: c.preAuthorizedForm(t)}
	b := d.newBrowser(t)
	b.login(t, c.request(t), card)
	u.decision = prepared{
		d.endpoint("/review"),
		http.Header{"Content-Type": formHeader["Content-Type"], "Cookie": {b.cookie(t, d.box.Issuer)}}, []byte(approve.Encode()),
	}
	var err error
	if u.nonce, err = json.Marshal(c.credentialRequest(t, 1)); err != nil {
		t.Fatal(err)
	}
	u.proof, u.pop = c.resourceHeaders(t, u.token), c.headers(t, d.endpoint("/par"))
	body, err := json.Marshal(map[string]any{
		"dcql_query": json.RawMessage(queries["dc+sd-jwt"]), "flow": verifier.SameDevice, "redirect_uri": "https://bank.example/done",
	})
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ ID, Link string }
	d.send(t, http.MethodPost, d.box.Verifier+"/api/transactions", http.Header{
		"Authorization": {"Bearer " + d.box.APIToken}, "Content-Type": {"application/json"},
	}, body).read(t, &made)
	u.id, u.link = made.ID, made.Link
	u.wallet.HTTP = eavesdropper{u.wallet.HTTP, u}
	return u
}

// eavesdropper keeps what a wallet answers.
type eavesdropper struct {
	holder.HTTP
	u *use
}

// Post implements holder.HTTP.
func (e eavesdropper) Post(ctx context.Context, address, contentType string, body []byte, header http.Header) (*fetch.Response, error) {
	if strings.Contains(address, "/responses/") {
		e.u.response = prepared{address, http.Header{"Content-Type": {contentType}}, body}
	}
	return e.HTTP.Post(ctx, address, contentType, body, header)
}

func (u *use) post(t *testing.T, p prepared) *answer {
	t.Helper()
	return u.d.send(t, http.MethodPost, p.address, p.header, p.body)
}

func (u *use) exchange(t *testing.T, form []byte) *answer {
	t.Helper()
	address := u.d.endpoint("/token")
	return u.d.send(t, http.MethodPost, address, u.c.headers(t, address), form)
}

func (u *use) push(t *testing.T) *answer {
	t.Helper()
	return u.d.send(t, http.MethodPost, u.d.endpoint("/par"), u.pop, u.c.noRequest())
}

func (u *use) result(t *testing.T) *answer {
	t.Helper()
	return u.d.send(t, http.MethodGet, u.d.box.Verifier+"/api/transactions/"+u.id+"?"+u.back,
		http.Header{"Authorization": {"Bearer " + u.d.box.APIToken}}, nil)
}

// decide presses the button and returns the code, if there is one.
func (u *use) decide(t *testing.T) string {
	t.Helper()
	callback, err := url.Parse(patiently(t, u.d, func() *answer { return u.post(t, u.decision) }).header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return callback.Query().Get("code")
}

// consume uses everything.
func (u *use) consume(t *testing.T) {
	t.Helper()
	for _, form := range [][]byte{[]byte(u.c.tokenForm(u.code).Encode()), []byte(u.c.tokenForm(u.decide(t)).Encode()), u.offered} {
		var token struct {
			AccessToken string `json:"access_token"`
		}
		u.exchange(t, form).read(t, &token)
		u.c.credential(t, token.AccessToken, u.c.credentialRequest(t, 1), nil).credentials(t)
	}
	u.c.credential(t, u.token, u.nonce, nil).credentials(t)
	u.c.credential(t, u.token, noCredential, u.proof).want(t, http.StatusBadRequest, "unknown_credential_configuration")
	u.push(t).want(t, http.StatusBadRequest, "unsupported_response_type")
	outcome, err := u.wallet.Present(t.Context(), u.link, func(context.Context, holder.Ask) holder.Decision { return holder.Decision{Allow: true} })
	if err != nil {
		t.Fatal(err)
	}
	back, err := url.Parse(outcome.RedirectURI)
	if err != nil {
		t.Fatal(err)
	}
	u.back = back.RawQuery
	var result verifier.Result
	u.result(t).read(t, &result)
	if len(result.Credentials) != 1 {
		t.Fatalf("the relying party got %+v", result)
	}
}

// patiently asks again, a second later, while the stores are away.
func patiently(t *testing.T, d *deployment, ask func() *answer) *answer {
	t.Helper()
	for range 10 {
		a := ask()
		if a.status != http.StatusServiceUnavailable {
			return a
		}
		d.clock.advance(time.Second)
	}
	t.Fatal("503 without end")
	return nil
}

// replay uses everything once more. What needs an access token may find it gone.
func (u *use) replay(t *testing.T) {
	t.Helper()
	refused := func(what string, ask func() *answer, codes ...string) {
		t.Helper()
		if a := patiently(t, u.d, ask); !refusedWith(a, codes...) {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	refused("proof of possession", func() *answer { return u.push(t) }, "invalid_client")
	refused("DPoP proof", func() *answer { return u.c.credential(t, u.token, noCredential, u.proof) }, "invalid_dpop_proof", "invalid_token")
	refused("nonce", func() *answer { return u.c.credential(t, u.token, u.nonce, nil) }, "invalid_nonce", "invalid_token")
	refused("answer", func() *answer { return u.post(t, u.response) }, "invalid_request")
	if a := patiently(t, u.d, func() *answer { return u.result(t) }); strings.Contains(string(a.body), `"credentials"`) {
		t.Errorf("the relying party gets the result again: %d", a.status)
	}
	refused("code", func() *answer { return u.exchange(t, []byte(u.c.tokenForm(u.code).Encode())) }, "invalid_grant")
	if again := u.decide(t); again != "" {
		refused("code of a second decision", func() *answer { return u.exchange(t, []byte(u.c.tokenForm(again).Encode())) }, "invalid_grant")
	}
	refused("offered code", func() *answer { return u.exchange(t, u.offered) }, "invalid_grant")
}

// works takes a new wallet through issuance and presentation. Roles that have
// not been asked since the fault may say once that they are away.
func (d *deployment) works(t *testing.T) {
	t.Helper()
	d.clock.advance(3 * time.Second)
	c := d.newClient(t)
	patiently(t, d, func() *answer { return c.push(t, c.parForm(), nil) })
	patiently(t, d, func() *answer {
		x := d.declinable(t)
		return d.send(t, http.MethodPost, x.response, formHeader, x.decline)
	})
	var w *holder.Wallet
	for range 3 { // the wallet provider
		w = d.newWallet(t)
		held, err := w.AcceptOffer(t.Context(), d.offer(t, "identity_sd_jwt"), citizen{t, d, cardOf(t, "hanako")})
		if err == nil && len(held) == 2 {
			break
		}
		t.Logf("%d credentials, %v", len(held), err)
		d.clock.advance(3 * time.Second)
	}
	for range 3 { // on a slow machine the verifier may give up waiting for a status list
		result := d.present(t, w, queries["dc+sd-jwt"])
		if result.State == verifier.StateVerified {
			return
		}
		t.Logf("%s %+v", result.State, result.Refusal)
		d.clock.advance(time.Minute) // until it asks again
	}
	t.Error("no presentation is verified")
}
