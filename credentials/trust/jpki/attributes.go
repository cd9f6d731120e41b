package jpki

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/tegata-id/tegata/credentials"
)

// Attributes are what a certificate for digital signature says about its
// holder, as written.
type Attributes struct {
	// Name is family and given name with an ideographic space (U+3000) between
	// them, but names of foreign residents may have other spaces or none and
	// be in Latin letters or katakana.
	Name string
	// NameSubstitutes has one digit per character of Name: 1 where the
	// character stands in for one that could not be written, otherwise 0.
	// Empty if the certificate does not say.
	NameSubstitutes string
	// Address starts with the prefecture, at most 200 characters.
	Address string
	// AddressSubstitutes is to Address what NameSubstitutes is to Name.
	AddressSubstitutes string
	// BirthDate is nil if year, month or day are not known.
	BirthDate *credentials.FullDate
	// Gender is 1 male, 2 female, 3 unknown.
	Gender int
}

// ErrAttributes is the error for certificates whose attributes are missing or
// malformed.
var ErrAttributes = errors.New("jpki: attributes of the certificate")

// maxText limits name and address, in characters.
const maxText = 200

// The attributes, 1.2.392.200149.8.5.5.n.
const (
	attributeName = iota + 1
	attributeNameSubstitutes
	attributeGender
	attributeBirthDate
	attributeAddress
	attributeAddressSubstitutes
)

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidPersonalData   = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5}
	tagOtherName      = cbasn1.Tag(0).ContextSpecific().Constructed()
)

// ParseSignatureCertificate reads the attributes from the subjectAltName of a
// certificate for digital signature. Verify the certificate first.
//
// Name, address, birth date and gender must be there, each once and as a
// UTF8String; names of other kinds, also those that later certificates add, are
// ignored. Control, format, bidirectional and private-use characters are
// refused. Errors wrap [ErrAttributes].
func ParseSignatureCertificate(cert *x509.Certificate) (*Attributes, error) {
	values, err := otherNames(cert)
	if err != nil {
		return nil, err
	}
	for _, n := range []int{attributeName, attributeAddress, attributeBirthDate, attributeGender} {
		if _, ok := values[n]; !ok {
			return nil, malformed("attribute %d is missing", n)
		}
	}
	a := &Attributes{
		Name: values[attributeName], NameSubstitutes: values[attributeNameSubstitutes],
		Address: values[attributeAddress], AddressSubstitutes: values[attributeAddressSubstitutes],
	}
	for n, of := range map[int]string{attributeNameSubstitutes: a.Name, attributeAddressSubstitutes: a.Address} {
		if flags, ok := values[n]; ok && !validSubstitutes(flags, of) {
			return nil, malformed("attribute %d does not have one 0 or 1 per character", n)
		}
	}
	if a.BirthDate, err = parseBirthDate(values[attributeBirthDate]); err != nil {
		return nil, err
	}
	if bornAfter(a.BirthDate, cert) {
		return nil, malformed("birth date is after the certificate was issued")
	}
	if len(values[attributeGender]) == 1 {
		a.Gender = int(values[attributeGender][0]) - '0'
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	return a, nil
}

// NewAttributes returns the attributes of a person as somebody else than a
// certificate states them, who does not say which characters are substitutes.
// They are held to the same rules, and errors wrap [ErrAttributes].
func NewAttributes(name, address string, birthDate *credentials.FullDate, gender int) (*Attributes, error) {
	a := &Attributes{Name: name, Address: address, BirthDate: birthDate, Gender: gender}
	if err := a.check(); err != nil {
		return nil, err
	}
	return a, nil
}

// check holds what is there to the rules for each attribute alone.
func (a *Attributes) check() error {
	for n, text := range map[int]string{attributeName: a.Name, attributeAddress: a.Address} {
		if err := checkText(n, text); err != nil {
			return err
		}
	}
	if a.Gender < 1 || a.Gender > 3 {
		return malformed("gender is not 1, 2 or 3")
	}
	return nil
}

// otherNames returns the personal data in the subjectAltName by the last arc
// of their OIDs.
func otherNames(cert *x509.Certificate) (map[int]string, error) {
	var extension cryptobyte.String
	for _, e := range cert.Extensions {
		if e.Id.Equal(oidSubjectAltName) {
			if extension != nil {
				return nil, malformed("two subject alternative names")
			}
			extension = e.Value
		}
	}
	var names cryptobyte.String
	if !extension.ReadASN1(&names, cbasn1.SEQUENCE) || !extension.Empty() {
		return nil, malformed("no subject alternative name, or a malformed one")
	}
	values := map[int]string{}
	for !names.Empty() {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return nil, malformed("subject alternative name is malformed")
		}
		if tag != tagOtherName {
			continue
		}
		n, value, err := otherName(name)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		if _, ok := values[n]; ok {
			return nil, malformed("attribute %d is repeated", n)
		}
		values[n] = value
	}
	return values, nil
}

