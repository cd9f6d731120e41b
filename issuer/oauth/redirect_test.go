package oauth_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/session"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// TestNegPush pushes requests of a genuine wallet that wants codes sent where
// its maker never registered: whoever runs it could have somebody else approve
// in another browser and receive the code there. Then requests that are meant
// for another issuer.
func TestNegPush(t *testing.T) {
	t.Parallel()
	const issuer, own = "https://issuer.example", "https://wallet.example/callback"
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	ca, err := trusttest.NewCA(trusttest.CAOptions{NotBefore: now.Add(-48 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := ca.IssueWalletProvider(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	instance, err := keys.GenerateP256()
	if err != nil {
		t.Fatal(err)
	}
	push := func(t *testing.T, clientID, redirectURI, details string, wallets []oauth.Wallet) string {
		t.Helper()
		server := oauth.New(oauth.Config{
			Issuer: issuer, Configurations: []oauth.Configuration{{ID: "a", Scope: "a"}}, Wallets: wallets,
			Sessions: session.New(session.NewMemory(clock, 0), session.NewRandomKeys(), "t", clock),
			Attesters: &trust.Policy{
				Anchors: []trust.Anchor{ca.Anchor()}, Profile: trust.ProfileWalletProvider, Revocation: trust.NotChecked("test"), Now: clock,
			},
			Lifetimes: oauth.DefaultLifetimes, Now: clock,
		})
		attested, err := attestation.SignClientAttestation(attestation.ClientAttestation{
			ClientID: clientID, InstanceKey: instance.Public(), IssuedAt: now, ExpiresAt: now.Add(time.Hour),
		}, provider)
		if err != nil {
			t.Fatal(err)
		}
		pop, err := attestation.SignPoP(attestation.PoP{ClientID: clientID, Audience: issuer, ID: rand.Text(), Now: now}, instance)
		if err != nil {
			t.Fatal(err)
		}
		form := oauth.Params{
			"client_id": clientID, "response_type": "code", "redirect_uri": redirectURI, "scope": "a", "authorization_details": details,
			"code_challenge": openid4vci.CodeChallenge(openid4vci.NewCodeVerifier()), "code_challenge_method": "S256",
		}
		_, err = server.Push(t.Context(), issuer+"/par",
			oauth.ClientHeaders{Attestation: []string{attested}, PoP: []string{pop}}, form)
		var refused *openid4vci.Error
		switch {
		case err == nil:
			return ""
		case errors.As(err, &refused):
			return refused.Code
		}
		return err.Error()
	}
	registered := []oauth.Wallet{
		{ID: "wallet", RedirectURIs: []string{own, "example.wallet:/callback"}},
		{ID: "other", RedirectURIs: []string{"https://other.example/callback"}},
	}
	for _, tt := range []struct {
		name, client, redirect, want string
		wallets                      []oauth.Wallet
	}{
		{"honest twin", "wallet", own, "", registered},
		{"honest twin, own scheme", "wallet", "example.wallet:/callback", "", registered},
		{"honest twin, nothing registered in a test", "wallet", "https://evil.example/", "", nil},
		{"O05 another address", "wallet", "https://evil.example/callback", "invalid_request", registered},
		{"O05 address of another wallet", "wallet", "https://other.example/callback", "invalid_request", registered},
		{"O05 suffix", "wallet", own + "/x", "invalid_request", registered},
		{"O05 query", "wallet", own + "?x=1", "invalid_request", registered},
		{"O05 prefix", "wallet", "https://wallet.example/call", "invalid_request", registered},
		{"O05 host in another case", "wallet", "https://WALLET.example/callback", "invalid_request", registered},
		{"O05 port", "wallet", "https://wallet.example:443/callback", "invalid_request", registered},
		{"O05 userinfo", "wallet", "https://wallet.example@evil.example/callback", "invalid_request", registered},
		{"wallet that is not registered", "stranger", own, "invalid_client", registered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := push(t, tt.client, tt.redirect, "", tt.wallets); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	const detail = `[{"type":"openid_credential","credential_configuration_id":"a"%s}]`
	for _, tt := range []struct{ name, locations, want string }{
		{"honest twin without locations", "", ""},
		{"honest twin", `,"locations":["` + issuer + `"]`, ""},
		{"VCI-AZ-02 another issuer", `,"locations":["https://other.example"]`, "invalid_authorization_details"},
		{"VCI-AZ-02 no issuer", `,"locations":[]`, "invalid_authorization_details"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := push(t, "wallet", own, fmt.Sprintf(detail, tt.locations), registered); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
