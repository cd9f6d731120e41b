package rfc5280

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	// maxNames bounds the names of one certificate and the subtrees of one
	// constraint.
	maxNames = 512
	// maxComparisons bounds the comparisons of names with subtrees on a path.
	maxComparisons = 1 << 16
)

// The reasons why names are refused.
var (
	ErrNames        = errors.New("names or name constraints are malformed")
	ErrTooManyNames = errors.New("too many names or name constraints")
	ErrNotPermitted = errors.New("a name is not permitted by the name constraints of a CA")
	ErrExcluded     = errors.New("a name is excluded by the name constraints of a CA")
)

// kind is the tag number of a GeneralName.
type kind uint8

const (
	kindEmail     kind = 1
	kindDNS       kind = 2
	kindDirectory kind = 4
	kindURI       kind = 6
	kindIP        kind = 7
)

// generalName is a GeneralName: its kind and the content of its element.
type generalName struct {
	kind  kind
	value []byte
}

// constraints are the subtrees of one certificate.
type constraints struct{ permitted, excluded []generalName }

var oidEmailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

// CheckNames applies the name constraints of every CA of the path, the anchor
// included, to the names of what is below it (RFC 5280 sections 4.2.1.10 and
// 6.1.3 (b) and (c)). Names of kinds that are not understood are refused where
// they are constrained. Errors are those of this package.
func CheckNames(path []*x509.Certificate) error {
	names := make([][]generalName, len(path))
	comparisons := 0
	for i := len(path) - 1; i > 0; i-- {
		e, ok := Extension(path[i], OIDNameConstraints)
		if !ok {
			continue
		}
		limits, err := parseConstraints(e.Value)
		if err != nil {
			return err
		}
		for j, below := range path[:i] {
			if j > 0 && SelfIssued(below) {
				continue
			}
			if names[j] == nil {
				if names[j], err = namesOf(below); err != nil {
					return err
				}
			}
			comparisons += len(names[j]) * (len(limits.permitted) + len(limits.excluded))
			if comparisons > maxComparisons {
				return ErrTooManyNames
			}
			if err := limits.check(names[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c constraints) check(names []generalName) error {
	for _, name := range names {
		same := func(base generalName) bool { return base.kind == name.kind }
		for _, base := range c.excluded {
			if !same(base) {
				continue
			}
			if matched, err := within(name, base, true); err != nil || matched {
				return errors.Join(ErrExcluded, err)
			}
		}
		if !slices.ContainsFunc(c.permitted, same) {
			continue
		}
		allowed := false
		for _, base := range c.permitted {
			if !same(base) {
				continue
			}
			matched, err := within(name, base, false)
			if err != nil {
				return errors.Join(ErrNotPermitted, err)
			}
			allowed = allowed || matched
		}
		if !allowed {
			return ErrNotPermitted
		}
	}
	return nil
}

// parseConstraints reads a NameConstraints extension. Distances other than
// zero and infinity, which RFC 5280 does not use, are refused.
func parseConstraints(der []byte) (constraints, error) {
	var c constraints
	input := cryptobyte.String(der)
	var outer, permitted, excluded cryptobyte.String
	if !input.ReadASN1(&outer, cbasn1.SEQUENCE) || !input.Empty() ||
		!outer.ReadOptionalASN1(&permitted, nil, cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!outer.ReadOptionalASN1(&excluded, nil, cbasn1.Tag(1).ContextSpecific().Constructed()) || !outer.Empty() {
		return c, ErrNames
	}
	for _, list := range []struct {
		in  cryptobyte.String
		out *[]generalName
	}{{permitted, &c.permitted}, {excluded, &c.excluded}} {
		for !list.in.Empty() {
			var subtree cryptobyte.String
			if !list.in.ReadASN1(&subtree, cbasn1.SEQUENCE) {
				return c, ErrNames
			}
			base, ok := readGeneralName(&subtree)
			if !ok || !subtree.Empty() || !validBase(base) {
				return c, ErrNames
			}
			if *list.out = append(*list.out, base); len(*list.out) > maxNames {
				return c, ErrTooManyNames
			}
		}
	}
	if len(c.permitted)+len(c.excluded) == 0 {
		return c, ErrNames
	}
	return c, nil
}

// namesOf returns what constraints are applied to: the subject, the subject
// alternative names and, where those have no e-mail address, that of the
// subject.
func namesOf(c *x509.Certificate) ([]generalName, error) {
	names := []generalName{}
	if e, ok := Extension(c, OIDSubjectAltName); ok {
		input := cryptobyte.String(e.Value)
		var list cryptobyte.String
		if !input.ReadASN1(&list, cbasn1.SEQUENCE) || !input.Empty() {
			return nil, ErrNames
		}
		for !list.Empty() {
			name, ok := readGeneralName(&list)
			if !ok {
				return nil, ErrNames
			}
			if names = append(names, name); len(names) > maxNames {
				return nil, ErrTooManyNames
			}
		}
	}
	if len(c.Subject.Names) > 0 {
		names = append(names, generalName{kindDirectory, c.RawSubject})
	}
	if !slices.ContainsFunc(names, func(n generalName) bool { return n.kind == kindEmail }) {
		for _, attribute := range c.Subject.Names {
			if text, ok := attribute.Value.(string); ok && attribute.Type.Equal(oidEmailAddress) {
				names = append(names, generalName{kindEmail, []byte(text)})
			}
		}
	}
	return names, nil
}

// readGeneralName reads a GeneralName. A directory name keeps its element,
// since its tag is explicit.
func readGeneralName(s *cryptobyte.String) (generalName, bool) {
	var value cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadAnyASN1(&value, &tag) {
		return generalName{}, false
	}
	// Of the class context-specific, constructed or not.
	if tag&0xc0 != 0x80 {
		return generalName{}, false
	}
	return generalName{kind(tag & 0x1f), value}, true
}
