// Package trust decides whether a certificate may be relied upon for one named
// purpose.
//
// There is no default: a [Policy] names its anchors, a [Profile] that says what
// a certificate for the purpose looks like, a stance on revocation and a clock.
// Leaving any of them out is an error, never a weaker check. Path building and
// signatures along the path are the standard library's; everything it does not
// check (purposes, key usage, key strength, identifiers, constraints on
// directory names, the inputs to certificate policies, revocation) is checked
// here, on every certificate of the path; what it does check is checked again.
//
// Revocation is looked up by a [StatusChecker]: [CRLChecker] reads revocation
// lists, [OCSPChecker] asks OCSP responders, [OperatorChecker] asks a platform
// operator. The package never dials. Lists and answers come from a [CRLSource],
// [OCSPSource] or [OperatorSource] that the caller provides.
package trust
