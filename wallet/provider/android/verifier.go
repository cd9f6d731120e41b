package android

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/wallet/provider"
)

// Limits of evidence.
const (
	maxChain       = 10
	maxCertificate = 16 << 10
)

// profile is what chains of attestation look like. Roots and factory-made
// intermediates have RSA keys, and devices send the root along.
var profile = trust.Profile{
	Name: "android-key-attestation", KeyUsage: x509.KeyUsageDigitalSignature, AllowRSA: true, AllowAnchorInChain: true,
}

// Config is what a [Verifier] accepts. Every field is needed unless it says
// otherwise.
type Config struct {
	// Roots are the roots of the platform's maker.
	Roots []*x509.Certificate
	// Revocations say which certificates of devices are revoked.
	Revocations *Revocations
	// Package is the name of the app.
	Package string
	// Signers are the SHA-256 digests of the certificates that the app may be
	// signed with.
	Signers [][]byte
	// Lowest is the lowest security level that is accepted:
	// [TrustedEnvironment] or [StrongBox].
	Lowest SecurityLevel
	// MinPatchLevel is the oldest security patch level of the operating system,
	// as YYYYMM. Zero accepts any.
	MinPatchLevel int
	// KeyStorage is what key attestations assert of keys at each security level
	// (OpenID4VCI 1.0 appendix D.2). A level without any asserts nothing.
	KeyStorage map[SecurityLevel][]string
	// UserAuthentication is what they assert of keys that the hardware lets be
	// used by an authenticated user alone. Optional.
	UserAuthentication []string
	Now                func() time.Time
}

// Verifier is a [provider.PlatformVerifier] for Android devices. It is safe for
// concurrent use.
type Verifier struct {
	cfg    Config
	policy *trust.Policy
}

// New returns a verifier. It fails for a configuration that is not complete.
func New(cfg Config) (*Verifier, error) {
	switch {
	case len(cfg.Roots) == 0 || cfg.Revocations == nil || cfg.Now == nil:
		return nil, errors.New("android: roots, revocations and clock are needed")
	case cfg.Package == "" || len(cfg.Signers) == 0:
		return nil, errors.New("android: the app's package and the digest of its signer are needed")
	case slices.ContainsFunc(cfg.Signers, func(d []byte) bool { return len(d) != sha256.Size }):
		return nil, errors.New("android: a digest of the app's signer is not a SHA-256 digest")
	case cfg.Lowest != TrustedEnvironment && cfg.Lowest != StrongBox:
		return nil, errors.New("android: the lowest security level is that of hardware")
	}
	if m := cfg.MinPatchLevel; m != 0 && (m < 201501 || m > 999912 || m%100 < 1 || m%100 > 12) {
		return nil, errors.New("android: the oldest patch level is not a month as YYYYMM")
	}
	v := &Verifier{cfg: cfg, policy: &trust.Policy{
		Profile: profile, Now: cfg.Now,
		Revocation: trust.NotChecked("devices have a status list of their own"),
	}}
	for _, root := range cfg.Roots {
		v.policy.Anchors = append(v.policy.Anchors, trust.Anchor{Certificate: root})
	}
	if err := v.policy.Validate(); err != nil {
		return nil, fmt.Errorf("android: %w", err)
	}
	return v, nil
}

// EncodeEvidence returns the evidence that consists of a chain, the certificate
// of the key first: a JSON array of certificates in base64, as in x5c.
func EncodeEvidence(chain []*x509.Certificate) (string, error) {
	raw := make([][]byte, len(chain))
	for i, c := range chain {
		raw[i] = c.Raw
	}
	data, err := json.Marshal(raw)
	return string(data), err
}

func parseEvidence(evidence string) (chain []*x509.Certificate, err error) {
	if len(evidence) > maxChain*maxCertificate*4/3 {
		return nil, errors.New("the evidence is too large")
	}
	var encoded []string
	if err := jose.UnmarshalJSON([]byte(evidence), &encoded); err != nil {
		return nil, errors.New("the evidence is not an array of certificates in base64")
	}
	if len(encoded) < 2 || len(encoded) > maxChain {
		return nil, errors.New("the evidence has too few certificates or too many")
	}
	for _, text := range encoded {
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return nil, errors.New("a certificate of the evidence is not in base64")
		}
		certificate, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, errors.New("a certificate of the evidence is malformed")
		}
		chain = append(chain, certificate)
	}
	return chain, nil
}

