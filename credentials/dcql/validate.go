package dcql

import (
	"slices"

	"github.com/tegata-id/tegata/credentials"
)

// The limits on a query. They are far above what people can be asked to agree
// to, and keep evaluation cheap.
const (
	maxCredentials = 32
	maxSets        = 64
	maxClaims      = 256
	maxValues      = 128
	maxPath        = 16
	maxText        = 1024
	maxIndex       = 1 << 20
)

// Validate checks every rule of OpenID4VP 1.0 sections 6 and 7 and of
// appendices B.2 and B.3 about the structure of a query. The error is an
// [*Error].
func (q *Query) Validate() error {
	if len(q.Credentials) == 0 {
		return fault("credentials", "must be a non-empty array")
	}
	if len(q.Credentials) > maxCredentials {
		return fault("credentials", "has too many elements")
	}
	seen := map[string]bool{}
	for i := range q.Credentials {
		c, at := &q.Credentials[i], element("credentials", i)
		if !validID(c.ID) {
			return fault(member(at, "id"), "must consist of letters, digits, underscore and hyphen")
		}
		if seen[c.ID] {
			return fault(member(at, "id"), "occurs twice")
		}
		seen[c.ID] = true
		if err := c.validate(at); err != nil {
			return err
		}
	}
	return q.validateSets(seen)
}

func (q *Query) validateSets(ids map[string]bool) error {
	if len(q.CredentialSets) > maxSets {
		return fault("credential_sets", "has too many elements")
	}
	for i := range q.CredentialSets {
		at := member(element("credential_sets", i), "options")
		if err := checkRefs(q.CredentialSets[i].Options, ids, at); err != nil {
			return err
		}
		if len(q.CredentialSets[i].Options) == 0 {
			return fault(at, "must be a non-empty array")
		}
	}
	return nil
}

// checkRefs checks lists of references to the identifiers in known.
func checkRefs(sets [][]string, known map[string]bool, at string) error {
	if len(sets) > maxSets {
		return fault(at, "has too many elements")
	}
	for i, set := range sets {
		if len(set) == 0 || len(set) > maxClaims {
			return fault(element(at, i), "has no elements or too many")
		}
		for j, id := range set {
			if !known[id] {
				return fault(element(element(at, i), j), "refers to nothing")
			}
		}
	}
	return nil
}

func (c *CredentialQuery) validate(at string) error {
	if c.Format == "" || len(c.Format) > maxText {
		return fault(member(at, "format"), "is missing or too long")
	}
	if err := c.validateMeta(member(at, "meta")); err != nil {
		return err
	}
	if len(c.TrustedAuthorities) > maxSets {
		return fault(member(at, "trusted_authorities"), "has too many elements")
	}
	for i, a := range c.TrustedAuthorities {
		inner := element(member(at, "trusted_authorities"), i)
		if a.Type == "" || len(a.Type) > maxText {
			return fault(member(inner, "type"), "is missing or too long")
		}
		if !validTexts(a.Values) {
			return fault(member(inner, "values"), "must be a non-empty array of strings")
		}
	}
	return c.validateClaims(at)
}

func (c *CredentialQuery) validateMeta(at string) error {
	switch c.Format {
	case credentials.FormatSDJWTVC:
		if !validTexts(c.Meta.VCTValues) {
			return fault(member(at, "vct_values"), "must be a non-empty array of strings")
		}
	case credentials.FormatMdoc:
		if c.Meta.DoctypeValue == "" || len(c.Meta.DoctypeValue) > maxText {
			return fault(member(at, "doctype_value"), "is missing or too long")
		}
	}
	return nil
}

func (c *CredentialQuery) validateClaims(at string) error {
	if len(c.Claims) == 0 && len(c.ClaimSets) > 0 {
		return fault(member(at, "claim_sets"), "must not be present without claims")
	}
	if len(c.Claims) > maxClaims {
		return fault(member(at, "claims"), "has too many elements")
	}
	ids := map[string]bool{}
	for i := range c.Claims {
		claim, inner := &c.Claims[i], element(member(at, "claims"), i)
		if claim.ID == "" && len(c.ClaimSets) > 0 {
			return fault(member(inner, "id"), "is required because claim_sets is present")
		}
		if claim.ID != "" && !validID(claim.ID) {
			return fault(member(inner, "id"), "must consist of letters, digits, underscore and hyphen")
		}
		if ids[claim.ID] {
			return fault(member(inner, "id"), "occurs twice")
		}
		if claim.ID != "" {
			ids[claim.ID] = true
		}
		if err := claim.validate(c.Format, inner); err != nil {
			return err
		}
		if slices.ContainsFunc(c.Claims[:i], func(o ClaimsQuery) bool { return o.Path.Equal(claim.Path) }) {
			return fault(member(inner, "path"), "points to the same claim as another entry")
		}
	}
	return checkRefs(c.ClaimSets, ids, member(at, "claim_sets"))
}

func (c *ClaimsQuery) validate(format credentials.Format, at string) error {
	if len(c.Path) == 0 || len(c.Path) > maxPath {
		return fault(member(at, "path"), "has no elements or too many")
	}
	names := 0
	for i, e := range c.Path {
		name, isName := e.Name()
		index, isIndex := e.Index()
		if len(name) > maxText || (isIndex && (index < 0 || index > maxIndex)) {
			return fault(element(member(at, "path"), i), "is out of range")
		}
		if isName {
			names++
		}
	}
	if format == credentials.FormatMdoc && (len(c.Path) != 2 || names != 2) {
		return fault(member(at, "path"), "must be a namespace and an element identifier")
	}
	if len(c.Values) > maxValues {
		return fault(member(at, "values"), "has too many elements")
	}
	for i, v := range c.Values {
		switch v.(type) {
		case credentials.Text, credentials.Int, credentials.Bool:
		default:
			return fault(element(member(at, "values"), i), "must be a string, an integer or a boolean")
		}
	}
	return nil
}

func validTexts(list []string) bool {
	return len(list) > 0 && len(list) <= maxValues &&
		!slices.ContainsFunc(list, func(s string) bool { return s == "" || len(s) > maxText })
}

// validID reports whether s is an identifier of section 6.1.
func validID(s string) bool {
	if s == "" || len(s) > 256 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
