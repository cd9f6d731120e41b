package openid4vp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
)

// RequestObjectType is the typ of a request object. The media type of a
// response that carries one is RequestObjectMediaType.
const (
	RequestObjectType      = "oauth-authz-req+jwt"
	RequestObjectMediaType = "application/oauth-authz-req+jwt"
)

// SignRequest validates the request as a careful verifier sends it and returns
// the request object, signed with key, whose chain goes into x5c. The client
// identifier must be one that the leaf certifies, and the chain must not hold
// a self-signed certificate (HAIP 1.0 section 5).
func SignRequest(r *AuthorizationRequest, key *keys.Key) (string, error) {
	leaf := key.Leaf()
	if leaf == nil {
		return "", errors.New("openid4vp: the key for request objects has no certificate")
	}
	for _, cert := range key.Chain {
		if bytes.Equal(cert.RawSubject, cert.RawIssuer) {
			return "", errors.New("openid4vp: the chain for request objects holds a self-signed certificate")
		}
	}
	id, err := ParseClientID(r.ClientID)
	if err != nil {
		return "", err
	}
	if err := id.certifiedBy(leaf); err != nil {
		return "", err
	}
	if err := r.checkSending(id); err != nil {
		return "", err
	}
	payload, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode request: %w", err)
	}
	return jose.Sign(jose.Header{Typ: RequestObjectType, X5C: key.Chain}, payload, key.Signer)
}

// UnsignedLink validates the request as a careful verifier sends it and returns
// what a link carries if nothing is signed. The client identifier must have the
// prefix redirect_uri.
func UnsignedLink(r *AuthorizationRequest) (*RequestLink, error) {
	id, err := ParseClientID(r.ClientID)
	if err != nil {
		return nil, err
	}
	if id.Prefix != RedirectURI {
		return nil, invalid("the client identifier prefix demands a signed request")
	}
	if err := r.checkSending(id); err != nil {
		return nil, err
	}
	return &RequestLink{ClientID: r.ClientID, Parameters: r}, nil
}

// checkSending adds to Validate what only a sender can be held to.
func (r *AuthorizationRequest) checkSending(id ClientID) error {
	q, err := r.Validate()
	if err != nil {
		return err
	}
	if r.ClientMetadata == nil || r.ClientMetadata.VPFormatsSupported == nil {
		return invalid("client_metadata.vp_formats_supported is missing")
	}
	if err := checkFormats(q, r.ClientMetadata); err != nil {
		return err
	}
	if err := r.ClientMetadata.checkKeys(); err != nil {
		return err
	}
	if _, err := ParseTransactionData(r.TransactionData, q); err != nil {
		return err
	}
	if r.ResponseMode.OverDCAPI() {
		if len(r.ExpectedOrigins) == 0 {
			return invalid("expected_origins is missing")
		}
		return nil
	}
	if len(r.Audience) == 0 && id.Prefix != RedirectURI {
		return invalid("aud is missing")
	}
	u, err := parseHTTPS(r.ResponseURI)
	if err != nil || !id.allowsResponseURI(u) {
		return invalid("response_uri does not belong to the client")
	}
	return nil
}

// checkKeys demands that every key is usable and has a kid of its own and an
// alg (section 5.1 and 8.3).
func (m *ClientMetadata) checkKeys() error {
	if m.JWKS == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, raw := range m.JWKS.Keys {
		key, err := jose.ParseJWK(raw)
		if err != nil {
			return invalidBy("client_metadata.jwks has an unusable key", err)
		}
		if key.Kid == "" || seen[key.Kid] || key.Alg == "" {
			return invalid("client_metadata.jwks has a key without its own kid or without alg")
		}
		seen[key.Kid] = true
	}
	return nil
}

// Unsigned returns the data of an unsigned request over the Digital
// Credentials API (appendix A.3.1): client_id, expected_origins and what
// belongs to other ways are left out.
func (r *AuthorizationRequest) Unsigned() (json.RawMessage, error) {
	if !r.ResponseMode.OverDCAPI() {
		return nil, invalid("response_mode is not one of the Digital Credentials API")
	}
	if _, err := r.Validate(); err != nil {
		return nil, err
	}
	plain := AuthorizationRequest{
		ResponseType:    r.ResponseType,
		ResponseMode:    r.ResponseMode,
		Nonce:           r.Nonce,
		DCQLQuery:       r.DCQLQuery,
		ClientMetadata:  r.ClientMetadata,
		TransactionData: r.TransactionData,
		VerifierInfo:    r.VerifierInfo,
	}
	return json.Marshal(plain)
}

// SignedData returns the data of a signed request over the Digital Credentials
// API (appendix A.3.2.1) around the result of [SignRequest].
func SignedData(requestObject string) (json.RawMessage, error) {
	if strings.Count(requestObject, ".") != 2 {
		return nil, errors.New("openid4vp: not a compact JWS")
	}
	return json.Marshal(map[string]string{"request": requestObject})
}
