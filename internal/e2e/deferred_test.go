package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/issuer"
)

// waiting is an entry of what the operator has to approve.
type waiting struct {
	ID              string `json:"id"`
	ConfigurationID string `json:"credential_configuration_id"`
	Credentials     int    `json:"credentials"`
	Grant           string `json:"grant"`
	Evidence        string `json:"evidence"`
}

// deployDeferred has the operator approve SD-JWT VCs.
func deployDeferred(t *testing.T) *deployment {
	t.Helper()
	return deploy(t, deployOptions{configure: func(d *deployment) {
		d.cfg.Issuer.Deferred = map[string]string{issuer.IdentityVCT: config.Approval}
	}})
}

// pending lists what waits for the operator.
func (d *deployment) pending(t *testing.T) []waiting {
	t.Helper()
	var list struct {
		Deferred []waiting `json:"deferred"`
	}
	d.send(t, http.MethodGet, d.endpoint("/admin/deferred"), http.Header{"Authorization": {"Bearer " + d.box.AdminToken}}, nil).read(t, &list)
	return list.Deferred
}

// decide has the operator decide.
func (d *deployment) decide(t *testing.T, id, decision string) *answer {
	t.Helper()
	body, err := json.Marshal(map[string]string{"decision": decision})
	if err != nil {
		t.Fatal(err)
	}
	return d.send(t, http.MethodPost, d.endpoint("/admin/deferred/"+id), bearer(d.box.AdminToken, body), body)
}

// postponed asks for n credentials, which are deferred, and returns the
// transaction and what the operator sees of it.
func (c *oauthClient) postponed(t *testing.T, token string, n int) (transaction string, seen waiting) {
	t.Helper()
	before := c.d.pending(t)
	a := c.credential(t, token, c.credentialRequest(t, n), nil)
	var response openid4vci.CredentialResponse
	a.read(t, &response)
	if a.status != http.StatusAccepted || response.TransactionID == "" || response.Interval <= 0 || len(response.Credentials) > 0 || response.NotificationID != "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, w := range c.d.pending(t) {
		if !slices.Contains(before, w) {
			return response.TransactionID, w
		}
	}
	t.Fatal("the operator does not see it")
	return "", waiting{}
}

// collect asks for deferred credentials; the request is a transaction_id or raw
// JSON.
func (c *oauthClient) collect(t *testing.T, token, request string) *answer {
	t.Helper()
	body := []byte(request)
	if !strings.HasPrefix(request, "{") {
		body, _ = json.Marshal(openid4vci.DeferredRequest{TransactionID: request})
	}
	return c.d.send(t, http.MethodPost, c.d.endpoint("/deferred-credential"), c.deferredHeaders(t, token), body)
}

func (c *oauthClient) deferredHeaders(t *testing.T, token string) http.Header {
	t.Helper()
	return http.Header{
		"Content-Type":  {"application/json"},
		"Authorization": {"DPoP " + token},
		"Dpop":          {c.proof(t, dpop.ProofOptions{URL: c.d.endpoint("/deferred-credential"), AccessToken: token})},
	}
}