// otherName reads one OtherName (RFC 5280 section 4.2.1.6). The number is 0 if
// it is none of the six attributes.
func otherName(name cryptobyte.String) (int, string, error) {
	var oid asn1.ObjectIdentifier
	var wrapped, value cryptobyte.String
	if !name.ReadASN1ObjectIdentifier(&oid) || !name.ReadASN1(&wrapped, tagOtherName) || !name.Empty() {
		return 0, "", malformed("an other name is malformed")
	}
	arcs := len(oidPersonalData)
	if len(oid) != arcs+1 || !oid[:arcs].Equal(oidPersonalData) || oid[arcs] < attributeName || oid[arcs] > attributeAddressSubstitutes {
		return 0, "", nil
	}
	if !wrapped.ReadASN1(&value, cbasn1.UTF8String) || !wrapped.Empty() {
		return 0, "", malformed("attribute %d is not a UTF8String", oid[arcs])
	}
	if !utf8.Valid(value) {
		return 0, "", malformed("attribute %d is not UTF-8", oid[arcs])
	}
	return oid[arcs], string(value), nil
}

// checkText refuses what could make a name or address look like another.
func checkText(n int, text string) error {
	if strings.TrimFunc(text, unicode.IsSpace) == "" || utf8.RuneCountInString(text) > maxText {
		return malformed("attribute %d is empty or longer than %d characters", n, maxText)
	}
	for _, r := range text {
		// Cf holds the bidirectional controls and zero-width characters. What
		// is for private use looks different on every machine: JPKI puts a
		// substitute in its place.
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
			return malformed("attribute %d has a control, format or private-use character", n)
		}
	}
	return nil
}

func validSubstitutes(flags, text string) bool {
	return len(flags) == utf8.RuneCountInString(text) && strings.Trim(flags, "01") == ""
}

// eras gives the first day of the eras 1 (明治) to 5 (令和) and the first day that
// is no longer in them, as YYYYMMDD. Two of them share the day on which an
// emperor died with the era that follows.
var eras = [...]struct{ first, after string }{
	1: {"18680125", "19120731"},
	2: {"19120730", "19261226"},
	3: {"19261225", "19890108"},
	4: {"19890108", "20190501"},
	5: {"20190501", "99999999"},
}

// parseBirthDate reads EYYYYMMDD. The result is nil if the era is 0 (unknown)
// or year, month or day are zero; what is known must be possible all the same.
func parseBirthDate(s string) (*credentials.FullDate, error) {
	if len(s) != 9 || strings.Trim(s, "0123456789") != "" || s[0] > '5' {
		return nil, malformed("birth date is not an era and eight digits")
	}
	era, date := int(s[0]-'0'), s[1:]
	year, month, day := date[:4], date[4:6], date[6:]
	if era == 0 || year == "0000" || month == "00" || day == "00" {
		if month > "12" || day > "31" {
			return nil, malformed("birth date is not in the calendar")
		}
		if era != 0 && year != "0000" && (year < eras[era].first[:4] || year > eras[era].after[:4]) {
			return nil, malformed("birth date is not in its era")
		}
		return nil, nil
	}
	t, err := time.Parse("20060102", date)
	if err != nil {
		return nil, malformed("birth date is not in the calendar")
	}
	if date < eras[era].first || date >= eras[era].after {
		return nil, malformed("birth date is not in its era")
	}
	return &credentials.FullDate{Year: t.Year(), Month: t.Month(), Day: t.Day()}, nil
}

// tokyo is the time by which certificates are issued.
var tokyo = time.FixedZone("JST", 9*60*60)

// bornAfter reports whether the holder was born after the certificate began.
func bornAfter(birth *credentials.FullDate, cert *x509.Certificate) bool {
	if birth == nil || cert.NotBefore.IsZero() {
		return false
	}
	return birth.String() > cert.NotBefore.In(tokyo).Format(time.DateOnly)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrAttributes, fmt.Sprintf(format, args...))
}
