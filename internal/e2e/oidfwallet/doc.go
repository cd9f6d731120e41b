// Package oidfwallet plays the issuer and the authorization server of the OpenID
// Foundation's conformance suite to the wallet engine of package holder over HTTPS.
// Its tests are named after the modules of the suite's plan
// oid4vci-1_0-wallet-test-plan and its form for HAIP, and demand what those demand.
// The peers share no code with the wallet: JWS, JWE, SD-JWT, CBOR and mdocs are
// written here. The wallet's attestations are those of our wallet provider.
package oidfwallet