// TestDeferred issues what the operator approves, once, to those keys that were
// proven.
func TestDeferred(t *testing.T) {
	t.Parallel()
	d := deployDeferred(t)
	if m := d.issuerMetadata(t); m.DeferredCredentialEndpoint != d.endpoint("/deferred-credential") {
		t.Errorf("deferred_credential_endpoint %q", m.DeferredCredentialEndpoint)
	}
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	transaction, seen := c.postponed(t, token, 2)
	if seen.ConfigurationID != "identity_sd_jwt" || seen.Credentials != 2 || seen.Evidence == "" || seen.Grant == "" {
		t.Errorf("the operator sees %+v", seen)
	}
	if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials"); n != 0 {
		t.Errorf("%d credentials were issued", n)
	}
	// VCI-DF-03: the same transaction, as often as one likes.
	for range 2 {
		a := c.collect(t, token, transaction)
		var response openid4vci.CredentialResponse
		a.read(t, &response)
		if a.status != http.StatusAccepted || response.TransactionID != transaction || response.Interval <= 0 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	for range 2 {
		if a := d.decide(t, seen.ID, "approve"); a.status != http.StatusNoContent {
			t.Fatalf("approve: %d %s", a.status, a.body)
		}
	}
	d.decide(t, seen.ID, "deny").want(t, http.StatusConflict, "decided")
	if list := d.pending(t); len(list) != 0 {
		t.Errorf("still waiting: %+v", list)
	}
	a := c.collect(t, token, transaction)
	var response openid4vci.CredentialResponse
	a.read(t, &response)
	if a.status != http.StatusOK || len(response.Credentials) != 2 || response.NotificationID == "" || response.TransactionID != "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if b := boundTo(t, a.credentials(t)); b[0] == b[1] {
		t.Error("two credentials for one key")
	}
	if a := c.notify(t, token, response.NotificationID, openid4vci.EventAccepted); a.status != http.StatusNoContent {
		t.Errorf("notification: %d %s", a.status, a.body)
	}
	// VCI-DF-04
	c.collect(t, token, transaction).want(t, http.StatusBadRequest, "invalid_transaction_id")
	if a := d.decide(t, seen.ID, "approve"); a.status != http.StatusNoContent {
		t.Errorf("approved once more: %d %s", a.status, a.body)
	}
}

// TestDeferredIsEncrypted has the parameters of the deferred request count, and
// no others (VCI-EN-08).
func TestDeferredIsEncrypted(t *testing.T) {
	t.Parallel()
	d := deployDeferred(t)
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	to := d.requestKey(t)
	send := func(id string, p *openid4vci.EncryptionParameters) *answer {
		body, err := json.Marshal(openid4vci.DeferredRequest{TransactionID: id, ResponseEncryption: p})
		if err != nil {
			t.Fatal(err)
		}
		compact, err := jose.Encrypt(body, to, jose.A256GCM, jose.EncryptOptions{})
		if err != nil {
			t.Fatal(err)
		}
		header := c.deferredHeaders(t, token)
		header.Set("Content-Type", openid4vci.MediaTypeEncrypted)
		return d.send(t, http.MethodPost, d.endpoint("/deferred-credential"), header, []byte(compact))
	}
	transaction, seen := c.postponed(t, token, 1)
	p, _ := responseKey(t, jose.A128GCM, jose.DEF)
	if a := send(transaction, p); a.status != http.StatusAccepted || a.header.Get("Content-Type") != openid4vci.MediaTypeEncrypted {
		t.Errorf("pending: %d %s", a.status, a.header.Get("Content-Type"))
	}
	d.decide(t, seen.ID, "approve")
	clear, err := json.Marshal(openid4vci.DeferredRequest{TransactionID: transaction, ResponseEncryption: p})
	if err != nil {
		t.Fatal(err)
	}
	c.collect(t, token, string(clear)).want(t, http.StatusBadRequest, "invalid_encryption_parameters")
	other, otherPrivate := responseKey(t, jose.A256GCM, "")
	if got := send(transaction, other).opened(t, other, otherPrivate); len(got) != 1 {
		t.Errorf("%d credentials", len(got))
	}
}

// TestNegDeferred asks wrongly for what waits. Nothing of it is issued, and the
// honest twin gets it afterwards.
func TestNegDeferred(t *testing.T) {
	t.Parallel()
	d := deployDeferred(t)
	c, other := d.newClient(t), d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	foreign := other.accessToken(t, cardOf(t, "hanako"))
	transaction, seen := c.postponed(t, token, 1)
	d.decide(t, seen.ID, "approve")
	before := d.rows(t)
	end := len(transaction) - 1
	for name, tc := range map[string]struct {
		ask  func() *answer
		code string
	}{
		"I25 of another token":    {func() *answer { return other.collect(t, foreign, transaction) }, "invalid_transaction_id"},
		"I25 guessed":             {func() *answer { return c.collect(t, token, unknown()) }, "invalid_transaction_id"},
		"I25 changed handle":      {func() *answer { return c.collect(t, token, flip(transaction, 0)) }, "invalid_transaction_id"},
		"I25 changed key":         {func() *answer { return c.collect(t, token, flip(transaction, end)) }, "invalid_transaction_id"},
		"I25 the operator's name": {func() *answer { return c.collect(t, token, seen.ID) }, "invalid_transaction_id"},
		"VCI-DF-01 none":          {func() *answer { return c.collect(t, token, `{}`) }, "invalid_transaction_id"},
		"VCI-DF-01 a number":      {func() *answer { return c.collect(t, token, `{"transaction_id":1}`) }, "invalid_credential_request"},
		"VCI-DF-01 twice":         {func() *answer { return c.collect(t, token, `{"transaction_id":"a","transaction_id":"a"}`) }, "invalid_credential_request"},
	} {
		a := tc.ask()
		if a.want(t, http.StatusBadRequest, tc.code); t.Failed() {
			t.Fatalf("in %s", name)
		}
	}
	c.collect(t, unknown(), transaction).want(t, http.StatusUnauthorized, "invalid_token")
	if after := d.rows(t); after != before {
		t.Errorf("rows before %s, after %s", before, after)
	}
	t.Run("used twice at the same time", func(t *testing.T) {
		answers := make([]*answer, 8)
		var group sync.WaitGroup
		for n := range answers {
			group.Go(func() { answers[n] = c.collect(t, token, transaction) })
		}
		group.Wait()
		issued := 0
		for _, a := range answers {
			if a.status == http.StatusOK {
				issued++
			} else {
				a.want(t, http.StatusBadRequest, "invalid_transaction_id")
			}
		}
		if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials"); issued != 1 || n != 1 {
			t.Errorf("%d answers with a credential, %d rows", issued, n)
		}
	})
	t.Run("VCI-DF-05 denied", func(t *testing.T) {
		transaction, seen := c.postponed(t, token, 1)
		if a := d.decide(t, seen.ID, "deny"); a.status != http.StatusNoContent {
			t.Fatalf("deny: %d %s", a.status, a.body)
		}
		for range 2 {
			c.collect(t, token, transaction).want(t, http.StatusBadRequest, "credential_request_denied")
		}
		d.decide(t, seen.ID, "approve").want(t, http.StatusConflict, "decided")
	})
	t.Run("more than the grant yields", func(t *testing.T) {
		for n := 0; ; n++ {
			a := c.credential(t, token, c.credentialRequest(t, 3), nil)
			if a.status != http.StatusAccepted {
				a.want(t, http.StatusBadRequest, "credential_request_denied")
				break
			}
			if n > 3 {
				t.Fatal("what waits has no bound")
			}
		}
	})
	t.Run("operator", func(t *testing.T) {
		d.decide(t, "unknown", "approve").want(t, http.StatusNotFound, "not_found")
		d.decide(t, seen.ID, "perhaps").want(t, http.StatusBadRequest, "invalid_request")
		for _, header := range []http.Header{nil, {"Authorization": {"Bearer " + d.box.APIToken}}} {
			d.send(t, http.MethodGet, d.endpoint("/admin/deferred"), header, nil).want(t, http.StatusUnauthorized, "unauthorized")
			d.send(t, http.MethodPost, d.endpoint("/admin/deferred/"+seen.ID), header, nil).want(t, http.StatusUnauthorized, "unauthorized")
		}
	})
}

// TestNegDeferredRevoked revokes the certificate between approval and issuance
// (I34).
func TestNegDeferredRevoked(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{lists: time.Second, configure: func(d *deployment) {
		d.cfg.Issuer.Deferred = map[string]string{issuer.IdentityVCT: config.Approval}
	}})
	for _, revoked := range []bool{true, false} {
		card := newCard(t, "hanako")
		c := d.newClient(t)
		token := c.accessToken(t, card)
		transaction, seen := c.postponed(t, token, 1)
		d.decide(t, seen.ID, "approve")
		if revoked {
			if err := nation(t).Revoke(card.SignatureCertificate(), 1); err != nil {
				t.Fatal(err)
			}
			d.clock.advance(2 * time.Second) // the list that is kept is due
			c.collect(t, token, transaction).want(t, http.StatusBadRequest, "credential_request_denied")
			continue
		}
		c.collect(t, token, transaction).credentials(t)
	}
}

// TestDeferredWallet has the wallet engine wait as long as the issuer asks for.
func TestDeferredWallet(t *testing.T) {
	t.Parallel()
	d := deployDeferred(t)
	w := d.newWallet(t)
	waits := 0
	w.Wait = func(_ context.Context, interval time.Duration) error {
		if interval != time.Minute {
			t.Errorf("asked to wait for %s", interval)
		}
		if waits++; waits == 2 {
			for _, seen := range d.pending(t) {
				d.decide(t, seen.ID, "approve")
			}
		}
		return nil
	}
	held, err := w.AcceptOffer(t.Context(), d.offer(t, "identity_sd_jwt", "identity_mdoc"), citizen{t, d, cardOf(t, "hanako")})
	if err != nil || len(held) != 4 || waits != 2 {
		t.Errorf("%d credentials after %d waits: %v", len(held), waits, err)
	}
}

// TestDeferredRefreshed has a wallet come for its credentials when its access token
// has expired, with a refreshed one, and the wallet engine too (VCI-DF-06).
func TestDeferredRefreshed(t *testing.T) {
	t.Parallel()
	d := deployDeferred(t)
	c, other := d.newClient(t), d.newClient(t)
	tokens, foreign := c.consent(t, cardOf(t, "hanako")), other.consent(t, cardOf(t, "hanako"))
	transaction, seen := c.postponed(t, tokens.AccessToken, 1)
	w := d.newWallet(t)
	waits := 0
	w.Wait = func(context.Context, time.Duration) error {
		if waits++; waits == 1 {
			d.clock.advance(3 * time.Hour) // the client attestation has expired as well
			return nil
		}
		for _, seen := range d.pending(t) {
			d.decide(t, seen.ID, "approve")
		}
		return nil
	}
	held, err := w.AcceptOffer(t.Context(), d.offer(t, "identity_sd_jwt"), citizen{t, d, cardOf(t, "taro")})
	if err != nil || len(held) != 2 || waits != 2 {
		t.Errorf("%d credentials after %d waits: %v", len(held), waits, err)
	}

	if list := d.pending(t); len(list) != 0 {
		t.Errorf("still waiting: %+v, and not %s", list, seen.ID)
	}
	c.collect(t, tokens.AccessToken, transaction).want(t, http.StatusUnauthorized, "invalid_token")
	c.attestation, other.attestation = d.attest(t, c.instance.Public(), nil), d.attest(t, other.instance.Public(), nil)
	c.dpop = newKey(t)
	other.collect(t, other.refreshed(t, foreign.RefreshToken).AccessToken, transaction).want(t, http.StatusBadRequest, "invalid_transaction_id")
	fresh := c.refreshed(t, tokens.RefreshToken).AccessToken
	if got := c.collect(t, fresh, transaction).credentials(t); len(got) != 1 {
		t.Errorf("%d credentials", len(got))
	}
	c.collect(t, fresh, transaction).want(t, http.StatusBadRequest, "invalid_transaction_id")
}

// TestDeferredForgets looks at what is put down, which nobody reads without the
// transaction_id, and which is gone when it has served.
func TestDeferredForgets(t *testing.T) {
	t.Parallel()
	d := deployDeferred(t)
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	transaction, seen := c.postponed(t, token, 1)
	var sealed []byte
	db := d.openDatabase(t)
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), `SELECT sealed FROM deferred_credentials WHERE id = $1`, seen.ID).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	if len(sealed) < 100 || strings.Contains(string(sealed), "kty") {
		t.Errorf("put down: %q", sealed)
	}
	d.decide(t, seen.ID, "approve")
	c.collect(t, token, transaction).credentials(t)
	if n := d.query(t, `SELECT COUNT(*) FROM deferred_credentials WHERE sealed <> '' AND id = $1`, seen.ID); n != 0 {
		t.Error("what was issued is still put down")
	}
}
