package sdjwt

import (
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
)

// parts is a compact SD-JWT, taken apart but not judged.
type parts struct {
	jwt         string
	disclosures []string
	// binding is the KB-JWT, or empty.
	binding string
	// hashed is what sd_hash covers: everything before the KB-JWT.
	hashed string
}

// split separates the parts of the compact serialization (RFC 9901 section 4).
// The last "~" stands before the KB-JWT or at the end.
func split(raw string) (*parts, error) {
	if len(raw) > MaxSize {
		return nil, fail(ReasonMalformed, "too large")
	}
	tildes := strings.Count(raw, "~")
	if tildes == 0 {
		return nil, fail(ReasonMalformed, "no ~")
	}
	if tildes > MaxDisclosures+1 {
		return nil, fail(ReasonMalformed, "too many disclosures")
	}
	segments := strings.Split(raw, "~")
	last := len(segments) - 1
	if slices.Contains(segments[:last], "") {
		return nil, fail(ReasonMalformed, "empty segment")
	}
	return &parts{
		jwt:         segments[0],
		disclosures: segments[1:last],
		binding:     segments[last],
		hashed:      raw[:len(raw)-len(segments[last])],
	}, nil
}

// disclosure is one disclosed member or array element.
type disclosure struct {
	encoded string
	element bool
	name    string
	value   credentials.Value
	used    bool
	// path is where the value stands in the processed payload.
	path credentials.Path
}

// parseDisclosure reads [salt, name, value] or [salt, value].
func parseDisclosure(encoded string) (*disclosure, error) {
	data, err := jose.DecodeBase64(encoded)
	if err != nil {
		return nil, failWith(ReasonDisclosure, "encoding", err)
	}
	value, err := jose.DecodeValue(data)
	if err != nil {
		return nil, failWith(ReasonDisclosure, "contents", err)
	}
	array, ok := value.(credentials.Array)
	if !ok || len(array) < 2 || len(array) > 3 {
		return nil, fail(ReasonDisclosure, "not an array of two or three")
	}
	if _, ok := array[0].(credentials.Text); !ok {
		return nil, fail(ReasonDisclosure, "salt is not a string")
	}
	d := &disclosure{encoded: encoded, element: len(array) == 2, value: array[len(array)-1]}
	if !d.element {
		name, ok := array[1].(credentials.Text)
		if !ok {
			return nil, fail(ReasonDisclosure, "claim name is not a string")
		}
		if d.name = string(name); reservedName(d.name) {
			return nil, fail(ReasonDisclosure, "claim name is reserved")
		}
	}
	return d, nil
}

// processor replaces digests by what they stand for (RFC 9901 section 7.1,
// steps 3 to 5).
type processor struct {
	disclosures []*disclosure
	byDigest    map[string]*disclosure
	// seen holds every digest met, decoys included: none may occur twice.
	seen map[string]struct{}
	// locked is set within claims that must not hold anything disclosable.
	locked bool
	depth  int
	path   credentials.Path
}

// process returns the processed payload and the disclosures with their places.
// The payload is changed in place. Errors are of [ReasonDisclosure] or
// [ReasonMalformed].
func process(payload credentials.Object, encoded []string) (credentials.Object, []*disclosure, error) {
	p := &processor{
		disclosures: make([]*disclosure, len(encoded)),
		byDigest:    make(map[string]*disclosure, len(encoded)),
		seen:        make(map[string]struct{}, len(encoded)),
	}
	for i, e := range encoded {
		d, err := parseDisclosure(e)
		if err != nil {
			return nil, nil, err
		}
		digest := digestOf(e)
		if p.byDigest[digest] != nil {
			return nil, nil, fail(ReasonDisclosure, "the same disclosure twice")
		}
		p.disclosures[i], p.byDigest[digest] = d, d
	}
	if alg, ok := payload[nameAlgorithm]; ok {
		if alg != credentials.Text(algorithm) {
			return nil, nil, fail(ReasonDisclosure, "hash algorithm is not accepted")
		}
		delete(payload, nameAlgorithm)
	}
	if err := p.object(payload); err != nil {
		return nil, nil, err
	}
	for _, d := range p.disclosures {
		if !d.used {
			return nil, nil, fail(ReasonDisclosure, "nothing refers to a disclosure")
		}
	}
	return payload, p.disclosures, nil
}

