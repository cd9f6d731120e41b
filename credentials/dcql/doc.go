// Package dcql reads and answers queries of the Digital Credentials Query
// Language (OpenID4VP 1.0 sections 6 and 7).
//
// A query is validated once, by [Parse] or by [Query.Validate]: every rule
// about identifiers, references, types and the two formats' own parameters is
// checked there, and what is left can be evaluated without errors. Validation
// knows each format's rules; evaluation does not, because claims of every
// format form the same tree.
//
// Both ends use the package. A holder calls [Query.Select] with what the
// wallet holds and gets the claims to disclose, never more than was asked for.
// A verifier calls [Query.Check] with presentations whose signatures have been
// verified already. It trusts nothing the wallet was asked to do: type, claims,
// values, authorities and the combination of credentials are checked again.
// [Query.FilterClaims] then keeps claims that nobody asked for away from the
// relying party.
package dcql
