package dcql

import (
	"iter"
	"strconv"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
)

// MaxSize is the largest query in bytes that [Parse] reads.
const MaxSize = 64 << 10

// Parse reads and validates a query. Unknown members are ignored; a known
// member of the wrong type, null included, is an error. The error is an
// [*Error].
func Parse(data []byte) (*Query, error) {
	if len(data) > MaxSize {
		return nil, fault("", "is too large")
	}
	tree, err := jose.DecodeValue(data)
	if err != nil {
		return nil, fault("", "is not well-formed JSON")
	}
	r := &reader{}
	q := r.query(tree)
	if r.err != nil {
		return nil, r.err
	}
	if err := q.Validate(); err != nil {
		return nil, err
	}
	return q, nil
}

// reader turns a JSON tree into a query and keeps the first error. It checks
// types and what a Query cannot express afterwards, such as a list that is
// present but empty; all other rules are those of [Query.Validate].
type reader struct{ err error }

func (r *reader) fail(at, rule string) {
	if r.err == nil {
		r.err = fault(at, rule)
	}
}

func (r *reader) object(v credentials.Value, at string) credentials.Object {
	o, ok := v.(credentials.Object)
	if !ok {
		r.fail(at, "must be an object")
	}
	return o
}

// list goes through an optional list that must not be empty if it is present.
// It ends with the first error: what a query is made into is many times larger
// than a list of nothings.
func (r *reader) list(o credentials.Object, name, at string) iter.Seq2[int, credentials.Value] {
	return func(yield func(int, credentials.Value) bool) {
		if v, ok := o[name]; ok {
			r.elements(v, member(at, name))(yield)
		}
	}
}

func (r *reader) elements(v credentials.Value, at string) iter.Seq2[int, credentials.Value] {
	return func(yield func(int, credentials.Value) bool) {
		a, ok := v.(credentials.Array)
		if !ok || len(a) == 0 {
			r.fail(at, "must be a non-empty array")
		}
		for i, element := range a {
			if r.err != nil || !yield(i, element) {
				return
			}
		}
	}
}

func (r *reader) text(o credentials.Object, name, at string) string {
	v, ok := o[name]
	if !ok {
		return ""
	}
	return r.asText(v, member(at, name))
}

func (r *reader) asText(v credentials.Value, at string) string {
	s, ok := v.(credentials.Text)
	if !ok || s == "" {
		r.fail(at, "must be a non-empty string")
	}
	return string(s)
}

func (r *reader) flag(o credentials.Object, name, at string) *bool {
	v, ok := o[name]
	if !ok {
		return nil
	}
	b, ok := v.(credentials.Bool)
	if !ok {
		r.fail(member(at, name), "must be a boolean")
	}
	out := bool(b)
	return &out
}

func (r *reader) texts(o credentials.Object, name, at string) []string {
	var out []string
	for i, v := range r.list(o, name, at) {
		out = append(out, r.asText(v, element(member(at, name), i)))
	}
	return out
}

// textLists reads a list of non-empty lists of strings.
func (r *reader) textLists(o credentials.Object, name, at string) [][]string {
	var out [][]string
	for i, v := range r.list(o, name, at) {
		inner := element(member(at, name), i)
		var set []string
		for j, id := range r.elements(v, inner) {
			set = append(set, r.asText(id, element(inner, j)))
		}
		out = append(out, set)
	}
	return out
}

func (r *reader) query(tree credentials.Value) *Query {
	o := r.object(tree, "")
	q := &Query{}
	for i, v := range r.list(o, "credentials", "") {
		q.Credentials = append(q.Credentials, r.credential(v, element("credentials", i)))
	}
	for i, v := range r.list(o, "credential_sets", "") {
		at := element("credential_sets", i)
		set := r.object(v, at)
		q.CredentialSets = append(q.CredentialSets, CredentialSetQuery{
			Options:  r.textLists(set, "options", at),
			Required: r.flag(set, "required", at),
		})
	}
	return q
}

func (r *reader) credential(v credentials.Value, at string) CredentialQuery {
	o := r.object(v, at)
	c := CredentialQuery{
		ID:            r.text(o, "id", at),
		Format:        credentials.Format(r.text(o, "format", at)),
		HolderBinding: r.flag(o, "require_cryptographic_holder_binding", at),
		ClaimSets:     r.textLists(o, "claim_sets", at),
	}
	if multiple := r.flag(o, "multiple", at); multiple != nil {
		c.Multiple = *multiple
	}
	meta, ok := o["meta"]
	if !ok {
		r.fail(member(at, "meta"), "is missing")
	}
	c.Meta = r.meta(meta, c.Format, member(at, "meta"))
	for i, v := range r.list(o, "trusted_authorities", at) {
		inner := element(member(at, "trusted_authorities"), i)
		authority := r.object(v, inner)
		c.TrustedAuthorities = append(c.TrustedAuthorities, TrustedAuthority{
			Type:   r.text(authority, "type", inner),
			Values: r.texts(authority, "values", inner),
		})
	}
	for i, v := range r.list(o, "claims", at) {
		c.Claims = append(c.Claims, r.claim(v, element(member(at, "claims"), i)))
	}
	return c
}

func (r *reader) meta(v credentials.Value, format credentials.Format, at string) Meta {
	o := r.object(v, at)
	switch format {
	case credentials.FormatSDJWTVC:
		return Meta{VCTValues: r.texts(o, "vct_values", at)}
	case credentials.FormatMdoc:
		return Meta{DoctypeValue: r.text(o, "doctype_value", at)}
	}
	return Meta{}
}

func (r *reader) claim(v credentials.Value, at string) ClaimsQuery {
	o := r.object(v, at)
	c := ClaimsQuery{
		ID:             r.text(o, "id", at),
		Path:           r.path(o, at),
		IntentToRetain: r.flag(o, "intent_to_retain", at),
	}
	for _, v := range r.list(o, "values", at) {
		c.Values = append(c.Values, v)
	}
	return c
}

func (r *reader) path(o credentials.Object, at string) credentials.Path {
	var out credentials.Path
	for i, v := range r.list(o, "path", at) {
		switch v := v.(type) {
		case credentials.Text:
			out = append(out, credentials.Name(string(v)))
			continue
		case credentials.Null:
			out = append(out, credentials.All())
			continue
		case credentials.Int:
			if v >= 0 && v <= maxIndex {
				out = append(out, credentials.Index(int(v)))
				continue
			}
		}
		r.fail(element(member(at, "path"), i), "must be a string, a non-negative integer or null")
	}
	return out
}

func member(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

func element(at string, i int) string { return at + "[" + strconv.Itoa(i) + "]" }
