package provider

import (
	"context"
	"crypto"

	"github.com/tegata-id/tegata/credentials/attestation"
)

// SoftwarePlatform is the name under which the platform for tests is usually
// configured.
const SoftwarePlatform = "software"

// Platform is a kind of device or browser that instances run on.
type Platform struct {
	// Verifier decides which instances are genuine.
	Verifier PlatformVerifier
	// KeyStorage and UserAuthentication are what key attestations assert of
	// instances on this platform (OpenID4VCI 1.0 appendix D.2), and
	// Certification a URL about it. Empty ones are left out.
	KeyStorage, UserAuthentication []string
	Certification                  string
}

// PlatformVerifier checks what a platform says about an instance: an attestation
// by the maker of its device or operating system.
type PlatformVerifier interface {
	// Verify returns nil if the evidence shows, for this very key and
	// challenge, that a genuine and unmodified instance holds the key. Its
	// error goes to the log and must name no person.
	Verify(ctx context.Context, e PlatformEvidence) error
}

// PlatformEvidence is what a [PlatformVerifier] judges. The proof of the
// instance key has been checked.
type PlatformEvidence struct {
	// Platform is the name the platform is configured under.
	Platform string
	// Evidence is as the instance sent it, possibly empty.
	Evidence string
	// InstanceKey is the key that is being registered.
	InstanceKey crypto.PublicKey
	// Challenge is what the proof and, if it can, the evidence are over.
	Challenge string
}

// Software is a verifier that believes everybody: any program with a key of its
// own is an instance. Providers take it in test mode alone, and tell instances
// that nobody verified their platform.
type Software struct{}

// Verify implements [PlatformVerifier]. It never fails.
func (Software) Verify(context.Context, PlatformEvidence) error { return nil }

// NewSoftwarePlatform returns the platform for tests, which asserts the lowest
// resistance there is a name for.
func NewSoftwarePlatform() Platform {
	return Platform{
		Verifier:           Software{},
		KeyStorage:         []string{attestation.ResistanceBasic},
		UserAuthentication: []string{attestation.ResistanceBasic},
	}
}

// software reports whether the verifier believes everybody.
func software(v PlatformVerifier) bool {
	switch v.(type) {
	case Software, *Software:
		return true
	}
	return false
}
