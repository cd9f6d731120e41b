package catalogue

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/issuer/source"
)

// ErrIncomplete says that what is known of a person does not make a credential
// of the type. Its text names the claim and nothing of the person.
var ErrIncomplete = errors.New("not what the credential needs")

// Subject is what claims are made of.
type Subject struct {
	Person *source.Person
	Today  credentials.FullDate
	// IssuerJA and IssuerEN name the issuer.
	IssuerJA, IssuerEN string
}

// Path returns where the claim stands in the format, or nil if it is absent.
func (t *Type) Path(c *Claim, format credentials.Format) credentials.Path {
	if format != credentials.FormatMdoc {
		if t.SDJWT == nil || len(c.SDJWT) == 0 {
			return nil
		}
		return credentials.PathOf(c.SDJWT...)
	}
	switch {
	case t.Mdoc == nil || len(c.Mdoc) == 0:
		return nil
	case len(c.Mdoc) > 1:
		return credentials.PathOf(c.Mdoc...)
	case t.Mdoc.Namespace != "":
		return credentials.PathOf(t.Mdoc.Namespace, c.Mdoc[0])
	}
	return credentials.PathOf(t.Mdoc.Doctype, c.Mdoc[0])
}

// Map returns the claims of a credential in the format. Errors wrap
// [ErrIncomplete].
func (t *Type) Map(format credentials.Format, s Subject) (credentials.Object, error) {
	claims := credentials.Object{}
	for i := range t.Claims {
		c := &t.Claims[i]
		path := t.Path(c, format)
		if path == nil {
			continue
		}
		v, err := c.value(s)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: %s %w", ErrIncomplete, path, err)
		case v == nil && c.Mandatory:
			return nil, fmt.Errorf("%w: %s is not known", ErrIncomplete, path)
		case v == nil:
			continue
		case format == credentials.FormatSDJWTVC:
			v = c.forSDJWT(v)
		}
		put(claims, path, v)
	}
	if len(claims) == 0 {
		return nil, fmt.Errorf("%w: nothing is known", ErrIncomplete)
	}
	return claims, nil
}

// put sets the value at a path of names.
func put(claims credentials.Object, path credentials.Path, v credentials.Value) {
	for n, element := range path {
		name, _ := element.Name()
		if n == len(path)-1 {
			claims[name] = v
			return
		}
		within, ok := claims[name].(credentials.Object)
		if !ok {
			within = credentials.Object{}
			claims[name] = within
		}
		claims = within
	}
}

// value returns the value of the claim, or nil if it is not known.
func (c *Claim) value(s Subject) (credentials.Value, error) {
	if c.constant != nil {
		return c.constant, nil
	}
	origin, name, _ := strings.Cut(c.From, ".")
	var v credentials.Value
	switch origin {
	case sourcePerson:
		f, ok := personFunction(name)
		if !ok {
			return nil, errors.New("comes from an unknown function")
		}
		v = f.of(s.Person, s.Today)
	case sourceIssuer:
		v = credentials.Text(s.IssuerEN)
		if name == "name_ja" {
			v = credentials.Text(s.IssuerJA)
		}
	default:
		v = s.Person.Claims[origin][name]
	}
	if _, null := v.(credentials.Null); null || v == nil {
		return nil, nil
	}
	v, err := c.fit(v)
	if err != nil || empty(v) {
		return nil, err
	}
	return v, nil
}

// empty reports whether a value says nothing, as the empty text does. A portrait
// without bytes says that the person wants none shown.
func empty(v credentials.Value) bool {
	switch v := v.(type) {
	case credentials.Text:
		return v == ""
	case credentials.Array:
		return len(v) == 0
	case credentials.Object:
		return len(v) == 0
	}
	return false
}

// Registers returns which claims the type takes from which registers in the
// format.
func (t *Type) Registers(format credentials.Format) map[string][]string {
	wanted := map[string][]string{}
	for i := range t.Claims {
		c := &t.Claims[i]
		origin, name, _ := strings.Cut(c.From, ".")
		if t.Path(c, format) == nil || origin == sourcePerson || origin == sourceIssuer || origin == "" {
			continue
		}
		if !slices.Contains(wanted[origin], name) {
			wanted[origin] = append(wanted[origin], name)
		}
	}
	return wanted
}
