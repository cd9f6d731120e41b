package e2e_test

import (
	"crypto"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/wallet/holder"
)

// attestedWallet is what the Node program is told: attestations, what they must
// say, and from which anchor.
type attestedWallet struct {
	Now               time.Time         `json:"now"`
	Provider          string            `json:"provider"`
	ClientID          string            `json:"clientId"`
	Audience          string            `json:"audience"`
	Challenge         string            `json:"challenge"`
	Nonce             string            `json:"nonce"`
	ClientAttestation string            `json:"clientAttestation"`
	PoP               string            `json:"pop"`
	KeyAttestation    string            `json:"keyAttestation"`
	InstanceKey       *jose.JWK         `json:"instanceKey"`
	AttestedKeys      []*jose.JWK       `json:"attestedKeys"`
	Anchors           map[string]string `json:"anchors"`
	Revoked           bool              `json:"revoked"`
}

// attestationSteps are the lines in which the Node program says what held.
func attestationSteps(status string) []string {
	return []string{
		"jose verifies the client attestation and its proof of possession",
		"jose refuses them changed, expired, of another type or for another anchor",
		"@openid4vc/oauth2 verifies both as an authorization server",
		"@openid4vc/oauth2 refuses them changed, expired, by another key or for another server",
		"jose verifies the key attestation and refuses it changed or for another anchor",
		"@openid4vc/openid4vci verifies the key attestation and refuses it changed, expired or for another nonce",
		"jose, @owf/mdoc and @sd-jwt/jwt-status-list read the status of both in both forms: " + status,
		"they refuse the lists changed, of another address or for another anchor",
	}
}

// pythonSteps are those of the Python program.
var pythonSteps = []string{
	"jwcrypto verifies the client attestation, its proof of possession and the key attestation",
	"jwcrypto refuses them changed, of another type or for another anchor or key",
	"jwcrypto and pycose read the status of both in both forms, and refuse the lists changed",
}

// TestAttestationsElsewhere has other people's libraries, in two languages, verify
// what the wallet provider attests and the wallet engine proves, before and after
// the instance is revoked.
func TestAttestationsElsewhere(t *testing.T) {
	t.Parallel()
	node, python := findNode(t), findPython(t)
	d := deployWithAttestationStatus(t)
	p, ok := d.newWallet(t).Attester.(*holder.Provider)
	if !ok {
		t.Fatal("the wallet has another attester")
	}
	w := d.attestedWallet(t, p)
	run := func(status string) {
		t.Helper()
		input, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		wantSteps(t, runNode(t, node, "attestations.mjs", d.box.TLSRoot, input), attestationSteps(status))
		out := runPythonProgram(t, python, "attestations.py", d.box.TLSRoot, w)
		wantSteps(t, strings.Split(strings.TrimSpace(string(out)), "\n"), pythonSteps)
	}
	run("VALID")
	if err := p.Revoke(t.Context(), w.Audience); err != nil {
		t.Fatal(err)
	}
	d.clock.advance(5 * time.Minute) // to the next publication of the lists
	w.Now, w.Revoked = d.clock.Now(), true
	run("INVALID")
}

// attestedWallet has a wallet attested.
func (d *deployment) attestedWallet(t *testing.T, p *holder.Provider) *attestedWallet {
	t.Helper()
	w := &attestedWallet{
		Provider: d.box.Provider, ClientID: d.cfg.Provider.ClientID, Audience: d.box.Issuer,
		Challenge: "challenge-of-the-server", Nonce: "nonce-of-the-issuer",
		Anchors: map[string]string{
			"provider": secret(t, d.cfg.Issuer.WalletProviders[0].File), "other": anchorPEM(d.box.VerifierAnchor),
		},
	}
	var instance crypto.Signer
	var err error
	if w.ClientAttestation, instance, err = p.ClientAttestation(t.Context(), w.Audience); err != nil {
		t.Fatal(err)
	}
	w.InstanceKey = publicJWK(t, instance.Public())
	w.PoP, err = attestation.SignPoP(attestation.PoP{
		ClientID: w.ClientID, Audience: w.Audience, Challenge: w.Challenge, Now: d.clock.Now(), Lifetime: time.Hour,
	}, instance)
	if err != nil {
		t.Fatal(err)
	}
	public := []crypto.PublicKey{newKey(t).Public(), newKey(t).Public()}
	for _, key := range public {
		w.AttestedKeys = append(w.AttestedKeys, publicJWK(t, key))
	}
	if w.KeyAttestation, err = p.KeyAttestation(t.Context(), w.Audience, public, w.Nonce); err != nil {
		t.Fatal(err)
	}
	w.Now = d.clock.Now()
	return w
}

func publicJWK(t *testing.T, key crypto.PublicKey) *jose.JWK {
	t.Helper()
	jwk, err := jose.NewJWK(key)
	if err != nil {
		t.Fatal(err)
	}
	return jwk
}
