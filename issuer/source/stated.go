package source

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tegata-id/tegata/credentials"
)

// The most characters that staff may state of a person.
const (
	maxName    = 200
	maxAddress = 500
)

// maxAge is the age, in years, above which a birth date is taken for a mistake.
const maxAge = 150

// Stated is the source that knows what the issuer's staff say of a person whom
// they have identified, under the rules for the text of certificates. today is
// the day in the issuer's place. Errors wrap [ErrUnusable]; their text says what
// is wrong and repeats nothing of it.
func Stated(p Person, today credentials.FullDate) (*Person, error) {
	switch {
	case strings.TrimSpace(p.Name) == "":
		return nil, fmt.Errorf("%w: the name is missing", ErrUnusable)
	case utf8.RuneCountInString(p.Name) > maxName, utf8.RuneCountInString(p.Address) > maxAddress:
		return nil, fmt.Errorf("%w: the name or the address is too long", ErrUnusable)
	case p.Sex != 0 && p.Sex != 1 && p.Sex != 2 && p.Sex != 9:
		return nil, fmt.Errorf("%w: the sex is no code of ISO/IEC 5218", ErrUnusable)
	}
	if p.BirthDate != nil {
		if age := p.BirthDate.AgeAt(today); age < 0 || age > maxAge {
			return nil, fmt.Errorf("%w: nobody alive has that birth date", ErrUnusable)
		}
	}
	for _, text := range []string{p.Name, p.Address} {
		if err := CheckText(text); err != nil {
			return nil, err
		}
	}
	return &p, nil
}
