package dcql

import (
	"maps"
	"slices"

	"github.com/tegata-id/tegata/credentials"
)

// Check decides whether verified presentations answer the query (OpenID4VP 1.0
// sections 6.4 and 8.6). presented maps the id of a credential query to what
// was presented under it. Signatures, holder binding and the chain must have
// been verified before; whether a status list says so is not looked at.
//
// Every presentation must match its query; a caller that would rather discard
// the ones that don't asks [CredentialQuery.Check] first. The error is a
// [*CheckError].
func (q *Query) Check(presented map[string][]*credentials.Verified) error {
	for _, id := range slices.Sorted(maps.Keys(presented)) {
		c := q.Credential(id)
		if c == nil || !q.asksFor(id) {
			return &CheckError{Reason: ReasonUnknownQuery}
		}
		list := presented[id]
		if len(list) == 0 || (len(list) > 1 && !c.Multiple) {
			return &CheckError{QueryID: id, Reason: ReasonCount}
		}
		for _, v := range list {
			if err := c.Check(v); err != nil {
				return err
			}
		}
	}
	_, _, ok := q.chooseQueries(func(id string) bool { return len(presented[id]) > 0 })
	if !ok || len(presented) == 0 {
		return &CheckError{Reason: ReasonIncomplete}
	}
	return nil
}

// asksFor reports whether the credential query is part of any credential set.
func (q *Query) asksFor(id string) bool {
	if len(q.CredentialSets) == 0 {
		return true
	}
	for _, set := range q.CredentialSets {
		for _, option := range set.Options {
			if slices.Contains(option, id) {
				return true
			}
		}
	}
	return false
}

// Check decides whether one verified presentation matches the credential
// query: format, type, trusted authority, proof of possession, and every
// required claim with its values. The error is a [*CheckError].
func (c *CredentialQuery) Check(v *credentials.Verified) error {
	refuse := func(r Reason) error { return &CheckError{QueryID: c.ID, Reason: r} }
	switch {
	case v == nil || v.Format != c.Format:
		return refuse(ReasonFormat)
	case !c.matchesType(v.Type, nil):
		return refuse(ReasonType)
	case c.HolderBindingRequired() && v.HolderKey == nil:
		return refuse(ReasonHolderBinding)
	case !c.matchesAuthority(v.Chain):
		return refuse(ReasonAuthority)
	}
	if _, ok := c.presentedClaims(v); !ok {
		return refuse(ReasonClaims)
	}
	return nil
}

// presentedClaims returns paths to what the presentation answers the query
// with: for all claims, or for those of the first complete claim set. For a
// claim with values these are the places where such a value was found, so that
// the relying party never reads another value than the one that was compared.
func (c *CredentialQuery) presentedClaims(v *credentials.Verified) ([]credentials.Path, bool) {
	claims := claimsOf(v)
	return c.chooseClaims(func(claim *ClaimsQuery) []credentials.Path {
		hits := claim.hits(claim.Path, claims)
		if len(hits) == 0 {
			hits = claim.hits(anyIndex(claim.Path), claims)
		}
		if len(hits) > 0 && len(claim.Values) == 0 {
			return []credentials.Path{claim.Path}
		}
		return hits
	})
}

// anyIndex replaces indexes by the wildcard. Array elements that the holder
// kept back are gone from a presentation and those behind them moved up, so
// that an index of the query cannot be held against the position.
func anyIndex(p credentials.Path) credentials.Path {
	out := slices.Clone(p)
	for i, e := range out {
		if _, ok := e.Index(); ok {
			out[i] = credentials.All()
		}
	}
	return out
}

// claimsOf adds iss and vct, which a query may name although they describe an
// SD-JWT VC and not its subject.
func claimsOf(v *credentials.Verified) credentials.Object {
	if v.Format != credentials.FormatSDJWTVC {
		return v.Claims
	}
	out := credentials.Object{"vct": credentials.Text(v.Type)}
	if v.Issuer != "" {
		out["iss"] = credentials.Text(v.Issuer)
	}
	maps.Copy(out, v.Claims)
	return out
}
