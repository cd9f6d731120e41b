package android

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

// oidDescription is the extension that holds the key description.
var oidDescription = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 17}

// versions are the versions of the schema that are read: Keymaster 4 and 4.1,
// KeyMint 1 to 4. Earlier ones don't say what the system was verified against.
var versions = []int{3, 4, 100, 200, 300, 400}

// SecurityLevel is where a key, or what says something about it, lives.
type SecurityLevel int

// The security levels, the weakest first.
const (
	Software           SecurityLevel = 0
	TrustedEnvironment SecurityLevel = 1
	StrongBox          SecurityLevel = 2
)

// VerifiedBoot is what the device found when it started.
type VerifiedBoot int

// The states of verified boot. Only [BootVerified] is accepted.
const (
	BootVerified   VerifiedBoot = 0
	BootSelfSigned VerifiedBoot = 1
	BootUnverified VerifiedBoot = 2
	BootFailed     VerifiedBoot = 3
)

// Numbers in authorization lists, as Keymaster and KeyMint define them.
const (
	PurposeSign     = 2
	AlgorithmEC     = 3
	CurveP256       = 1
	OriginGenerated = 0
)

// Description is the content of a key description.
type Description struct {
	Version                         int
	AttestationLevel, KeystoreLevel SecurityLevel
	Challenge                       []byte
	// Software holds what the operating system asserts, Hardware what the
	// secure hardware does.
	Software, Hardware Authorizations
}

// Authorizations is the part of an authorization list that matters here.
// Numbers are nil where the list has none.
type Authorizations struct {
	Purposes                 []int
	Algorithm, Curve, Origin *int
	// NoAuthRequired says that the key works without its user.
	// AllowWhileOnBody says that it goes on working while the device is worn.
	NoAuthRequired, AllowWhileOnBody bool
	// UserAuthType has a bit for each way in which the user may authenticate.
	UserAuthType  *int
	AllApps       bool
	RootOfTrust   *RootOfTrust
	PatchLevel    *int // of the operating system, as YYYYMM
	ApplicationID *ApplicationID
}

// RootOfTrust is what the device started from.
type RootOfTrust struct {
	BootKey  []byte
	Locked   bool
	State    VerifiedBoot
	BootHash []byte
}

// ApplicationID names the app that a key belongs to.
type ApplicationID struct {
	// Packages are the names of the packages that share the user ID.
	Packages []string
	// Signers are the SHA-256 digests of the certificates they are signed with.
	Signers [][]byte
}

// ParseDescription reads the value of the extension. It refuses versions and
// authorizations that are not known, values that come twice, and every octet
// that does not belong there.
func ParseDescription(der []byte) (*Description, error) {
	elements, err := sequence(der, 8)
	if err != nil {
		return nil, fmt.Errorf("android: key description: %w", err)
	}
	d := &Description{}
	var attestation, keystore asn1.Enumerated
	var keystoreVersion int
	var uniqueID []byte
	for i, into := range []any{&d.Version, &attestation, &keystoreVersion, &keystore, &d.Challenge, &uniqueID} {
		if err := exactly(elements[i].FullBytes, into, ""); err != nil {
			return nil, fmt.Errorf("android: key description: element %d: %w", i, err)
		}
	}
	if !slices.Contains(versions, d.Version) {
		return nil, fmt.Errorf("android: key description: version %d is not known", d.Version)
	}
	if !oneOf(int(attestation), int(StrongBox)) || !oneOf(int(keystore), int(StrongBox)) {
		return nil, errors.New("android: key description: a security level is not known")
	}
	d.AttestationLevel, d.KeystoreLevel = SecurityLevel(attestation), SecurityLevel(keystore)
	if d.Software, err = parseAuthorizations(elements[6].FullBytes); err != nil {
		return nil, fmt.Errorf("android: authorizations by software: %w", err)
	}
	if d.Hardware, err = parseAuthorizations(elements[7].FullBytes); err != nil {
		return nil, fmt.Errorf("android: authorizations by hardware: %w", err)
	}
	return d, nil
}

// kind is how the value of an authorization is written.
type kind int

const (
	number kind = iota
	numbers
	octets
	null
	rootOfTrust
	applicationID
)

// authorizations are the tags that authorization lists may have.
var authorizations = map[int]kind{
	1: numbers, 2: number, 3: number, 4: numbers, 5: numbers, 6: numbers, 7: null, 8: number, 10: number,
	200: number, 203: numbers, 303: null, 305: null,
	400: number, 401: number, 402: number, 405: number,
	502: number, 503: null, 504: number, 505: number, 506: null, 507: null, 508: null, 509: null,
	600: null, 601: octets, 701: number, 702: number, 704: rootOfTrust, 705: number, 706: number,
	709: applicationID, 710: octets, 711: octets, 712: octets, 713: octets, 714: octets, 715: octets,
	716: octets, 717: octets, 718: number, 719: number, 720: null, 723: octets, 724: octets,
}

