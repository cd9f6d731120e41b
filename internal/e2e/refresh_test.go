package e2e_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust/jpki/jpkitest"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
	"github.com/tegata-id/tegata/verifier"
	"github.com/tegata-id/tegata/wallet/holder"
)

// consent has the person agree and returns the tokens.
func (c *oauthClient) consent(t *testing.T, card *jpkitest.Card) openid4vci.TokenResponse {
	t.Helper()
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(c.code(t, card)), nil).read(t, &token)
	if token.RefreshToken == "" {
		t.Fatal("no refresh token")
	}
	return token
}

func (c *oauthClient) refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "client_id": {c.id}, "refresh_token": {token}}
}

// refresh returns the answer to a refresh with changes to the form.
func (c *oauthClient) refresh(t *testing.T, token string, changes ...string) *answer {
	t.Helper()
	form := c.refreshForm(token)
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return c.token(t, form, nil)
}

// refreshed returns a new access token.
func (c *oauthClient) refreshed(t *testing.T, token string, changes ...string) openid4vci.TokenResponse {
	t.Helper()
	var response openid4vci.TokenResponse
	c.refresh(t, token, changes...).read(t, &response)
	return response
}

// sealed counts the grants in which claims are sealed.
func (d *deployment) sealed(t *testing.T) int {
	t.Helper()
	return d.query(t, "SELECT COUNT(*) FROM grants WHERE refresh_mac <> '' OR LENGTH(sealed_claims) > 0")
}

// TestRefresh gets credentials again, of both grants, with another DPoP key each
// time, long after nothing of the person is in the session store any more.
func TestRefresh(t *testing.T) {
	t.Parallel()
	grants := map[string]func(t *testing.T, d *deployment, c *oauthClient) openid4vci.TokenResponse{
		"authorization code": func(t *testing.T, _ *deployment, c *oauthClient) openid4vci.TokenResponse {
			return c.consent(t, cardOf(t, "hanako"))
		},
		"pre-authorized code": func(t *testing.T, d *deployment, c *oauthClient) (token openid4vci.TokenResponse) {
			d.send(t, http.MethodPost, d.endpoint("/token"), c.headers(t, d.endpoint("/token")), c.preAuthorizedForm(t)).read(t, &token)
			return token
		},
	}
	for name, begin := range grants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deploy(t, deployOptions{})
			testRefresh(t, d, func(c *oauthClient) openid4vci.TokenResponse { return begin(t, d, c) })
		})
	}
}

func testRefresh(t *testing.T, d *deployment, begin func(c *oauthClient) openid4vci.TokenResponse) {
	address, err := openid4vci.AuthorizationServerMetadataURL(d.box.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	var metadata openid4vci.AuthorizationServerMetadata
	d.send(t, http.MethodGet, address, nil, nil).read(t, &metadata)
	if !metadata.SupportsGrant(openid4vci.GrantRefreshToken) {
		t.Errorf("grants %q", metadata.GrantTypesSupported)
	}
	c := d.newClient(t)
	token := begin(c)
	id := c.batch(t, token.AccessToken)
	// The revocation lists of the test JPKI last for a day.
	for _, later := range []time.Duration{time.Minute, 20 * time.Hour} {
		d.clock.advance(later)
		c.dpop, c.attestation = newKey(t), d.attest(t, c.instance.Public(), nil)
		a := c.refresh(t, token.RefreshToken)
		var again openid4vci.TokenResponse
		a.read(t, &again)
		if again.TokenType != "DPoP" || again.RefreshToken != "" || again.Scope != "identity_sd_jwt" || again.AccessToken == token.AccessToken {
			t.Errorf("%s of scope %q, with a new refresh token: %v", again.TokenType, again.Scope, again.RefreshToken != "")
		}
		if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("Cache-Control %q", a.header.Get("Cache-Control"))
		}
		if got := c.credential(t, again.AccessToken, c.credentialRequest(t, 2), nil).credentials(t); len(got) != 2 {
			t.Errorf("%d credentials", len(got))
		}
		if a := c.notify(t, again.AccessToken, id, openid4vci.EventDeleted); a.status != http.StatusNoContent {
			t.Errorf("notification of what came before: %d %s", a.status, a.body)
		}
	}
}

