package verifier

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/status"
	"github.com/tegata-id/tegata/credentials/trust"
)

// StatusPolicy says what becomes of a presentation whose status can't be
// established.
type StatusPolicy string

// The policies. The zero value is StatusRefuse.
const (
	// StatusRefuse refuses it.
	StatusRefuse StatusPolicy = "refuse"
	// StatusReport accepts it and tells the relying party the cause, for uses
	// in which being turned away is worse than a credential that may have been
	// revoked.
	StatusReport StatusPolicy = "report"
)

// StatusValue is what is known about the revocation of a credential. One that
// is invalid is never accepted.
type StatusValue string

// The values of the status of an accepted credential.
const (
	StatusValid        StatusValue = "valid"
	StatusUndetermined StatusValue = "undetermined"
)

// StatusCause says why a status is undetermined. The list is closed.
type StatusCause string

// The causes.
const (
	// CauseUnavailable: the list could not be fetched.
	CauseUnavailable StatusCause = "list_unavailable"
	// CauseExpired: what is published has expired.
	CauseExpired StatusCause = "list_expired"
	// CauseRollback: what is published is older than what was seen before.
	CauseRollback StatusCause = "list_rolled_back"
	// CauseUntrusted: its signer is not trusted, or not for this credential.
	CauseUntrusted StatusCause = "list_untrusted"
	// CauseMalformed: what is published is no acceptable list.
	CauseMalformed StatusCause = "list_malformed"
	// CauseNoEntry: the list is too short for the credential, which is refused
	// whatever the policy.
	CauseNoEntry StatusCause = "no_entry"
)

// Status is what the status list says.
type Status struct {
	Value StatusValue `json:"value"`
	// Cause is set if the value is undetermined.
	Cause StatusCause `json:"cause,omitempty"`
	// ListIssuedAt is nil if the value is undetermined.
	ListIssuedAt *time.Time `json:"list_issued_at,omitempty"`
	// Stale is set if the list was due for a newer one that could not be
	// fetched.
	Stale bool `json:"stale,omitempty"`
}

// causeOf classifies the error of a status checker.
func causeOf(err error) StatusCause {
	var untrusted *trust.Error
	switch {
	case errors.As(err, &untrusted):
		return CauseUntrusted
	case errors.Is(err, status.ErrRollback):
		return CauseRollback
	case errors.Is(err, status.ErrExpired):
		return CauseExpired
	case errors.Is(err, status.ErrToken), errors.Is(err, status.ErrList), errors.Is(err, status.ErrReference):
		return CauseMalformed
	}
	return CauseUnavailable
}

// checkStatus finds out whether a credential was revoked. A status that can't
// be established is a refusal unless the policy of the format says otherwise;
// an index that the list does not have is one in any case (Token Status List
// section 8.3). The anchor is the credential's own.
func (v *Verifier) checkStatus(ctx context.Context, verified *credentials.Verified, anchor trust.Anchor) (*Status, Check, *Refusal, error) {
	check := Check{Name: "status", Outcome: OutcomePassed, Detail: "the status list says valid"}
	if verified.Status == nil {
		check.Outcome, check.Detail = OutcomeNotApplicable, "the credential can't be revoked; only its validity limits it"
		return nil, check, nil, nil
	}
	result, err := v.cfg.Status.Check(ctx, *verified.Status)
	switch {
	case errors.Is(err, status.ErrIndex):
		return nil, Check{}, &Refusal{Reason: ReasonStatusUnavailable, Cause: CauseNoEntry, Detail: "the status list has no entry for the credential"}, err
	case err != nil:
		return v.undetermined(verified.Format, causeOf(err), err)
	case !vouches(result.Chain, anchor, verified):
		return v.undetermined(verified.Format, CauseUntrusted, errForeignList)
	case result.Value == status.Suspended:
		return nil, Check{}, &Refusal{Reason: ReasonSuspended, Detail: "the status list says suspended"}, nil
	case !result.Value.IsValid():
		return nil, Check{}, &Refusal{Reason: ReasonRevoked, Detail: "the status list says that the credential is not valid"}, nil
	}
	return &Status{Value: StatusValid, ListIssuedAt: moment(result.ListIssuedAt), Stale: result.Stale}, check, nil, nil
}

var errForeignList = errors.New("the status list is signed by an authority that has no say in the credential")

// undetermined applies the policy of the format.
func (v *Verifier) undetermined(format credentials.Format, cause StatusCause, err error) (*Status, Check, *Refusal, error) {
	detail := map[StatusCause]string{
		CauseUnavailable: "the status list can't be fetched",
		CauseExpired:     "the status list has expired",
		CauseRollback:    "the status list is older than one seen before",
		CauseUntrusted:   "the status list is signed by an authority that has no say in this credential",
		CauseMalformed:   "the status list is malformed",
	}[cause]
	if v.cfg.Formats[format].Status != StatusReport {
		return nil, Check{}, &Refusal{Reason: ReasonStatusUnavailable, Cause: cause, Detail: detail}, err
	}
	return &Status{Value: StatusUndetermined, Cause: cause}, Check{Name: "status", Outcome: OutcomeUndetermined, Detail: detail}, nil, nil
}

// vouches reports whether the signer of a status list may speak of a credential
// under the anchor. Trust in an authority is trust in its own jurisdiction:
// another one that gets hold of the list's address must not be able to make
// revoked credentials valid. An authority limited to types may speak of these
// alone, but the types of one format say nothing about another: an IACA
// certifies no signers of status lists, so that those of an authority for
// SD-JWT VCs sign for mdocs, too.
func vouches(signer *trust.Chain, anchor trust.Anchor, verified *credentials.Verified) bool {
	if signer == nil || signer.Anchor.Jurisdiction != anchor.Jurisdiction {
		return false
	}
	formats := signer.Anchor.Formats
	return len(formats) > 0 && !slices.Contains(formats, verified.Format) || signer.Anchor.Allows(verified.Format, verified.Type)
}
