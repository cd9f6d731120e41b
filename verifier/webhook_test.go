package verifier_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/database"
	"github.com/tegata-id/tegata/internal/database/databasetest"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/verifier/webhook"
)

const webhookURL = "https://shop.example/tegata"

// webhooks is a verifier whose shop has a webhook, and the database with what
// the shop is told.
type webhooks struct {
	*site
	db *database.DB
}

func newWebhooks(t *testing.T) *webhooks {
	t.Helper()
	w := &webhooks{db: databasetest.Open(t, database.Config{})}
	world := newWorld(t)
	world.outbox = webhook.NewOutbox(w.db, "city", world.clock)
	world.webhookKeys = must(keys.NewRing(keys.Entry{Key: must(world.ca.IssueVerifierAccess(trusttest.LeafOptions{}))(t)}))(t)
	list := parties()
	list[1].Webhook, list[1].MaxOpen = webhookURL, 4
	w.site = world.siteFor(list)
	return w
}

// told returns the states in the outbox by transaction; one that nobody has told
// is "".
func (w *webhooks) told() map[string]string {
	w.t.Helper()
	states := map[string]string{}
	err := w.db.Read(w.t.Context(), func(tx *sql.Tx) error {
		rows, err := tx.Query(`SELECT transaction_id, state FROM webhook_messages WHERE tenant = 'city' AND party = 'shop'`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, state string
			if err := rows.Scan(&id, &state); err != nil {
				return err
			}
			states[id] = state
		}
		return rows.Err()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return states
}

// expect demands what the shop is told of a transaction; "-" is nothing.
func (w *webhooks) expect(when, id, want string) {
	w.t.Helper()
	got, ok := w.told()[id]
	if !ok {
		got = "-"
	}
	if got != want {
		w.t.Errorf("%s: %q, want %q", when, got, want)
	}
}

// settle looks up the state that nobody told.
func (w *webhooks) settle(id string) string {
	w.t.Helper()
	state, _, err := w.v.Settle(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return state
}

// begin starts a transaction of the shop.
func (w *webhooks) begin(flow verifier.Flow, acknowledge bool) (created, *request) {
	w.t.Helper()
	body := askBody(querySDJWT, flow, redirect)
	if acknowledge {
		body = strings.Replace(body, "{", `{"acknowledge":true,`, 1)
	}
	tx := decode[created](w.t, wantCode(w.t, w.as(shopKey, http.MethodPost, "/api/transactions", body), http.StatusCreated))
	return tx, w.read(tx.Link, tx.RequestURI)
}

// accept has a wallet present, and returns the response code.
func (w *webhooks) accept(r *request) string {
	w.t.Helper()
	reply := decode[verifier.Reply](w.t, wantCode(w.t, w.post(r.Parameters.ResponseURI, w.encrypted(r, w.presentSDJWT(r.binding()))), http.StatusOK))
	return code(w.t, &reply)
}

func (w *webhooks) decline(r *request) {
	w.t.Helper()
	wantCode(w.t, w.post(r.Parameters.ResponseURI, url.Values{"error": {"access_denied"}, "state": {r.Parameters.State}}), http.StatusOK)
}

// TestWebhookStates follows transactions to each of their ends.
func TestWebhookStates(t *testing.T) {
	t.Parallel()
	w := newWebhooks(t)
	lifetimes := verifier.DefaultLifetimes

	tx, r := w.begin(verifier.CrossDevice, false)
	w.expect("begun", tx.ID, "")
	w.accept(r)
	w.expect("presented across devices", tx.ID, "verified")
	wantCode(t, w.as(shopKey, http.MethodDelete, "/api/transactions/"+tx.ID, ""), http.StatusNoContent)
	w.expect("told before it was deleted", tx.ID, "verified")

	tx, r = w.begin(verifier.CrossDevice, false)
	w.decline(r)
	w.expect("declined", tx.ID, "refused")

	tx, _ = w.begin(verifier.CrossDevice, false)
	if state := w.settle(tx.ID); state != "" {
		t.Errorf("settled while it waits: %s", state)
	}
	wantCode(t, w.as(shopKey, http.MethodDelete, "/api/transactions/"+tx.ID, ""), http.StatusNoContent)
	w.expect("cancelled", tx.ID, "-")

	tx, _ = w.begin(verifier.CrossDevice, false)
	w.advance(lifetimes.Request)
	if state := w.settle(tx.ID); state != "expired" {
		t.Errorf("nobody answered: %s", state)
	}
	if got := decode[verifier.Result](t, wantCode(t, w.as(shopKey, http.MethodGet, "/api/transactions/"+tx.ID, ""), http.StatusOK)).State; got != verifier.StateExpired {
		t.Errorf("settled and read: %s", got)
	}
	if state := w.settle("unknown"); state != "expired" {
		t.Errorf("forgotten: %s", state)
	}
	w.expect("those of others", "", "-")
}

// TestWebhookIdempotency tells of a transaction that was begun twice once.
func TestWebhookIdempotency(t *testing.T) {
	t.Parallel()
	w := newWebhooks(t)
	body := askBody(querySDJWT, verifier.CrossDevice, "")
	for range 2 {
		wantCode(t, w.as(shopKey, http.MethodPost, "/api/transactions", body, "Idempotency-Key", "order-7"), http.StatusCreated)
	}
	if told := w.told(); len(told) != 1 {
		t.Errorf("%v", told)
	}
}

// TestNegWebhookFixation is session fixation by webhook: on the same device a
// presentation counts for nothing until its response code is brought, because
// whoever presented may not be whom the relying party talks to.
func TestNegWebhookFixation(t *testing.T) {
	t.Parallel()
	for name, acknowledge := range map[string]bool{"handed out once": false, "until acknowledged": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWebhooks(t)
			tx, r := w.begin(verifier.SameDevice, acknowledge)
			responseCode := w.accept(r)
			w.expect("presented on the same device", tx.ID, "")
			if state := w.settle(tx.ID); state != "" {
				t.Errorf("settled as %s before the response code", state)
			}
			path := "/api/transactions/" + tx.ID
			wantCode(t, w.as(shopKey, http.MethodGet, path, ""), http.StatusOK)
			wantCode(t, w.as(shopKey, http.MethodGet, path+"?response_code=another", ""), http.StatusBadRequest)
			w.expect("a wrong response code", tx.ID, "")
			for range 2 { // the honest twin; the second reads what is left
				w.as(shopKey, http.MethodGet, path+"?response_code="+responseCode, "")
				w.expect("the response code", tx.ID, "verified")
			}

			other, r := w.begin(verifier.SameDevice, acknowledge)
			w.accept(r)
			w.advance(verifier.DefaultLifetimes.Result)
			if state := w.settle(other.ID); state != "expired" {
				t.Errorf("nobody brought the response code: %s", state)
			}
			refused, r := w.begin(verifier.SameDevice, acknowledge)
			w.decline(r)
			w.expect("declined on the same device", refused.ID, "refused")
		})
	}
}

// between is a session store that does something before its first change.
type between struct {
	session.Backend
	once sync.Once
	do   func()
}

func (b *between) Swap(ctx context.Context, key string, version uint64, value []byte) error {
	b.once.Do(b.do)
	return b.Backend.Swap(ctx, key, version, value)
}

// replica makes another replica, in which something comes between reading a
// transaction and changing it.
func (w *webhooks) replica(do func()) *verifier.Verifier {
	w.t.Helper()
	c := w.config("city")
	c.Sessions = session.New(&between{Backend: w.backend, do: do}, w.sessionKeys, "city", w.clock)
	return must(verifier.New(c))(w.t)
}

// TestSettleAndAnswer has a transaction be settled in the moment of its answer,
// and by two replicas at once: one of them decides, and the relying party is told
// that.
func TestSettleAndAnswer(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]time.Duration{"too late": verifier.DefaultLifetimes.Request, "in time": 0} {
		w := newWebhooks(t)
		tx, r := w.begin(verifier.CrossDevice, false)
		form, state := w.encrypted(r, w.presentSDJWT(r.binding())), ""
		replica := w.replica(func() {
			w.advance(late)
			state = w.settle(tx.ID)
		})
		_, err := replica.Respond(t.Context(), r.responseID, form)
		if (err != nil) != (late > 0) || (state == "expired") != (late > 0) {
			t.Errorf("%s: settled as %q, answered %v", name, state, err)
		}
		if final := w.settle(tx.ID); (final == "expired") != (late > 0) || (final == "verified") != (late == 0) {
			t.Errorf("%s: settled as %q in the end", name, final)
		}
	}
	w := newWebhooks(t)
	tx, _ := w.begin(verifier.CrossDevice, false)
	w.advance(verifier.DefaultLifetimes.Request)
	first := ""
	state, again, err := w.replica(func() { first = w.settle(tx.ID) }).Settle(t.Context(), tx.ID)
	if err != nil || first != "expired" || state != "" || !again.After(w.clock()) {
		t.Errorf("settled as %q and %q, again %v, %v", first, state, again, err)
	}
	if final := w.settle(tx.ID); final != "expired" {
		t.Errorf("settled as %q in the end", final)
	}
}

