package mdoc

import (
	"context"
	"crypto/ecdh"
	"maps"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
	"github.com/tegata-id/tegata/credentials/trust"
)

// Verifier checks presentations. It is read-only and safe for concurrent use.
type Verifier struct {
	// Trust decides on document signers; its profile is normally
	// [trust.ProfileMdocSigner]. Mandatory.
	Trust *trust.Policy
	// Now is the clock. Mandatory.
	Now func() time.Time
	// Leeway is how far an issuer's clock may be ahead of ours. It never
	// prolongs a validity.
	Leeway time.Duration
}

// Verify checks a DeviceResponse in CBOR against the binding of the caller's
// own session: structure, trust in the document signer, its signature, the
// digests of all elements received, validity, and the device signature under
// the key that the issuer bound the document to. Whether doctype and elements
// are those asked for, and the status of the document, are for the caller to
// check on the result.
//
// Errors are [*Error], or the context's.
func (v *Verifier) Verify(ctx context.Context, raw []byte, b credentials.Binding) (*credentials.Verified, error) {
	transcript, err := Transcript(b)
	if err != nil {
		return nil, wrap(ReasonDeviceSignature, err, "binding of the session")
	}
	return v.verify(ctx, raw, transcript, nil)
}

// verify checks a response for a session. reader is nil if there is no key of a
// reader in it, as over OpenID4VP.
func (v *Verifier) verify(ctx context.Context, raw []byte, transcript SessionTranscript, reader *ecdh.PrivateKey) (*credentials.Verified, error) {
	if v.Now == nil {
		return nil, fail(ReasonValidity, "the verifier has no clock")
	}
	wire, err := parseResponse(raw)
	if err != nil {
		return nil, err
	}
	doc, err := readIssued(wire.IssuerSigned)
	if err != nil {
		return nil, err
	}
	if wire.DocType != doc.mso.DocType {
		return nil, fail(ReasonDocType, "the document says it is of another type than the issuer signed")
	}
	own, err := readDeviceElements(wire.DeviceSigned.NameSpaces)
	if err != nil {
		return nil, err
	}
	verified, err := doc.verify(ctx, v.Trust, v.Now(), v.Leeway)
	if err != nil {
		return nil, err
	}
	check, err := verifyDevice(transcript, wire, doc, reader)
	if err != nil {
		return nil, err
	}
	verified.Checks = append(verified.Checks, credentials.Check{Name: "doctype", Detail: "document and issuer name the same type"}, check)
	if err := addDeviceElements(verified, own, doc.mso.DeviceKeyInfo.KeyAuthorizations); err != nil {
		return nil, err
	}
	return verified, nil
}

// parseResponse reads a response and insists on exactly one document that came
// without an error.
func parseResponse(raw []byte) (*deviceDocument, error) {
	var r deviceResponse
	if err := cose.Unmarshal(raw, &r); err != nil {
		return nil, wrap(ReasonMalformed, err, "DeviceResponse")
	}
	switch {
	case r.Version != version:
		return nil, fail(ReasonVersion, "DeviceResponse of a version other than %s", version)
	case r.Status == nil:
		return nil, fail(ReasonMalformed, "DeviceResponse without status")
	case *r.Status != 0:
		return nil, fail(ReasonResponseStatus, "DeviceResponse with status %d", *r.Status)
	case r.DocumentErrors != nil:
		return nil, fail(ReasonResponseStatus, "DeviceResponse reports documents that were not returned")
	case len(r.Documents) != 1:
		return nil, fail(ReasonDocumentCount, "%d documents where one is expected", len(r.Documents))
	}
	doc := &r.Documents[0]
	auth := doc.DeviceSigned.DeviceAuth
	switch {
	case auth.DeviceMac != nil && auth.DeviceSignature != nil:
		return nil, fail(ReasonDeviceAuth, "both a device signature and a device MAC")
	case auth.DeviceMac == nil && auth.DeviceSignature == nil:
		return nil, fail(ReasonDeviceAuth, "no device authentication")
	}
	return doc, nil
}

// verifyDevice checks the signature or MAC over the session, which covers the
// device's own namespaces as received.
func verifyDevice(t SessionTranscript, wire *deviceDocument, doc *document, reader *ecdh.PrivateKey) (credentials.Check, error) {
	payload, err := deviceAuthentication(t, doc.mso.DocType, wire.DeviceSigned.NameSpaces)
	if err != nil {
		return credentials.Check{}, wrap(ReasonDeviceSignature, err, "session")
	}
	auth := wire.DeviceSigned.DeviceAuth
	if auth.DeviceMac != nil {
		err := verifyMAC(auth.DeviceMac, payload, t, doc, reader)
		return credentials.Check{Name: "device_mac", Detail: "authenticated for this session with the key that the issuer bound the document to"}, err
	}
	signature, err := cose.ParseSign1(auth.DeviceSignature)
	if err != nil {
		return credentials.Check{}, wrap(ReasonDeviceSignature, err, "deviceSignature")
	}
	if err := signature.VerifyDetached(doc.deviceKey, payload); err != nil {
		return credentials.Check{}, wrap(ReasonDeviceSignature, err, "deviceSignature")
	}
	return credentials.Check{Name: "device_signature", Detail: "signed for this session with the key that the issuer bound the document to"}, nil
}

// readDeviceElements decodes the elements that the device signed itself,
// normally none.
func readDeviceElements(encoded cose.EncodedCBOR) (credentials.Object, error) {
	var wire map[string]map[string]cose.RawMessage
	if err := encoded.Decode(&wire); err != nil {
		return nil, wrap(ReasonMalformed, err, "DeviceNameSpaces")
	}
	if wire == nil {
		return nil, fail(ReasonMalformed, "DeviceNameSpaces is not a map")
	}
	out := make(credentials.Object, len(wire))
	for _, namespace := range slices.Sorted(maps.Keys(wire)) {
		elements := make(credentials.Object, len(wire[namespace]))
		for name, data := range wire[namespace] {
			value, err := cose.ValueFromCBOR(data)
			if err != nil {
				return nil, wrap(ReasonMalformed, err, "device-signed element value")
			}
			elements[name] = value
		}
		out[namespace] = elements
	}
	return out, nil
}

// addDeviceElements puts the device's own elements among the claims if the
// issuer authorised the device to sign them. What the issuer signed cannot be
// replaced.
func addDeviceElements(v *credentials.Verified, own credentials.Object, allowed *keyAuthorizations) error {
	count := 0
	for namespace, value := range own {
		for name, element := range value.(credentials.Object) {
			if !allowed.allows(namespace, name) {
				return fail(ReasonDeviceElements, "the issuer did not authorise the device to sign an element")
			}
			claims, ok := v.Claims[namespace].(credentials.Object)
			if !ok {
				claims = make(credentials.Object)
				v.Claims[namespace] = claims
			}
			if _, taken := claims[name]; taken {
				return fail(ReasonDeviceElements, "an element is signed by both issuer and device")
			}
			claims[name] = element
			count++
		}
	}
	if count > 0 {
		v.Checks = append(v.Checks, credentials.Check{Name: "device_elements", Detail: "some elements are signed by the device alone, as the issuer authorised"})
	}
	return nil
}
