package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// PathElement is one step of a [Path]: a member name, an array index or the
// wildcard that selects every element of an array.
type PathElement struct {
	name  string
	index int
	kind  elementKind
}

type elementKind uint8

const (
	kindName elementKind = iota
	kindIndex
	kindAll
)

// Name returns the element that selects the member called name.
func Name(name string) PathElement { return PathElement{name: name, kind: kindName} }

// Index returns the element that selects the i-th array element, from 0.
func Index(i int) PathElement { return PathElement{index: i, kind: kindIndex} }

// All returns the element that selects every element of an array, null on the
// wire.
func All() PathElement { return PathElement{kind: kindAll} }

// Name returns the member name and true if the element selects a member.
func (e PathElement) Name() (string, bool) { return e.name, e.kind == kindName }

// Index returns the array index and true if the element selects by index.
func (e PathElement) Index() (int, bool) { return e.index, e.kind == kindIndex }

// IsAll reports whether the element selects every array element.
func (e PathElement) IsAll() bool { return e.kind == kindAll }

// Path is a claims path pointer (OpenID4VP 1.0 section 7, OpenID4VCI 1.0
// appendix C). For mdoc the first element is the namespace and the second the
// element identifier.
type Path []PathElement

// PathOf returns the path made of member names only.
func PathOf(names ...string) Path {
	p := make(Path, len(names))
	for i, n := range names {
		p[i] = Name(n)
	}
	return p
}

// String returns the path in a form for people, for example address.region or
// nationalities[*].
func (p Path) String() string {
	var b strings.Builder
	for i, e := range p {
		switch e.kind {
		case kindName:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(e.name)
		case kindIndex:
			b.WriteString("[" + strconv.Itoa(e.index) + "]")
		case kindAll:
			b.WriteString("[*]")
		}
	}
	return b.String()
}

// MarshalJSON writes the wire form: strings, non-negative integers and nulls.
func (p Path) MarshalJSON() ([]byte, error) {
	out := make([]any, len(p))
	for i, e := range p {
		switch e.kind {
		case kindName:
			out[i] = e.name
		case kindIndex:
			out[i] = e.index
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the wire form. An empty path, a negative or fractional
// index and any other type are errors.
func (p *Path) UnmarshalJSON(data []byte) error {
	var raw []any
	if err := json.Unmarshal(data, &raw); err != nil {
		return errors.New("path is not an array")
	}
	if len(raw) == 0 {
		return errors.New("path is empty")
	}
	out := make(Path, len(raw))
	for i, e := range raw {
		switch e := e.(type) {
		case nil:
			out[i] = All()
		case string:
			out[i] = Name(e)
		case float64:
			if e < 0 || e != float64(int(e)) {
				return fmt.Errorf("path element %d is not a non-negative integer", i)
			}
			out[i] = Index(int(e))
		default:
			return fmt.Errorf("path element %d is neither string, integer nor null", i)
		}
	}
	*p = out
	return nil
}

// Equal reports whether both paths have the same elements.
func (p Path) Equal(q Path) bool {
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != q[i] {
			return false
		}
	}
	return true
}

// Covers reports whether every value that q can select lies at or under a
// value that p selects.
func (p Path) Covers(q Path) bool {
	if len(p) > len(q) {
		return false
	}
	for i := range p {
		if p[i] == q[i] || (p[i].kind == kindAll && q[i].kind != kindName) {
			continue
		}
		return false
	}
	return true
}

// Select returns the values that the path selects in v. The second result is
// false if a step meets a value of the wrong type; a missing member or index
// merely selects nothing (OpenID4VP 1.0 section 7.1.1).
func (p Path) Select(v Value) ([]Value, bool) {
	current := []Value{v}
	for _, e := range p {
		var next []Value
		for _, c := range current {
			switch e.kind {
			case kindName:
				o, ok := c.(Object)
				if !ok {
					return nil, false
				}
				if m, ok := o[e.name]; ok {
					next = append(next, m)
				}
			case kindIndex, kindAll:
				a, ok := c.(Array)
				if !ok {
					return nil, false
				}
				if e.kind == kindAll {
					next = append(next, a...)
				} else if e.index < len(a) {
					next = append(next, a[e.index])
				}
			}
		}
		current = next
	}
	return current, true
}
