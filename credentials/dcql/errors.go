package dcql

import (
	"errors"
	"fmt"
)

// InvalidRequest is the error code that a fault in a query has in an
// OpenID4VP error response (section 8.5).
const InvalidRequest = "invalid_request"

// Error says which part of a query breaks which rule. It never quotes the
// query's values.
type Error struct {
	// At points to the faulty member, for example
	// credentials[1].meta.vct_values; empty for the query itself.
	At string
	// Rule is the broken rule in plain English.
	Rule string
}

// Error implements error.
func (e *Error) Error() string {
	if e.At == "" {
		return "dcql query: " + e.Rule
	}
	return "dcql query: " + e.At + ": " + e.Rule
}

// Code returns [InvalidRequest].
func (e *Error) Code() string { return InvalidRequest }

func fault(at, rule string) error { return &Error{At: at, Rule: rule} }

// ErrNoMatch says that the credentials at hand cannot satisfy the query. It
// says nothing more on purpose: a verifier must not learn whether a credential
// is missing or a value differs (OpenID4VP 1.0 section 15.4.1).
var ErrNoMatch = errors.New("no credentials match the query")

// Reason classifies why a presentation does not answer the query.
type Reason string

// The reasons of a [CheckError].
const (
	// ReasonUnknownQuery: the response names a credential query that is not in
	// the request, or one that no credential set asks for.
	ReasonUnknownQuery Reason = "unknown_query"
	// ReasonCount: no presentation under a name, or several where the query
	// does not allow it.
	ReasonCount Reason = "count"
	// ReasonFormat: another credential format than requested.
	ReasonFormat Reason = "format"
	// ReasonType: another vct or doctype than requested.
	ReasonType Reason = "type"
	// ReasonHolderBinding: no proof of possession where one is required.
	ReasonHolderBinding Reason = "holder_binding"
	// ReasonAuthority: no trusted authority of the query matches the chain.
	ReasonAuthority Reason = "authority"
	// ReasonClaims: a requested claim is missing or has another value than
	// requested, or no claim set is complete.
	ReasonClaims Reason = "claims"
	// ReasonIncomplete: the credentials together do not satisfy the request.
	ReasonIncomplete Reason = "incomplete"
)

// CheckError says why a presentation or a whole response does not answer the
// query.
type CheckError struct {
	// QueryID is the credential query concerned. It is empty if the fault lies
	// in the response as a whole or the name is not one of the query's.
	QueryID string
	Reason  Reason
}

// Error implements error.
func (e *CheckError) Error() string {
	if e.QueryID == "" {
		return fmt.Sprintf("response does not answer the query: %s", e.Reason)
	}
	return fmt.Sprintf("presentation for %s does not answer the query: %s", e.QueryID, e.Reason)
}
