package openid4vci

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/tegata-id/tegata/credentials/jose"
)

// MaxProofs is the largest number of proofs that a request may have at all;
// metadata usually allow fewer.
const MaxProofs = 256

// CredentialRequest asks for credentials of one dataset (section 8.2). Exactly
// one of CredentialIdentifier and ConfigurationID is set.
type CredentialRequest struct {
	// CredentialIdentifier is one of the credential_identifiers of the token
	// response.
	CredentialIdentifier string `json:"credential_identifier,omitempty"`
	// ConfigurationID is used if the token response had no identifiers.
	ConfigurationID string `json:"credential_configuration_id,omitempty"`
	// Proofs is nil if the credential is not bound to keys.
	Proofs *Proofs `json:"proofs,omitempty"`
	// ResponseEncryption is nil if the response shall not be encrypted.
	ResponseEncryption *EncryptionParameters `json:"credential_response_encryption,omitempty"`
}

// Proofs has key proofs of one type; exactly one list is not empty.
type Proofs struct {
	JWT []string `json:"jwt,omitempty"`
	// Attestation has exactly one key attestation.
	Attestation []string `json:"attestation,omitempty"`
}

// Type returns the proof type.
func (p *Proofs) Type() string {
	if len(p.Attestation) > 0 {
		return ProofTypeAttestation
	}
	return ProofTypeJWT
}

// EncryptionParameters say how the response shall be encrypted.
type EncryptionParameters struct {
	// JWK is the wallet's public key; its alg is mandatory.
	JWK *jose.JWK `json:"jwk"`
	Enc string    `json:"enc"`
	// Zip is a compression, empty for none.
	Zip string `json:"zip,omitempty"`
}