// TestNegRefresh changes one thing at a time; the honest twin comes after all of
// them and is served all the same.
func TestNegRefresh(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c, other := d.newClient(t), d.newClient(t)
	token := c.consent(t, cardOf(t, "hanako")).RefreshToken
	address := d.endpoint("/token")
	secret, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	otherKey := bytes.Clone(secret)
	otherKey[len(otherKey)-1] ^= 1

	unknownToken := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{1}, len(secret)))
	wantText := strings.TrimSpace(string(c.refresh(t, unknownToken).body))
	for name, got := range map[string]*answer{
		"unknown":                                  c.refresh(t, unknownToken),
		"another key behind the handle":            c.refresh(t, base64.RawURLEncoding.EncodeToString(otherKey)),
		"the handle alone":                         c.refresh(t, token[:22]),
		"no base64":                                c.refresh(t, "!"+token[1:]),
		"an access token":                          c.refresh(t, c.consent(t, cardOf(t, "hanako")).AccessToken),
		"ABC-14 I33 another instance":              other.refresh(t, token),
		"ABC-14 I33 another instance, in its name": c.at(d).withInstance(t).refresh(t, token),
	} {
		if got.want(t, http.StatusBadRequest, "invalid_grant"); strings.TrimSpace(string(got.body)) != wantText {
			t.Errorf("%s: %s, not %s", name, got.body, wantText)
		}
	}
	c.refresh(t, "").want(t, http.StatusBadRequest, "invalid_request")
	c.refresh(t, token, "client_id", "another").want(t, http.StatusUnauthorized, "invalid_client")

	headers := func(without string) http.Header {
		h := c.headers(t, address)
		h.Del(without)
		return h
	}
	for without, want := range map[string]struct {
		status int
		code   string
	}{
		"OAuth-Client-Attestation":     {http.StatusUnauthorized, "invalid_client"},
		"OAuth-Client-Attestation-PoP": {http.StatusUnauthorized, "invalid_client"},
		"DPoP":                         {http.StatusBadRequest, "invalid_dpop_proof"},
	} {
		c.token(t, c.refreshForm(token), headers(without)).want(t, want.status, want.code)
	}

	detail := func(id string) string {
		return `[{"type":"openid_credential","credential_configuration_id":"` + id + `"}]`
	}
	c.refresh(t, token, "scope", "identity_sd_jwt identity_mdoc").want(t, http.StatusBadRequest, "invalid_scope") // O19
	c.refresh(t, token, "scope", "openid").want(t, http.StatusBadRequest, "invalid_scope")
	c.refresh(t, token, "scope", " ").want(t, http.StatusBadRequest, "invalid_scope")
	c.refresh(t, token, "authorization_details", detail("identity_mdoc")).want(t, http.StatusBadRequest, "invalid_authorization_details")

	got := c.refreshed(t, token)
	mdoc := c.credentialRequest(t, 1)
	mdoc.ConfigurationID = "identity_mdoc"
	c.credential(t, got.AccessToken, mdoc, nil).want(t, http.StatusBadRequest, "invalid_credential_request")
	c.credential(t, got.AccessToken, c.credentialRequest(t, 1), nil).credentials(t)
	d.send(t, http.MethodGet, address+"?refresh_token="+url.QueryEscape(token), nil, nil).want(t, http.StatusMethodNotAllowed, "invalid_request")
}

// withInstance gives the client another instance key, attested in the same name.
func (c *oauthClient) withInstance(t *testing.T) *oauthClient {
	t.Helper()
	c.instance = newKey(t)
	c.attestation = c.d.attest(t, c.instance.Public(), nil)
	return c
}

// TestRefreshNarrowed asks for less than was granted, and then for all again.
func TestRefreshNarrowed(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	c := d.newClient(t)
	form := c.parForm()
	form.Set("scope", "identity_sd_jwt identity_mdoc")
	callback := d.newBrowser(t).authorize(t, c.visit(t, c.push(t, form, nil)), cardOf(t, "hanako"))
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(callback.Query().Get("code")), nil).read(t, &token)

	less := c.refreshed(t, token.RefreshToken, "scope", "identity_mdoc")
	if less.Scope != "identity_mdoc" {
		t.Errorf("scope %q", less.Scope)
	}
	c.credential(t, less.AccessToken, c.credentialRequest(t, 1), nil).want(t, http.StatusBadRequest, "invalid_credential_request")
	detailed := c.refreshed(t, token.RefreshToken, "authorization_details", `[{"type":"openid_credential","credential_configuration_id":"identity_mdoc"}]`)
	if len(detailed.AuthorizationDetails) != 1 || !slices.Equal(detailed.AuthorizationDetails[0].CredentialIdentifiers, []string{"identity_mdoc"}) {
		t.Errorf("authorization_details %+v", detailed.AuthorizationDetails)
	}
	if all := c.refreshed(t, token.RefreshToken); all.Scope != "identity_mdoc identity_sd_jwt" {
		t.Errorf("scope %q", all.Scope)
	}
}

