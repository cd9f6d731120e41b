// Package openid4vp has the messages of OpenID for Verifiable Presentations
// 1.0 as both ends need them: the authorization request and its signature, the
// link that carries it, the response and its encryption, over redirects and
// over the Digital Credentials API.
//
// The verifier's side: fill an [AuthorizationRequest], sign it with
// [SignRequest], show a [RequestLink], and read what comes back with
// [ParsePost] (or [ParseDCAPIResponse]) and [DecryptResponse].
//
// The wallet's side: [ParseRequestLink], then [ParseRequest] on the fetched
// request object (or [ParseDCAPIRequest]), which authenticates the verifier
// before it looks at anything else; [ClientMetadata.Encryption] chooses the
// key, [Request.Binding] gives what presentations are bound to, and
// [Encryption.Encrypt] makes the response.
//
// Requests are accepted as HAIP 1.0 profiles them: signed with an X.509
// certificate (client identifier prefixes x509_hash and x509_san_dns), with a
// DCQL query, answered by direct_post, or unsigned over the Digital Credentials
// API. The package makes no connections.
package openid4vp
