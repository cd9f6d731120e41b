package catalogue

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/issuer/source"
)

// The sources that every issuer has. Registers have other names.
const (
	sourcePerson = "person"
	sourceIssuer = "issuer"
)

// function computes a claim from the four attributes. It returns nil if they
// don't tell.
type function struct {
	kind Kind
	of   func(p *source.Person, today credentials.FullDate) credentials.Value
}

func attribute(of func(p *source.Person) string) function {
	return function{KindText, func(p *source.Person, _ credentials.FullDate) credentials.Value {
		if text := of(p); text != "" {
			return credentials.Text(text)
		}
		return nil
	}}
}

// functions of the person, by their names after "person.".
var functions = map[string]function{
	"name":            attribute(func(p *source.Person) string { return p.Name }),
	"name_normalized": attribute((*source.Person).NormalizedName),
	// The flags are digits and of any length, and no number at all.
	"name_substitutes":    {KindIdentifier, attribute(func(p *source.Person) string { return p.NameSubstitutes }).of},
	"address_substitutes": {KindIdentifier, attribute(func(p *source.Person) string { return p.AddressSubstitutes }).of},
	"family_name": attribute(func(p *source.Person) string {
		family, _, _ := p.FamilyAndGivenName()
		return family
	}),
	"given_name": attribute(func(p *source.Person) string {
		_, given, _ := p.FamilyAndGivenName()
		return given
	}),
	"address": attribute(func(p *source.Person) string { return p.Address }),
	// The attributes know addresses in Japan and no others.
	"address_country": attribute(func(p *source.Person) string {
		if p.Address == "" {
			return ""
		}
		return "JP"
	}),
	"birth_date": {KindFullDate, func(p *source.Person, _ credentials.FullDate) credentials.Value {
		if p.BirthDate == nil {
			return nil
		}
		return *p.BirthDate
	}},
	"sex": {KindUnsigned, func(p *source.Person, _ credentials.FullDate) credentials.Value { return credentials.Int(p.Sex) }},
}

// ageOver tells whether a person has reached an age. Without the full date of
// birth nothing is said of age.
func ageOver(age int) function {
	return function{KindBool, func(p *source.Person, today credentials.FullDate) credentials.Value {
		if p.BirthDate == nil {
			return nil
		}
		return credentials.Bool(p.BirthDate.AgeAt(today) >= age)
	}}
}

// personFunction finds a function by its name, which may be age_over(18).
func personFunction(name string) (function, bool) {
	if digits, ok := strings.CutPrefix(name, "age_over("); ok {
		age, err := strconv.Atoi(strings.TrimSuffix(digits, ")"))
		return ageOver(age), err == nil && age > 0 && age < 100 && name == "age_over("+strconv.Itoa(age)+")"
	}
	f, ok := functions[name]
	return f, ok
}

// FunctionNames returns the names of the functions of the person, sorted.
func FunctionNames() []string {
	return append(slices.Sorted(maps.Keys(functions)), "age_over(N)")
}
