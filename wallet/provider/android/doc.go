// Package android verifies Android key attestations, by which a wallet provider
// learns that a key was generated in the hardware of a locked device with a
// verified operating system, for an app of the provider.
//
// A device certifies a key with a chain of certificates up to a root of the
// platform's maker. The first certificate has an extension, the key
// description, which says what the secure hardware knows of the key and of the
// system that asked for it. No root is built in: the operator names those that
// are trusted, and where the maker publishes which keys of devices are revoked.
//
// What a device asserts is never exceeded: the levels of key storage and user
// authentication in key attestations follow from the security level and the
// authorizations in the evidence of each key, by the operator's table.
package android
