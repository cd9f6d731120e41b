package holder

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/internal/fetch"
)

const typeJWT = "application/jwt"

// maxDeferrals bounds how often a deferred credential is asked for, and
// maxInterval how long the issuer can make the wallet wait in between.
const (
	maxDeferrals = 100
	maxInterval  = 24 * time.Hour
)

// issue gets one configuration: one request with a fresh key for each copy.
// identifier is empty if the token response named none.
func (i *issuance) issue(ctx context.Context, want wanted, identifier string) error {
	request := openid4vci.CredentialRequest{CredentialIdentifier: identifier}
	if identifier == "" {
		request.ConfigurationID = want.id
	}
	response, signers, err := i.requestCredential(ctx, want, request)
	if err != nil {
		return err
	}
	if response.NotificationID != "" {
		i.notify = append(i.notify, response.NotificationID)
	}
	held, err := i.check(ctx, want, response.Credentials, signers)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCredential, err)
	}
	i.received = append(i.received, held...)
	return nil
}

// requestCredential makes the request, again once with another nonce if the
// issuer does not accept the first, and waits for what is deferred. Another nonce
// needs other keys: a key is attested once at most.
func (i *issuance) requestCredential(ctx context.Context, want wanted, request openid4vci.CredentialRequest) (*openid4vci.CredentialResponse, []crypto.Signer, error) {
	for attempt := 0; ; attempt++ {
		signers, err := i.newKeys(ctx, want)
		if err != nil {
			return nil, nil, err
		}
		if len(signers) > 0 {
			nonce, err := i.nonce(ctx)
			if err != nil {
				return nil, nil, fmt.Errorf("nonce: %w", err)
			}
			if request.Proofs, err = i.proofs(ctx, want.configuration, signers, nonce); err != nil {
				return nil, nil, fmt.Errorf("key proofs: %w", err)
			}
		}
		response, err := i.sealed(ctx, "credential", i.issuer.CredentialEndpoint, func(e *openid4vci.EncryptionParameters) any {
			request.ResponseEncryption = e
			return request
		})
		if attempt == 0 && len(signers) > 0 && openid4vci.CodeOf(err) == openid4vci.CodeInvalidNonce {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		response, err = i.await(ctx, response)
		return response, signers, err
	}
}

// newKeys makes a key for each copy, none for what is bound to none.
func (i *issuance) newKeys(ctx context.Context, want wanted) ([]crypto.Signer, error) {
	if want.configuration.ProofTypes == nil {
		return nil, nil
	}
	var signers []crypto.Signer
	for range max(1, min(i.w.BatchSize, i.issuer.BatchSize())) {
		key, err := i.w.newKey(ctx)
		if err != nil {
			return nil, err
		}
		signers = append(signers, key)
	}
	return signers, nil
}

// await asks for deferred credentials in the intervals that the issuer names, with
// another access token when the first one has expired meanwhile.
func (i *issuance) await(ctx context.Context, response *openid4vci.CredentialResponse) (*openid4vci.CredentialResponse, error) {
	for range maxDeferrals {
		if response.TransactionID == "" {
			return response, nil
		}
		if i.w.Wait == nil {
			return nil, ErrDeferred
		}
		if i.issuer.DeferredCredentialEndpoint == "" {
			return nil, errors.New("the issuer defers but has no endpoint for it")
		}
		interval := maxInterval
		if response.Interval < maxInterval.Seconds() {
			interval = time.Duration(response.Interval * float64(time.Second))
		}
		if err := i.w.Wait(ctx, interval); err != nil {
			return nil, err
		}
		id := response.TransactionID
		var err error
		response, err = i.poll(ctx, id)
		if openid4vci.CodeOf(err) == openid4vci.CodeInvalidToken && i.token.RefreshToken != "" {
			if err := i.refreshToken(ctx); err != nil {
				return nil, err
			}
			response, err = i.poll(ctx, id)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, ErrDeferred
}

// poll asks once for deferred credentials.
func (i *issuance) poll(ctx context.Context, transactionID string) (*openid4vci.CredentialResponse, error) {
	return i.sealed(ctx, "deferred credential", i.issuer.DeferredCredentialEndpoint, func(e *openid4vci.EncryptionParameters) any {
		return openid4vci.DeferredRequest{TransactionID: transactionID, ResponseEncryption: e}
	})
}

// nonce returns a fresh c_nonce, or "" if the issuer has no endpoint for it.
func (i *issuance) nonce(ctx context.Context) (string, error) {
	if i.issuer.NonceEndpoint == "" {
		return "", nil
	}
	response, err := i.steps.post(ctx, "nonce", PartyIssuer, i.issuer.NonceEndpoint, typeForm, nil, nil)
	// A DPoP nonce that comes along is for the credential endpoint.
	i.nonces.learn(i.issuer.CredentialEndpoint, answer(response, err))
	if err != nil {
		return "", refused(err)
	}
	n, err := openid4vci.ParseNonceResponse(response.Body)
	if err != nil {
		return "", err
	}
	return n.Nonce, nil
}

// proofs proves possession of all keys. Where a key attestation is needed, one
// that names all keys stands for the batch (HAIP 1.0 section 4.5.1).
func (i *issuance) proofs(ctx context.Context, c *openid4vci.Configuration, signers []crypto.Signer, nonce string) (*openid4vci.Proofs, error) {
	byJWT, hasJWT := c.ProofTypes[openid4vci.ProofTypeJWT]
	hasJWT = hasJWT && slices.Contains(byJWT.SigningAlgorithms, "ES256")
	byAttestation, hasAttestation := c.ProofTypes[openid4vci.ProofTypeAttestation]
	if !hasJWT && !(hasAttestation && slices.Contains(byAttestation.SigningAlgorithms, "ES256")) {
		return nil, errors.New("the issuer accepts no proof that the wallet can make")
	}
	options := openid4vci.ProofOptions{
		Audience: i.issuer.CredentialIssuer, Nonce: nonce, ClientID: i.client.id, Now: i.w.Now(),
	}
	if !hasJWT || byJWT.KeyAttestations != nil {
		public := make([]crypto.PublicKey, len(signers))
		for n, signer := range signers {
			public[n] = signer.Public()
		}
		attested, err := i.w.Attester.KeyAttestation(ctx, i.server.Issuer, public, nonce)
		if err != nil {
			return nil, fmt.Errorf("key attestation: %w", err)
		}
		if !hasJWT {
			return &openid4vci.Proofs{Attestation: []string{attested}}, nil
		}
		options.KeyAttestation = attested
		signers = signers[:1]
	}
	proofs := &openid4vci.Proofs{}
	for _, signer := range signers {
		proof, err := openid4vci.SignProof(options, signer)
		if err != nil {
			return nil, err
		}
		proofs.JWT = append(proofs.JWT, proof)
	}
	return proofs, nil
}

// sealed sends a request to the issuer, encrypted if the issuer can read that,
// and has the answer encrypted if the issuer can do that too (section 10).
func (i *issuance) sealed(ctx context.Context, name, endpoint string, build func(*openid4vci.EncryptionParameters) any) (*openid4vci.CredentialResponse, error) {
	to, enc := i.requestKey()
	var parameters *openid4vci.EncryptionParameters
	var private *ecdsa.PrivateKey
	if to != nil {
		var err error
		if parameters, private, err = i.responseKey(); err != nil {
			return nil, err
		}
	}
	body, err := json.Marshal(build(parameters))
	if err != nil {
		return nil, err
	}
	contentType := typeJSON
	if to != nil {
		compact, err := jose.Encrypt(body, to, enc, jose.EncryptOptions{Cty: "json"})
		if err != nil {
			return nil, err
		}
		body, contentType = []byte(compact), typeJWT
	} else if r := i.issuer.RequestEncryption; r != nil && r.Required {
		return nil, errors.New("the issuer requires encryption that the wallet lacks")
	}
	response, err := i.postResource(ctx, name, endpoint, contentType, body)
	if err != nil {
		return nil, err
	}
	plain, err := open(response, parameters, private)
	if err != nil {
		return nil, err
	}
	return openid4vci.ParseCredentialResponse(response.Status, plain)
}

// requestKey returns the issuer's key and the content encryption to use, or
// nil.
func (i *issuance) requestKey() (*jose.JWK, string) {
	r := i.issuer.RequestEncryption
	if r == nil {
		return nil, ""
	}
	enc := chooseEnc(r.Enc)
	for n := range r.Keys.Keys {
		if key := &r.Keys.Keys[n]; key.Alg == jose.ECDHES && (key.Use == "" || key.Use == "enc") && enc != "" {
			return key, enc
		}
	}
	return nil, ""
}

// responseKey returns parameters with a fresh key, or nil if the issuer does
// not encrypt.
func (i *issuance) responseKey() (*openid4vci.EncryptionParameters, *ecdsa.PrivateKey, error) {
	r := i.issuer.ResponseEncryption
	if r == nil {
		return nil, nil, nil
	}
	enc := chooseEnc(r.Enc)
	if enc == "" || !slices.Contains(r.Alg, jose.ECDHES) {
		if r.Required {
			return nil, nil, errors.New("the issuer requires encryption that the wallet lacks")
		}
		return nil, nil, nil
	}
	private, err := keys.GenerateP256()
	if err != nil {
		return nil, nil, err
	}
	jwk, err := jose.NewJWK(private.Public())
	if err != nil {
		return nil, nil, err
	}
	jwk.Alg, jwk.Use = jose.ECDHES, "enc"
	return &openid4vci.EncryptionParameters{JWK: jwk, Enc: enc}, private, nil
}

func chooseEnc(offered []string) string {
	for _, enc := range []string{jose.A256GCM, jose.A128GCM} {
		if slices.Contains(offered, enc) {
			return enc
		}
	}
	return ""
}

// open returns the plain response. One that should be encrypted and is not, or
// the other way round, is refused.
func open(response *fetch.Response, parameters *openid4vci.EncryptionParameters, private *ecdsa.PrivateKey) ([]byte, error) {
	if parameters == nil {
		if response.ContentType != typeJSON {
			return nil, errors.New("the response is not application/json")
		}
		return response.Body, nil
	}
	if response.ContentType != typeJWT {
		return nil, errors.New("the response is not encrypted as asked for")
	}
	e, err := jose.ParseEncrypted(string(response.Body))
	if err != nil {
		return nil, err
	}
	return e.Decrypt(private, parameters.Enc)
}

// tell notifies the issuer of what became of the credentials. It is a
// courtesy: a failure changes nothing.
func (i *issuance) tell(ctx context.Context, event string) {
	if i.issuer.NotificationEndpoint == "" {
		return
	}
	for _, id := range i.notify {
		body, err := json.Marshal(openid4vci.NotificationRequest{NotificationID: id, Event: event})
		if err != nil {
			return
		}
		_, _ = i.postResource(ctx, "notification", i.issuer.NotificationEndpoint, typeJSON, body)
	}
}