// unwell is a session store that can't be asked.
type unwell struct{ session.Backend }

func (unwell) Get(context.Context, string) ([]byte, uint64, error) {
	return nil, 0, session.ErrUnavailable
}

// TestWebhookOutage has the database, and then the session store, be away.
func TestWebhookOutage(t *testing.T) {
	t.Parallel()
	w := newWebhooks(t)
	tx, r := w.begin(verifier.CrossDevice, false)
	lost, lostRequest := w.begin(verifier.SameDevice, true)
	lostCode := w.accept(lostRequest)
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 5 { // the place of what was not begun is free again
		wantCode(t, w.as(shopKey, http.MethodPost, "/api/transactions", askBody(querySDJWT, verifier.CrossDevice, "")), http.StatusServiceUnavailable)
	}
	wantCode(t, w.as(bankKey, http.MethodPost, "/api/transactions", askBody(querySDJWT, verifier.SameDevice, redirect)), http.StatusCreated)
	w.accept(r) // the wallet is not made to wait for the database
	w.advance(verifier.DefaultLifetimes.Request)
	if state := w.settle(tx.ID); state != "verified" {
		t.Errorf("told late: %s", state)
	}
	path := "/api/transactions/" + lost.ID + "?response_code=" + lostCode
	wantCode(t, w.as(shopKey, http.MethodGet, path, ""), http.StatusServiceUnavailable)

	c := w.config("city")
	c.Sessions = session.New(unwell{w.backend}, w.sessionKeys, "city", w.clock)
	if _, _, err := must(verifier.New(c))(t).Settle(t.Context(), tx.ID); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("without the session store: %v", err)
	}
}

