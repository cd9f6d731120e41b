// Package cose is the CBOR and COSE that credentials are made of: strict
// decoding, deterministic encoding, COSE_Sign1 signatures and COSE_Key public
// keys.
//
// It is the only package that imports the CBOR and COSE libraries. Whoever
// needs CBOR goes through [Marshal] and [Unmarshal], which use the struct tags
// of the library (`cbor:"name,omitempty"`).
//
// Strict means that two readers of the same bytes cannot come to different
// views: every data item is checked by a walker before anything is decoded.
// Indefinite lengths, duplicate map keys (also in different encodings of the
// same integer), invalid UTF-8, bignums, undefined and unassigned simple
// values, excessive depth and trailing bytes are refused, also inside CBOR
// embedded with tag 24, whose depth counts on. What RFC 8949 section 4.2.1
// calls a non-preferred encoding of a length or an integer is accepted, since
// digests and signatures are computed over the bytes as received.
package cose