// TestRefreshEnds lets refresh tokens come to every end they have. What was
// sealed is deleted at once.
func TestRefreshEnds(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{configure: func(d *deployment) {
		d.cfg.Issuer.Lifetimes.RefreshToken = config.Duration(2 * time.Hour)
	}})
	d.clock.stop()
	c, other := d.newClient(t), d.newClient(t)
	stays := other.consent(t, cardOf(t, "taro")).RefreshToken

	t.Run("revoked by its wallet", func(t *testing.T) {
		tokens := c.consent(t, cardOf(t, "hanako"))
		c.credential(t, tokens.AccessToken, c.credentialRequest(t, 1), nil).credentials(t)
		other.revokeToken(t, tokens.RefreshToken)
		access := c.refreshed(t, tokens.RefreshToken).AccessToken // another instance can't
		for range 2 {
			if a := c.revokeToken(t, tokens.RefreshToken); a.status != http.StatusOK {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
		c.refresh(t, tokens.RefreshToken).want(t, http.StatusBadRequest, "invalid_grant")
		for _, access := range []string{tokens.AccessToken, access} {
			c.credential(t, access, c.credentialRequest(t, 1), nil).want(t, http.StatusUnauthorized, "invalid_token")
		}
		if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at <> 0"); n != 0 || d.sealed(t) != 1 {
			t.Errorf("%d credentials fell, %d grants have something sealed", n, d.sealed(t))
		}
	})
	t.Run("I02 its code is used again", func(t *testing.T) {
		code := c.code(t, cardOf(t, "hanako"))
		var tokens openid4vci.TokenResponse
		c.token(t, c.tokenForm(code), nil).read(t, &tokens)
		access := c.refreshed(t, tokens.RefreshToken).AccessToken
		c.credential(t, access, c.credentialRequest(t, 1), nil).credentials(t)
		c.token(t, c.tokenForm(code), nil).want(t, http.StatusBadRequest, "invalid_grant")
		c.refresh(t, tokens.RefreshToken).want(t, http.StatusBadRequest, "invalid_grant")
		c.credential(t, access, c.credentialRequest(t, 1), nil).want(t, http.StatusUnauthorized, "invalid_token")
		if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at <> 0"); n != 1 || d.sealed(t) != 1 {
			t.Errorf("%d credentials fell, %d grants have something sealed", n, d.sealed(t))
		}
	})
	t.Run("I34 the certificate is revoked", func(t *testing.T) {
		card := newCard(t, "hanako")
		tokens := c.consent(t, card)
		c.credential(t, tokens.AccessToken, c.credentialRequest(t, 1), nil).credentials(t)
		if err := nation(t).Revoke(card.SignatureCertificate(), 3); err != nil {
			t.Fatal(err)
		}
		d.clock.advance(65 * time.Minute) // the list that the issuer has no longer serves
		c.attestation = d.attest(t, c.instance.Public(), nil)
		before := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at <> 0")
		c.refresh(t, tokens.RefreshToken).want(t, http.StatusBadRequest, "invalid_grant")
		if n := d.query(t, "SELECT COUNT(*) FROM issued_credentials WHERE revoked_at <> 0") - before; n != 1 || d.sealed(t) != 1 {
			t.Errorf("%d credentials fell, %d grants have something sealed", n, d.sealed(t))
		}
	})
	t.Run("its time is over", func(t *testing.T) {
		other.attestation = d.attest(t, other.instance.Public(), nil)
		d.clock.advance(54 * time.Minute)
		other.refreshed(t, stays)
		d.clock.advance(2 * time.Minute)
		other.attestation = d.attest(t, other.instance.Public(), nil)
		other.refresh(t, stays).want(t, http.StatusBadRequest, "invalid_grant")
	})
}