func parseAuthorizations(der []byte) (a Authorizations, err error) {
	elements, err := sequence(der, -1)
	if err != nil {
		return a, err
	}
	seen := map[int]bool{}
	for _, e := range elements {
		known, ok := authorizations[e.Tag]
		if e.Class != asn1.ClassContextSpecific || !e.IsCompound || !ok || seen[e.Tag] {
			return a, fmt.Errorf("tag %d is not known or comes twice", e.Tag)
		}
		seen[e.Tag] = true
		if err := a.read(e.Tag, known, e.Bytes); err != nil {
			return a, fmt.Errorf("tag %d: %w", e.Tag, err)
		}
	}
	return a, nil
}

// read takes in one authorization and keeps it if it matters here.
func (a *Authorizations) read(tag int, known kind, der []byte) (err error) {
	var n int
	var set []int
	switch known {
	case number:
		var wide int64 // times and secure IDs are larger than int on small machines
		err = exactly(der, &wide, "")
		n = int(wide)
	case numbers:
		err = exactly(der, &set, "set")
	case octets:
		var b []byte
		err = exactly(der, &b, "")
	case null:
		err = isNull(der)
	case rootOfTrust:
		a.RootOfTrust, err = parseRootOfTrust(der)
	case applicationID:
		a.ApplicationID, err = parseApplicationID(der)
	}
	switch tag {
	case 1:
		a.Purposes = set
	case 2:
		a.Algorithm = &n
	case 10:
		a.Curve = &n
	case 503:
		a.NoAuthRequired = true
	case 504:
		a.UserAuthType = &n
	case 506:
		a.AllowWhileOnBody = true
	case 600:
		a.AllApps = true
	case 702:
		a.Origin = &n
	case 706:
		a.PatchLevel = &n
	}
	return err
}

func parseRootOfTrust(der []byte) (*RootOfTrust, error) {
	elements, err := sequence(der, 4)
	if err != nil {
		return nil, err
	}
	r := &RootOfTrust{}
	var state asn1.Enumerated
	for i, into := range []any{&r.BootKey, &r.Locked, &state, &r.BootHash} {
		if err := exactly(elements[i].FullBytes, into, ""); err != nil {
			return nil, err
		}
	}
	if !oneOf(int(state), int(BootFailed)) {
		return nil, errors.New("the state of verified boot is not known")
	}
	r.State = VerifiedBoot(state)
	return r, nil
}

// parseApplicationID reads an application ID, which is DER within octets.
func parseApplicationID(der []byte) (*ApplicationID, error) {
	var inner []byte
	if err := exactly(der, &inner, ""); err != nil {
		return nil, err
	}
	elements, err := sequence(inner, 2)
	if err != nil {
		return nil, err
	}
	var packages []asn1.RawValue
	id := &ApplicationID{}
	if err := exactly(elements[0].FullBytes, &packages, "set"); err != nil {
		return nil, err
	}
	if err := exactly(elements[1].FullBytes, &id.Signers, "set"); err != nil {
		return nil, err
	}
	for _, p := range packages {
		info, err := sequence(p.FullBytes, 2)
		if err != nil {
			return nil, err
		}
		var name []byte
		var version int64
		if err := errors.Join(exactly(info[0].FullBytes, &name, ""), exactly(info[1].FullBytes, &version, "")); err != nil {
			return nil, err
		}
		id.Packages = append(id.Packages, string(name))
	}
	return id, nil
}

// sequence returns the elements of a SEQUENCE, which has so many of them, or any
// number if that is negative.
func sequence(der []byte, length int) ([]asn1.RawValue, error) {
	var elements []asn1.RawValue
	if err := exactly(der, &elements, ""); err != nil {
		return nil, err
	}
	if length >= 0 && len(elements) != length {
		return nil, fmt.Errorf("%d elements in place of %d", len(elements), length)
	}
	return elements, nil
}

// exactly reads one value with nothing behind it.
func exactly(der []byte, into any, params string) error {
	rest, err := asn1.UnmarshalWithParams(der, into, params)
	if err == nil && len(rest) > 0 {
		err = errors.New("something follows the value")
	}
	return err
}

func isNull(der []byte) error {
	if len(der) != 2 || der[0] != asn1.TagNull || der[1] != 0 {
		return errors.New("not NULL")
	}
	return nil
}

// oneOf reports whether an enumerated value is one of 0 to last.
func oneOf(value, last int) bool { return value >= 0 && value <= last }