// TestWebhookKeys publishes the keys, those that will sign too, and none where
// there are none.
func TestWebhookKeys(t *testing.T) {
	t.Parallel()
	w := newWebhooks(t)
	type set struct {
		Keys []struct{ Kid, Use, Alg string }
	}
	response := wantCode(t, w.do(http.MethodGet, "/webhooks/jwks", ""), http.StatusOK)
	if got := response.Header.Get("Cache-Control"); got != "public, max-age=300" {
		t.Error(got)
	}
	published := decode[set](t, response)
	if len(published.Keys) != 1 || published.Keys[0].Use != "sig" || published.Keys[0].Alg != "ES256" || published.Keys[0].Kid == "" {
		t.Errorf("%+v", published)
	}
	if got := decode[set](t, wantCode(t, newPartySite(t, parties()).do(http.MethodGet, "/webhooks/jwks", ""), http.StatusOK)); got.Keys == nil || len(got.Keys) != 0 {
		t.Errorf("%+v", got)
	}
	registered := decode[map[string]any](t, wantCode(t, w.as(shopKey, http.MethodGet, "/api/registration", ""), http.StatusOK))
	if diff := cmp.Diff(webhookURL, registered["webhook_url"]); diff != "" {
		t.Error(diff)
	}
}

// TestNegWebhookConfig refuses a webhook that nobody could send or verify.
func TestNegWebhookConfig(t *testing.T) {
	t.Parallel()
	w := newWebhooks(t)
	for name, spoil := range map[string]func(*verifier.Config){
		"no outbox": func(c *verifier.Config) { c.Outbox = nil }, "no key": func(c *verifier.Config) { c.WebhookKeys = nil }, "": func(*verifier.Config) {},
	} {
		c := w.config("city")
		c.Parties = slices.Clone(parties())
		c.Parties[0].Webhook = webhookURL
		spoil(&c)
		if _, err := verifier.New(c); (err != nil) != (name != "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