// TestRefreshWithoutStatus turns the responder off: nobody knows whether the
// certificate is good, so nothing is refreshed, and nothing ends.
func TestRefreshWithoutStatus(t *testing.T) {
	t.Parallel()
	responder := &switched{Handler: nation(t).OCSPHandler()}
	server := httptest.NewServer(responder)
	t.Cleanup(server.Close)
	d := deploy(t, deployOptions{recheck: time.Hour, prepare: func(box *sandbox.Sandbox) {
		jpkiSettings(t, box, map[string]string{"ocsp_url": server.URL, "status_refresh": "1s", "on_unavailable": "hard_fail"})
	}})
	c, vouched := d.newClient(t), d.newClient(t)
	token := c.consent(t, cardOf(t, "hanako")).RefreshToken
	var offered openid4vci.TokenResponse
	d.send(t, http.MethodPost, d.endpoint("/token"), vouched.headers(t, d.endpoint("/token")), vouched.preAuthorizedForm(t)).read(t, &offered)

	responder.off.Store(true)
	d.clock.advance(5 * time.Second)
	c.refresh(t, token).unavailable(t, "on a certificate")
	vouched.refreshed(t, offered.RefreshToken) // it rests on none
	responder.off.Store(false)
	d.clock.advance(5 * time.Second)
	c.refreshed(t, token)
}

// TestNoRefreshTokens has an issuer whose configuration enables none.
func TestNoRefreshTokens(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{configure: func(d *deployment) { d.cfg.Issuer.Lifetimes = config.Lifetimes{} }})
	c := d.newClient(t)
	var token openid4vci.TokenResponse
	c.token(t, c.tokenForm(c.code(t, cardOf(t, "hanako"))), nil).read(t, &token)
	if token.RefreshToken != "" || d.sealed(t) != 0 {
		t.Error("a refresh token")
	}
	c.refresh(t, unknown()).want(t, http.StatusBadRequest, "unsupported_grant_type")
	var metadata openid4vci.AuthorizationServerMetadata
	address, _ := openid4vci.AuthorizationServerMetadataURL(d.box.Issuer)
	d.send(t, http.MethodGet, address, nil, nil).read(t, &metadata)
	if metadata.SupportsGrant(openid4vci.GrantRefreshToken) {
		t.Errorf("grants %q", metadata.GrantTypesSupported)
	}
}

// TestRefreshCollects gets deferred credentials days after they were asked for,
// in another period (VCI-DF-06); another consent of the same person does not.
func TestRefreshCollects(t *testing.T) {
	t.Parallel()
	d := deployDeferred(t)
	c := d.newClient(t)
	tokens := c.consent(t, cardOf(t, "hanako"))
	transaction, seen := c.postponed(t, tokens.AccessToken, 2)
	d.clock.advance(20 * time.Hour)
	c.attestation = d.attest(t, c.instance.Public(), nil)
	if a := d.decide(t, seen.ID, "approve"); a.status/100 != 2 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	c.collect(t, c.consent(t, cardOf(t, "hanako")).AccessToken, transaction).want(t, http.StatusBadRequest, "invalid_transaction_id")
	if got := c.collect(t, c.refreshed(t, tokens.RefreshToken).AccessToken, transaction).credentials(t); len(got) != 2 {
		t.Errorf("%d credentials", len(got))
	}
}

// TestWalletRenews has the whole wallet renew both formats without the person,
// and show what came; then the certificate is revoked and nothing comes. When
// another wallet forgets all that it got, the issuer does so too.
func TestWalletRenews(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	card := newCard(t, "hanako")
	w := d.receive(t, card)
	d.clock.advance(20 * time.Hour)
	before, err := w.Vault.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, batch := range holder.Batches(before) {
		if renewed, err := w.Renew(t.Context(), batch.Batch); err != nil || len(renewed) != 2 {
			t.Fatalf("%s: %d copies, %v", batch.Format, len(renewed), err)
		}
	}
	after, err := w.Vault.List(t.Context())
	if err != nil || len(after) != 4 {
		t.Fatalf("%d credentials, %v", len(after), err)
	}
	for format, query := range queries {
		if r := d.present(t, w, query); r.State != verifier.StateVerified {
			t.Errorf("%s: %s %v", format, r.State, r.Refusal)
		}
	}
	other := d.receive(t, cardOf(t, "taro"))
	held, err := other.Vault.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n, batch := range holder.Batches(held) {
		if err := other.Forget(t.Context(), batch.Batch); err != nil || d.sealed(t) != 2-n {
			t.Errorf("%v; %d grants have something sealed after %d of 2 were forgotten", err, d.sealed(t), n+1)
		}
	}
	if err := nation(t).Revoke(card.SignatureCertificate(), 3); err != nil {
		t.Fatal(err)
	}
	d.clock.advance(65 * time.Minute)
	if _, err := w.Renew(t.Context(), after[0].Batch); openid4vci.CodeOf(err) != openid4vci.CodeInvalidGrant {
		t.Errorf("after the revocation: %v", err)
	}
}
