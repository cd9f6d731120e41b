// Package oauth is the issuer's authorization server. No OAuth library offers
// pushed requests, DPoP, attestation-based client authentication and
// OpenID4VCI together, so it is written here, one file for each specification.
//
// A login walks one way. The wallet pushes its request (par.go, RFC 9126),
// authenticated by its attestation (clientauth.go). The browser visits
// authorize, which starts a [login] and shows the challenge; the person signs
// it (login.go), reviews what will be issued and approves; the browser goes
// back to the wallet with a code. The wallet exchanges the code (token.go) for
// an access token that is bound to its DPoP key (dpop.go, RFC 9449), and the
// credential endpoint asks [Server.Authenticate] what a token allows.
//
// A pre-authorized code (preauthorized.go, OpenID4VCI 1.0 section 3.5) takes the
// place of all that comes before the token: the issuer's staff have identified
// the person, and the wallet shows with the transaction code that it is theirs.
//
// Five objects carry that state, each under a secret of its own: the pushed
// request, the login, the two kinds of code and the access token. All live in the session
// store. What must not happen twice even if that store forgets, a credential
// for a grant, is counted in SQL by whoever issues; the package only starts
// and revokes grants there.
//
// The services never see the web framework: handler.go decodes and encodes.
package oauth