// Verify implements [provider.PlatformVerifier] for evidence as
// [EncodeEvidence] writes it. The challenge of the attestation is the text of
// the provider's challenge.
func (v *Verifier) Verify(ctx context.Context, e provider.PlatformEvidence) (assured provider.Assurance, err error) {
	presented, err := parseEvidence(e.Evidence)
	if err != nil {
		return assured, fmt.Errorf("android: %w", err)
	}
	chain, err := v.policy.Verify(ctx, presented[0], presented[1:])
	if err != nil {
		return assured, fmt.Errorf("android: %w", err)
	}
	if err := v.checkStatus(ctx, chain); err != nil {
		return assured, err
	}
	key, ok := presented[0].PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() || !key.Equal(e.Key) {
		return assured, errors.New("android: the attestation is for another key or not for one on P-256")
	}
	d, err := describe(presented)
	if err != nil {
		return assured, err
	}
	if subtle.ConstantTimeCompare(d.Challenge, []byte(e.Challenge)) != 1 {
		return assured, errors.New("android: the attestation is over another challenge")
	}
	for _, check := range []func(*Description) error{v.checkLevels, checkKey, v.checkDevice, v.checkApp} {
		if err := check(d); err != nil {
			return assured, err
		}
	}
	return v.assurance(d), nil
}

// describe returns the key description of the first certificate. One further up
// means that a key of an app posed as a device's.
func describe(chain []*x509.Certificate) (d *Description, err error) {
	for i, c := range chain {
		for _, extension := range c.Extensions {
			if !extension.Id.Equal(oidDescription) {
				continue
			}
			if i > 0 {
				return nil, errors.New("android: an attested key has issued certificates")
			}
			if d, err = ParseDescription(extension.Value); err != nil {
				return nil, err
			}
		}
	}
	if d == nil {
		return nil, errors.New("android: the certificate has no key description")
	}
	return d, nil
}

func (v *Verifier) checkStatus(ctx context.Context, chain *trust.Chain) error {
	list, err := v.cfg.Revocations.List(ctx)
	if err != nil {
		return err
	}
	for _, c := range chain.Certificates {
		if list.Revoked(c.SerialNumber) {
			return errors.New("android: a certificate of the chain is revoked")
		}
	}
	return nil
}

func (v *Verifier) checkLevels(d *Description) error {
	if d.AttestationLevel < v.cfg.Lowest || d.KeystoreLevel < v.cfg.Lowest {
		return errors.New("android: the security level is too low")
	}
	return nil
}

// checkKey looks at what the hardware says of the key.
func checkKey(d *Description) error {
	h := d.Hardware
	switch {
	case len(h.Purposes) != 1 || h.Purposes[0] != PurposeSign:
		return errors.New("android: the key is not for signatures alone")
	case !is(h.Origin, OriginGenerated):
		return errors.New("android: the key was not generated in the hardware")
	case !is(h.Algorithm, AlgorithmEC) || !is(h.Curve, CurveP256):
		return errors.New("android: the key is not one on P-256")
	case h.AllApps || d.Software.AllApps:
		return errors.New("android: the key belongs to all apps")
	}
	return nil
}

// checkDevice looks at what the device started from.
func (v *Verifier) checkDevice(d *Description) error {
	r := d.Hardware.RootOfTrust
	switch {
	case r == nil || d.Software.RootOfTrust != nil:
		return errors.New("android: the hardware does not say what the device started from")
	case !r.Locked:
		return errors.New("android: the device is not locked")
	case r.State != BootVerified:
		return errors.New("android: the operating system is not a verified one")
	case v.cfg.MinPatchLevel > 0 && (d.Hardware.PatchLevel == nil || *d.Hardware.PatchLevel < v.cfg.MinPatchLevel):
		return errors.New("android: the operating system lacks security patches")
	}
	return nil
}

// checkApp looks at which app asked. That is known to the operating system,
// which was verified.
func (v *Verifier) checkApp(d *Description) error {
	app := d.Software.ApplicationID
	if app == nil || d.Hardware.ApplicationID != nil {
		return errors.New("android: the attestation names no app")
	}
	if len(app.Packages) != 1 || app.Packages[0] != v.cfg.Package {
		return errors.New("android: the key belongs to another app")
	}
	known := func(signer []byte) bool {
		return slices.ContainsFunc(v.cfg.Signers, func(d []byte) bool { return bytes.Equal(d, signer) })
	}
	if len(app.Signers) == 0 || slices.ContainsFunc(app.Signers, func(s []byte) bool { return !known(s) }) {
		return errors.New("android: the app is signed by somebody else")
	}
	return nil
}

// assurance says what the evidence carries, at the weaker of the two levels.
func (v *Verifier) assurance(d *Description) provider.Assurance {
	a := provider.Assurance{KeyStorage: v.cfg.KeyStorage[min(d.AttestationLevel, d.KeystoreLevel)]}
	h := d.Hardware
	if h.UserAuthType != nil && *h.UserAuthType != 0 && !h.NoAuthRequired && !h.AllowWhileOnBody {
		a.UserAuthentication = v.cfg.UserAuthentication
	}
	return a
}

func is(n *int, want int) bool { return n != nil && *n == want }
