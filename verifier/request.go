package verifier

import (
	"context"
	"errors"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
)

const unknownRequest = "the request is unknown, has expired or was answered"

// RequestObject returns the signed request (OpenID4VP 1.0 section 5). It may be
// fetched again until the transaction is answered: fetching changes nothing.
// posted is what the wallet said of itself by POST, and is empty for a GET: its
// nonce is echoed, a wallet that could not answer the request does not get it,
// and the request is encrypted if the wallet names a key for that. Errors are
// [*Error].
func (v *Verifier) RequestObject(ctx context.Context, requestID string, posted openid4vp.RequestURIPost) (string, error) {
	_, t, _, err := v.waiting(ctx, v.requests, requestID)
	if err == nil && !t.signed() {
		return "", refuse(CodeNotFound, unknownRequest, nil)
	}
	if err != nil {
		return "", stored(err, CodeNotFound, unknownRequest)
	}
	object, err := v.sign(t, posted)
	var unfit *openid4vp.Error
	switch {
	case err == nil:
		return object, nil
	case errors.Is(err, keys.ErrNoSigner):
		return "", refuse(CodeUnavailable, "try again later", err)
	case errors.Is(err, errUnfitWallet) && errors.As(err, &unfit):
		return "", refuse(CodeInvalidRequest, unfit.Description, nil)
	}
	return "", refuse(CodeServerError, "", err)
}

// errUnfitWallet marks what a wallet's own metadata is at odds with.
var errUnfitWallet = errors.New("the wallet can't answer the request")

// sign makes the request object.
func (v *Verifier) sign(t *transaction, posted openid4vp.RequestURIPost) (string, error) {
	signer, err := v.signerOf(t)
	if err != nil {
		return "", err
	}
	request, err := v.authorizationRequest(t, posted.WalletNonce)
	if err != nil {
		return "", err
	}
	algorithm, err := jose.AlgorithmOf(signer.Signer.Public())
	if err != nil {
		return "", err
	}
	if err := posted.WalletMetadata.Accepts(request, algorithm); err != nil {
		return "", errors.Join(errUnfitWallet, err)
	}
	if _, ends := signer.Validity(); ends.Before(t.Expires) {
		expires := jose.NewNumericDate(ends)
		request.Expires = &expires
	}
	object, err := openid4vp.SignRequest(request, signer)
	if err != nil {
		return "", err
	}
	if object, err = posted.WalletMetadata.Encrypt(object); err != nil {
		return "", errors.Join(errUnfitWallet, err)
	}
	return object, nil
}

// authorizationRequest makes the parameters of the request.
func (v *Verifier) authorizationRequest(t *transaction, walletNonce string) (*openid4vp.AuthorizationRequest, error) {
	metadata, err := v.clientMetadata(t)
	if err != nil {
		return nil, err
	}
	issued, expires := jose.NewNumericDate(v.cfg.Now()), jose.NewNumericDate(t.Expires)
	return &openid4vp.AuthorizationRequest{
		ClientID:        t.ClientID,
		ResponseType:    openid4vp.ResponseTypeVPToken,
		ResponseMode:    t.mode(),
		ResponseURI:     v.responseURI(t),
		Nonce:           t.Nonce,
		State:           t.ResponseState,
		DCQLQuery:       t.Query,
		ClientMetadata:  metadata,
		TransactionData: t.TransactionData,
		VerifierInfo:    v.cfg.Request.VerifierInfo,
		WalletNonce:     walletNonce,
		Audience:        openid4vp.Audience{openid4vp.AudienceSelfIssued},
		IssuedAt:        &issued,
		Expires:         &expires,
	}, nil
}

// clientMetadata names the formats that this verifier has and the key for this
// one response.
func (v *Verifier) clientMetadata(t *transaction) (*openid4vp.ClientMetadata, error) {
	var key *jose.JWK
	kid := ""
	if t.mode().Encrypted() {
		var err error
		if _, key, err = t.privateKey(); err != nil {
			return nil, err
		}
		kid = key.Kid
	}
	metadata, err := openid4vp.NewClientMetadata(key, kid)
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
