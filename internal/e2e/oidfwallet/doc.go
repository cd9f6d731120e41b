// Package oidfwallet plays the issuer, the authorization server and the verifier
// of the OpenID Foundation's conformance suite, and hostile ones, to the wallet
// engine of package holder over HTTPS. Its tests are named after the modules of the
// suite's plans for wallets, oid4vci-1_0-wallet-test-plan (TestIssuance, TestHAIP,
// TestFAPI) and oid4vp-1final-wallet-test-plan (TestPresentation,
// TestNegPresentation), and demand what those demand. The peers share no code with
// the wallet: what they read and write is in package wire. The
// wallet's attestations are those of our wallet provider.
package oidfwallet
