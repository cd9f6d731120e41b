// Package provider is a wallet provider: it registers the instances of a
// wallet, vouches for them and for their keys in attestations that issuers
// check, and revokes them.
//
// An instance authenticates every request by a JWT under its instance key over
// a challenge that works once (see [Proof]). What the provider keeps of an
// instance is the thumbprint of that key, its platform, and the status list
// indexes of the attestations it was given: no person, no keys that
// credentials are bound to, and no issuers. All instances share one client ID,
// every attestation is for one issuer alone and has a status index of its own,
// and times of issue are rounded to the minute, so that attestations do not
// tell one instance from another.
//
// Attestations live at most a day. A revoked instance gets no more of them,
// for good, and those it has become INVALID where status lists are configured.
//
// Platforms say how instances show that they and their keys are genuine. Package
// android has one; [Software] believes anybody and is for tests.
package provider
