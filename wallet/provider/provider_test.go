package provider_test

import (
	"crypto/x509"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/wallet/provider"
)

const (
	bearerToken = "Bearer " + adminToken
	audience    = "https://issuer.example/minato"
)

// clientAttestation gets a client attestation and has it accepted by an
// authorization server.
func (i *wallet) clientAttestation(t testing.TB) *attestation.Client {
	t.Helper()
	var response provider.ClientAttestationResponse
	i.attest(t, nil).decode(t, &response)
	pop := must[string](t)(attestation.SignPoP(attestation.PoP{
		ClientID: clientID, Audience: audience, Challenge: "challenge", Now: i.w.now(),
	}, i.key))
	return must[*attestation.Client](t)(attestation.Verify(t.Context(), response.ClientAttestation, pop, attestation.Expect{
		Audience: audience, ClientID: clientID, Issuers: []string{origin + "/" + i.tenant},
		Policy: i.w.policy(trust.ProfileWalletProvider), Now: i.w.now(),
	}))
}

// statusOf reads the published status of an attestation.
func (w *world) statusOf(t testing.TB, ref credentials.StatusRef) status.Value {
	t.Helper()
	a := w.do(t, httptest.NewRequest(http.MethodGet, strings.TrimPrefix(ref.URI, origin), nil))
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/statuslist+jwt" ||
		a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Cache-Control") != "public, max-age=60" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	token := must[*status.Token](t)(status.Verify(t.Context(), string(a.body), ref.URI, w.policy(trust.ProfileStatusSigner), w.now()))
	return must[status.Value](t)(token.Get(ref.Index))
}

func TestClientAttestation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		i := w.newWallet(t, "minato")
		client := i.clientAttestation(t)
		thumbprint := must[string](t)(jose.ThumbprintOf(i.key.Public()))
		got := []any{client.ID, client.Issuer, client.InstanceKeyThumbprint, client.WalletName, client.WalletLink, client.IssuedAt, client.ExpiresAt}
		want := []any{clientID, origin + "/minato", thumbprint, "手形ウォレット", clientID + "/about",
			start.Truncate(time.Minute), start.Truncate(time.Minute).Add(time.Hour)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		other := w.newWallet(t, "minato").clientAttestation(t)
		again := i.clientAttestation(t)
		refs := slices.Concat(client.Statuses, again.Statuses, other.Statuses)
		if len(refs) != 3 || refs[0] == refs[1] || refs[0] == refs[2] || refs[1] == refs[2] {
			t.Errorf("EU-WP-05 status references %v", refs)
		}
		// HAIP-14: nothing but the key and the status index tells instances apart.
		client.InstanceKey, client.InstanceKeyThumbprint, client.Statuses = nil, "", nil
		other.InstanceKey, other.InstanceKeyThumbprint, other.Statuses = nil, "", nil
		client.PoPID, other.PoPID, client.Chain, other.Chain = "", "", nil, nil
		if diff := cmp.Diff(client, other); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWithoutIssuerAndStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *provider.Config) { c.OmitIssuer, c.StatusLists = true, nil })
	i := w.newWallet(t, "minato")
	client := i.clientAttestation(t)
	if client.Issuer != "" || len(client.Statuses) != 0 {
		t.Errorf("%+v", client)
	}
	if a := w.revoke(t, "minato", i.id, bearerToken, ""); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := i.attest(t, nil).reason(t); got != string(provider.ReasonInstanceRevoked) {
		t.Errorf("reason %q", got)
	}
}

func TestKeyAttestation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		i := w.newWallet(t, "minato")
		pubs := newPublicKeys(t, 5)
		var response provider.KeyAttestationResponse
		i.attestKeys(t, pubs, "c_nonce").decode(t, &response)
		if response.ExpiresIn != 3590 {
			t.Errorf("expires in %d s", response.ExpiresIn)
		}
		accepted := []string{attestation.ResistanceBasic}
		attested := must[*attestation.AttestedKeys](t)(attestation.VerifyKeyAttestation(t.Context(), response.KeyAttestation, attestation.KeyExpect{
			Policy: w.policy(trust.ProfileWalletProvider), Nonce: "c_nonce", Now: w.now(), RequireExpiry: true,
			KeyStorage: accepted, UserAuthentication: accepted,
		}))
		for n, pub := range pubs {
			if must[string](t)(jose.ThumbprintOf(pub)) != must[string](t)(jose.ThumbprintOf(attested.Keys[n])) {
				t.Errorf("key %d is another", n)
			}
		}
		if len(attested.Keys) != 5 || len(attested.Statuses) != 1 || w.statusOf(t, attested.Statuses[0]) != status.Valid {
			t.Errorf("%+v", attested)
		}
	})
}

func TestRegisteringTwice(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		i := w.newWallet(t, "minato")
		a := i.register(t, provider.SoftwarePlatform, nil)
		var response provider.RegisterResponse
		a.decode(t, &response)
		if a.status != http.StatusOK || response.InstanceID != i.id {
			t.Errorf("%d %+v", a.status, response)
		}
		if a := i.register(t, picky, nil); a.status != http.StatusConflict || a.reason(t) != string(provider.ReasonKeyRegistered) {
			t.Errorf("on another platform: %d %s", a.status, a.body)
		}
		elsewhere := &wallet{w: w, tenant: "shibuya", key: i.key}
		a = elsewhere.register(t, picky, nil)
		a.decode(t, &response)
		if a.status != http.StatusCreated || response.InstanceID == i.id || !response.PlatformVerified {
			t.Errorf("with another tenant: %d %+v", a.status, response)
		}
	})
}

