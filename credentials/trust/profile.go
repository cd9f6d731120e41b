package trust

import (
	"crypto/x509"
	"time"
)

// Profile says what certificates for one purpose look like. It is a value: a
// caller with special needs copies one of the named profiles and changes a
// field. The zero profile accepts nothing.
//
// Some rules are the same for every profile and are not fields: version 3, a
// positive serial number of at most 20 octets, a leaf that is neither a CA nor
// self-signed nor an anchor itself, CAs with basicConstraints, keyCertSign and
// respected path length, EC keys on P-256, P-384 or P-521, signatures with
// SHA-256 or better, an authorityKeyIdentifier that, where it is present, names
// the issuer's key, names within the name constraints of the CAs, constraints
// that are critical, and policies as the CAs demand them.
type Profile struct {
	// Name appears in checks and errors. It is mandatory.
	Name string
	// KeyUsage are the bits of keyUsage that the leaf must have. With
	// ExactKeyUsage it may have no others.
	KeyUsage      x509.KeyUsage
	ExactKeyUsage bool
	// KeyUsageOneOf are bits of keyUsage of which the leaf must have one or
	// more. Zero means no demand.
	KeyUsageOneOf x509.KeyUsage
	// CriticalKeyUsage demands that keyUsage is marked critical.
	CriticalKeyUsage bool
	// ExtKeyUsage lists the OIDs that extKeyUsage must consist of, exactly.
	// Empty means that the extension may be missing.
	ExtKeyUsage []string
	// CriticalExtKeyUsage demands that extKeyUsage is marked critical.
	CriticalExtKeyUsage bool
	// ForbiddenExtKeyUsage lists OIDs that the leaf must not have. It bars
	// anyExtendedKeyUsage too.
	ForbiddenExtKeyUsage []string
	// NoExtKeyUsage bars the extension altogether.
	NoExtKeyUsage bool
	// Policies lists certificate policies of which the leaf must name one, in
	// so many words, and for one of which the path must be valid. Empty means
	// no demand.
	Policies []string
	// PathPolicies are rules for the certificate policies of the path beyond
	// those that its CAs make. What CAs demand always holds.
	PathPolicies PathPolicies
	// AllowRSA admits RSA keys of 2048 to 4096 bits with an exponent of at
	// least 65537 and RSA signatures, beside the elliptic curves.
	AllowRSA bool
	// RequireKeyIdentifiers demands that every certificate below the anchor
	// has an authorityKeyIdentifier equal to its issuer's subjectKeyIdentifier.
	RequireKeyIdentifiers bool
	// AllowAnchorInChain admits an anchor among the certificates presented,
	// which HAIP 1.0 forbids.
	AllowAnchorInChain bool
	// Direct demands that the anchor issued the leaf, without intermediates.
	Direct bool
	// MaxIntermediates limits the CAs between leaf and anchor. Zero means no
	// limit but the package's own of 10 on what is presented.
	// Self-issued certificates, by which a CA certifies its next key, are not
	// counted.
	MaxIntermediates int
	// AllowNonCritical admits basic, name and policy constraints of CAs that
	// are not marked critical, as RFC 3280 did. They hold nevertheless.
	AllowNonCritical bool
	// MaxLifetime limits the leaf's validity; zero means no limit.
	MaxLifetime time.Duration
	// LegalEntity demands that the leaf names a legal entity by a number whose
	// check digits are right; see [LegalEntityOf].
	LegalEntity bool
	// IssuingAuthority applies ISO/IEC 18013-5 annex B to anchor and leaf.
	IssuingAuthority bool
}

// PathPolicies are the inputs for certificate policies that RFC 5280 section
// 6.1.1 leaves to who validates. The zero value makes no demand.
type PathPolicies struct {
	// Accepted are the policies, in the words of the anchor, for one of which
	// the path must be valid if it must be valid for any (user-initial-policy-
	// set). Empty means the profile's Policies, or any.
	Accepted []string
	// Explicit demands that the path is valid for a policy.
	Explicit bool
	// NoMapping makes mappings between policies of different CAs invalid.
	NoMapping bool
	// NoAny makes anyPolicy stand for nothing, but in self-issued certificates
	// of CAs.
	NoAny bool
}

// Limits on what is presented, applied before any signature is checked.
const (
	maxIntermediates   = 10
	maxCertificateSize = 16 << 10
	// maxRSABits keeps the hundred signatures that the standard library checks
	// at most while it looks for a path affordable.
	maxRSABits = 4096
)

