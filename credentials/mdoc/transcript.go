package mdoc

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/cose"
)

// SessionTranscript is what ties a device signature to one session: the
// structure of ISO/IEC 18013-5 section 9.1.5.1 with one of the handovers of
// OpenID4VP 1.0. Only the constructors make one that is accepted.
type SessionTranscript struct{ encoded []byte }

// Bytes returns the transcript in CBOR.
func (t SessionTranscript) Bytes() []byte { return append([]byte(nil), t.encoded...) }

// Transcript returns the transcript for the binding's mode.
func Transcript(b credentials.Binding) (SessionTranscript, error) {
	switch b.Mode {
	case credentials.BindingRedirect:
		return RedirectTranscript(b)
	case credentials.BindingDCAPI:
		return DCAPITranscript(b)
	}
	return SessionTranscript{}, errors.New("mdoc: binding without a mode")
}

// RedirectTranscript returns the transcript with the OpenID4VPHandover
// (OpenID4VP 1.0 appendix B.2.6.1).
func RedirectTranscript(b credentials.Binding) (SessionTranscript, error) {
	if b.Mode != credentials.BindingRedirect || b.ClientID == "" || b.ResponseURI == "" {
		return SessionTranscript{}, errors.New("mdoc: binding lacks what a redirect handover needs")
	}
	return handover("OpenID4VPHandover", b, b.ClientID, b.Nonce, thumbprint(b), b.ResponseURI)
}

// DCAPITranscript returns the transcript with the OpenID4VPDCAPIHandover
// (OpenID4VP 1.0 appendix B.2.6.2).
func DCAPITranscript(b credentials.Binding) (SessionTranscript, error) {
	if b.Mode != credentials.BindingDCAPI || b.Origin == "" {
		return SessionTranscript{}, errors.New("mdoc: binding lacks what a Digital Credentials API handover needs")
	}
	return handover("OpenID4VPDCAPIHandover", b, b.Origin, b.Nonce, thumbprint(b))
}

// thumbprint is a byte string, or null if the response is not encrypted.
func thumbprint(b credentials.Binding) any {
	if b.EncryptionKeyThumbprint == nil {
		return nil
	}
	return b.EncryptionKeyThumbprint
}

// ProximityTranscript returns the transcript of a session in person from its
// encoding, which the caller's own session engine made: DeviceEngagementBytes,
// EReaderKeyBytes and the handover of the engagement.
func ProximityTranscript(encoded []byte) (SessionTranscript, error) {
	var parts []cose.RawMessage
	if err := cose.Unmarshal(encoded, &parts); err != nil {
		return SessionTranscript{}, fmt.Errorf("mdoc: session transcript: %w", err)
	}
	if len(parts) != 3 {
		return SessionTranscript{}, errors.New("mdoc: session transcript without three parts")
	}
	return SessionTranscript{append([]byte(nil), encoded...)}, nil
}

func handover(name string, b credentials.Binding, info ...any) (SessionTranscript, error) {
	if b.Nonce == "" {
		return SessionTranscript{}, errors.New("mdoc: binding without a nonce")
	}
	if n := len(b.EncryptionKeyThumbprint); b.EncryptionKeyThumbprint != nil && n != sha256.Size {
		return SessionTranscript{}, fmt.Errorf("mdoc: key thumbprint of %d bytes", n)
	}
	encoded, err := cose.Marshal(info)
	if err != nil {
		return SessionTranscript{}, err
	}
	hash := sha256.Sum256(encoded)
	transcript, err := cose.Marshal([]any{nil, nil, []any{name, hash[:]}})
	return SessionTranscript{transcript}, err
}

// deviceAuthentication returns the DeviceAuthenticationBytes that the device
// signs (ISO/IEC 18013-5 section 9.1.3.4).
func deviceAuthentication(t SessionTranscript, docType string, namespaces cose.EncodedCBOR) ([]byte, error) {
	if len(t.encoded) == 0 {
		return nil, errors.New("mdoc: empty session transcript")
	}
	e, err := cose.Encode([]any{"DeviceAuthentication", cose.RawMessage(t.encoded), docType, namespaces})
	return e.Raw(), err
}
