package holder

import (
	"context"
	"encoding/json"

	"github.com/tegata-id/tegata/credentials/openid4vp"
)

// PresentDCAPI answers a request that came over the Digital Credentials API
// (OpenID4VP 1.0 appendix A): protocol and data as the verifier's page gave
// them, origin as the platform says. The data to be returned to the page holds
// an error code if there is nothing to present; then the error says why, for
// the wallet alone.
func (w *Wallet) PresentDCAPI(ctx context.Context, protocol string, data json.RawMessage, origin string, consent Consent) (json.RawMessage, error) {
	request, err := openid4vp.ParseDCAPIRequest(ctx, protocol, data, origin, openid4vp.ParseOptions{
		Trust: w.VerifierTrust, Now: w.Now, TransactionData: w.TransactionData,
	})
	if err != nil {
		return dcapiError(err)
	}
	params, encryption, _, err := w.respond(ctx, request, consent)
	if err != nil {
		return dcapiError(err)
	}
	if encryption == nil {
		return json.Marshal(params)
	}
	jwe, err := encryption.Encrypt(params)
	if err != nil {
		return dcapiError(err)
	}
	return json.Marshal(map[string]string{"response": jwe})
}

func dcapiError(cause error) (json.RawMessage, error) {
	code := errorCode(cause)
	if code == "" {
		return nil, cause
	}
	data, err := json.Marshal(openid4vp.ResponseParams{Error: code})
	if err != nil {
		return nil, err
	}
	return data, cause
}
