// Package wire has what the peers in the packages beside it, wallets, issuers and
// verifiers that stand for the OpenID Foundation's conformance suite, put on the
// wire: JWK, JWS, JWE, disclosures, CBOR and COSE. It is written with the standard
// library alone and shares no code with what it is to test; it can also write what
// no honest party would. What cannot fail here panics.
package wire