func (p *processor) value(v credentials.Value) (credentials.Value, error) {
	switch v := v.(type) {
	case credentials.Object:
		return v, p.object(v)
	case credentials.Array:
		return p.array(v)
	}
	return v, nil
}

// at runs the value one step further down the path.
func (p *processor) at(step credentials.PathElement, v credentials.Value) (credentials.Value, error) {
	p.path = append(p.path, step)
	out, err := p.value(v)
	p.path = p.path[:len(p.path)-1]
	return out, err
}

func (p *processor) object(o credentials.Object) error {
	top := len(p.path) == 0
	for name, child := range o {
		if name == nameDigests {
			continue
		}
		// _sd_alg of the top level has been taken out.
		if reservedName(name) {
			return fail(ReasonDisclosure, "reserved name in an object")
		}
		p.locked = p.locked || (top && neverDisclosable(name))
		processed, err := p.at(credentials.Name(name), child)
		if err != nil {
			return err
		}
		o[name] = processed
		p.locked = p.locked && !top
	}
	digests, ok := o[nameDigests]
	if !ok {
		return nil
	}
	delete(o, nameDigests)
	list, ok := digests.(credentials.Array)
	if !ok {
		return fail(ReasonDisclosure, "_sd is not an array")
	}
	for _, digest := range list {
		d, err := p.take(digest)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		if d.element {
			return fail(ReasonDisclosure, "array element disclosed as a member")
		}
		if top && neverDisclosable(d.name) {
			return fail(ReasonDisclosure, "a claim that must not be disclosable")
		}
		if _, exists := o[d.name]; exists {
			return fail(ReasonDisclosure, "claim name occurs twice")
		}
		if o[d.name], err = p.reveal(d, credentials.Name(d.name)); err != nil {
			return err
		}
	}
	return nil
}

func (p *processor) array(a credentials.Array) (credentials.Array, error) {
	out := a[:0]
	for _, element := range a {
		step := credentials.Index(len(out))
		o, ok := element.(credentials.Object)
		digest, isDigest := o[nameElement]
		if !ok || !isDigest {
			processed, err := p.at(step, element)
			if err != nil {
				return nil, err
			}
			out = append(out, processed)
			continue
		}
		if len(o) != 1 {
			return nil, fail(ReasonDisclosure, "array digest beside other members")
		}
		d, err := p.take(digest)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue
		}
		if !d.element {
			return nil, fail(ReasonDisclosure, "member disclosed as an array element")
		}
		processed, err := p.reveal(d, step)
		if err != nil {
			return nil, err
		}
		out = append(out, processed)
	}
	return out, nil
}

// take returns the disclosure of a digest, nil if it was not sent.
func (p *processor) take(digest credentials.Value) (*disclosure, error) {
	text, ok := digest.(credentials.Text)
	if !ok {
		return nil, fail(ReasonDisclosure, "digest is not a string")
	}
	if p.locked {
		return nil, fail(ReasonDisclosure, "digest within a claim that must not be disclosable")
	}
	if _, twice := p.seen[string(text)]; twice {
		return nil, fail(ReasonDisclosure, "digest occurs twice")
	}
	p.seen[string(text)] = struct{}{}
	return p.byDigest[string(text)], nil
}

// reveal processes what a disclosure holds, at its place.
func (p *processor) reveal(d *disclosure, step credentials.PathElement) (credentials.Value, error) {
	if p.depth++; p.depth > MaxDepth {
		return nil, fail(ReasonDisclosure, "disclosures are nested too deeply")
	}
	d.used = true
	d.path = append(slices.Clone(p.path), step)
	v, err := p.at(step, d.value)
	p.depth--
	return v, err
}
