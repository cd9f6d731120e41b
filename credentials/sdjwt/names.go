package sdjwt

import "github.com/tegata-id/tegata/credentials"

const (
	// typeHeader is the typ header of an SD-JWT VC.
	typeHeader = "dc+sd-jwt"
	// legacyTypeHeader is what drafts before -06 used.
	legacyTypeHeader = "vc+sd-jwt"
	bindingType      = "kb+jwt"

	nameDigests   = "_sd"
	nameElement   = "..."
	nameAlgorithm = "_sd_alg"
	algorithm     = "sha-256"
)

// The sizes that are accepted, and that issuing keeps to.
const (
	// MaxSize is the size of a credential with its disclosures, in bytes.
	MaxSize = 1 << 20
	// MaxDisclosures is the number of disclosures.
	MaxDisclosures = 256
	// MaxDepth is how deeply disclosures may lie within one another.
	MaxDepth = 16
)

// neverDisclosable reports whether a top-level claim must stand in the signed
// payload, with all that is in it (draft-ietf-oauth-sd-jwt-vc section
// 2.2.2.3). aud is added since it controls validity (RFC 9901 section 9.7).
func neverDisclosable(name string) bool {
	switch name {
	case "iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "aka_vcts", "status", "aud":
		return true
	}
	return false
}

// describesCredential reports whether a top-level claim describes the
// credential and not its subject.
func describesCredential(name string) bool {
	return neverDisclosable(name) || name == "iat" || name == "jti"
}

// reservedName reports whether no claim may have the name at any level.
func reservedName(name string) bool {
	return name == nameDigests || name == nameElement || name == nameAlgorithm
}

// subjectClaims returns the claims about the subject.
func subjectClaims(payload credentials.Object) credentials.Object {
	out := make(credentials.Object, len(payload))
	for name, value := range payload {
		if !describesCredential(name) {
			out[name] = value
		}
	}
	return out
}
