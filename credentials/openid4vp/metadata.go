package openid4vp

import (
	"encoding/json"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
)

// ClientMetadata is the verifier's metadata in a request (sections 5.1 and
// 11.1). Other members are ignored.
type ClientMetadata struct {
	JWKS *KeySet `json:"jwks,omitempty"`
	// VPFormatsSupported is nil where the verifier does not say.
	VPFormatsSupported *VPFormats `json:"vp_formats_supported,omitempty"`
	// EncryptedResponseEncValuesSupported lists content encryptions; nil means
	// A128GCM.
	EncryptedResponseEncValuesSupported []string `json:"encrypted_response_enc_values_supported,omitempty"`
}

// KeySet is a JWK set whose keys are not interpreted yet: one that cannot be
// used must not spoil the others.
type KeySet struct {
	Keys []json.RawMessage `json:"keys"`
}

// VPFormats says which formats and algorithms the verifier understands. Other
// formats are ignored on reading.
type VPFormats struct {
	SDJWT *SDJWTFormat `json:"dc+sd-jwt,omitempty"`
	Mdoc  *MdocFormat  `json:"mso_mdoc,omitempty"`
}

// SDJWTFormat lists JOSE algorithms (appendix B.3.4).
type SDJWTFormat struct {
	IssuerAlgs     []string `json:"sd-jwt_alg_values,omitempty"`
	KeyBindingAlgs []string `json:"kb-jwt_alg_values,omitempty"`
}

// MdocFormat lists COSE algorithms (appendix B.2.2).
type MdocFormat struct {
	IssuerAuthAlgs []int `json:"issuerauth_alg_values,omitempty"`
	DeviceAuthAlgs []int `json:"deviceauth_alg_values,omitempty"`
}

// NewClientMetadata returns the metadata of a request for both formats with the
// algorithms that are verified here. The response is to be encrypted to key,
// which gets the given kid, use enc and alg ECDH-ES; it should be made for this
// one request (HAIP 1.0 section 5). It is nil for a response in the clear.
func NewClientMetadata(key *jose.JWK, kid string) (*ClientMetadata, error) {
	jws := []string{"ES256", "ES384", "ES512"}
	cose := []int{-7, -9, -35, -51, -36, -52}
	m := &ClientMetadata{VPFormatsSupported: &VPFormats{
		SDJWT: &SDJWTFormat{IssuerAlgs: jws, KeyBindingAlgs: jws},
		Mdoc:  &MdocFormat{IssuerAuthAlgs: cose, DeviceAuthAlgs: cose},
	}}
	if key == nil {
		return m, nil
	}
	public := *key
	public.Kid, public.Use, public.Alg = kid, "enc", jose.ECDHES
	raw, err := json.Marshal(public)
	if err != nil {
		return nil, err
	}
	m.JWKS = &KeySet{Keys: []json.RawMessage{raw}}
	m.EncryptedResponseEncValuesSupported = []string{jose.A128GCM, jose.A256GCM}
	return m, nil
}

// supports reports whether the verifier claims to understand a format; a
// verifier that says nothing is taken to understand what it asks for.
func (m *ClientMetadata) supports(f credentials.Format) bool {
	if m == nil || m.VPFormatsSupported == nil {
		return true
	}
	switch f {
	case credentials.FormatSDJWTVC:
		return m.VPFormatsSupported.SDJWT != nil
	case credentials.FormatMdoc:
		return m.VPFormatsSupported.Mdoc != nil
	}
	return false
}

const maxKeys = 32

func (m *ClientMetadata) validate(mode ResponseMode) error {
	if m == nil {
		if mode.Encrypted() {
			return invalid("client_metadata is required for an encrypted response")
		}
		return nil
	}
	if m.JWKS != nil && (len(m.JWKS.Keys) == 0 || len(m.JWKS.Keys) > maxKeys) {
		return invalid("client_metadata.jwks has no keys or too many")
	}
	if m.EncryptedResponseEncValuesSupported != nil && len(m.EncryptedResponseEncValuesSupported) == 0 {
		return invalid("client_metadata.encrypted_response_enc_values_supported is empty")
	}
	if f := m.VPFormatsSupported; f != nil {
		if f.SDJWT != nil && (emptyList(f.SDJWT.IssuerAlgs) || emptyList(f.SDJWT.KeyBindingAlgs)) ||
			f.Mdoc != nil && (emptyList(f.Mdoc.IssuerAuthAlgs) || emptyList(f.Mdoc.DeviceAuthAlgs)) {
			return invalid("client_metadata.vp_formats_supported has an empty list of algorithms")
		}
	}
	if mode.Encrypted() {
		_, err := m.Encryption()
		return err
	}
	return nil
}

func emptyList[T any](list []T) bool { return list != nil && len(list) == 0 }
