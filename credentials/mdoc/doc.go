// Package mdoc issues, presents and verifies mobile documents: the credential
// format mso_mdoc, ISO/IEC 18013-5 section 9.1, presented over OpenID4VP 1.0
// (appendix B.2).
//
// An issuer calls [Issue] and delivers the IssuerSigned structure. A wallet
// checks it with [VerifyIssued], reads it with [Parse] and answers a request
// with [Present], which yields a DeviceResponse of one document. A relying
// party hands that to [Verifier.Verify].
//
// Everything is raw CBOR; the base64url of the protocols is the caller's.
// Digests and signatures are computed over the bytes as received, which are
// never encoded again.
//
// Device authentication by MAC needs the key of a reader, which there is in
// person ([Verifier.VerifySession]) and not over OpenID4VP, where it is refused.
//
// Not supported, and refused: several documents in one response;
// keys on other curves than P-256, P-384 and P-521.
package mdoc
