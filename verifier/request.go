package verifier

import (
	"context"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vp"
)

const unknownRequest = "the request is unknown, has expired or was answered"

// RequestObject returns the signed request (OpenID4VP 1.0 section 5). It may be
// fetched again until the transaction is answered: fetching changes nothing.
// walletNonce is that of a POST and is echoed; empty for a GET. Errors are
// [*Error].
func (v *Verifier) RequestObject(ctx context.Context, requestID, walletNonce string) (string, error) {
	_, t, _, err := v.waiting(ctx, v.requests, requestID)
	if err != nil {
		return "", stored(err, CodeNotFound, unknownRequest)
	}
	signer, err := v.signerOf(t)
	if err != nil {
		return "", refuse(CodeUnavailable, "try again later", err)
	}
	_, key, err := t.privateKey()
	if err != nil {
		return "", refuse(CodeServerError, "", err)
	}
	metadata, err := v.clientMetadata(key)
	if err != nil {
		return "", refuse(CodeServerError, "", err)
	}
	end := t.Expires
	if _, ends := signer.Validity(); ends.Before(end) {
		end = ends
	}
	issued, expires := jose.NewNumericDate(v.cfg.Now()), jose.NewNumericDate(end)
	object, err := openid4vp.SignRequest(&openid4vp.AuthorizationRequest{
		ClientID:       t.ClientID,
		ResponseType:   openid4vp.ResponseTypeVPToken,
		ResponseMode:   openid4vp.DirectPostJWT,
		ResponseURI:    v.responseURI(t),
		Nonce:          t.Nonce,
		State:          t.ResponseState,
		DCQLQuery:      t.Query,
		ClientMetadata: metadata,
		WalletNonce:    walletNonce,
		Audience:       openid4vp.Audience{openid4vp.AudienceSelfIssued},
		IssuedAt:       &issued,
		Expires:        &expires,
	}, signer)
	if err != nil {
		return "", refuse(CodeServerError, "", err)
	}
	return object, nil
}

// clientMetadata names the formats that this verifier has and the key for this
// one response.
func (v *Verifier) clientMetadata(key *jose.JWK) (*openid4vp.ClientMetadata, error) {
	metadata, err := openid4vp.NewClientMetadata(key, key.Kid)
	if err != nil {
		return nil, err
	}
	if _, ok := v.cfg.Formats[credentials.FormatSDJWTVC]; !ok {
		metadata.VPFormatsSupported.SDJWT = nil
	}
	if _, ok := v.cfg.Formats[credentials.FormatMdoc]; !ok {
		metadata.VPFormatsSupported.Mdoc = nil
	}
	return metadata, nil
}
