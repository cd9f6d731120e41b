package verifier

import "github.com/tegata-id/tegata/credentials"

// CheckOutcome is what a single check came to.
type CheckOutcome string

// The outcomes of a check.
const (
	OutcomePassed CheckOutcome = "passed"
	OutcomeFailed CheckOutcome = "failed"
	// OutcomeUndetermined: it could not be found out, and the policy puts up
	// with that.
	OutcomeUndetermined CheckOutcome = "undetermined"
	// OutcomeNotApplicable: there was nothing to check, or the verifier does
	// not check it.
	OutcomeNotApplicable CheckOutcome = "not_applicable"
)

// Check is one thing that was looked at, and what came of it.
type Check struct {
	// Name is a short fixed identifier such as issuer_signature; of a check
	// that failed it is the [Reason].
	Name    string       `json:"name"`
	Outcome CheckOutcome `json:"outcome"`
	// Detail says in plain English what was found. It holds no personal data.
	Detail string `json:"detail"`
}

// passed turns what a format's verifier found into outcomes.
func passed(found []credentials.Check) []Check {
	out := make([]Check, 0, len(found)+4)
	for _, c := range found {
		outcome := OutcomePassed
		if c.Skipped {
			outcome = OutcomeNotApplicable
		}
		out = append(out, Check{Name: c.Name, Outcome: outcome, Detail: c.Detail})
	}
	return out
}

// after sets what was found before a presentation was refused.
func (r *Refusal) after(found []Check) *Refusal {
	r.Checks = append(found, Check{Name: string(r.Reason), Outcome: OutcomeFailed, Detail: r.Detail})
	return r
}