// signing are the bits of keyUsage that seals and signatures on lists carry,
// together or one of them.
const signing = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment

// The named profiles, but for those of JPKI, which depend on whether test
// cards are accepted and live in package jpki. Copy one to change it.
var (
	// ProfileSDJWTIssuer is for signers of SD-JWT VCs. No extended key usage
	// is demanded, because none is standard; usages that stand for another
	// role are refused. Document signers of mdocs are let through here, since
	// some issuers use one certificate for both formats: anchors limited by
	// format tell them apart.
	ProfileSDJWTIssuer = Profile{
		Name:     "sd-jwt-vc-issuer",
		KeyUsage: x509.KeyUsageDigitalSignature,
		ForbiddenExtKeyUsage: []string{
			oidServerAuth, oidClientAuth, oidOCSPSigning, OIDMdocReader, OIDVICALSigner,
		},
	}

	// ProfileMdocSigner is for document signers under an IACA (ISO/IEC
	// 18013-5 annex B). The curves of RFC 5639 and Edwards curves, which the
	// standard also allows, are not supported.
	ProfileMdocSigner = Profile{
		Name:                  "mdoc-document-signer",
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExactKeyUsage:         true,
		CriticalKeyUsage:      true,
		ExtKeyUsage:           []string{OIDMdocSigner},
		CriticalExtKeyUsage:   true,
		RequireKeyIdentifiers: true,
		Direct:                true,
		MaxLifetime:           457 * 24 * time.Hour,
		IssuingAuthority:      true,
	}

	// ProfileStatusSigner is for signers of status list tokens. The extended
	// key usage that the specification reserves has no number yet, so none is
	// demanded.
	ProfileStatusSigner = Profile{
		Name:                 "status-list-signer",
		KeyUsage:             x509.KeyUsageDigitalSignature,
		ForbiddenExtKeyUsage: []string{oidServerAuth, oidClientAuth, oidOCSPSigning, OIDMdocReader, OIDVICALSigner},
	}

	// ProfileWalletProvider is for signers of wallet and key attestations.
	// TLS usages are let through: providers' certificates carry them.
	ProfileWalletProvider = Profile{
		Name:                 "wallet-provider",
		KeyUsage:             x509.KeyUsageDigitalSignature,
		ForbiddenExtKeyUsage: []string{oidOCSPSigning, OIDMdocSigner, OIDMdocReader, OIDVICALSigner},
	}

	// ProfileVerifierAccess is for signers of OpenID4VP request objects. TLS
	// and reader usages are let through: the same certificate often serves.
	ProfileVerifierAccess = Profile{
		Name:                 "verifier-access",
		KeyUsage:             x509.KeyUsageDigitalSignature,
		ForbiddenExtKeyUsage: []string{oidOCSPSigning, OIDMdocSigner, OIDVICALSigner},
	}

	// ProfileSeal is for electronic seals of legal entities (ETSI EN 319 412-3;
	// in Japan, the guideline on eシール). It says whose seal it is; whether the
	// seal is a certified one is for the anchor's list to say. RSA keys are
	// common there.
	ProfileSeal = Profile{
		Name:                  "e-seal",
		KeyUsageOneOf:         signing,
		ForbiddenExtKeyUsage:  []string{oidServerAuth, oidOCSPSigning, OIDMdocSigner, OIDMdocReader, OIDVICALSigner},
		AllowRSA:              true,
		RequireKeyIdentifiers: true,
		LegalEntity:           true,
	}

	// ProfileListOperator is for signers of lists of trusted entities (ETSI TS
	// 119 602). TS 119 612 has an extended key usage for them, which is let
	// through and not demanded.
	ProfileListOperator = Profile{
		Name:                 "list-operator",
		KeyUsageOneOf:        signing,
		ForbiddenExtKeyUsage: []string{oidServerAuth, oidClientAuth, oidOCSPSigning, OIDMdocSigner, OIDMdocReader, OIDVICALSigner},
	}

	// ProfileVICALSigner is for signers of lists of IACAs (ISO/IEC 18013-5
	// annex C). The lists in use are signed with nonRepudiation alone.
	ProfileVICALSigner = Profile{
		Name:                  "vical-signer",
		KeyUsageOneOf:         signing,
		CriticalKeyUsage:      true,
		ExtKeyUsage:           []string{OIDVICALSigner},
		CriticalExtKeyUsage:   true,
		RequireKeyIdentifiers: true,
	}
)
