// Package evidence answers who vouches for the person a credential is about.
// It says how the proof was made, what it proves and how to notice later that
// it no longer holds. What is known of the person beyond the proof comes from
// the source package.
package evidence

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/credentials/trust/jpki"
)

// Kind names how a person proved who they are. It is stored with the grant and
// shown to relying parties, so values never change their meaning.
type Kind string

// The kinds of evidence.
const (
	// KindJPKISignature is a challenge signed with the JPKI signature
	// certificate on the device of the browser that started it.
	KindJPKISignature Kind = "jpki-signature"
	// KindJPKIOtherDevice is the same certificate, but the signature was made on
	// another device than that of the browser, and its holder may have been
	// talked into signing what somebody else began: lower assurance.
	KindJPKIOtherDevice Kind = "jpki-signature-other-device"
	// KindJPKIReturning is the JPKI authentication certificate of somebody who
	// linked it when they signed with the signature certificate. The evidence
	// rests on that one, and is as old as that signature.
	KindJPKIReturning Kind = "jpki-authentication-returning"
	// KindOpenID is the word of an OpenID provider that has checked a card by
	// itself, such as the Digital Agency's authentication app. No certificate
	// of the person is seen here, so nothing tells of its revocation.
	KindOpenID Kind = "openid-connect"
	// KindBackOffice is the word of the issuer's own staff, who identified the
	// person by means of their own. No JPKI certificate takes part in it.
	KindBackOffice Kind = "back-office"
)

// Evidence is the outcome of a proof that held.
type Evidence struct {
	Kind Kind
	// Certificate is what the proof was made with: nil for [KindBackOffice] and
	// [KindOpenID] and for no other kind. Whoever acts on it asks
	// [Evidence.OnCertificate].
	Certificate *Certificate
	// Stated are the basic attributes as an OpenID provider states them: nil
	// for every kind but [KindOpenID].
	Stated *jpki.Attributes
	// VerifiedAt is when the proof was checked; for [KindJPKIReturning], when that
	// of the signature certificate was.
	VerifiedAt time.Time
	// Linked is the pseudonym of the authentication certificate that signed the
	// same challenge as Certificate, or empty. Its key is not that of
	// [Certificate.Pseudonym].
	Linked string `json:",omitempty"`
}

// Returning is the evidence of somebody who has come back with the
// authentication certificate that is linked in e.
func (e *Evidence) Returning() *Evidence {
	again := *e
	again.Kind = KindJPKIReturning
	return &again
}

// Certificate is what is kept of a certificate that evidence rests on.
type Certificate struct {
	// Attributes are the four basic attributes of the certificate.
	Attributes jpki.Attributes
	// Pseudonym names the certificate to this issuer alone, to match it with
	// revocation lists: an HMAC over the CA's key and the serial number.
	Pseudonym string
	// Handle is what the re-check job needs to ask for the certificate's
	// status: CA key, CRL partition and serial number.
	Handle jpki.Handle
	// Ends is when the certificate expires. It falls on a birthday and must
	// not be shown or derived from in public.
	Ends time.Time
}

// BackOffice returns the evidence that the issuer's staff vouch for a person.
func BackOffice(now time.Time) *Evidence {
	return &Evidence{Kind: KindBackOffice, VerifiedAt: now}
}

// OnCertificate returns the certificate that must still be good for the
// evidence to hold, or nil if it rests on none. It is an error if kind and
// certificate don't belong together: evidence whose certificate got lost must
// not pass for evidence that never had one.
func (e *Evidence) OnCertificate() (*Certificate, error) {
	if e == nil {
		return nil, errors.New("there is no evidence")
	}
	certificate, stated := e.Certificate != nil, e.Stated != nil
	if e.Kind == KindJPKIReturning && e.Linked == "" {
		return nil, fmt.Errorf("evidence of kind %s without a link", e.Kind)
	}
	switch e.Kind {
	case KindBackOffice:
		if !certificate && !stated {
			return nil, nil
		}
	case KindOpenID:
		if !certificate && stated {
			return nil, nil
		}
	default:
		if certificate && !stated {
			return e.Certificate, nil
		}
	}
	return nil, fmt.Errorf("evidence of kind %s with the wrong parts", e.Kind)
}

// Visit is what is kept of a browser that was sent to an OpenID provider, until
// it comes back. It belongs to one login and serves once.
type Visit struct {
	// State comes back with the browser, Verifier redeems the code (RFC 7636).
	State, Verifier string
	Begun           time.Time
}

// Attributes returns the four basic attributes that the evidence proves, or nil
// if it proves none, as the word of the issuer's staff does.
func (e *Evidence) Attributes() (*jpki.Attributes, error) {
	cert, err := e.OnCertificate()
	switch {
	case err != nil:
		return nil, err
	case cert != nil:
		return &cert.Attributes, nil
	}
	return e.Stated, nil
}

// ErrRefused says that a proof does not hold. The text of errors that wrap it
// names the reason without personal data and may be logged.
var ErrRefused = errors.New("evidence refused")

// JPKI checks answers to a [Challenge] made with a JPKI signature certificate.
type JPKI struct {
	// Policy validates the certificate, with a profile of package jpki and a
	// revocation stance.
	Policy *trust.Policy
	// Status, if set, is what the policy's stance asks. It is asked again, and
	// answers from memory, for the handle that a platform operator gives.
	Status trust.StatusChecker
	// PseudonymKey is the secret of this issuer under which certificates get
	// their pseudonyms, 32 bytes.
	PseudonymKey []byte
	Now          func() time.Time
}

