package rfc5280

import (
	"crypto/x509"
	"errors"
	"slices"
)

// maxPolicies bounds the policies and the mappings of one certificate.
const maxPolicies = 64

const anyPolicy = "2.5.29.32.0"

// The reasons why policies are refused.
var (
	ErrTooManyPolicies = errors.New("too many certificate policies")
	ErrPolicyMapping   = errors.New("a policy mapping names anyPolicy")
	ErrNoPolicy        = errors.New("the path is valid for no acceptable certificate policy")
)

// PolicyInputs are the inputs of RFC 5280 section 6.1.1 (c) and (e) to (g).
type PolicyInputs struct {
	// Accepted is user-initial-policy-set, in dotted form; empty stands for
	// any policy.
	Accepted []string
	// Explicit, NoMapping and NoAny are initial-explicit-policy,
	// initial-policy-mapping-inhibit and initial-any-policy-inhibit.
	Explicit, NoMapping, NoAny bool
}

// policyState is the valid_policy_tree of RFC 5280 section 6.1.2 (a) in a form
// that does not grow exponentially: of every node only the policy of the
// anchor's domain that it descends from counts in the end.
type policyState struct {
	// any says that the last level has a node for anyPolicy.
	any bool
	// expected maps policies of the anchor's domain to the policies expected
	// of the next certificate below them.
	expected map[string]map[string]bool

	explicit, mapping, inhibitAny int
}

// CheckPolicies processes the certificate policies of a path (RFC 5280
// sections 6.1.2 to 6.1.5).
func CheckPolicies(path []*x509.Certificate, in PolicyInputs) error {
	n := len(path) - 1 // the anchor has no part in this
	s := policyState{any: true, expected: map[string]map[string]bool{}, explicit: n + 1, mapping: n + 1, inhibitAny: n + 1}
	if in.Explicit {
		s.explicit = 0
	}
	if in.NoMapping {
		s.mapping = 0
	}
	if in.NoAny {
		s.inhibitAny = 0
	}
	for i := n - 1; i >= 0; i-- {
		c := path[i]
		if len(c.Policies) > maxPolicies || len(c.PolicyMappings) > maxPolicies {
			return ErrTooManyPolicies
		}
		// Step (f) is left to the end: a tree that is NULL stays so, and so does
		// the demand for a policy.
		s.certificate(c, i == 0)
		if i > 0 {
			if err := s.mapPolicies(c); err != nil {
				return err
			}
			s.prepare(c)
		}
	}
	leaf := path[0]
	if s.explicit > 0 {
		s.explicit--
	}
	if leaf.RequireExplicitPolicyZero {
		s.explicit = 0
	}
	if s.explicit > 0 || s.acceptable(in.Accepted) {
		return nil
	}
	return ErrNoPolicy
}

// alive reports whether the tree is not NULL.
func (s *policyState) alive() bool { return s.any || len(s.expected) > 0 }

// acceptable is section 6.1.5 (g).
func (s *policyState) acceptable(accepted []string) bool {
	if len(accepted) == 0 || slices.Contains(accepted, anyPolicy) {
		return s.alive()
	}
	return s.any || slices.ContainsFunc(accepted, func(p string) bool { return len(s.expected[p]) > 0 })
}

// certificate is section 6.1.3 (d) and (e).
func (s *policyState) certificate(c *x509.Certificate, leaf bool) {
	next := map[string]map[string]bool{}
	withAny := false
	for _, policy := range c.Policies {
		p := policy.String()
		if p == anyPolicy {
			withAny = s.inhibitAny > 0 || (!leaf && SelfIssued(c))
			continue
		}
		found := false
		for root, expected := range s.expected {
			if expected[p] {
				add(next, root, p)
				found = true
			}
		}
		if !found && s.any {
			add(next, p, p)
		}
	}
	if withAny {
		for root, expected := range s.expected {
			for p := range expected {
				add(next, root, p)
			}
		}
	}
	s.expected, s.any = next, s.any && withAny
}

// mapPolicies is section 6.1.4 (a) and (b).
func (s *policyState) mapPolicies(c *x509.Certificate) error {
	mappings := map[string][]string{}
	for _, m := range c.PolicyMappings {
		from, to := m.IssuerDomainPolicy.String(), m.SubjectDomainPolicy.String()
		if from == anyPolicy || to == anyPolicy {
			return ErrPolicyMapping
		}
		mappings[from] = append(mappings[from], to)
	}
	next := map[string]map[string]bool{}
	seen := map[string]bool{}
	for root, valid := range s.expected {
		for p := range valid {
			seen[p] = true
			to, mapped := mappings[p]
			switch {
			case !mapped:
				add(next, root, p)
			case s.mapping > 0:
				for _, q := range to {
					add(next, root, q)
				}
			}
		}
	}
	if s.any && s.mapping > 0 {
		for from, to := range mappings {
			if seen[from] {
				continue
			}
			for _, q := range to {
				add(next, from, q)
			}
		}
	}
	s.expected = next
	return nil
}

// prepare is section 6.1.4 (h) to (j).
func (s *policyState) prepare(c *x509.Certificate) {
	if !SelfIssued(c) {
		s.explicit, s.mapping, s.inhibitAny = max(s.explicit-1, 0), max(s.mapping-1, 0), max(s.inhibitAny-1, 0)
	}
	limit := func(counter *int, value int, zero bool) {
		if (value > 0 || zero) && value < *counter {
			*counter = value
		}
	}
	limit(&s.explicit, c.RequireExplicitPolicy, c.RequireExplicitPolicyZero)
	limit(&s.mapping, c.InhibitPolicyMapping, c.InhibitPolicyMappingZero)
	limit(&s.inhibitAny, c.InhibitAnyPolicy, c.InhibitAnyPolicyZero)
}

func add(m map[string]map[string]bool, root, policy string) {
	if m[root] == nil {
		m[root] = map[string]bool{}
	}
	m[root][policy] = true
}
