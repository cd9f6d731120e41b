package provider_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tegata-id/tegata/credentials/attestation"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/wallet/provider"
	"github.com/tegata-id/tegata/wallet/provider/android"
	"github.com/tegata-id/tegata/wallet/provider/android/androidtest"
)

const onAndroid = "android"

// phone is an instance on a device whose hardware vouches for its keys.
type phone struct {
	*wallet
	device *androidtest.Device
	// attested are the keys that it wants attested.
	attested []crypto.PublicKey
	// describe changes what the device says of a key.
	describe func(*androidtest.Description)
}

// newPhone makes a world that accepts one device, and an instance there that is
// not registered yet.
func newPhone(t *testing.T) *phone {
	t.Helper()
	device := must[*androidtest.Device](t)(androidtest.NewDevice(start.AddDate(0, 0, -2)))
	w := newWorld(t, func(c *provider.Config) {
		empty := func(context.Context) ([]byte, error) { return []byte(`{"entries":{}}`), nil }
		verifier := must[*android.Verifier](t)(android.New(android.Config{
			Roots: []*x509.Certificate{device.Root.Certificate}, Revocations: android.NewRevocations(empty, c.Now),
			Package: androidtest.Package, Signers: [][]byte{androidtest.Signer[:]}, Lowest: android.TrustedEnvironment,
			KeyStorage: map[android.SecurityLevel][]string{
				android.TrustedEnvironment: {attestation.ResistanceModerate}, android.StrongBox: {attestation.ResistanceHigh},
			},
			UserAuthentication: []string{attestation.ResistanceModerate}, Now: c.Now,
		}))
		c.TestMode, c.Platforms = false, map[string]provider.Platform{
			onAndroid: {Verifier: verifier, Certification: "https://wallet.example/certified"}, picky: {Verifier: pickyPlatform{}},
		}
	})
	return &phone{wallet: &wallet{w: w, tenant: "minato", key: newKey(t)}, device: device}
}

func (p *phone) evidence(t *testing.T, key crypto.PublicKey, challenge string) string {
	t.Helper()
	d := must[androidtest.Description](t)(androidtest.Honest(challenge))
	if p.describe != nil {
		p.describe(&d)
	}
	return must[string](t)(android.EncodeEvidence(must[[]*x509.Certificate](t)(p.device.Attest(key, d, nil))))
}

func (p *phone) registerWith(t *testing.T, evidence func(challenge string) string) answer {
	t.Helper()
	challenge := p.w.challenge(t, p.tenant)
	a := p.w.post(t, "/minato/instances", provider.RegisterRequest{
		InstanceKey: must[*jose.JWK](t)(jose.NewJWK(p.key.Public())), Platform: onAndroid, PlatformEvidence: evidence(challenge),
		Proof: p.proof(t, provider.PurposeRegister, func(p *provider.Proof) { p.Challenge = challenge }),
	})
	var r provider.RegisterResponse
	if a.status == 201 {
		a.decode(t, &r)
		p.id = r.InstanceID
		if !r.PlatformVerified {
			t.Error("nobody verified the platform")
		}
	}
	return a
}

// attestKeysWith gets a key attestation with evidence for each key.
func (p *phone) attestKeysWith(t *testing.T, pubs []crypto.PublicKey, edit func(evidence []string, challenge string) []string) answer {
	t.Helper()
	challenge := p.w.challenge(t, p.tenant)
	var evidence []string
	for _, pub := range pubs {
		evidence = append(evidence, p.evidence(t, pub, challenge))
	}
	if edit != nil {
		evidence = edit(evidence, challenge)
	}
	return p.w.post(t, p.path("/key-attestations"), provider.KeyAttestationRequest{
		PlatformEvidence: evidence,
		Proof: p.proof(t, provider.PurposeKeyAttestation, func(p *provider.Proof) {
			p.Challenge, p.Keys, p.CNonce = challenge, pubs, "c_nonce"
		}),
	})
}

