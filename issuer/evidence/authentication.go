package evidence

import (
	"context"
	"fmt"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// Use says what a signature with the JPKI authentication certificate over a
// [Challenge] does. It is part of what is signed.
type Use string

// The uses. The zero value is none: the signature is not taken.
const (
	// UseLink links the authentication certificate with the signature
	// certificate that has signed the same challenge.
	UseLink Use = "link"
	// UseReturn proves, alone, that somebody has come back whose certificate was
	// linked before.
	UseReturn Use = "return"
)

// notice is what the person should know before signing.
func (u Use) notice() string {
	switch u {
	case UseLink:
		return "利用者証明用電子証明書でも署名すると、このウォレットでは次回からその証明書だけで手続きできます。\n" +
			"Whoever signs with the authentication certificate too can use that one alone next time, with this wallet.\n"
	case UseReturn:
		return "利用者証明用電子証明書で署名すると、前回の本人確認の内容で発行されます。\n" +
			"A signature with the authentication certificate issues them on the identity that was proven before.\n"
	}
	return ""
}

// Authentication checks answers made with the JPKI authentication certificate. It
// says nothing of its holder: see [Evidence.Linked].
type Authentication struct {
	// Policy validates the certificate, with the profile of authentication
	// certificates and a revocation stance.
	Policy *trust.Policy
	// PseudonymKey is the secret of this issuer under which authentication
	// certificates get their pseudonyms, 32 bytes; it is for nothing else.
	PseudonymKey []byte
}

// Verify checks that the answer has a signature over the challenge by an
// authentication certificate that is trusted and not revoked, and returns the
// certificate's pseudonym. Whether the challenge has expired and what it may be
// used for is for the caller to know. Errors are those of [JPKI.Verify].
func (a *Authentication) Verify(ctx context.Context, c Challenge, answer Answer) (pseudonym string, err error) {
	own := Answer{Certificate: answer.AuthenticationCertificate, Signature: answer.AuthenticationSignature}
	cert, err := own.signedBy(c.Bytes())
	if err != nil {
		return "", fmt.Errorf("%w: authentication signature: %w", ErrRefused, err)
	}
	if _, err := a.Policy.Verify(ctx, cert, nil); err != nil {
		if statusUnknown(err) {
			return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return "", fmt.Errorf("%w: authentication certificate: %w", ErrRefused, err)
	}
	return jpki.Pseudonym(a.PseudonymKey, cert.AuthorityKeyId, cert.SerialNumber)
}
