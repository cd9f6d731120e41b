// Package sdjwt issues, holds, presents and verifies SD-JWT VCs: credentials of
// draft-ietf-oauth-sd-jwt-vc in the compact serialization of RFC 9901, with key
// binding as OpenID4VP 1.0 appendix B.3 uses it.
//
// [Issue] makes every claim about the subject selectively disclosable, each
// object member and array element on its own. [Parse] and [Present] are for
// holders. A [Verifier] checks presentations, and for wallets what an issuer
// sent; a credential is parsed once there, and what the caller gets is what was
// verified. Type, issuer, validity, key and status must stand in the signed
// payload itself: a credential that makes them disclosable is refused.
//
// Only the hash algorithm sha-256 is used and accepted, as HAIP 1.0 section 8
// asks for. The JSON serialization is not supported.
package sdjwt
