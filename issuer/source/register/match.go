package register

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/tegata-id/tegata/issuer/source"
)

// Normalized returns a text in the form in which the contract compares it: NFKC,
// with white space of any kind as one space.
func Normalized(text string) string {
	return strings.Join(strings.Fields(norm.NFKC.String(text)), " ")
}

// anyCharacter stands for a character that a certificate could not hold. It is
// no character itself (Unicode section 23.7).
const anyCharacter = '\uffff'

// Fits reports whether a text of a certificate is the recorded one. substitutes
// has a 1 for each character of the certificate's text that stands for another;
// the record may have any one character there, with a variation selector of its
// own. Empty fits empty alone.
func Fits(text, substitutes, record string) bool {
	if strings.ContainsRune(text, anyCharacter) {
		return false
	}
	characters := []rune(text)
	if len(substitutes) == len(characters) {
		for n := range characters {
			if substitutes[n] == '1' {
				characters[n] = anyCharacter
			}
		}
	}
	want, got := []rune(plain(string(characters))), []rune(plain(record))
	if len(want) != len(got) {
		return false
	}
	for n := range want {
		if want[n] != got[n] && (want[n] != anyCharacter || got[n] == ' ') {
			return false
		}
	}
	return true
}

// plain is the normalised form without variation selectors, which say how a
// character is drawn and which certificates don't have.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Variation_Selector, r) {
			return -1
		}
		return r
	}, Normalized(text))
}

// fits reports whether a record is about the person of the evidence: that the
// register has found the right one is not taken on its word.
func (r *recorded) fits(p *source.Person) bool {
	return Fits(p.Name, p.NameSubstitutes, r.Name) && Fits(p.Address, p.AddressSubstitutes, r.Address) &&
		r.BirthDate == dateText(p.BirthDate) && r.Sex == p.Sex
}
