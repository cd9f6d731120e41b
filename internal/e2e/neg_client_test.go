package e2e_test

import (
	"crypto"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/dpop"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
)

// TestNegAttestation authenticates wrongly, at the endpoint for pushed requests
// and at the token endpoint.
func TestNegAttestation(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{})
	card := cardOf(t, "hanako")
	now := d.clock.Now()
	stranger := strangersKey(t)
	resign := func(c *oauthClient, edit func(claims map[string]any, header *jose.Header), key crypto.Signer) func(t *testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			u, err := jose.Parse(c.attestation)
			if err != nil {
				t.Fatal(err)
			}
			claims := map[string]any{}
			if err := jose.UnmarshalJSON(u.UnverifiedPayload(), &claims); err != nil {
				t.Fatal(err)
			}
			header := u.Header
			edit(claims, &header)
			return signJWT(t, header, claims, key)
		}
	}
	provider := d.providerKey(t)
	pop := func(t *testing.T, o attestation.PoP, key crypto.Signer) string {
		t.Helper()
		signed, err := attestation.SignPoP(o, key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	set := func(name string, f func(t *testing.T, c *oauthClient) string) func(*testing.T, *oauthClient, http.Header) {
		return func(t *testing.T, c *oauthClient, h http.Header) { t.Helper(); h.Set(name, f(t, c)) }
	}
	cases := map[string]func(*testing.T, *oauthClient, http.Header){
		"I20 no attestation":   func(_ *testing.T, _ *oauthClient, h http.Header) { h.Del(attestation.HeaderClient) },
		"I20 no proof":         func(_ *testing.T, _ *oauthClient, h http.Header) { h.Del(attestation.HeaderPoP) },
		"I20 two attestations": func(_ *testing.T, c *oauthClient, h http.Header) { h.Add(attestation.HeaderClient, c.attestation) },
		"I20 not a JWT":        set(attestation.HeaderClient, func(*testing.T, *oauthClient) string { return "a.b.c" }),
		"I20 bad signature": set(attestation.HeaderClient, func(t *testing.T, c *oauthClient) string {
			t.Helper()
			return resign(c, func(map[string]any, *jose.Header) {}, newKey(t))(t)
		}),
		"I20 other provider": set(attestation.HeaderClient, func(t *testing.T, c *oauthClient) string {
			t.Helper()
			return resign(c, func(_ map[string]any, h *jose.Header) { h.X5C = stranger.Chain }, stranger.Signer)(t)
		}),
		"I20 exp past": set(attestation.HeaderClient, func(t *testing.T, c *oauthClient) string {
			t.Helper()
			return d.attest(t, c.instance.Public(), func(a *attestation.ClientAttestation) { a.ExpiresAt = now.Add(-10 * time.Minute) })
		}),
		"I20 no exp": set(attestation.HeaderClient, func(t *testing.T, c *oauthClient) string {
			t.Helper()
			return resign(c, func(m map[string]any, _ *jose.Header) { delete(m, "exp") }, provider.Signer)(t)
		}),
		"I20 no sub": set(attestation.HeaderClient, func(t *testing.T, c *oauthClient) string {
			t.Helper()
			return resign(c, func(m map[string]any, _ *jose.Header) { delete(m, "sub") }, provider.Signer)(t)
		}),
		"I20 no cnf": set(attestation.HeaderClient, func(t *testing.T, c *oauthClient) string {
			t.Helper()
			return resign(c, func(m map[string]any, _ *jose.Header) { delete(m, "cnf") }, provider.Signer)(t)
		}),
		"I20 typ of the proof": set(attestation.HeaderClient, func(t *testing.T, c *oauthClient) string {
			t.Helper()
			return resign(c, func(_ map[string]any, h *jose.Header) { h.Typ = attestation.TypePoP }, provider.Signer)(t)
		}),
		"I20 other client": set(attestation.HeaderClient, func(t *testing.T, c *oauthClient) string {
			t.Helper()
			return d.attest(t, c.instance.Public(), func(a *attestation.ClientAttestation) { a.ClientID = "another" })
		}),
		"I20 proof with wrong aud": set(attestation.HeaderPoP, func(t *testing.T, c *oauthClient) string {
			t.Helper()
			return pop(t, attestation.PoP{ClientID: c.id, Audience: d.box.Verifier, Now: now, Lifetime: time.Minute}, c.instance)
		}),
		"I20 proof by another key": set(attestation.HeaderPoP, func(t *testing.T, c *oauthClient) string {
			t.Helper()
			return pop(t, attestation.PoP{ClientID: c.id, Audience: d.box.Issuer, Now: now, Lifetime: time.Minute}, newKey(t))
		}),
		"I20 proof with bad signature": func(_ *testing.T, _ *oauthClient, h http.Header) {
			good := h.Get(attestation.HeaderPoP)
			h.Set(attestation.HeaderPoP, flip(good, strings.LastIndexByte(good, '.')+10))
		},
		"I20 old proof": set(attestation.HeaderPoP, func(t *testing.T, c *oauthClient) string {
			t.Helper()
			return pop(t, attestation.PoP{ClientID: c.id, Audience: d.box.Issuer, Now: now.Add(-time.Hour), Lifetime: 2 * time.Hour}, c.instance)
		}),
	}
	for name, edit := range cases {
		t.Run(name, func(t *testing.T) {
			c := d.newClient(t)
			code := c.code(t, card)
			for path, form := range map[string]url.Values{"/par": c.parForm(), "/token": c.tokenForm(code)} {
				header := c.headers(t, d.endpoint(path))
				edit(t, c, header)
				d.send(t, http.MethodPost, d.endpoint(path), header, []byte(form.Encode())).want(t, http.StatusUnauthorized, "invalid_client")
			}
			// Honest twin: none of it has touched the code.
			c.token(t, c.tokenForm(code), nil).read(t, &struct{}{})
		})
	}
	t.Run("I20 proof is replayed", func(t *testing.T) {
		c := d.newClient(t)
		header := c.headers(t, d.endpoint("/par"))
		c.push(t, c.parForm(), header).read(t, &struct{}{})
		header.Set("Dpop", c.proof(t, dpop.ProofOptions{URL: d.endpoint("/par")}))
		c.push(t, c.parForm(), header).want(t, http.StatusUnauthorized, "invalid_client")
	})
}

// strangersKey signs attestations under a CA that nobody trusts.
func strangersKey(t *testing.T) *keys.Key {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{Name: "Stranger", Profile: trusttest.Generic, NotBefore: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.IssueWalletProvider(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return key
}
