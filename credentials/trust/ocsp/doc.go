// Package ocsp is the Online Certificate Status Protocol on the wire (RFC 6960
// and RFC 9654): it writes and reads requests and responses in strict DER, both
// ends of them.
//
// It judges nothing. A response that it reads may be signed by anybody, speak
// about another certificate and be years old; [trust.OCSPChecker] decides
// whether it counts. The signing half is for responders in tests.
//
// [trust.OCSPChecker]: https://pkg.go.dev/github.com/tegata-id/tegata/credentials/trust#OCSPChecker
package ocsp

import (
	"errors"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits on what is read.
const (
	// MaxSize is the largest request or response, in bytes of DER.
	MaxSize = 64 << 10

	maxSingles      = 32
	maxCertificates = 8
	maxExtensions   = 16
)

// ErrMalformed is the cause of every error of ParseRequest and ParseResponse.
var ErrMalformed = errors.New("ocsp: malformed, or of an unsupported form")

func explicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
func implicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }
