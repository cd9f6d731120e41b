package mdoc

import "fmt"

// Reason says why an mdoc was not accepted. The list is closed.
type Reason string

// The reasons.
const (
	// ReasonMalformed: the bytes are not the structure they should be.
	ReasonMalformed Reason = "malformed"
	// ReasonVersion: a version other than 1.0, of the response or the MSO.
	ReasonVersion Reason = "version"
	// ReasonResponseStatus: the wallet reports an error instead of a document.
	ReasonResponseStatus Reason = "response_status"
	// ReasonDocumentCount: not exactly one document in the response.
	ReasonDocumentCount Reason = "document_count"
	// ReasonDocType: the document's type is not the one that was signed.
	ReasonDocType Reason = "doctype"
	// ReasonIssuerUntrusted: the document signer's certificate is not
	// acceptable; the cause is a *trust.Error unless the anchor may not vouch
	// for this doctype.
	ReasonIssuerUntrusted Reason = "issuer_untrusted"
	// ReasonIssuingCountry: the document names another country or state than
	// the signer's certificate.
	ReasonIssuingCountry Reason = "issuing_country"
	// ReasonIssuerSignature: the issuer's signature does not verify.
	ReasonIssuerSignature Reason = "issuer_signature"
	// ReasonDigest: an element is not among what the issuer signed, or the
	// digest algorithm is not acceptable.
	ReasonDigest Reason = "digest"
	// ReasonValidity: validityInfo contradicts itself or the signer's
	// certificate, or lies about the time of signing.
	ReasonValidity Reason = "validity"
	// ReasonNotYetValid and ReasonExpired: the document is outside validFrom
	// and validUntil.
	ReasonNotYetValid Reason = "not_yet_valid"
	ReasonExpired     Reason = "expired"
	// ReasonStatusMechanism: the MSO names a status mechanism that is not
	// understood, so that revocation could not be checked.
	ReasonStatusMechanism Reason = "status_mechanism"
	// ReasonDeviceKey: the device key is missing, not supported or the
	// issuer's own.
	ReasonDeviceKey Reason = "device_key"
	// ReasonDeviceAuth: not exactly one device authentication.
	ReasonDeviceAuth Reason = "device_auth"
	// ReasonDeviceMAC: the device MAC does not verify, or there is no key of a
	// reader to verify it with.
	ReasonDeviceMAC Reason = "device_mac"
	// ReasonDeviceSignature: the device signature does not verify, be it by
	// another key or over another session.
	ReasonDeviceSignature Reason = "device_signature"
	// ReasonDeviceElements: the device signed elements that the issuer did not
	// authorise it to sign, or that the issuer signed itself.
	ReasonDeviceElements Reason = "device_elements"
)

// Error says why an mdoc was not accepted. Its text holds no element values.
type Error struct {
	Reason Reason
	// Detail is plain English.
	Detail string
	// Err is the cause, if there is one.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("mdoc: %s: %s", e.Reason, e.Detail)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func fail(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

func wrap(reason Reason, err error, detail string) *Error {
	return &Error{Reason: reason, Detail: detail, Err: err}
}
