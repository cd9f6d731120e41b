package provider

import (
	"context"
	"crypto"
	"errors"
	"slices"

	"github.com/tegata-id/tegata/credentials/attestation"
)

// SoftwarePlatform is the name under which the platform for tests is usually
// configured.
const SoftwarePlatform = "software"

// Platform is a kind of device or browser that instances run on.
type Platform struct {
	// Verifier decides which instances are genuine, and where their keys are.
	Verifier PlatformVerifier
	// Certification is a URL about the certification of the key storage of
	// this platform, for key attestations. Optional.
	Certification string
}

// PlatformVerifier checks what a platform says about a key of an instance: an
// attestation by the maker of its device or operating system.
type PlatformVerifier interface {
	// Verify returns what the evidence carries if it shows, for this very key
	// and challenge, that a genuine and unmodified instance holds the key. Its
	// error goes to the log and must name no person.
	Verify(ctx context.Context, e PlatformEvidence) (Assurance, error)
}

// PlatformEvidence is what a [PlatformVerifier] judges. The proof of the
// instance key has been checked.
type PlatformEvidence struct {
	// Platform is the name the platform is configured under.
	Platform string
	// Evidence is as the instance sent it, possibly empty.
	Evidence string
	// Key is the instance key that is being registered, or a key that the
	// instance wants attested.
	Key crypto.PublicKey
	// Challenge is what the proof and, if it can, the evidence are over.
	Challenge string
}

// Assurance is what key attestations assert of keys with such evidence
// (OpenID4VCI 1.0 appendix D.2). Empty ones are left out.
type Assurance struct{ KeyStorage, UserAuthentication []string }

func (a Assurance) equal(b Assurance) bool {
	return slices.Equal(a.KeyStorage, b.KeyStorage) && slices.Equal(a.UserAuthentication, b.UserAuthentication)
}

// Software is a verifier that believes everybody: any program with a key of its
// own is an instance. Providers take it in test mode alone, and tell instances
// that nobody verified their platform.
type Software struct{}

// Verify implements [PlatformVerifier]. It never fails, and asserts the lowest
// resistance there is a name for.
func (Software) Verify(context.Context, PlatformEvidence) (Assurance, error) {
	basic := []string{attestation.ResistanceBasic}
	return Assurance{KeyStorage: basic, UserAuthentication: basic}, nil
}

// NewSoftwarePlatform returns the platform for tests.
func NewSoftwarePlatform() Platform { return Platform{Verifier: Software{}} }

// software reports whether the verifier believes everybody.
func software(v PlatformVerifier) bool {
	switch v.(type) {
	case Software, *Software:
		return true
	}
	return false
}

// ErrPlatformUnavailable is for a [PlatformVerifier] that can't judge now, for
// instance because it does not know which devices are revoked.
var ErrPlatformUnavailable = errors.New("provider: the platform can't be judged now")

// platformError answers for evidence that was not accepted.
func platformError(err error) error {
	if errors.Is(err, ErrPlatformUnavailable) {
		return err
	}
	return refuse(ReasonPlatformRefused, "the platform does not vouch for the instance or a key of it", err)
}

// assure returns what the evidence shows of all keys that an instance wants
// attested. Keys in different storage take attestations of their own.
func (p *Provider) assure(ctx context.Context, id string, i *instance, keys []crypto.PublicKey, evidence []string) (assured Assurance, err error) {
	name, err := p.platformOf(ctx, id, i.thumbprint)
	if err != nil {
		return assured, err
	}
	platform, ok := p.cfg.Platforms[name]
	if !ok {
		return assured, errPlatformWithdrawn()
	}
	if software(platform.Verifier) {
		evidence = make([]string, len(keys))
	}
	if len(evidence) != len(keys) {
		return assured, refuse(ReasonKeysInvalid, "platform_evidence has not one item for each key", nil)
	}
	for n, key := range keys {
		a, err := platform.Verifier.Verify(ctx, PlatformEvidence{
			Platform: name, Evidence: evidence[n], Key: key, Challenge: i.claims.Challenge,
		})
		if err != nil {
			return assured, platformError(err)
		}
		if n > 0 && !a.equal(assured) {
			return assured, refuse(ReasonKeysInvalid, "keys with different storage or user authentication take key attestations of their own", nil)
		}
		assured = a
	}
	return assured, nil
}
