// Package oidfissuer plays the wallet of the OpenID Foundation's conformance
// suite against an issuer in a sandbox, over HTTPS. Its tests are named after the
// modules of the suite's plans oid4vci-1_0-issuer-test-plan (TestIssuer) and
// oid4vci-1_0-issuer-haip-test-plan (TestFAPI, without the prefix
// fapi2-security-profile-final-), and demand what those demand, warnings
// included. The wallet is small and shares no code with package holder: JWS, JWE,
// SD-JWT and CBOR are those of package wire.
package oidfissuer
