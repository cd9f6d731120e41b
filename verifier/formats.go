package verifier

import (
	"context"
	"errors"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/mdoc"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/trust"
)

// SDJWT makes the verifier of dc+sd-jwt. v is an [*sdjwt.Verifier] that
// requires holder binding.
func SDJWT(v interface {
	Verify(ctx context.Context, raw string, b credentials.Binding) (*credentials.Verified, error)
}) FormatVerifier {
	return formatFunc(func(ctx context.Context, raw string, b credentials.Binding) (*credentials.Verified, error) {
		verified, err := v.Verify(ctx, raw, b)
		var e *sdjwt.Error
		if errors.As(err, &e) {
			return nil, &Refused{Reason: sdjwtReason(e.Reason), Detail: withTrust(e.Detail, err), Err: err}
		}
		return verified, err
	})
}

// Mdoc makes the verifier of mso_mdoc, whose presentations are DeviceResponses
// in base64url (OpenID4VP 1.0 appendix B.2.5). v is an [*mdoc.Verifier].
func Mdoc(v interface {
	Verify(ctx context.Context, deviceResponse []byte, b credentials.Binding) (*credentials.Verified, error)
}) FormatVerifier {
	return formatFunc(func(ctx context.Context, raw string, b credentials.Binding) (*credentials.Verified, error) {
		response, err := jose.DecodeBase64(raw)
		if err != nil {
			return nil, &Refused{Reason: ReasonCredential, Detail: "the DeviceResponse is not base64url", Err: err}
		}
		verified, err := v.Verify(ctx, response, b)
		var e *mdoc.Error
		if errors.As(err, &e) {
			return nil, &Refused{Reason: mdocReason(e.Reason), Detail: withTrust(e.Detail, err), Err: err}
		}
		return verified, err
	})
}

type formatFunc func(ctx context.Context, raw string, b credentials.Binding) (*credentials.Verified, error)

// Verify implements [FormatVerifier].
func (f formatFunc) Verify(ctx context.Context, raw string, b credentials.Binding) (*credentials.Verified, error) {
	return f(ctx, raw, b)
}

// withTrust adds what is wrong with a certificate path: its texts name nobody.
func withTrust(detail string, err error) string {
	var e *trust.Error
	if errors.As(err, &e) {
		return detail + ": " + e.Detail
	}
	return detail
}

func sdjwtReason(r sdjwt.Reason) Reason {
	switch r {
	case sdjwt.ReasonUntrustedIssuer, sdjwt.ReasonIssuer:
		return ReasonIssuerUntrusted
	case sdjwt.ReasonSignature, sdjwt.ReasonDisclosure:
		return ReasonIssuerSignature
	case sdjwt.ReasonExpired:
		return ReasonExpired
	case sdjwt.ReasonNotYetValid:
		return ReasonNotYetValid
	case sdjwt.ReasonStatus:
		return ReasonStatusUnavailable
	case sdjwt.ReasonTransactionData:
		return ReasonTransactionData
	case sdjwt.ReasonHolderKey, sdjwt.ReasonKeyBindingMissing, sdjwt.ReasonKeyBinding, sdjwt.ReasonNonce,
		sdjwt.ReasonAudience, sdjwt.ReasonHash, sdjwt.ReasonKeyBindingTime:
		return ReasonHolderBinding
	}
	return ReasonCredential
}

func mdocReason(r mdoc.Reason) Reason {
	switch r {
	case mdoc.ReasonIssuerUntrusted, mdoc.ReasonIssuingCountry:
		return ReasonIssuerUntrusted
	case mdoc.ReasonIssuerSignature, mdoc.ReasonDigest, mdoc.ReasonDocType:
		return ReasonIssuerSignature
	case mdoc.ReasonExpired:
		return ReasonExpired
	case mdoc.ReasonNotYetValid:
		return ReasonNotYetValid
	case mdoc.ReasonStatusMechanism:
		return ReasonStatusUnavailable
	case mdoc.ReasonDeviceKey, mdoc.ReasonDeviceAuth, mdoc.ReasonDeviceMAC, mdoc.ReasonDeviceSignature, mdoc.ReasonDeviceElements:
		return ReasonHolderBinding
	}
	return ReasonCredential
}
