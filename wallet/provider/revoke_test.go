package provider_test

import (
	"crypto"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/wallet/provider"
)

// attestedAt gets an attestation for a version and returns it.
func (i *wallet) attestedAt(t testing.TB, version string) *attestation.Client {
	t.Helper()
	var response provider.ClientAttestationResponse
	i.attest(t, func(p *provider.Proof) { p.WalletVersion = version }).decode(t, &response)
	return must[*attestation.Client](t)(attestation.VerifyAttestation(t.Context(), response.ClientAttestation, attestation.Expect{
		Audience: audience, Policy: i.w.policy(trust.ProfileWalletProvider), Now: i.w.now(),
	}))
}

// end revokes many instances.
func (w *world) end(t testing.TB, tenant, authorization, body string) answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/"+tenant+"/admin/revocations", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", authorization)
	return w.do(t, r)
}

func (i *wallet) revokeOwn(t testing.TB, edit func(*provider.Proof)) answer {
	t.Helper()
	return i.w.post(t, i.path("/revoke"), provider.RevokeOwnRequest{Proof: i.proof(t, provider.PurposeRevoke, edit)})
}

// EU-WP-01, EU-WP-04: what EUDI technical specification 3 wants in attestations.
func TestAttestationClaims(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		i := w.newWallet(t, "minato")
		if client := i.attestedAt(t, ""); client.WalletVersion != "" {
			t.Errorf("version %q that nobody named", client.WalletVersion)
		}
		client := i.attestedAt(t, "2.1.0")
		if again := i.attestedAt(t, ""); again.WalletVersion != "2.1.0" {
			t.Errorf("version %q, want what was said last", again.WalletVersion)
		}
		until := time.Date(2026, 12, 25, 0, 0, 0, 0, time.UTC)
		if client.WalletVersion != "2.1.0" || len(client.Statuses) != 1 || !client.StatusUntil.Equal(until) {
			t.Errorf("%+v", client)
		}
		if until.Sub(client.ExpiresAt) < 31*24*time.Hour {
			t.Errorf("kept up until %v, expires %v", until, client.ExpiresAt)
		}
		var response provider.KeyAttestationResponse
		i.attestKeys(t, newPublicKeys(t, 1), "").decode(t, &response)
		keys := must[*attestation.AttestedKeys](t)(attestation.VerifyKeyAttestation(t.Context(), response.KeyAttestation, attestation.KeyExpect{
			Policy: w.policy(trust.ProfileWalletProvider), Now: w.now(),
		}))
		if len(keys.Statuses) != 1 || !keys.StatusUntil.Equal(until) {
			t.Errorf("%+v", keys)
		}
		if a := i.attest(t, func(p *provider.Proof) { p.WalletVersion = "*" }); a.reason(t) != string(provider.ReasonProofInvalid) {
			t.Errorf("a version that is none: %d %s", a.status, a.body)
		}
	})
}

// EU-WP-03: issuers who see different instances never see the same key.
func TestNegAttestedKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		i, j := w.newWallet(t, "minato"), w.newWallet(t, "minato")
		pubs := newPublicKeys(t, 2)
		if a := i.attestKeys(t, pubs, "c_nonce"); a.status != 200 {
			t.Errorf("honest: %d %s", a.status, a.body)
		}
		for name, tc := range map[string]struct {
			by   *wallet
			pubs []crypto.PublicKey
		}{
			"EU-WP-03 the same for another nonce": {i, pubs[:1]},
			"a key of another instance":           {j, append(newPublicKeys(t, 1), pubs[1])},
		} {
			if a := tc.by.attestKeys(t, tc.pubs, "another"); a.reason(t) != string(provider.ReasonKeysInvalid) {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		if a := j.attestKeys(t, newPublicKeys(t, 2), ""); a.status != 200 {
			t.Errorf("keys of its own: %d %s", a.status, a.body)
		}
		elsewhere := w.newWallet(t, "shibuya")
		if a := elsewhere.attestKeys(t, pubs, ""); a.status != 200 {
			t.Errorf("another provider knows nothing of the key: %d %s", a.status, a.body)
		}
	})
}

