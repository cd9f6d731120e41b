package dcql

import (
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
)

// located is a value together with the path that selects it and nothing else.
type located struct {
	path  credentials.Path
	value credentials.Value
}

// locate applies a claims path pointer (section 7.1.1) and returns every value
// it selects with its concrete path. It returns nothing where the
// specification demands an error: the claim then does not match.
func locate(path credentials.Path, root credentials.Value) []located {
	current := []located{{value: root}}
	for _, e := range path {
		var next []located
		for _, c := range current {
			found, ok := step(c, e)
			if !ok {
				return nil
			}
			next = append(next, found...)
		}
		current = next
	}
	return current
}

// step follows one path element. It returns false if the value has the wrong
// type for it.
func step(c located, e credentials.PathElement) ([]located, bool) {
	if name, ok := e.Name(); ok {
		object, ok := c.value.(credentials.Object)
		if !ok {
			return nil, false
		}
		if v, ok := object[name]; ok {
			return []located{{path: join(c.path, e), value: v}}, true
		}
		return nil, true
	}
	array, ok := c.value.(credentials.Array)
	if !ok {
		return nil, false
	}
	var out []located
	index, single := e.Index()
	for i, v := range array {
		if !single || i == index {
			out = append(out, located{path: join(c.path, credentials.Index(i)), value: v})
		}
	}
	return out, true
}

// join returns a new path; the paths of siblings must not share memory.
func join(p credentials.Path, e credentials.PathElement) credentials.Path {
	return append(slices.Clip(slices.Clone(p)), e)
}

// accepts reports whether v equals one of the values, or whether there are
// none to equal. Types that JSON lacks are compared in the form that RFC 8949
// section 6.1 gives them.
func (c *ClaimsQuery) accepts(v credentials.Value) bool {
	if len(c.Values) == 0 {
		return true
	}
	var got any
	switch v := v.(type) {
	case credentials.Array, credentials.Object, credentials.Null, credentials.Float, nil:
		return false
	default:
		got = v.JSON()
	}
	return slices.ContainsFunc(c.Values, func(want credentials.Value) bool { return want.JSON() == got })
}

// disclose returns the paths by which claims satisfies the query, or nothing
// if it does not. Where values are given and the path selects several array
// elements, only the elements with such a value are named: the others count
// as non-existent.
func (c *ClaimsQuery) disclose(claims credentials.Object) []credentials.Path {
	hits := c.hits(c.Path, claims)
	if len(hits) > 0 && len(c.Values) == 0 {
		return []credentials.Path{c.Path}
	}
	return hits
}

// hits returns the concrete paths of what path selects and the query accepts.
func (c *ClaimsQuery) hits(path credentials.Path, claims credentials.Object) []credentials.Path {
	var out []credentials.Path
	for _, l := range locate(path, claims) {
		if c.accepts(l.value) {
			out = append(out, l.path)
		}
	}
	return out
}

// chooseClaims returns the claims to disclose: all, or those of the first
// claim set that get satisfies; get returns nothing for a claim that cannot be
// satisfied. The second result is false if the credential does not match.
func (c *CredentialQuery) chooseClaims(get func(*ClaimsQuery) []credentials.Path) ([]credentials.Path, bool) {
	if len(c.ClaimSets) == 0 {
		all := make([]*ClaimsQuery, len(c.Claims))
		for i := range c.Claims {
			all[i] = &c.Claims[i]
		}
		return collect(all, get)
	}
	for _, set := range c.ClaimSets {
		if paths, ok := collect(c.claimSet(set), get); ok {
			return paths, true
		}
	}
	return nil, false
}

// claimSet resolves identifiers, which validation has proved to exist.
func (c *CredentialQuery) claimSet(ids []string) []*ClaimsQuery {
	var out []*ClaimsQuery
	for i := range c.Claims {
		if slices.Contains(ids, c.Claims[i].ID) {
			out = append(out, &c.Claims[i])
		}
	}
	return out
}

func collect(list []*ClaimsQuery, get func(*ClaimsQuery) []credentials.Path) ([]credentials.Path, bool) {
	var out []credentials.Path
	for _, claim := range list {
		paths := get(claim)
		if len(paths) == 0 {
			return nil, false
		}
		out = append(out, paths...)
	}
	return out, true
}

// matchesType compares the vct or doctype. The types a credential is known to
// extend count as its own.
func (c *CredentialQuery) matchesType(own string, extends []string) bool {
	is := func(t string) bool { return t == own || slices.Contains(extends, t) }
	switch c.Format {
	case credentials.FormatSDJWTVC:
		return slices.ContainsFunc(c.Meta.VCTValues, is)
	case credentials.FormatMdoc:
		return c.Meta.DoctypeValue == own
	}
	return false
}

// matchesAuthority reports whether one of the trusted authorities, if there
// are any, stands behind the chain (section 6.1.1).
func (c *CredentialQuery) matchesAuthority(chain []*x509.Certificate) bool {
	if len(c.TrustedAuthorities) == 0 {
		return true
	}
	for _, authority := range c.TrustedAuthorities {
		if authority.Type != AuthorityKeyIdentifier {
			continue
		}
		for _, value := range authority.Values {
			if slices.ContainsFunc(chain, func(cert *x509.Certificate) bool { return hasAKI(cert, value) }) {
				return true
			}
		}
	}
	return false
}

func hasAKI(cert *x509.Certificate, value string) bool {
	return len(cert.AuthorityKeyId) > 0 &&
		base64.RawURLEncoding.EncodeToString(cert.AuthorityKeyId) == strings.TrimRight(value, "=")
}
