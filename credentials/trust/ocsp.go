package trust

import (
	"bytes"
	"context"
	"crypto"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/trust/ocsp"
)

// ocspAnswer judges the response to one request (RFC 6960 section 3.2).
type ocspAnswer struct {
	ref     CertRef
	id      ocsp.CertID
	nonce   []byte // nil if none was sent
	options *OCSPOptions
	now     time.Time
}

func (a *ocspAnswer) judge(ctx context.Context, raw []byte) (CertStatus, error) {
	response, err := ocsp.ParseResponse(raw)
	if err != nil {
		return CertStatus{}, &Error{Reason: ReasonRevocationInvalid, Detail: "OCSP response", Err: err}
	}
	if response.Status != ocsp.Successful {
		return CertStatus{}, fail(ReasonRevocationUnavailable, "the OCSP responder answers %s", response.Status)
	}
	basic := response.Basic
	if err := a.checkSigner(ctx, basic); err != nil {
		return CertStatus{}, err
	}
	if err := a.checkNonce(basic); err != nil {
		return CertStatus{}, err
	}
	for _, e := range basic.Extensions {
		if e.Critical && !e.Id.Equal(ocsp.OIDNonce) {
			return CertStatus{}, fail(ReasonRevocationInvalid, "an OCSP response has critical extension %s, which is not understood", e.Id)
		}
	}
	single, err := a.single(basic)
	if err != nil {
		return CertStatus{}, err
	}
	status, err := a.fresh(basic, single)
	if err != nil {
		return CertStatus{}, err
	}
	switch single.Status {
	case ocsp.Good:
		return status, nil
	case ocsp.Revoked:
		if single.ReasonCode == reasonRemoveFromCRL {
			return CertStatus{}, fail(ReasonRevocationInvalid, "an OCSP response removes a certificate from a list")
		}
		status.Revoked, status.Revocation = true, Revoked{At: single.RevokedAt, ReasonCode: single.ReasonCode}
		return status, nil
	}
	return CertStatus{}, fail(ReasonRevocationUnknown, "the OCSP responder does not know the certificate")
}

// single finds what the response says about the certificate. Statements about
// others are passed over. One about this certificate under another hash
// algorithm is none that was asked for, but might contradict.
func (a *ocspAnswer) single(basic *ocsp.Basic) (*ocsp.Single, error) {
	var found *ocsp.Single
	for i := range basic.Singles {
		single := &basic.Singles[i]
		if !single.ID.Names(a.ref.Issuer, a.ref.Serial) {
			continue
		}
		if found != nil {
			return nil, fail(ReasonRevocationInvalid, "an OCSP response speaks twice about the certificate")
		}
		found = single
	}
	if found == nil || !found.ID.Equal(a.id) {
		return nil, fail(ReasonRevocationMismatch, "an OCSP response is not about the certificate that was asked about")
	}
	for _, e := range found.Extensions {
		if e.Critical {
			return nil, fail(ReasonRevocationInvalid, "an OCSP response has critical extension %s, which is not understood", e.Id)
		}
	}
	return found, nil
}

// checkNonce holds the nonce of the response to that of the request.
func (a *ocspAnswer) checkNonce(basic *ocsp.Basic) error {
	nonce, err := ocsp.Nonce(basic.Extensions)
	switch {
	case err != nil:
		return &Error{Reason: ReasonRevocationInvalid, Detail: "nonce of an OCSP response", Err: err}
	case nonce == nil && a.options.Nonce == NonceRequired:
		return fail(ReasonRevocationInvalid, "an OCSP response has no nonce")
	case nonce != nil && subtle.ConstantTimeCompare(nonce, a.nonce) != 1:
		return fail(ReasonRevocationMismatch, "an OCSP response is to another request")
	}
	return nil
}

// fresh checks the times of the response and returns until when it is good.
func (a *ocspAnswer) fresh(basic *ocsp.Basic, single *ocsp.Single) (CertStatus, error) {
	if basic.ProducedAt.After(a.now.Add(a.options.ClockSkew)) {
		return CertStatus{}, fail(ReasonRevocationInvalid, "an OCSP response was made in the future")
	}
	if basic.ProducedAt.Before(single.ThisUpdate) {
		return CertStatus{}, fail(ReasonRevocationInvalid, "an OCSP response was made before it was known to be true")
	}
	until, err := freshUntil(single.ThisUpdate, single.NextUpdate, a.now, a.options.ClockSkew, a.options.Cache.MaxAge, "an OCSP response")
	return CertStatus{ThisUpdate: single.ThisUpdate, NextUpdate: until}, err
}

