package e2e_test

import (
	"crypto/rand"
	"net/http"
	"testing"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
)

// deferredMatrix has the routes of credentials that wait for the operator, who
// approves mdocs at both neighbours.
func deferredMatrix() map[string]entry {
	return map[string]entry{
		"POST /deferred-credential": {attempts: []attempt{{"access token", tryCollector}, {"transaction_id", tryTransactionID}}},
		"GET /admin/deferred":       {attempts: []attempt{{"operator's token", tryPending}}},
		"POST /admin/deferred/:id":  {attempts: []attempt{{"operator's token", tryDecider}, {"identifier", tryDecision}}},
	}
}

// accessTokenFor has the person agree to a scope.
func (c *oauthClient) accessTokenFor(t *testing.T, card *jpkitest.Card, scope string) string {
	t.Helper()
	form := c.parForm()
	form.Set("scope", scope)
	callback := c.d.newBrowser(t).authorize(t, c.visit(t, c.push(t, form, nil)), card)
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(callback.Query().Get("code")), nil).read(t, &token)
	return token.AccessToken
}

// waitingHolders have a token for an mdoc at both neighbours, and a transaction.
type waitingHolders struct {
	holders
	transaction, transactionB string
}

func (n *neighbours) waitingHolders(t *testing.T) waitingHolders {
	t.Helper()
	card := cardOf(t, "hanako")
	here := n.a.newClient(t)
	there := here.at(n.b.deployment)
	h := waitingHolders{holders: holders{here, there, here.accessTokenFor(t, card, "identity_mdoc"), there.accessTokenFor(t, card, "identity_mdoc")}}
	ask := func(c *oauthClient, token string) string {
		request := c.credentialRequest(t, 1)
		request.ConfigurationID = "identity_mdoc"
		var response openid4vci.CredentialResponse
		c.credential(t, token, request, nil).read(t, &response)
		if response.TransactionID == "" {
			t.Fatal("the credential is not deferred")
		}
		return response.TransactionID
	}
	h.transaction, h.transactionB = ask(here, h.token), ask(there, h.tokenB)
	return h
}

func tryCollector(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.waitingHolders(t)
	ask := func(c *oauthClient, token, transaction string) func() *answer {
		return func() *answer { return c.collect(t, token, transaction) }
	}
	return trial{
		own: ask(h.here, h.token, h.transaction), other: ask(h.there, h.token, h.transactionB),
		guess: ask(h.there, unknown(), h.transactionB), alive: ask(h.there, h.tokenB, h.transactionB),
	}
}

func tryTransactionID(t *testing.T, n *neighbours) trial {
	t.Helper()
	h := n.waitingHolders(t)
	ask := func(c *oauthClient, token, transaction string) func() *answer {
		return func() *answer { return c.collect(t, token, transaction) }
	}
	return trial{
		own: ask(h.here, h.token, h.transaction), other: ask(h.there, h.tokenB, h.transaction),
		guess: ask(h.there, h.tokenB, unknown()), alive: ask(h.there, h.tokenB, h.transactionB),
	}
}

// tryPending lists what waits, which is never what waits at the neighbour.
func tryPending(t *testing.T, n *neighbours) trial {
	t.Helper()
	n.waitingHolders(t)
	here := map[string]bool{}
	for _, w := range n.a.pending(t) {
		here[w.ID] = true
	}
	for _, w := range n.b.pending(t) {
		if here[w.ID] {
			t.Error("what waits here is listed there")
		}
	}
	ask := func(d *deployment, token string) func() *answer {
		return func() *answer {
			return d.send(t, http.MethodGet, d.endpoint("/admin/deferred"), http.Header{"Authorization": {"Bearer " + token}}, nil)
		}
	}
	token := n.a.box.AdminToken
	return trial{
		own: ask(n.a.deployment, token), other: ask(n.b.deployment, token), guess: ask(n.b.deployment, rand.Text()+rand.Text()),
		alive: ask(n.b.deployment, n.b.box.AdminToken),
	}
}

// decider approves what waits under an ID.
func decider(t *testing.T, d *deployment, token, id string) func() *answer {
	t.Helper()
	body := []byte(`{"decision":"approve"}`)
	return func() *answer {
		return d.send(t, http.MethodPost, d.endpoint("/admin/deferred/"+id), bearer(token, body), body)
	}
}

func tryDecider(t *testing.T, n *neighbours) trial {
	t.Helper()
	n.waitingHolders(t)
	here, there := n.a.pending(t), n.b.pending(t)
	if len(here) == 0 || len(there) == 0 {
		t.Fatal("nothing waits")
	}
	token, id := n.a.box.AdminToken, there[0].ID
	return trial{
		own: decider(t, n.a.deployment, token, here[0].ID), other: decider(t, n.b.deployment, token, id),
		guess: decider(t, n.b.deployment, rand.Text()+rand.Text(), id), alive: decider(t, n.b.deployment, n.b.box.AdminToken, id),
	}
}

func tryDecision(t *testing.T, n *neighbours) trial {
	t.Helper()
	n.waitingHolders(t)
	here, there := n.a.pending(t), n.b.pending(t)
	if len(here) == 0 || len(there) == 0 {
		t.Fatal("nothing waits")
	}
	token := n.b.box.AdminToken
	return trial{
		own: decider(t, n.a.deployment, n.a.box.AdminToken, here[0].ID), other: decider(t, n.b.deployment, token, here[0].ID),
		guess: decider(t, n.b.deployment, token, rand.Text()), alive: decider(t, n.b.deployment, token, there[0].ID),
	}
}