func TestNegAndroidRegistration(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		evidence func(t *testing.T, p *phone, challenge string) string
		status   int
	}{
		"honest": {func(t *testing.T, p *phone, challenge string) string { return p.evidence(t, p.key.Public(), challenge) }, 201},
		"for another key": {func(t *testing.T, p *phone, challenge string) string {
			return p.evidence(t, newKey(t).Public(), challenge)
		}, 403},
		"over another challenge": {func(t *testing.T, p *phone, _ string) string {
			return p.evidence(t, p.key.Public(), p.w.challenge(t, p.tenant))
		}, 403},
		"none": {func(*testing.T, *phone, string) string { return "" }, 403},
	} {
		p := newPhone(t)
		a := p.registerWith(t, func(challenge string) string { return tc.evidence(t, p, challenge) })
		if a.status != tc.status || a.status != 201 && a.reason(t) != string(provider.ReasonPlatformRefused) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// What key attestations assert is what the evidence for each key shows.
func TestNegKeyEvidence(t *testing.T) {
	t.Parallel()
	strong := func(d *androidtest.Description) { d.AttestationLevel, d.KeystoreLevel = 2, 2 }
	for name, tc := range map[string]struct {
		describe func(*androidtest.Description)
		edit     func(t *testing.T, p *phone, evidence []string, challenge string) []string
		status   int
		reason   provider.Reason
		storage  []string
		user     []string
	}{
		"honest":     {status: 200, storage: []string{attestation.ResistanceModerate}, user: []string{attestation.ResistanceModerate}},
		"strong box": {describe: strong, status: 200, storage: []string{attestation.ResistanceHigh}, user: []string{attestation.ResistanceModerate}},
		"without its user": {
			describe: func(d *androidtest.Description) { d.Hardware[503] = androidtest.Null{} },
			status:   200, storage: []string{attestation.ResistanceModerate},
		},
		"software":         {describe: func(d *androidtest.Description) { d.AttestationLevel, d.KeystoreLevel = 0, 0 }, status: 403, reason: provider.ReasonPlatformRefused},
		"no evidence":      {edit: func(*testing.T, *phone, []string, string) []string { return nil }, status: 400, reason: provider.ReasonKeysInvalid},
		"evidence for one": {edit: func(_ *testing.T, _ *phone, e []string, _ string) []string { return e[:1] }, status: 400, reason: provider.ReasonKeysInvalid},
		"evidence for one twice": {edit: func(_ *testing.T, _ *phone, e []string, _ string) []string {
			return []string{e[0], e[0]}
		}, status: 403, reason: provider.ReasonPlatformRefused},
		"mixed storage": {edit: func(t *testing.T, p *phone, e []string, challenge string) []string {
			p.describe = strong
			return []string{e[0], p.evidence(t, p.attested[1], challenge)}
		}, status: 400, reason: provider.ReasonKeysInvalid},
		"old challenge": {edit: func(t *testing.T, p *phone, _ []string, _ string) []string {
			old := p.w.challenge(t, p.tenant)
			return []string{p.evidence(t, p.attested[0], old), p.evidence(t, p.attested[1], old)}
		}, status: 403, reason: provider.ReasonPlatformRefused},
	} {
		p := newPhone(t)
		if a := p.registerWith(t, func(challenge string) string { return p.evidence(t, p.key.Public(), challenge) }); a.status != 201 {
			t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
		p.describe, p.attested = tc.describe, newPublicKeys(t, 2)
		a := p.attestKeysWith(t, p.attested, func(evidence []string, challenge string) []string {
			if tc.edit == nil {
				return evidence
			}
			return tc.edit(t, p, evidence, challenge)
		})
		if a.status != tc.status || a.reason(t) != string(tc.reason) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
			continue
		}
		if tc.status != 200 {
			continue
		}
		var r provider.KeyAttestationResponse
		a.decode(t, &r)
		got := must[*attestation.AttestedKeys](t)(attestation.VerifyKeyAttestation(t.Context(), r.KeyAttestation, attestation.KeyExpect{
			Policy: p.w.policy(trust.ProfileWalletProvider), Nonce: "c_nonce", Now: p.w.now(),
		}))
		if !slices.Equal(got.KeyStorage, tc.storage) || got.Certification != "https://wallet.example/certified" {
			t.Errorf("%s: %+v", name, got)
		}
		if diff := cmp.Diff(tc.user, got.UserAuthentication); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A provider that does not know which devices are revoked registers nobody, and
// says so.
func TestPlatformUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	i := &wallet{w: w, tenant: "minato", key: newKey(t)}
	post := func(evidence string) answer {
		return w.post(t, "/minato/instances", provider.RegisterRequest{
			InstanceKey: must[*jose.JWK](t)(jose.NewJWK(i.key.Public())), Platform: picky, PlatformEvidence: evidence,
			Proof: i.proof(t, provider.PurposeRegister, nil),
		})
	}
	if a := post("unknown"); a.status != 503 || a.reason(t) != "temporarily_unavailable" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := post("genuine"); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
