package e2e_test

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust/trusttest"
	"github.com/tegata-id/tegata/internal/app/config"
	"github.com/tegata-id/tegata/internal/app/sandbox"
)

// attester is a second wallet provider, whose CA the test has, with a status list
// of its own: entry 1 is INVALID.
type attester struct {
	key  *keys.Key
	list *httptest.Server
}

func (a *attester) ref(index uint64) *credentials.StatusRef {
	return &credentials.StatusRef{URI: a.list.URL + "/list", Index: index}
}

// deployAttested has the issuer demand what the rules say of the keys of wallets,
// and trust the sandbox's provider and another. Bound, the sandbox's wallet is
// registered with its own provider.
func deployAttested(t *testing.T, rules map[string]config.KeyAttestation, bound bool) (*deployment, *attester) {
	t.Helper()
	ca, err := trusttest.NewCA(trusttest.CAOptions{Name: "Another provider's CA", NotBefore: time.Now().Add(-48 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	other := &attester{}
	if other.key, err = ca.IssueWalletProvider(trusttest.LeafOptions{}); err != nil {
		t.Fatal(err)
	}
	signer, err := ca.IssueStatusSigner(trusttest.LeafOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /list", func(w http.ResponseWriter, _ *http.Request) {
		list, err := status.NewList(16, 1)
		if err == nil {
			err = list.Set(1, status.Invalid)
		}
		now := time.Now()
		token, signErr := status.Sign(status.TokenOptions{URI: other.ref(0).URI, IssuedAt: now.Add(-time.Minute), Expires: now.Add(time.Hour)}, list, signer)
		if err != nil || signErr != nil {
			t.Error(err, signErr)
		}
		w.Header().Set("Content-Type", status.MediaType)
		_, _ = w.Write([]byte(token))
	})
	other.list = httptest.NewUnstartedServer(mux)
	d := deploy(t, deployOptions{
		prepare: func(box *sandbox.Sandbox) {
			server, err := box.TLS.IssueTLS(trusttest.LeafOptions{})
			if err != nil {
				t.Fatal(err)
			}
			other.list.TLS = &tls.Config{Certificates: []tls.Certificate{server.TLSCertificate()}, MinVersion: tls.VersionTLS12}
			other.list.StartTLS()
			t.Cleanup(other.list.Close)
			if err := os.WriteFile(filepath.Join(box.Dir, "other.pem"), keys.EncodeChainPEM([]*x509.Certificate{ca.Certificate}), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		configure: func(d *deployment) {
			d.cfg.Issuer.WalletProviders = append(d.cfg.Issuer.WalletProviders, config.Anchor{File: filepath.Join(d.box.Dir, "other.pem")})
			d.cfg.Issuer.KeyAttestations = rules
			if bound {
				d.cfg.Issuer.Wallets = []config.Wallet{{
					ClientID: d.cfg.Provider.ClientID, RedirectURIs: []string{"https://wallet.example/callback"},
					Provider: filepath.Join(d.box.Dir, "wallet-provider-ca.pem"),
				}}
			}
			d.cfg.Outbound.AllowLoopback = append(d.cfg.Outbound.AllowLoopback, other.list.Listener.Addr().String())
		},
	})
	return d, other
}

// attested is what a wallet provider says of the keys, as it should be.
func (d *deployment) attested(t *testing.T, signers ...crypto.Signer) attestation.KeyAttestation {
	t.Helper()
	now := d.clock.Now()
	a := attestation.KeyAttestation{
		KeyStorage: []string{attestation.ResistanceHigh}, UserAuthentication: []string{attestation.ResistanceModerate},
		Nonce: d.nonce(t), IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	for _, key := range signers {
		a.Keys = append(a.Keys, key.Public())
	}
	return a
}

func signAttested(t *testing.T, a attestation.KeyAttestation, key *keys.Key) string {
	t.Helper()
	signed, err := attestation.SignKeyAttestation(a, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// boundTo returns the thumbprints of the keys that SD-JWT VCs are bound to.
func boundTo(t *testing.T, list []string) (thumbprints []string) {
	t.Helper()
	for _, raw := range list {
		u, err := sdjwt.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		bound, err := jose.ThumbprintOf(u.HolderKey)
		if err != nil {
			t.Fatal(err)
		}
		thumbprints = append(thumbprints, bound)
	}
	return thumbprints
}

// TestNegKeyAttestation sends key attestations with faults, in proofs of both
// types. Each is refused, issues nothing, and has an honest twin.
func TestNegKeyAttestation(t *testing.T) {
	t.Parallel()
	d, other := deployAttested(t, map[string]config.KeyAttestation{"urn:tegata:identity:jp:1": {
		KeyStorage:         []string{attestation.ResistanceHigh, attestation.ResistanceModerate},
		UserAuthentication: []string{attestation.ResistanceModerate},
	}}, false)
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	own, stranger := d.providerKey(t), strangersKey(t)
	first, second := newKey(t), newKey(t)

	byAttestation := func(compact string) map[string]any {
		return map[string]any{"credential_configuration_id": "identity_sd_jwt", "proofs": map[string]any{"attestation": []string{compact}}}
	}
	byJWT := func(nonce string, key crypto.Signer, compact string) map[string]any {
		proof, err := openid4vci.SignProof(openid4vci.ProofOptions{
			Audience: d.box.Issuer, Nonce: nonce, ClientID: c.id, Now: d.clock.Now(), KeyAttestation: compact,
		}, key)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]any{"credential_configuration_id": "identity_sd_jwt", "proofs": map[string]any{"jwt": []string{proof}}}
	}
	ask := func(body map[string]any) *answer { return c.credential(t, token, body, nil) }
	faults := map[string]struct {
		edit func(*attestation.KeyAttestation)
		key  *keys.Key
		code string
	}{
		"I19 of an untrusted provider":           {nil, stranger, "invalid_proof"},
		"I19 expired":                            {func(a *attestation.KeyAttestation) { a.ExpiresAt = d.clock.Now().Add(-time.Hour) }, own, "invalid_proof"},
		"I19 from the future":                    {func(a *attestation.KeyAttestation) { a.IssuedAt = d.clock.Now().Add(time.Hour) }, own, "invalid_proof"},
		"I19 key storage below what is required": {func(a *attestation.KeyAttestation) { a.KeyStorage = []string{attestation.ResistanceBasic} }, own, "invalid_proof"},
		"I19 nothing about user authentication":  {func(a *attestation.KeyAttestation) { a.UserAuthentication = nil }, own, "invalid_proof"},
		"I19 revoked":                            {func(a *attestation.KeyAttestation) { a.Status = other.ref(1) }, other.key, "invalid_proof"},
		"VCI-PF-06 without a nonce":              {func(a *attestation.KeyAttestation) { a.Nonce = "" }, own, "invalid_proof"},
		"oid4vci-1_0-issuer-fail-invalid-nonce":  {func(a *attestation.KeyAttestation) { a.Nonce = "not-a-nonce-of-the-issuer" }, own, "invalid_nonce"},
	}
	for name, tc := range faults {
		t.Run(name, func(t *testing.T) {
			before := d.rows(t)
			a := d.attested(t, first, second)
			nonce := a.Nonce
			if tc.edit != nil {
				tc.edit(&a)
			}
			compact := signAttested(t, a, tc.key)
			ask(byAttestation(compact)).want(t, http.StatusBadRequest, tc.code)
			ask(byJWT(nonce, first, compact)).want(t, http.StatusBadRequest, tc.code)
			if after := d.rows(t); after != before {
				t.Errorf("rows before %s, after %s", before, after)
			}
		})
	}
	t.Run("oid4vci-1_0-issuer-fail-invalid-key-attestation-signature", func(t *testing.T) {
		a := d.attested(t, first)
		compact := signAttested(t, a, own)
		compact = flip(compact, len(compact)-20)
		ask(byAttestation(compact)).want(t, http.StatusBadRequest, "invalid_proof")
		ask(byJWT(a.Nonce, first, compact)).want(t, http.StatusBadRequest, "invalid_proof")
	})
	t.Run("I19 the key of the proof is not attested", func(t *testing.T) {
		a := d.attested(t, first)
		ask(byJWT(a.Nonce, second, signAttested(t, a, own))).want(t, http.StatusBadRequest, "invalid_proof")
	})
	t.Run("VCI-PF-06 of a proof without exp", func(t *testing.T) {
		a := d.attested(t, first)
		a.ExpiresAt = time.Time{}
		ask(byJWT(a.Nonce, first, signAttested(t, a, own))).want(t, http.StatusBadRequest, "invalid_proof")
	})
	t.Run("VCI-PF-11 no attestation", func(t *testing.T) {
		c.credential(t, token, c.credentialRequest(t, 1), nil).want(t, http.StatusBadRequest, "invalid_proof")
	})
	t.Run("VCI-PF-07 two attestations", func(t *testing.T) {
		compact := signAttested(t, d.attested(t, first), own)
		ask(map[string]any{"credential_configuration_id": "identity_sd_jwt", "proofs": map[string]any{"attestation": []string{compact, compact}}}).
			want(t, http.StatusBadRequest, "invalid_proof")
	})
	t.Run("I11 used twice", func(t *testing.T) {
		compact := signAttested(t, d.attested(t, first), own)
		ask(byAttestation(compact)).credentials(t)
		ask(byAttestation(compact)).want(t, http.StatusBadRequest, "invalid_nonce")
	})
	t.Run("status unavailable", func(t *testing.T) {
		a := d.attested(t, first)
		a.Status = &credentials.StatusRef{URI: other.list.URL + "/gone", Index: 2}
		if got := ask(byAttestation(signAttested(t, a, other.key))); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%d %s", got.status, got.body)
		}
		// The nonce is not used up.
		a.Status = other.ref(2)
		ask(byAttestation(signAttested(t, a, other.key))).credentials(t)
	})
	t.Run("honest twin", func(t *testing.T) {
		a := d.attested(t, first)
		a.Status = other.ref(2)
		ask(byAttestation(signAttested(t, a, other.key))).credentials(t)
	})
}

// TestKeyAttestation issues one credential for each attested key, up to the size
// of a batch, in their order.
func TestKeyAttestation(t *testing.T) {
	t.Parallel()
	d, _ := deployAttested(t, map[string]config.KeyAttestation{"urn:tegata:identity:jp:1": {}}, false)
	metadata := d.issuerMetadata(t)
	for _, proof := range []string{openid4vci.ProofTypeJWT, openid4vci.ProofTypeAttestation} {
		for id, demanded := range map[string]bool{"identity_sd_jwt": true, "identity_mdoc": false} {
			if p, ok := metadata.Configurations[id].ProofTypes[proof]; !ok || (p.KeyAttestations != nil) != demanded {
				t.Errorf("%s of %s: %+v", proof, id, p)
			}
		}
	}
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	var signers []crypto.Signer
	var want []string
	for range 5 {
		key := newKey(t)
		signers, want = append(signers, key), append(want, thumbprint(t, key))
	}
	want = want[:3] // batch_size
	own := d.providerKey(t)
	for name, proofs := range map[string]func() map[string]any{
		"attestation": func() map[string]any {
			return map[string]any{"attestation": []string{signAttested(t, d.attested(t, signers...), own)}}
		},
		"jwt": func() map[string]any {
			a := d.attested(t, signers...)
			proof, err := openid4vci.SignProof(openid4vci.ProofOptions{
				Audience: d.box.Issuer, Nonce: a.Nonce, ClientID: c.id, Now: d.clock.Now(), KeyAttestation: signAttested(t, a, own),
			}, signers[0])
			if err != nil {
				t.Fatal(err)
			}
			return map[string]any{"jwt": []string{proof}}
		},
	} {
		got := boundTo(t, c.credential(t, token, map[string]any{"credential_configuration_id": "identity_sd_jwt", "proofs": proofs()}, nil).credentials(t))
		if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
			t.Errorf("%s: bound to %v, want %v", name, got, want)
		}
	}
	// The wallet engine and the wallet provider do as the metadata say.
	d.receive(t, cardOf(t, "taro"))
}

// TestKeyAttestationStatusEnds issues nothing that outlives the status of the key
// attestation (ISSU_12c): I32.
func TestKeyAttestationStatusEnds(t *testing.T) {
	t.Parallel()
	d, other := deployAttested(t, nil, false)
	c := d.newClient(t)
	token := c.accessToken(t, cardOf(t, "hanako"))
	ask := func(kept time.Duration) *answer {
		a := d.attested(t, newKey(t))
		a.Status, a.StatusUntil = other.ref(2), time.Time{}
		if kept > 0 {
			a.StatusUntil = d.clock.Now().Add(kept)
		}
		compact := signAttested(t, a, other.key)
		return c.credential(t, token, map[string]any{"credential_configuration_id": "identity_sd_jwt", "proofs": map[string]any{"attestation": []string{compact}}}, nil)
	}
	ends := func(a *answer) time.Time {
		u, err := sdjwt.Parse(a.credentials(t)[0])
		if err != nil {
			t.Fatal(err)
		}
		return u.ValidUntil
	}
	const day = 24 * time.Hour
	free := ends(ask(0))
	if long := ends(ask(60 * day)); !long.Equal(free) {
		t.Errorf("honest twin ends at %v, want %v", long, free)
	}
	if short := ends(ask(12 * day)); !short.Before(d.clock.Now().Add(12*day)) || (free.Sub(short)%(7*day)) != 0 {
		t.Errorf("with a status that is kept for 12 days it ends at %v, others at %v", short, free)
	}
	ask(12*time.Hour).want(t, http.StatusBadRequest, "credential_request_denied")
}

// TestNegKeyAttestationOfOther has a provider that is trusted attest the keys of a
// wallet that is another's.
func TestNegKeyAttestationOfOther(t *testing.T) {
	t.Parallel()
	for _, bound := range []bool{true, false} {
		d, other := deployAttested(t, nil, bound)
		c := d.newClient(t)
		token := c.accessToken(t, cardOf(t, "hanako"))
		ask := func(key *keys.Key) *answer {
			compact := signAttested(t, d.attested(t, newKey(t)), key)
			return c.credential(t, token, map[string]any{"credential_configuration_id": "identity_sd_jwt", "proofs": map[string]any{"attestation": []string{compact}}}, nil)
		}
		if a := ask(other.key); bound {
			a.want(t, http.StatusBadRequest, "invalid_proof")
		} else {
			a.credentials(t) // each may speak for every wallet
		}
		ask(d.providerKey(t)).credentials(t)
	}
}
