// Package source answers what is known of the person a credential is about,
// once evidence has settled who that is. A register, a database or, as here,
// the certificate itself can be a source.
package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/internal/individualnumber"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// Person is what a source knows of the subject. Empty members are unknown.
type Person struct {
	// Name is kept as written, with U+3000 between family and given name if
	// the source has it.
	Name string
	// NameSubstitutes has a 1 for each character of Name that stands for one
	// outside the character set, else 0.
	NameSubstitutes string
	Address         string
	// AddressSubstitutes is to Address as NameSubstitutes is to Name.
	AddressSubstitutes string
	// BirthDate is nil if it is unknown or only known in part.
	BirthDate *credentials.FullDate
	// Sex is the code of ISO/IEC 5218: 0 not known, 1 male, 2 female, 9 not
	// applicable.
	Sex int
	// Claims is what registers know beyond that, by their names.
	Claims map[string]Claims `json:",omitempty"`
}

// ErrUnusable says that a source's text must not go into a credential.
var ErrUnusable = errors.New("text is not fit for a credential")

// Certificate is the source that knows what the evidence itself says: the JPKI
// signature certificate or an OpenID provider.
type Certificate struct{}

// Person implements the issuer's source of claims. Errors wrap [ErrUnusable].
func (Certificate) Person(_ context.Context, e *evidence.Evidence) (*Person, error) {
	a, err := e.Attributes()
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, fmt.Errorf("%w: the evidence has no attributes to read", ErrUnusable)
	}
	for _, text := range []string{a.Name, a.Address} {
		if err := CheckText(text); err != nil {
			return nil, err
		}
	}
	return &Person{
		Name: a.Name, NameSubstitutes: a.NameSubstitutes,
		Address: a.Address, AddressSubstitutes: a.AddressSubstitutes,
		BirthDate: a.BirthDate,
		Sex:       sexOf(a.Gender),
	}, nil
}

// sexOf maps JPKI's 1 male, 2 female, 3 unknown to ISO/IEC 5218.
func sexOf(gender int) int {
	if gender == 1 || gender == 2 {
		return gender
	}
	return 0
}

// CheckText refuses text that must not go into a credential: Individual Numbers,
// and what [CheckIdentifier] refuses. Errors wrap [ErrUnusable].
func CheckText(s string) error {
	if individualnumber.Find(s) {
		return fmt.Errorf("%w: it contains an Individual Number", ErrUnusable)
	}
	return CheckIdentifier(s)
}

// CheckIdentifier refuses control characters in numbers and codes of a known
// kind. Errors wrap [ErrUnusable].
func CheckIdentifier(s string) error {
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			return fmt.Errorf("%w: it contains a control character", ErrUnusable)
		}
	}
	return nil
}

// NormalizedName returns the name in the form that is best compared: NFKC,
// with one space between the parts. It does not unify variant characters such
// as 髙 and 高: which is meant is for whoever compares to decide.
func (p *Person) NormalizedName() string {
	return strings.Join(strings.Fields(norm.NFKC.String(p.Name)), " ")
}

// FamilyAndGivenName splits the name where the source separates the two. A
// name without exactly one separator is never split.
func (p *Person) FamilyAndGivenName() (family, given string, ok bool) {
	family, given, found := strings.Cut(p.Name, "\u3000")
	if !found || family == "" || given == "" || strings.ContainsAny(given, "\u3000()（）") || strings.ContainsAny(family, "()（）") {
		return "", "", false
	}
	return family, given, true
}
