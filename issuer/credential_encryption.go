package issuer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"fmt"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// encryption has what credential requests and responses are encrypted with
// (OpenID4VCI 1.0 section 10).
type encryption struct {
	// key is what requests are encrypted to.
	key      *ecdsa.PrivateKey
	request  *openid4vci.RequestEncryption
	response *openid4vci.ResponseEncryption
}

// newEncryption derives the tenant's key for requests from the issuer's secret,
// so that all replicas have it, and after a restart too. Required, nothing goes in
// clear either way.
func newEncryption(secret []byte, tenant string, required bool) (*encryption, error) {
	key, err := requestKey(secret, tenant)
	if err != nil {
		return nil, fmt.Errorf("key for encrypted requests: %w", err)
	}
	jwk, err := jose.NewJWK(key.Public())
	if err != nil {
		return nil, err
	}
	jwk.Use, jwk.Alg = "enc", jose.ECDHES
	jwk.Kid = jose.EncodeBase64(jwk.Thumbprint())
	content, zip := []string{jose.A256GCM, jose.A128GCM}, []string{jose.DEF}
	return &encryption{
		key:      key,
		request:  &openid4vci.RequestEncryption{Keys: openid4vci.KeySet{Keys: []jose.JWK{*jwk}}, Enc: content, Zip: zip, Required: required},
		response: &openid4vci.ResponseEncryption{Alg: []string{jose.ECDHES}, Enc: content, Zip: zip, Required: required},
	}, nil
}

// requestKey takes the first of a few derived numbers that is a private key of
// P-256, which one in four thousand million is not.
func requestKey(secret []byte, tenant string) (*ecdsa.PrivateKey, error) {
	var err error
	for n := range 4 {
		var number []byte
		if number, err = DeriveKey(secret, tenant, fmt.Sprint("request encryption ", n)); err != nil {
			return nil, err
		}
		var key *ecdsa.PrivateKey
		if key, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), number); err == nil {
			return key, nil
		}
	}
	return nil, err
}

// check compares what a request asks for with what is on offer.
func (e *encryption) check(p *openid4vci.EncryptionParameters, encrypted bool) error {
	offered := openid4vci.IssuerMetadata{RequestEncryption: e.request, ResponseEncryption: e.response}
	return offered.CheckEncryption(p, encrypted)
}

// message is the body of a credential request or of its response.
type message struct {
	mediaType string
	body      []byte
	status    int
}

// answer is [Issuer.Credential] for requests as they came, encrypted or not. The
// response is encrypted if the request asks for it; errors never are.
func (i *Issuer) answer(ctx context.Context, access *oauth.Access, in message) (*message, error) {
	body, encrypted, err := i.encryption.open(in)
	if err != nil {
		return nil, err
	}
	request, err := openid4vci.ParseCredentialRequest(body)
	if err != nil {
		return nil, err
	}
	response, err := i.issue(ctx, access, request, encrypted)
	if err != nil {
		return nil, err
	}
	return seal(response, request.ResponseEncryption)
}

// answerDeferred answers deferred credential requests as they came. Their own
// parameters count, and not those of the credential request (OpenID4VCI 1.0
// section 9.2): wallets throw the key away with which the first answer came.
func (i *Issuer) answerDeferred(ctx context.Context, access *oauth.Access, in message) (*message, error) {
	body, encrypted, err := i.encryption.open(in)
	if err != nil {
		return nil, err
	}
	request, err := openid4vci.ParseDeferredRequest(body)
	if err != nil {
		return nil, err
	}
	response, err := i.takeUp(ctx, access, request, encrypted)
	if err != nil {
		return nil, err
	}
	return seal(response, request.ResponseEncryption)
}

// open returns the content of a message and says whether it was encrypted.
func (e *encryption) open(in message) (content []byte, encrypted bool, err error) {
	if in.mediaType != openid4vci.MediaTypeEncrypted {
		return in.body, false, nil
	}
	content, err = e.request.Open(string(in.body), e.key, maxCredentialRequest)
	return content, true, err
}

// seal encodes a response, encrypted with the parameters unless they are nil.
func seal(response *openid4vci.CredentialResponse, p *openid4vci.EncryptionParameters) (*message, error) {
	var err error
	out := &message{mediaType: "application/json", status: response.Status()}
	if out.body, err = json.Marshal(response); err != nil {
		return nil, err
	}
	if p != nil {
		sealed, err := p.Seal(out.body)
		if err != nil {
			return nil, fmt.Errorf("encrypt the response: %w", err)
		}
		out.mediaType, out.body = openid4vci.MediaTypeEncrypted, []byte(sealed)
	}
	return out, nil
}