// ParseCredentialRequest reads a credential request. Errors are of type
// *[Error] with the code that the request's fault demands.
func ParseCredentialRequest(data []byte) (*CredentialRequest, error) {
	var w struct {
		Identifier      *string         `json:"credential_identifier"`
		ConfigurationID *string         `json:"credential_configuration_id"`
		Proofs          json.RawMessage `json:"proofs"`
		Encryption      json.RawMessage `json:"credential_response_encryption"`
	}
	if err := parse(data, &w); err != nil {
		return nil, wrap(CodeInvalidCredentialRequest, "the credential request is malformed", err)
	}
	if (w.Identifier == nil) == (w.ConfigurationID == nil) {
		return nil, NewError(CodeInvalidCredentialRequest, "exactly one of credential_identifier and credential_configuration_id is needed")
	}
	var r CredentialRequest
	var err error
	if w.Identifier != nil {
		if r.CredentialIdentifier = *w.Identifier; r.CredentialIdentifier == "" {
			return nil, NewError(CodeUnknownCredentialIdentifier, "credential_identifier is empty")
		}
	} else if r.ConfigurationID = *w.ConfigurationID; r.ConfigurationID == "" {
		return nil, NewError(CodeUnknownCredentialConfiguration, "credential_configuration_id is empty")
	}
	if r.Proofs, err = parseProofs(w.Proofs); err != nil {
		return nil, err
	}
	if r.ResponseEncryption, err = parseEncryption(w.Encryption); err != nil {
		return nil, err
	}
	return &r, nil
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// parseProofs returns nil if there are none.
func parseProofs(raw json.RawMessage) (*Proofs, error) {
	if absent(raw) {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if err := jose.UnmarshalJSON(raw, &members); err != nil {
		return nil, wrap(CodeInvalidProof, "proofs is not an object", err)
	}
	if len(members) != 1 {
		return nil, NewError(CodeInvalidProof, "proofs needs exactly one proof type")
	}
	var p Proofs
	for name, value := range members {
		var list []string
		if name != ProofTypeJWT && name != ProofTypeAttestation {
			return nil, NewError(CodeInvalidProof, "the proof type is not supported")
		}
		if err := jose.UnmarshalJSON(value, &list); err != nil {
			return nil, wrap(CodeInvalidProof, "proofs are not an array of strings", err)
		}
		if len(list) == 0 {
			return nil, NewError(CodeInvalidProof, "the array of proofs is empty")
		}
		if len(list) > MaxProofs {
			return nil, NewError(CodeInvalidCredentialRequest, "too many proofs")
		}
		if name == ProofTypeAttestation {
			p.Attestation = list
		} else {
			p.JWT = list
		}
	}
	if len(p.Attestation) > 1 {
		return nil, NewError(CodeInvalidProof, "proofs of type attestation need exactly one key attestation")
	}
	return &p, nil
}

func parseEncryption(raw json.RawMessage) (*EncryptionParameters, error) {
	if absent(raw) {
		return nil, nil
	}
	var p EncryptionParameters
	if err := jose.UnmarshalJSON(raw, &p); err != nil {
		return nil, wrap(CodeInvalidEncryptionParameters, "credential_response_encryption is malformed", err)
	}
	if p.JWK == nil || p.JWK.Alg == "" || p.Enc == "" {
		return nil, NewError(CodeInvalidEncryptionParameters, "credential_response_encryption needs jwk with alg, and enc")
	}
	return &p, nil
}

// CheckProofs compares the form of a request's proofs with what the
// configuration demands: none without key binding, otherwise a supported type
// and no more than batchSize (see [IssuerMetadata.BatchSize]).
func (c *Configuration) CheckProofs(p *Proofs, batchSize int) error {
	switch {
	case p == nil && len(c.ProofTypes) == 0:
		return nil
	case p == nil:
		return NewError(CodeInvalidProof, "proofs is missing")
	case len(c.ProofTypes) == 0:
		return NewError(CodeInvalidCredentialRequest, "the credential is not bound to keys")
	}
	if _, ok := c.ProofTypes[p.Type()]; !ok {
		return NewError(CodeInvalidProof, "the proof type is not supported for this credential")
	}
	if len(p.JWT) > max(batchSize, 1) {
		return NewError(CodeInvalidCredentialRequest, "more proofs than the batch size")
	}
	return nil
}

// CheckEncryption compares the encryption parameters of a request, nil if it
// has none, with the metadata. encrypted says that the request itself was
// encrypted, which is mandatory with parameters so that nobody can replace the
// key (section 8.2).
func (m *IssuerMetadata) CheckEncryption(p *EncryptionParameters, encrypted bool) error {
	bad := func(text string) error { return NewError(CodeInvalidEncryptionParameters, text) }
	if m.RequestEncryption != nil && m.RequestEncryption.Required && !encrypted {
		return bad("the request must be encrypted")
	}
	e := m.ResponseEncryption
	switch {
	case p == nil && e != nil && e.Required:
		return bad("credential_response_encryption is required")
	case p == nil:
		return nil
	case e == nil:
		return bad("encrypted responses are not supported")
	case !encrypted:
		return bad("a request with credential_response_encryption must be encrypted")
	case !slices.Contains(e.Alg, p.JWK.Alg):
		return bad("the alg of the jwk is not supported")
	case !slices.Contains(e.Enc, p.Enc):
		return bad("enc is not supported")
	case p.Zip != "" && !slices.Contains(e.Zip, p.Zip):
		return bad("zip is not supported")
	}
	if _, err := p.JWK.EncryptionKey(); err != nil {
		return wrap(CodeInvalidEncryptionParameters, "the jwk is not for encryption", err)
	}
	return nil
}

// CredentialResponse has the credentials, or the transaction in which they can
// be had later (sections 8.3 and 9.2).
type CredentialResponse struct {
	Credentials []IssuedCredential `json:"credentials,omitempty"`
	// TransactionID and Interval, in seconds, are set if the credentials are
	// deferred.
	TransactionID string  `json:"transaction_id,omitempty"`
	Interval      float64 `json:"interval,omitempty"`
	// NotificationID comes with credentials only; it may be empty.
	NotificationID string `json:"notification_id,omitempty"`
}

// IssuedCredential is one credential: an SD-JWT VC as it is, or an mdoc in
// base64url.
type IssuedCredential struct {
	Credential string `json:"credential"`
}

// Validate checks that the response has either credentials or a transaction.
func (r *CredentialResponse) Validate() error {
	if len(r.Credentials) == 0 {
		if r.TransactionID == "" || !(r.Interval > 0) || r.NotificationID != "" {
			return errors.New("credential response: without credentials it needs transaction_id and a positive interval, and no notification_id")
		}
		return nil
	}
	if r.TransactionID != "" || r.Interval != 0 {
		return errors.New("credential response: both credentials and transaction_id or interval")
	}
	for _, c := range r.Credentials {
		if c.Credential == "" {
			return errors.New("credential response: an empty credential")
		}
	}
	return nil
}

// Status returns the HTTP status: 202 for a deferred response, otherwise 200.
func (r *CredentialResponse) Status() int {
	if r.TransactionID != "" {
		return http.StatusAccepted
	}
	return http.StatusOK
}

// ParseCredentialResponse reads and validates a response with the given HTTP
// status, which must be the one that goes with it.
func ParseCredentialResponse(status int, data []byte) (*CredentialResponse, error) {
	var r CredentialResponse
	if len(data) > 16*MaxDocumentSize {
		return nil, fmt.Errorf("credential response: %w", errTooLarge)
	}
	if err := jose.UnmarshalJSON(data, &r); err != nil {
		return nil, fmt.Errorf("credential response: %w", err)
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if status != r.Status() {
		return nil, errors.New("credential response: HTTP status does not go with the content")
	}
	return &r, nil
}
