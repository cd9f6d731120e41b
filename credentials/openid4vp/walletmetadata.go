package openid4vp

import (
	"crypto/ecdsa"
	"slices"

	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/jose"
)

// WalletMetadata is what a wallet says of itself when it fetches a request
// object (sections 5.10 and 10). A list that is left out says nothing. Other
// members are ignored.
type WalletMetadata struct {
	VPFormatsSupported *VPFormats `json:"vp_formats_supported,omitempty"`
	ClientIDPrefixes   []Prefix   `json:"client_id_prefixes_supported,omitempty"`
	// The algorithms for request objects.
	RequestSigningAlgs     []string `json:"request_object_signing_alg_values_supported,omitempty"`
	RequestEncryptionAlgs  []string `json:"request_object_encryption_alg_values_supported,omitempty"`
	RequestEncryptionEncs  []string `json:"request_object_encryption_enc_values_supported,omitempty"`
	ResponseModes          []string `json:"response_modes_supported,omitempty"`
	ResponseEncryptionAlgs []string `json:"authorization_encryption_alg_values_supported,omitempty"`
	ResponseEncryptionEncs []string `json:"authorization_encryption_enc_values_supported,omitempty"`
	// JWKS holds keys to encrypt the request object to.
	JWKS *KeySet `json:"jwks,omitempty"`
}

// NewWalletMetadata returns the metadata of a wallet that does what this
// package does, and reads request objects that are encrypted to key.
func NewWalletMetadata(key *jose.JWK) (*WalletMetadata, error) {
	client, err := NewClientMetadata(key, "request")
	if err != nil {
		return nil, err
	}
	encs := client.EncryptedResponseEncValuesSupported
	return &WalletMetadata{
		VPFormatsSupported: client.VPFormatsSupported,
		ClientIDPrefixes:   []Prefix{X509Hash, X509SanDNS, RedirectURI},
		RequestSigningAlgs: client.VPFormatsSupported.SDJWT.IssuerAlgs, RequestEncryptionAlgs: []string{jose.ECDHES}, RequestEncryptionEncs: encs,
		ResponseModes:          []string{string(DirectPost), string(DirectPostJWT)},
		ResponseEncryptionAlgs: []string{jose.ECDHES}, ResponseEncryptionEncs: encs,
		JWKS: client.JWKS,
	}, nil
}

// Accepts reports as an [*Error] why a wallet with this metadata could not
// answer the request, which will be signed with the algorithm.
func (m *WalletMetadata) Accepts(r *AuthorizationRequest, signingAlg string) error {
	if m == nil {
		return nil
	}
	id, err := ParseClientID(r.ClientID)
	if err != nil {
		return err
	}
	q, err := r.Query()
	if err != nil {
		return err
	}
	switch {
	case lacks(m.ClientIDPrefixes, id.Prefix):
		return invalid("the wallet does not know the prefix of the client identifier")
	case lacks(m.RequestSigningAlgs, signingAlg):
		return invalid("the wallet does not know the algorithm that requests are signed with")
	case lacks(m.ResponseModes, string(r.ResponseMode)):
		return invalid("the wallet does not know the response mode")
	case !m.formatsMatch(q, r.ClientMetadata):
		return refuse(VPFormatsNotSupported, "no requested credential format is supported by both sides")
	case r.ResponseMode.Encrypted() && (lacks(m.ResponseEncryptionAlgs, jose.ECDHES) ||
		!overlap(m.ResponseEncryptionEncs, r.ClientMetadata.EncryptedResponseEncValuesSupported)):
		return invalid("the wallet can't encrypt the response as is needed")
	}
	return nil
}

// formatsMatch reports whether there is a format in the query of which both
// sides know the algorithms.
func (m *WalletMetadata) formatsMatch(q *dcql.Query, client *ClientMetadata) bool {
	wallet := m.VPFormatsSupported
	if wallet == nil {
		return true
	}
	both := &VPFormats{}
	if w, v := wallet.SDJWT, client.VPFormatsSupported.SDJWT; w != nil && v != nil && overlap(w.IssuerAlgs, v.IssuerAlgs) && overlap(w.KeyBindingAlgs, v.KeyBindingAlgs) {
		both.SDJWT = v
	}
	if w, v := wallet.Mdoc, client.VPFormatsSupported.Mdoc; w != nil && v != nil && overlap(w.IssuerAuthAlgs, v.IssuerAuthAlgs) && overlap(w.DeviceAuthAlgs, v.DeviceAuthAlgs) {
		both.Mdoc = v
	}
	return checkFormats(q, &ClientMetadata{VPFormatsSupported: both}) == nil
}

// Encrypt encrypts a request object if the wallet has named a key for that
// which can be used, and returns it unchanged otherwise (section 5.10). It is an
// [*Error] if the wallet demands an encryption that is not known here.
func (m *WalletMetadata) Encrypt(requestObject string) (string, error) {
	if m == nil || m.JWKS == nil {
		return requestObject, nil
	}
	if lacks(m.RequestEncryptionAlgs, jose.ECDHES) {
		return "", invalid("the wallet knows no encryption of requests that is known here")
	}
	e, err := (&ClientMetadata{JWKS: m.JWKS, EncryptedResponseEncValuesSupported: m.RequestEncryptionEncs}).Encryption()
	if err != nil && m.RequestEncryptionAlgs == nil {
		return requestObject, nil // keys for something else
	}
	if err != nil {
		return "", err
	}
	return jose.Encrypt([]byte(requestObject), e.Key, e.Enc, jose.EncryptOptions{Cty: "JWT"})
}

// DecryptRequest opens a request object that was encrypted to the wallet.
// Errors are [*Error].
func DecryptRequest(jwe string, priv *ecdsa.PrivateKey) (string, error) {
	e, err := jose.ParseEncrypted(jwe)
	if err != nil {
		return "", invalidBy("request object is not an acceptable JWE", err)
	}
	inner, err := e.Decrypt(priv, jose.A256GCM, jose.A128GCM)
	if err != nil {
		return "", invalidBy("request object can't be decrypted", err)
	}
	return string(inner), nil
}

// lacks reports whether a list says something and not this.
func lacks[T comparable](list []T, want T) bool { return list != nil && !slices.Contains(list, want) }

func overlap[T comparable](a, b []T) bool {
	return a == nil || b == nil || slices.ContainsFunc(a, func(v T) bool { return slices.Contains(b, v) })
}
