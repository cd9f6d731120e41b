// Package jose signs, checks, encrypts and decrypts compact JOSE objects, and
// reads JSON strictly. It is the one place that imports the JOSE library, so
// that its successor is a change of this package alone.
//
// What comes from outside is parsed once, here, before any library sees it:
// duplicate members, members in another letter case, unknown critical headers,
// non-canonical base64url, private key members and every algorithm outside the
// short list are errors. The library then signs, checks and encrypts over
// exactly the bytes that were received; decryption is the standard library's.
//
// A parsed signature has the type [Unverified]; its payload is reached by
// [Unverified.Verify] or, in the open, by [Unverified.UnverifiedPayload].
package jose
