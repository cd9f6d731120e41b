package dcql

import (
	"crypto/x509"
	"slices"

	"github.com/tegata-id/tegata/credentials"
)

// Candidate is a credential that a wallet holds, as far as matching needs to
// know it.
type Candidate struct {
	// Handle is whatever the caller uses to find the credential again.
	Handle any
	Format credentials.Format
	// Type is the vct or the doctype.
	Type string
	// Extends lists the types that the vct is known to inherit from.
	Extends []string
	// Claims is the whole claims tree, with everything that could be
	// disclosed. Claims about the credential itself (iss, vct) may be part of
	// it; a query can match them only if they are.
	Claims credentials.Object
	// Chain holds the certificates that the credential carries.
	Chain []*x509.Certificate
	// Unbound says that the credential is bound to no key, so that no proof of
	// possession can be made.
	Unbound bool
}

// Selection is a credential to present and the claims to disclose in it.
type Selection struct {
	// QueryID names the credential query that the presentation answers.
	QueryID string
	// Handle is that of the [Candidate].
	Handle any
	// Paths holds the selectively disclosable claims to disclose and is empty
	// if none were asked for. Each of them lies at or under a path of the
	// query.
	Paths []credentials.Path
	// WithoutProof says that the verifier does not ask for a proof of
	// possession.
	WithoutProof bool
	// Optional says that the request is satisfied without this presentation.
	Optional bool
}

// Matches returns, for each credential query that any candidate matches, one
// selection per matching candidate in the order given. It serves a consent
// page on which the user chooses among several credentials; what it returns
// must not be shown to the verifier in any form.
func (q *Query) Matches(candidates []Candidate) map[string][]Selection {
	out := map[string][]Selection{}
	for i := range q.Credentials {
		c := &q.Credentials[i]
		for j := range candidates {
			if s, ok := c.match(&candidates[j]); ok {
				out[c.ID] = append(out[c.ID], s)
			}
		}
	}
	return out
}

func (c *CredentialQuery) match(candidate *Candidate) (Selection, bool) {
	if c.Format != candidate.Format || !c.matchesType(candidate.Type, candidate.Extends) ||
		!c.matchesAuthority(candidate.Chain) || (candidate.Unbound && c.HolderBindingRequired()) {
		return Selection{}, false
	}
	paths, ok := c.chooseClaims(func(claim *ClaimsQuery) []credentials.Path {
		return claim.disclose(candidate.Claims)
	})
	return Selection{
		QueryID:      c.ID,
		Handle:       candidate.Handle,
		Paths:        paths,
		WithoutProof: !c.HolderBindingRequired(),
	}, ok
}

// Select chooses what to present (sections 6.4.1 and 6.4.2). For each
// credential query it takes the first matching candidate, or all of them where
// the query allows several; for each credential set the first option that can
// be satisfied. Candidates come in the wallet's order of preference. The
// result follows the order of the query. The only error is [ErrNoMatch].
func (q *Query) Select(candidates []Candidate) ([]Selection, error) {
	matches := q.Matches(candidates)
	wanted, optional, ok := q.chooseQueries(func(id string) bool { return len(matches[id]) > 0 })
	if !ok {
		return nil, ErrNoMatch
	}
	var out []Selection
	for i := range q.Credentials {
		c := &q.Credentials[i]
		if !wanted[c.ID] && !optional[c.ID] {
			continue
		}
		found := matches[c.ID]
		if !c.Multiple {
			found = found[:1]
		}
		for _, s := range found {
			s.Optional = !wanted[c.ID]
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, ErrNoMatch
	}
	return out, nil
}

// chooseQueries returns the credential queries that satisfy the required
// credential sets and those that satisfy optional ones, given which of them
// have an answer. The last result is false if the request cannot be satisfied.
func (q *Query) chooseQueries(has func(id string) bool) (required, optional map[string]bool, ok bool) {
	required, optional = map[string]bool{}, map[string]bool{}
	if len(q.CredentialSets) == 0 {
		for i := range q.Credentials {
			if !has(q.Credentials[i].ID) {
				return nil, nil, false
			}
			required[q.Credentials[i].ID] = true
		}
		return required, optional, true
	}
	lacks := func(id string) bool { return !has(id) }
	for i := range q.CredentialSets {
		set := &q.CredentialSets[i]
		satisfied := slices.IndexFunc(set.Options, func(option []string) bool {
			return !slices.ContainsFunc(option, lacks)
		})
		switch {
		case satisfied < 0 && set.IsRequired():
			return nil, nil, false
		case satisfied < 0:
			continue
		}
		chosen := optional
		if set.IsRequired() {
			chosen = required
		}
		for _, id := range set.Options[satisfied] {
			chosen[id] = true
		}
	}
	return required, optional, true
}
