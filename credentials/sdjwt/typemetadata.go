package sdjwt

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
)

// TypeMetadata describes a type of SD-JWT VC (draft-ietf-oauth-sd-jwt-vc
// section 5). Renderings are not read, so that no template of a stranger's is ever
// shown.
type TypeMetadata struct {
	// VCT is the type that is described.
	VCT string `json:"vct"`
	// Extends is the type that this one adds to, empty for most, and
	// ExtendsIntegrity what its document must be. Package vctm puts them together.
	Extends          string `json:"extends,omitempty"`
	ExtendsIntegrity string `json:"extends#integrity,omitempty"`
	// Name is for developers; people read Display.
	Name    string          `json:"name,omitempty"`
	Display []TypeDisplay   `json:"display,omitempty"`
	Claims  []ClaimMetadata `json:"claims,omitempty"`
}

// TypeDisplay names a type in one language.
type TypeDisplay struct {
	// Locale is a language tag of RFC 5646.
	Locale string `json:"locale"`
	Name   string `json:"name"`
}

// ClaimMetadata describes a claim of a type.
type ClaimMetadata struct {
	Path      credentials.Path `json:"path"`
	Display   []ClaimDisplay   `json:"display,omitempty"`
	Mandatory bool             `json:"mandatory,omitempty"`
	// Disclosure is one of [SDAlways], [SDAllowed] and [SDNever]; empty means
	// [SDAllowed].
	Disclosure string `json:"sd,omitempty"`
}

// ClaimDisplay names a claim in one language.
type ClaimDisplay struct {
	Locale string `json:"locale"`
	Label  string `json:"label"`
}

// Whether a claim is selectively disclosable (section 5.6).
const (
	SDAlways  = "always"
	SDAllowed = "allowed"
	SDNever   = "never"
)

// MaxTypeMetadataSize is the longest type metadata, in bytes, that
// [ParseTypeMetadata] accepts.
const MaxTypeMetadataSize = 256 << 10

// ErrTypeMetadata says that type metadata must not be used.
var ErrTypeMetadata = errors.New("the type metadata is not acceptable")

// ParseTypeMetadata reads the metadata of the type vct, which it must name
// character by character (section 5.3), and validates it. Members that are not
// known are ignored. What a type inherits that extends another is not in it.
// Errors are [ErrTypeMetadata].
func ParseTypeMetadata(data []byte, vct string) (*TypeMetadata, error) {
	var m TypeMetadata
	if len(data) > MaxTypeMetadataSize {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrTypeMetadata, MaxTypeMetadataSize)
	}
	if err := jose.UnmarshalJSON(data, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTypeMetadata, err)
	}
	if m.VCT != vct {
		return nil, fmt.Errorf("%w: vct is not the type that was asked for", ErrTypeMetadata)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return &m, nil
}

// CheckType holds a credential with all its disclosures to the metadata of its
// type (section 5.7): mandatory claims are there, and claims can be disclosed
// selectively as it says. Errors are [ErrTypeMetadata].
func (u *Unverified) CheckType(m *TypeMetadata) error {
	for _, c := range m.Claims {
		places := resolve(c.Path, nil, u.payload)
		if c.Mandatory && len(places) == 0 {
			return fmt.Errorf("%w: the mandatory claim %s is missing", ErrTypeMetadata, c.Path)
		}
		for _, place := range places {
			selective := slices.ContainsFunc(u.disclosures, func(d *disclosure) bool { return d.path.Equal(place) })
			if c.Disclosure == SDAlways && !selective || c.Disclosure == SDNever && selective {
				return fmt.Errorf("%w: %s can be disclosed otherwise than it says", ErrTypeMetadata, c.Path)
			}
		}
	}
	return nil
}

// Integrity returns what credentials name a document of type metadata by, in
// vct#integrity (section 7): its SHA-256 as W3C Subresource Integrity writes it.
func Integrity(document []byte) string {
	digest := sha256.Sum256(document)
	return "sha256-" + base64.StdEncoding.EncodeToString(digest[:])
}

// Validate checks the rules of sections 5.2, 5.5 and 5.6. Errors are
// [ErrTypeMetadata].
func (m *TypeMetadata) Validate() error {
	switch {
	case m.VCT == "":
		return fmt.Errorf("%w: no vct", ErrTypeMetadata)
	case m.Extends == "" && m.ExtendsIntegrity != "":
		return fmt.Errorf("%w: extends#integrity without extends", ErrTypeMetadata)
	}
	locales := map[string]bool{}
	for _, d := range m.Display {
		if d.Locale == "" || d.Name == "" || locales[d.Locale] {
			return fmt.Errorf("%w: display needs locale and name, and each locale once", ErrTypeMetadata)
		}
		locales[d.Locale] = true
	}
	for n, c := range m.Claims {
		if err := c.validate(); err != nil {
			return fmt.Errorf("%w: claim %d: %w", ErrTypeMetadata, n, err)
		}
	}
	return nil
}

func (c *ClaimMetadata) validate() error {
	if len(c.Path) == 0 {
		return errors.New("no path")
	}
	switch c.Disclosure {
	case "", SDAlways, SDAllowed, SDNever:
	default:
		return errors.New("sd is none of always, allowed and never")
	}
	locales := map[string]bool{}
	for _, d := range c.Display {
		if d.Locale == "" || d.Label == "" || locales[d.Locale] {
			return errors.New("display needs locale and label, and each locale once")
		}
		locales[d.Locale] = true
	}
	return nil
}