// EU-WP-07: users revoke their own instance, and nobody else's.
func TestNegRevokeOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		i, neighbour := w.newWallet(t, "minato"), w.newWallet(t, "minato")
		ref := i.attestedAt(t, "").Statuses[0]
		for name, tc := range map[string]struct {
			answer answer
			reason provider.Reason
		}{
			"key of another":    {(&wallet{w: w, tenant: "minato", key: neighbour.key, id: i.id}).revokeOwn(t, nil), provider.ReasonInstanceUnknown},
			"another tenant":    {(&wallet{w: w, tenant: "shibuya", key: i.key, id: i.id}).revokeOwn(t, nil), provider.ReasonInstanceUnknown},
			"no instance":       {(&wallet{w: w, tenant: "minato", key: i.key, id: "AAAA"}).revokeOwn(t, nil), provider.ReasonInstanceUnknown},
			"another purpose":   {i.revokeOwn(t, func(p *provider.Proof) { p.Purpose = provider.PurposeClientAttestation }), provider.ReasonProofInvalid},
			"another audience":  {i.revokeOwn(t, func(p *provider.Proof) { p.Audience = origin + "/shibuya" }), provider.ReasonProofInvalid},
			"made-up challenge": {i.revokeOwn(t, func(p *provider.Proof) { p.Challenge = strings.Repeat("A", len(p.Challenge)) }), provider.ReasonChallengeInvalid},
		} {
			if tc.answer.reason(t) != string(tc.reason) {
				t.Errorf("%s: %d %s", name, tc.answer.status, tc.answer.body)
			}
		}
		if a := i.attest(t, nil); a.status != 200 {
			t.Errorf("revoked by one of these: %d %s", a.status, a.body)
		}
		for range 2 { // again, because the answer may get lost
			if a := i.revokeOwn(t, nil); a.status != 204 {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
		w.advance(time.Hour)
		if a := i.attest(t, nil); a.reason(t) != string(provider.ReasonInstanceRevoked) {
			t.Errorf("%d %s", a.status, a.body)
		}
		if got := w.statusOf(t, ref); got != status.Invalid {
			t.Errorf("status %v", got)
		}
		if got := w.statusOf(t, neighbour.attestedAt(t, "").Statuses[0]); got != status.Valid {
			t.Errorf("status of another %v", got)
		}
	})
}

// EU-WP-06: a version, or everything, with all indices of all attestations.
func TestRevokeMany(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		old, updated, current := w.newWallet(t, "minato"), w.newWallet(t, "minato"), w.newWallet(t, "minato")
		silent, elsewhere := w.newWallet(t, "minato"), w.newWallet(t, "shibuya")
		gone := slices.Concat(old.attestedAt(t, "1.0").Statuses, old.attestedAt(t, "1.0").Statuses)
		stay := slices.Concat(updated.attestedAt(t, "1.0").Statuses, updated.attestedAt(t, "2.0").Statuses,
			current.attestedAt(t, "2.0").Statuses, silent.attestedAt(t, "").Statuses)
		abroad := elsewhere.attestedAt(t, "1.0").Statuses
		for body, want := range map[string]int{
			`{}`: 400, `{"wallet_version":"1.0","all":true}`: 400, `{"wallet_version":"*"}`: 400, `{"all":false}`: 400,
			`{"wallet_version":"1.0","reason":"x"}`: 400,
		} {
			if a := w.end(t, "minato", bearerToken, body); a.status != want {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
		if a := w.end(t, "minato", bearerToken+"x", `{"all":true}`); a.status != 401 {
			t.Errorf("F07 wrong token: %d %s", a.status, a.body)
		}
		w.revoked(t, `{"wallet_version":"1.0","reason":"compromised"}`, 1)
		w.revoked(t, `{"wallet_version":"1.0"}`, 0)
		w.advance(time.Hour)
		w.statusesAre(t, gone, status.Invalid)
		w.statusesAre(t, slices.Concat(stay, abroad), status.Valid)
		for name, a := range map[string]answer{
			"back to it": current.attest(t, func(p *provider.Proof) { p.WalletVersion = "1.0" }),
			"new, of it": (&wallet{w: w, tenant: "minato", key: newKey(t)}).register(t, provider.SoftwarePlatform, func(p *provider.Proof) { p.WalletVersion = "1.0" }),
		} {
			if a.reason(t) != string(provider.ReasonVersionRevoked) {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		if a := elsewhere.attest(t, func(p *provider.Proof) { p.WalletVersion = "1.0" }); a.status != 200 {
			t.Errorf("of another tenant: %d %s", a.status, a.body)
		}
		stay = append(stay, current.attestedAt(t, "2.0").Statuses...)

		w.revoked(t, `{"all":true}`, 3)
		w.advance(time.Hour)
		w.statusesAre(t, slices.Concat(gone, stay), status.Invalid)
		w.statusesAre(t, abroad, status.Valid)
		a := (&wallet{w: w, tenant: "minato", key: newKey(t)}).register(t, provider.SoftwarePlatform, nil)
		if a.reason(t) != string(provider.ReasonVersionRevoked) {
			t.Errorf("new: %d %s", a.status, a.body)
		}
	})
}

func (w *world) revoked(t testing.TB, body string, want int) {
	t.Helper()
	var response provider.RevokeManyResponse
	a := w.end(t, "minato", bearerToken, body)
	a.decode(t, &response)
	if a.status != 200 || response.Revoked != want {
		t.Errorf("%s: %d %s, want %d", body, a.status, a.body, want)
	}
}

func (w *world) statusesAre(t testing.TB, refs []credentials.StatusRef, want status.Value) {
	t.Helper()
	for n, ref := range refs {
		if got := w.statusOf(t, ref); got != want {
			t.Errorf("attestation %d is %v, want %v", n, got, want)
		}
	}
}
