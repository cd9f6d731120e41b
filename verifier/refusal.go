package verifier

import (
	"errors"

	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/openid4vp"
)

// Reason says why a presentation was refused. The list is closed.
type Reason string

// The reasons.
const (
	// ReasonDeclined: the person or the wallet declined; nobody outside can
	// tell whether a matching credential exists.
	ReasonDeclined Reason = "declined"
	// ReasonWalletError: the wallet could not process the request.
	ReasonWalletError Reason = "wallet_error"
	// ReasonResponse: the response is malformed or has another state than the
	// request.
	ReasonResponse Reason = "response_malformed"
	// ReasonNotEncrypted: the wallet sent the presentation in the clear.
	ReasonNotEncrypted Reason = "response_not_encrypted"
	// ReasonUndecryptable: encrypted to another key, or in another way than
	// was offered.
	ReasonUndecryptable Reason = "response_undecryptable"
	// ReasonQuery: the credentials are not those that were asked for.
	ReasonQuery Reason = "query_not_satisfied"
	// ReasonDifferentSubjects: credentials of different persons were put
	// together.
	ReasonDifferentSubjects Reason = "different_subjects"
	// ReasonCredential: a presentation is malformed.
	ReasonCredential Reason = "credential_malformed"
	// ReasonIssuerUntrusted: the issuer is not trusted, or not for this type.
	ReasonIssuerUntrusted Reason = "issuer_untrusted"
	// ReasonIssuerSignature: what is presented is not what the issuer signed.
	ReasonIssuerSignature Reason = "issuer_signature"
	// ReasonHolderBinding: the proof of possession is missing, is somebody
	// else's, or was made for another request.
	ReasonHolderBinding Reason = "holder_binding"
	// ReasonTransactionData: the holder did not authorize the transaction data
	// of the request, or something else.
	ReasonTransactionData Reason = "transaction_data"
	// ReasonExpired and ReasonNotYetValid: outside the credential's validity.
	ReasonExpired     Reason = "credential_expired"
	ReasonNotYetValid Reason = "credential_not_yet_valid"
	// ReasonRevoked and ReasonSuspended: so says the status list.
	ReasonRevoked   Reason = "credential_revoked"
	ReasonSuspended Reason = "credential_suspended"
	// ReasonStatusUnavailable: whether the credential is revoked could not be
	// found out.
	ReasonStatusUnavailable Reason = "status_unavailable"
)

// Refusal is the outcome of a transaction whose presentation was not accepted.
type Refusal struct {
	Reason Reason `json:"reason"`
	// Detail is plain English, without personal data and without text of the
	// wallet's.
	Detail string `json:"detail"`
	// QueryID is the credential query concerned, if it is a single one.
	QueryID string `json:"query_id,omitempty"`
	// Cause is set for ReasonStatusUnavailable.
	Cause StatusCause `json:"cause,omitempty"`
	// WalletError is the code of a wallet that answered with an error, if it is
	// a registered one.
	WalletError openid4vp.ErrorCode `json:"wallet_error,omitempty"`
	// Checks lists what was looked at before, and what failed. It is there if a
	// presentation could be read.
	Checks []Check `json:"checks,omitempty"`
}

// Refused is the error of a [FormatVerifier] for a presentation at fault.
type Refused struct {
	Reason Reason
	// Detail is as in [Refusal].
	Detail string
	Err    error
}

// Error implements error.
func (r *Refused) Error() string {
	text := string(r.Reason) + ": " + r.Detail
	if r.Err != nil {
		text += ": " + r.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (r *Refused) Unwrap() error { return r.Err }

// refused makes the outcome of an error of a format's verifier. What no
// verifier gave a reason for is refused as malformed.
func refused(queryID string, err error) *Refusal {
	var r *Refused
	if errors.As(err, &r) {
		return &Refusal{Reason: r.Reason, Detail: r.Detail, QueryID: queryID}
	}
	return &Refusal{Reason: ReasonCredential, Detail: "the presentation can't be verified", QueryID: queryID}
}

// mismatch makes the outcome of an answer to another question.
func mismatch(err error) *Refusal {
	detail := map[dcql.Reason]string{
		dcql.ReasonUnknownQuery:  "a credential was presented that was not asked for",
		dcql.ReasonCount:         "none or several presentations where one was asked for",
		dcql.ReasonFormat:        "another format than asked for",
		dcql.ReasonType:          "another type than asked for",
		dcql.ReasonHolderBinding: "no proof of possession",
		dcql.ReasonAuthority:     "not from one of the authorities asked for",
		dcql.ReasonClaims:        "a claim is missing or has another value than asked for",
		dcql.ReasonIncomplete:    "the credentials together are not what was asked for",
	}
	var e *dcql.CheckError
	if !errors.As(err, &e) {
		return &Refusal{Reason: ReasonQuery, Detail: "the credentials are not what was asked for"}
	}
	return &Refusal{Reason: ReasonQuery, Detail: detail[e.Reason], QueryID: e.QueryID}
}
