package verifier

import (
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/internal/individualnumber"
)

// withoutIndividualNumbers blots out what reads as an Individual Number in text
// and numbers, and reports whether there was any. Claims that bear the name of
// it are gone already. Identifiers of other kinds are left alone: one in eleven
// driving licence numbers has the right check digit.
func withoutIndividualNumbers(claims credentials.Object) (credentials.Object, bool) {
	r := &redactor{}
	out, _ := r.value(claims, "").(credentials.Object)
	return out, r.found
}

type redactor struct{ found bool }

func (r *redactor) value(v credentials.Value, name string) credentials.Value {
	switch v := v.(type) {
	case credentials.Object:
		out := make(credentials.Object, len(v))
		for member, inner := range v {
			out[member] = r.value(inner, member)
		}
		return out
	case credentials.Array:
		out := make(credentials.Array, len(v))
		for i, inner := range v {
			out[i] = r.value(inner, name)
		}
		return out
	case credentials.Text:
		if !typedIdentifier(name) && individualnumber.Find(string(v)) {
			r.found = true
			return credentials.Text(individualnumber.Redact(string(v)))
		}
	case credentials.Int:
		if !typedIdentifier(name) && readsAsNumber(v) {
			r.found = true
			return credentials.Text("[redacted]")
		}
	}
	return v
}

// typedIdentifier reports whether a claim's name says that it holds an
// identifier, such as document_number.
func typedIdentifier(name string) bool {
	return slices.ContainsFunc([]string{"_number", "_id", "_identifier", "_code"}, func(suffix string) bool {
		return strings.HasSuffix(strings.ToLower(name), suffix)
	})
}
