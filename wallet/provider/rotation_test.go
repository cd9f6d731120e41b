package provider_test

import (
	"crypto"
	"crypto/x509"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/wallet/provider"
)

// TestRotation walks through the life of two signers with a gap between them:
// every attestation is by the signer of its moment and ends with it at the
// latest, nothing is signed in the gap, and what was signed before still
// verifies after the rotation.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	base := start.Truncate(time.Minute).Add(time.Minute)
	issue := func(begins, ends time.Duration) *keys.Key {
		return must[*keys.Key](t)(w.ca.IssueWalletProvider(trusttest.LeafOptions{NotBefore: base.Add(begins), Lifetime: ends - begins}))
	}
	first, second, third := issue(-time.Hour, 90*time.Minute), issue(-time.Hour, 2*time.Hour), issue(time.Hour, 9*time.Hour)
	c := w.configs["minato"]
	c.Keys = must[*keys.Ring](t)(keys.NewRing(
		keys.Entry{Key: first}, keys.Entry{Key: second, From: base.Add(10 * time.Minute)}, keys.Entry{Key: third, From: base.Add(3 * time.Hour)},
	))
	w.restart(t, c)
	i := w.newWallet(t, "minato")
	var before string
	for _, step := range []struct {
		name    string
		at      time.Duration
		want    *keys.Key // nil: refused
		expires time.Duration
	}{
		{"first", 0, first, time.Hour},
		{"just before the second", 10*time.Minute - time.Second, first, 69 * time.Minute},
		{"second", 10 * time.Minute, second, 70 * time.Minute},
		{"second, capped", 100 * time.Minute, second, 2 * time.Hour},
		{"in the gap", 2*time.Hour + time.Second, nil, 0},
		{"third is published only", 3*time.Hour - time.Second, nil, 0},
		{"third", 3 * time.Hour, third, 4 * time.Hour},
	} {
		w.at.Store(base.Add(step.at).Unix())
		client := i.attest(t, nil)
		pub := must[*keys.Key](t)(w.ca.IssueTLS(trusttest.LeafOptions{})).Signer.Public()
		keyed := i.attestKeys(t, []crypto.PublicKey{pub}, "c-nonce")
		if step.want == nil {
			for _, a := range []answer{client, keyed} {
				if a.status != 503 || a.reason(t) != "temporarily_unavailable" || a.header.Get("Retry-After") == "" {
					t.Errorf("%s: %d %s", step.name, a.status, a.body)
				}
			}
			continue
		}
		var response provider.ClientAttestationResponse
		client.decode(t, &response)
		var attested provider.KeyAttestationResponse
		keyed.decode(t, &attested)
		for _, token := range []string{response.ClientAttestation, attested.KeyAttestation} {
			if leaf := leafOf(t, token); !leaf.Equal(step.want.Leaf()) {
				t.Errorf("%s: signed by another", step.name)
			}
		}
		verified, err := w.verifyClient(t, response.ClientAttestation)
		if err != nil || !verified.ExpiresAt.Equal(base.Add(step.expires)) {
			t.Errorf("%s: %v, expires %v", step.name, err, verified)
		}
		if before != "" && step.want == second && step.at == 10*time.Minute {
			if _, err := w.verifyClient(t, before); err != nil {
				t.Errorf("%s: what the first signed: %v", step.name, err)
			}
		}
		before = response.ClientAttestation
	}
}

func (w *world) verifyClient(t *testing.T, token string) (*attestation.Client, error) {
	t.Helper()
	return attestation.VerifyAttestation(t.Context(), token, attestation.Expect{
		ClientID: clientID, Policy: w.policy(trust.ProfileWalletProvider), Now: w.now(),
	})
}

func leafOf(t *testing.T, token string) *x509.Certificate {
	t.Helper()
	return must[*jose.Unverified](t)(jose.Parse(token)).Header.X5C[0]
}
