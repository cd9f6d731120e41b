// Package openid has an OpenID provider vouch for a person who has shown it
// their card, in the shape of the Digital Agency's authentication app
// (デジタル認証アプリ): OpenID Connect by the code flow with PKCE, private_key_jwt
// as client authentication, ID tokens by ES256, and a scope for each of the four
// basic attributes, which come from the UserInfo endpoint.
//
// What is proven is the provider's word and no more: the issuer sees neither
// certificate nor signature, and nothing tells it of a revocation later.
//
// The flow can't be relayed. State, nonce and code verifier belong to one login,
// whose cookie must come along when the browser returns, and the nonce is made
// of the challenge of that login, so that the provider's ID token names issuer,
// wallet and keys by their digest.
package openid
