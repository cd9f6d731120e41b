package issuer

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// CascadeRule says what becomes of the credentials of a type when the
// certificate is revoked that they rest on, or the wallet they were given to. The
// zero value lets them fall, whatever the reason.
type CascadeRule struct {
	// None lets them stand. In return they live for at most 24 hours; the
	// certificate is looked up at each issuance, as for all types.
	None bool
	// Stand lists the reasons for which they stand: words of
	// [CascadeReasons].
	Stand []string
}

// uncascadedLife is how long credentials live that don't fall with their
// evidence, and uncascadedMinimum the least that a new one must live.
const (
	uncascadedLife    = 24 * time.Hour
	uncascadedMinimum = time.Hour
)

// The reasons of wallets. Why their provider revoked them is not told.
const (
	// reasonWallet is that the wallet instance was revoked which got the
	// credential, reasonKeys that the attestation of its key was.
	reasonWallet = "wallet_revoked"
	reasonKeys   = "keys_revoked"
)

// CascadeReasons returns the words for why a certificate was revoked, in the
// order of their codes in RFC 5280 section 5.3.1, and those for wallets.
func CascadeReasons() []string {
	return []string{
		"unspecified", "key_compromise", "ca_compromise", "affiliation_changed", "superseded",
		"cessation_of_operation", "certificate_hold", "privilege_withdrawn", "aa_compromise", "other",
		reasonWallet, reasonKeys,
	}
}

// falls reports whether credentials fall for a reason.
func (r CascadeRule) falls(reason string) bool { return !r.None && !slices.Contains(r.Stand, reason) }

func (r CascadeRule) check() error {
	if r.None && len(r.Stand) > 0 {
		return errors.New("a type that never falls needs no reasons to stand")
	}
	for i, reason := range r.Stand {
		if !slices.Contains(CascadeReasons(), reason) || slices.Contains(r.Stand[:i], reason) {
			return fmt.Errorf("%q is no reason, or is there twice", reason)
		}
	}
	return nil
}

// WithCascade returns the configurations with rules by type. It fails for a type
// that is not among them, and for a rule that is not one.
func WithCascade(configurations []Configuration, rules map[string]CascadeRule) ([]Configuration, error) {
	configurations = slices.Clone(configurations)
	for credentialType, rule := range rules {
		if err := rule.check(); err != nil {
			return nil, fmt.Errorf("cascade of %s: %w", credentialType, err)
		}
		known := false
		for i := range configurations {
			if configurations[i].Type == credentialType {
				configurations[i].Cascade, known = rule, true
			}
		}
		if !known {
			return nil, fmt.Errorf("cascade: there is no type %s", credentialType)
		}
	}
	return configurations, nil
}

// Cascade returns which credentials fall, by type and reason, for
// [records.Records]. Types that are not among the configurations fall: their
// rule is no longer known.
func Cascade(configurations []Configuration) func(credentialType, reason string) bool {
	rules := map[string]CascadeRule{}
	for _, c := range configurations {
		rules[c.Type] = c.Cascade
	}
	return func(credentialType, reason string) bool {
		return rules[credentialType].falls(reason)
	}
}