// F07: authenticated, audited, idempotent and final.
func TestRevocation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		i, neighbour := w.newWallet(t, "minato"), w.newWallet(t, "minato")
		var response provider.KeyAttestationResponse
		i.attestKeys(t, newPublicKeys(t, 1), "").decode(t, &response)
		attested := must[*attestation.AttestedKeys](t)(attestation.VerifyKeyAttestation(t.Context(), response.KeyAttestation, attestation.KeyExpect{
			Policy: w.policy(trust.ProfileWalletProvider), Now: w.now(),
		}))
		refs := slices.Concat(i.clientAttestation(t).Statuses, i.clientAttestation(t).Statuses, attested.Statuses)
		spared := neighbour.clientAttestation(t).Statuses[0]
		w.advance(25 * time.Hour) // those that have expired count too
		refs = append(refs, i.clientAttestation(t).Statuses...)
		for _, ref := range refs {
			if got := w.statusOf(t, ref); got != status.Valid {
				t.Errorf("before: %v", got)
			}
		}
		for n, body := range []string{`{"reason":"compromised"}`, ``, `{}`, `{"reason":"user_request"}`} {
			if a := w.revoke(t, "minato", i.id, bearerToken, body); a.status != http.StatusNoContent || len(a.body) != 0 {
				t.Errorf("time %d: %d %s", n, a.status, a.body)
			}
		}
		w.advance(time.Minute)
		for _, ref := range refs {
			if got := w.statusOf(t, ref); got != status.Invalid {
				t.Errorf("EU-WP-06 after: %v", got)
			}
		}
		if got := w.statusOf(t, spared); got != status.Valid {
			t.Errorf("another instance: %v", got)
		}
		for name, a := range map[string]answer{
			"client":   i.attest(t, nil),
			"key":      i.attestKeys(t, newPublicKeys(t, 1), ""),
			"register": i.register(t, provider.SoftwarePlatform, nil),
		} {
			if a.status != http.StatusForbidden || a.reason(t) != string(provider.ReasonInstanceRevoked) {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		neighbour.clientAttestation(t)

		var revocations []string
		err := w.db.Read(t.Context(), func(tx *sql.Tx) error {
			rows, err := tx.QueryContext(t.Context(), `
				SELECT object || ' ' || outcome FROM audit_events WHERE tenant = 'wallet_provider/minato' AND kind = 'instance.revoked'`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var event string
				if err := rows.Scan(&event); err != nil {
					return err
				}
				revocations = append(revocations, event)
			}
			return rows.Err()
		})
		if diff := cmp.Diff([]string{i.id + " compromised"}, revocations); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}

func TestAttestationsEndWithTheCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c := w.configs["minato"]
	key := must[*keys.Key](t)(w.ca.IssueWalletProvider(trusttest.LeafOptions{NotBefore: start.Add(-time.Hour), Lifetime: time.Hour + 10*time.Minute}))
	c.Keys = ringOf(t, key)
	w.restart(t, c)
	i := w.newWallet(t, "minato")
	if client := i.clientAttestation(t); !client.ExpiresAt.Equal(key.Leaf().NotAfter) {
		t.Errorf("expires %v", client.ExpiresAt)
	}
	w.advance(10 * time.Minute)
	if a := i.attest(t, nil); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for name, tc := range map[string]struct {
		edit func(*provider.Config)
		ok   bool
	}{
		"honest":       {func(*provider.Config) {}, true},
		"no platforms": {func(c *provider.Config) { c.Platforms, c.TestMode = nil, false }, true},
		"own platform in production": {func(c *provider.Config) {
			c.Platforms, c.TestMode = map[string]provider.Platform{picky: {Verifier: pickyPlatform{}}}, false
		}, true},
		"F08 software in production": {func(c *provider.Config) { c.TestMode = false }, false},
		"pointer to software": {func(c *provider.Config) {
			c.Platforms, c.TestMode = map[string]provider.Platform{"x": {Verifier: &provider.Software{}}}, false
		}, false},
		"platform without verifier": {func(c *provider.Config) { c.Platforms = map[string]provider.Platform{"x": {}} }, false},
		"http in test mode":         {func(c *provider.Config) { c.Issuer, c.StatusLists = "http://127.0.0.1:1/x", nil }, true},
		"http in production": {func(c *provider.Config) {
			c.Issuer, c.StatusLists, c.Platforms, c.TestMode = "http://127.0.0.1:1/x", nil, nil, false
		}, false},
		"http status lists": {func(c *provider.Config) { c.Issuer = "http://127.0.0.1:1/x" }, false},
		"trailing slash":    {func(c *provider.Config) { c.Issuer += "/" }, false},
		"no audit":          {func(c *provider.Config) { c.Audit = nil }, false},
		"short token":       {func(c *provider.Config) { c.AdminToken = "secret" }, false},
		"no token":          {func(c *provider.Config) { c.AdminToken = "" }, false},
		"short secret":      {func(c *provider.Config) { c.Secret = c.Secret[1:] }, false},
		"24 hours":          {func(c *provider.Config) { c.Lifetime = 24 * time.Hour }, true},
		"over 24 hours":     {func(c *provider.Config) { c.Lifetime = 24*time.Hour + time.Minute }, false},
		"too many keys":     {func(c *provider.Config) { c.MaxKeys = provider.MaxKeys + 1 }, false},
		"no key":            {func(c *provider.Config) { c.Keys = nil }, false},
		"HAIP-14 anchor in the chain": {func(c *provider.Config) {
			key := c.Keys.All()[0].Key
			c.Keys = ringOf(t, &keys.Key{Signer: key.Signer, Chain: []*x509.Certificate{key.Leaf(), w.ca.Certificate}})
		}, false},
	} {
		c := w.configs["minato"]
		tc.edit(&c)
		if _, err := provider.New(c); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
