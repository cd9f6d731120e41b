// Package status implements the Token Status List
// (draft-ietf-oauth-status-list): the packed list of statuses, the signed token
// that publishes it in JWT or CWT form, the reference that a credential carries, and a
// [Checker] that resolves references with a bounded cache.
//
// Everything fails closed: a status that cannot be established is an error, and
// a status value that is neither VALID, INVALID nor SUSPENDED is not valid. The
// package never dials; the Checker is given a fetch function.
package status
