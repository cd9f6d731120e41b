package e2e_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/nonce"
)

// attestationChallenge returns a challenge for a proof of possession, or "" where none are
// demanded.
func (d *deployment) attestationChallenge(t *testing.T) string {
	t.Helper()
	if !d.cfg.Issuer.AttestationChallenges {
		return ""
	}
	var response openid4vci.ChallengeResponse
	a := d.send(t, http.MethodPost, d.endpoint("/challenge"), nil, nil)
	a.read(t, &response)
	if a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", a.header.Get("Cache-Control"))
	}
	return response.Challenge
}

// challenged are the headers of a request with a challenge in the proof of
// possession.
func (c *oauthClient) challenged(t *testing.T, path, challenge string) http.Header {
	t.Helper()
	h := c.headers(t, c.d.endpoint(path))
	pop, err := attestation.SignPoP(attestation.PoP{ClientID: c.id, Audience: c.d.box.Issuer, Challenge: challenge, Now: c.d.clock.Now()}, c.instance)
	if err != nil {
		t.Fatal(err)
	}
	h.Set(attestation.HeaderPoP, pop)
	return h
}

// TestNegAttestationChallenge signs proofs of possession with challenges that
// are not, or no longer, those of the issuer.
func TestNegAttestationChallenge(t *testing.T) {
	t.Parallel()
	d := deploy(t, deployOptions{configure: func(d *deployment) {
		d.cfg.Issuer.AttestationChallenges, d.cfg.Issuer.DPoPNonces = true, false
	}})
	var metadata openid4vci.AuthorizationServerMetadata
	address, err := openid4vci.AuthorizationServerMetadataURL(d.box.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	d.send(t, http.MethodGet, address, nil, nil).read(t, &metadata)
	if metadata.ChallengeEndpoint != d.endpoint("/challenge") {
		t.Errorf("challenge_endpoint %q", metadata.ChallengeEndpoint)
	}
	stale := d.attestationChallenge(t)
	d.clock.advance(nonce.Lifetime)
	bad := map[string]string{"absent": "", "invented": "challenge", "stale": stale, "c_nonce": d.nonce(t)}

	c := d.newClient(t)
	code := c.code(t, cardOf(t, "hanako"))
	for path, form := range map[string]url.Values{"/par": c.parForm(), "/token": c.tokenForm(code)} {
		post := func(challenge string) *answer {
			return d.send(t, http.MethodPost, d.endpoint(path), c.challenged(t, path, challenge), []byte(form.Encode()))
		}
		for name, challenge := range bad {
			t.Run("I20 "+name+" "+path, func(t *testing.T) {
				refused := post(challenge)
				refused.want(t, http.StatusBadRequest, attestation.CodeUseChallenge)
				if fresh := refused.header.Values(attestation.HeaderChallenge); len(fresh) != 1 || fresh[0] == "" {
					t.Errorf("%s: %q", attestation.HeaderChallenge, fresh)
				}
			})
		}
		// Honest twin, with the challenge that came with the refusal; nothing was
		// used up.
		accepted(t, path, post(post("").header.Get(attestation.HeaderChallenge)))
	}
	// And the wallet engine.
	d.receive(t, cardOf(t, "hanako"))
}