// Answer is what comes back for a [Challenge], in one of two forms, with or
// without that of the authentication certificate, or that alone.
type Answer struct {
	// Certificate in DER and Signature, RSASSA-PKCS1-v1_5 with SHA-256 over the
	// challenge.
	Certificate, Signature []byte
	// SignedData is a SignedData of the Cryptographic Message Syntax in DER,
	// which has both in it; see package cms. The others are then empty.
	SignedData []byte
	// AuthenticationCertificate and AuthenticationSignature are in the first form.
	AuthenticationCertificate, AuthenticationSignature []byte
}

// Authenticates reports whether the authentication certificate has signed, and
// whether it alone has.
func (a Answer) Authenticates() (authenticates, alone bool) {
	authenticates = len(a.AuthenticationCertificate)+len(a.AuthenticationSignature) > 0
	return authenticates, authenticates && len(a.Certificate)+len(a.Signature)+len(a.SignedData) == 0
}

// Equal reports whether two answers are the same, byte by byte.
func (a Answer) Equal(b Answer) bool {
	return bytes.Equal(a.Certificate, b.Certificate) && bytes.Equal(a.Signature, b.Signature) && bytes.Equal(a.SignedData, b.SignedData) &&
		bytes.Equal(a.AuthenticationCertificate, b.AuthenticationCertificate) && bytes.Equal(a.AuthenticationSignature, b.AuthenticationSignature)
}

// signedBy checks the signature over message and returns the certificate it was
// made with, of which nothing is known yet.
func (a Answer) signedBy(message []byte) (*x509.Certificate, error) {
	raw := len(a.Certificate) > 0 && len(a.Signature) > 0
	switch {
	case len(a.SignedData) > 0 && len(a.Certificate)+len(a.Signature) > 0, len(a.SignedData) == 0 && !raw:
		return nil, errors.New("not in one of the two forms")
	case !raw:
		return jpki.VerifySignedData(a.SignedData, message)
	}
	cert, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		return nil, errors.New("not a certificate")
	}
	return cert, jpki.VerifySignature(cert, message, a.Signature)
}

// Verify checks that the answer is a signature over the challenge, that the
// challenge has not expired and that the certificate is trusted and not
// revoked, and returns the evidence. Errors wrap [ErrRefused] or, where the
// certificate's status could not be found out, [ErrUnavailable].
func (j *JPKI) Verify(ctx context.Context, c Challenge, answer Answer) (*Evidence, error) {
	now := j.Now()
	if !now.Before(c.Expires) {
		return nil, fmt.Errorf("%w: the challenge has expired", ErrRefused)
	}
	kind, known := map[Device]Kind{SameDevice: KindJPKISignature, OtherDevice: KindJPKIOtherDevice}[c.Device]
	if !known {
		return nil, fmt.Errorf("%w: the challenge does not say where it is signed", ErrRefused)
	}
	cert, err := answer.signedBy(c.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: signature: %w", ErrRefused, err)
	}
	chain, err := j.Policy.Verify(ctx, cert, nil)
	if err != nil {
		if statusUnknown(err) {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	attributes, err := jpki.ParseSignatureCertificate(cert)
	if err != nil {
		return nil, fmt.Errorf("%w: attributes: %w", ErrRefused, err)
	}
	handle, err := j.handle(ctx, cert, chain)
	if err != nil {
		return nil, err
	}
	pseudonym, err := jpki.Pseudonym(j.PseudonymKey, handle.IssuerKeyID, cert.SerialNumber)
	if err != nil {
		return nil, err
	}
	return &Evidence{
		Kind: kind,
		Certificate: &Certificate{
			Attributes: *attributes,
			Pseudonym:  pseudonym,
			Handle:     handle,
			Ends:       cert.NotAfter,
		},
		VerifiedAt: now,
	}, nil
}

// handle returns what is kept to learn of the certificate's revocation.
func (j *JPKI) handle(ctx context.Context, cert *x509.Certificate, chain *trust.Chain) (jpki.Handle, error) {
	handle, err := jpki.HandleOf(cert)
	if err != nil {
		return jpki.Handle{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if j.Status == nil {
		return handle, nil
	}
	status, err := j.Status.Status(ctx, trust.NewCertRef(cert, chain.Certificates[1]))
	switch {
	case err != nil:
		return jpki.Handle{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case status.Revoked:
		return jpki.Handle{}, fmt.Errorf("%w: the certificate is revoked", ErrRefused)
	}
	handle.Operator = status.OperatorHandle
	return handle, nil
}

// ErrUnavailable says that revocation could not be checked, so that nothing is
// issued now; the same proof may hold later.
var ErrUnavailable = errors.New("certificate status is unavailable")

// statusUnknown reports whether a certificate was refused only because nobody
// could say whether it is revoked.
func statusUnknown(err error) bool {
	var e *trust.Error
	if !errors.As(err, &e) {
		return true // the context ended
	}
	switch e.Reason {
	case trust.ReasonRevocationUnavailable, trust.ReasonRevocationStale, trust.ReasonRevocationUnknown,
		trust.ReasonRevocationMismatch, trust.ReasonRevocationInvalid:
		return true
	}
	return false
}