// checkSigner finds who signed the response: the CA's own key, or a responder
// that this key certified for nothing but that (RFC 6960 section 4.2.2.2).
func (a *ocspAnswer) checkSigner(ctx context.Context, basic *ocsp.Basic) error {
	now := a.now.Truncate(time.Second)
	if err := checkValidity(a.ref.Issuer, now, "the issuer of the certificate that is looked up"); err != nil {
		return err
	}
	if namesResponder(basic, a.ref.Issuer) && signedResponse(basic, a.ref.Issuer) {
		return nil
	}
	for _, der := range basic.Certificates {
		if len(der) > maxCertificateSize {
			return fail(ReasonRevocationInvalid, "a certificate in an OCSP response is larger than %d bytes", maxCertificateSize)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return fail(ReasonRevocationInvalid, "a certificate in an OCSP response is malformed")
		}
		if !namesResponder(basic, cert) {
			continue
		}
		if err := a.checkResponder(ctx, cert, now); err != nil {
			return err
		}
		if !signedResponse(basic, cert) {
			return fail(ReasonRevocationInvalid, "the signature of an OCSP response is wrong")
		}
		return nil
	}
	return fail(ReasonRevocationInvalid, "an OCSP response is signed by nobody who may")
}

// responderProfile is what a responder's certificate looks like.
var responderProfile = Profile{
	Name:     "ocsp-responder",
	KeyUsage: x509.KeyUsageDigitalSignature,
	AllowRSA: true,
}

// checkResponder checks a delegated responder's certificate, before anything
// that it signed is looked at.
func (a *ocspAnswer) checkResponder(ctx context.Context, cert *x509.Certificate, now time.Time) error {
	issuer := a.ref.Issuer
	if err := a.checkResponderForm(cert, now); err != nil {
		return &Error{Reason: ReasonRevocationInvalid, Detail: "OCSP responder", Err: err}
	}
	// The link and then the signature: the key of the issuer is trusted, so
	// what the signature costs is known.
	if err := responderProfile.checkLink(cert, issuer); err != nil {
		return &Error{Reason: ReasonRevocationInvalid, Detail: "OCSP responder", Err: err}
	}
	if !bytes.Equal(cert.RawIssuer, issuer.RawSubject) || issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil {
		return fail(ReasonRevocationInvalid, "the OCSP responder was not certified by the issuer itself")
	}
	if hasExtension(cert, ocsp.OIDNoCheck) {
		return nil
	}
	if a.options.Responders == nil {
		return fail(ReasonRevocationInvalid, "the OCSP responder's own revocation would have to be looked up")
	}
	status, err := a.options.Responders.Status(ctx, NewCertRef(cert, issuer))
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			return &Error{Reason: e.Reason, Detail: "revocation of the OCSP responder", Err: err}
		}
		return &Error{Reason: ReasonRevocationUnavailable, Detail: "revocation of the OCSP responder", Err: err}
	}
	if status.Revoked {
		return fail(ReasonRevocationInvalid, "the OCSP responder is revoked")
	}
	return nil
}

func (a *ocspAnswer) checkResponderForm(cert *x509.Certificate, now time.Time) error {
	if err := responderProfile.checkAny(cert, now); err != nil {
		return err
	}
	if err := responderProfile.checkLeaf(cert); err != nil {
		return err
	}
	usages, _, err := extKeyUsages(cert)
	if err != nil {
		return err
	}
	// anyExtendedKeyUsage does not do: every end entity of the CA may have it.
	if !slices.Contains(usages, oidOCSPSigning) {
		return fail(ReasonProfile, "the certificate is not for signing OCSP responses")
	}
	return nil
}

// namesResponder reports whether the response names the certificate's holder as
// its signer.
func namesResponder(basic *ocsp.Basic, cert *x509.Certificate) bool {
	if basic.ResponderName != nil {
		return bytes.Equal(basic.ResponderName, cert.RawSubject)
	}
	hash, err := ocsp.KeyHash(crypto.SHA1, cert)
	return err == nil && bytes.Equal(hash, basic.ResponderKeyHash)
}

// signedResponse reports whether the certificate's key signed the response,
// with an algorithm that is strong enough.
func signedResponse(basic *ocsp.Basic, cert *x509.Certificate) bool {
	switch basic.SignatureAlgorithm {
	case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA:
		return cert.CheckSignature(basic.SignatureAlgorithm, basic.TBS, basic.Signature) == nil
	}
	return false
}

func hasExtension(cert *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oid) })
}
