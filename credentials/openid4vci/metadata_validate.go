package openid4vci

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
)

// Validate checks the metadata by the rules of section 12.2.4, except those
// about single configurations. The identifier must be the one of the metadata,
// character by character.
func (m *IssuerMetadata) Validate(identifier string) error {
	if m.CredentialIssuer != identifier {
		return errors.New("issuer metadata: credential_issuer is not the identifier that was asked for")
	}
	if err := CheckIdentifier(identifier); err != nil {
		return fmt.Errorf("issuer metadata: %w", err)
	}
	if m.AuthorizationServers != nil {
		if err := distinct(m.AuthorizationServers); err != nil {
			return fmt.Errorf("issuer metadata: authorization_servers: %w", err)
		}
	}
	for _, server := range m.AuthorizationServers {
		if err := CheckIdentifier(server); err != nil {
			return fmt.Errorf("issuer metadata: authorization_servers: %w", err)
		}
	}
	for name, endpoint := range map[string]string{
		"credential_endpoint": m.CredentialEndpoint, "nonce_endpoint": m.NonceEndpoint,
		"deferred_credential_endpoint": m.DeferredCredentialEndpoint, "notification_endpoint": m.NotificationEndpoint,
	} {
		if endpoint == "" && name != "credential_endpoint" {
			continue
		}
		if err := checkURL(endpoint); err != nil {
			return fmt.Errorf("issuer metadata: %s: %w", name, err)
		}
	}
	if m.Configurations == nil {
		return errors.New("issuer metadata: no credential_configurations_supported")
	}
	if m.Batch != nil && m.Batch.Size < 2 {
		return errors.New("issuer metadata: batch_size is less than 2")
	}
	if err := m.validateEncryption(); err != nil {
		return err
	}
	return validateDisplay("display", m.Display, false)
}

// ValidateAll checks everything: what [IssuerMetadata.Validate] does, every
// configuration, and that proofs can have a nonce (HAIP 1.0 section 4.1). It
// is for issuers to check what they publish.
func (m *IssuerMetadata) ValidateAll(identifier string) error {
	errs := []error{m.Validate(identifier)}
	for id, c := range m.Configurations {
		if c == nil {
			errs = append(errs, fmt.Errorf("configuration %q: is null", id))
			continue
		}
		if err := c.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("configuration %q: %w", id, err))
		}
		if len(c.BindingMethods) > 0 && m.NonceEndpoint == "" {
			errs = append(errs, fmt.Errorf("configuration %q: key binding needs a nonce_endpoint", id))
		}
	}
	return errors.Join(errs...)
}

func (m *IssuerMetadata) validateEncryption() error {
	if e := m.RequestEncryption; e != nil {
		if len(e.Keys.Keys) == 0 || len(e.Enc) == 0 {
			return errors.New("issuer metadata: credential_request_encryption has no usable jwks or no enc_values_supported")
		}
		var kids []string
		for _, key := range e.Keys.Keys {
			kids = append(kids, key.Kid)
			if key.Alg == "" {
				return errors.New("issuer metadata: credential_request_encryption: a key has no alg")
			}
		}
		if err := distinct(kids); err != nil {
			return fmt.Errorf("issuer metadata: credential_request_encryption: kid: %w", err)
		}
	}
	if e := m.ResponseEncryption; e != nil {
		if len(e.Alg) == 0 || len(e.Enc) == 0 {
			return errors.New("issuer metadata: credential_response_encryption has no alg_values_supported or enc_values_supported")
		}
		// Responses are encrypted only to keys that came in encrypted requests.
		if e.Required && m.RequestEncryption == nil {
			return errors.New("issuer metadata: response encryption is required without credential_request_encryption")
		}
	}
	return nil
}

// Validate checks a configuration by the rules of section 12.2.4 and of its
// format in appendix A. For other formats than SD-JWT VC and mdoc only the
// general rules are applied.
func (c *Configuration) Validate() error {
	switch c.Format {
	case "":
		return errors.New("configuration has no format")
	case credentials.FormatSDJWTVC:
		if c.VCT == "" {
			return errors.New("configuration has no vct")
		}
	case credentials.FormatMdoc:
		if c.Doctype == "" {
			return errors.New("configuration has no doctype")
		}
	}
	if strings.ContainsFunc(c.Scope, notScope) {
		return errors.New("configuration: scope is not a single scope token")
	}
	if err := c.validateAlgorithms(); err != nil {
		return err
	}
	if (c.BindingMethods == nil) != (c.ProofTypes == nil) {
		return errors.New("configuration: only one of cryptographic_binding_methods_supported and proof_types_supported")
	}
	if c.BindingMethods != nil && (len(c.BindingMethods) == 0 || len(c.ProofTypes) == 0) {
		return errors.New("configuration: binding methods or proof types are empty")
	}
	for name, p := range c.ProofTypes {
		if len(p.SigningAlgorithms) == 0 {
			return fmt.Errorf("configuration: proof type %q has no proof_signing_alg_values_supported", name)
		}
		if a := p.KeyAttestations; a != nil && (isEmpty(a.KeyStorage) || isEmpty(a.UserAuthentication)) {
			return fmt.Errorf("configuration: key_attestations_required of proof type %q has an empty list", name)
		}
	}
	return c.Metadata.validate()
}

// isEmpty reports a list that is present but empty.
func isEmpty(list []string) bool { return list != nil && len(list) == 0 }

func notScope(r rune) bool { return r <= 0x20 || r > 0x7e || r == '"' || r == '\\' }

func (c *Configuration) validateAlgorithms() error {
	if c.SigningAlgorithms != nil && len(c.SigningAlgorithms) == 0 {
		return errors.New("configuration: credential_signing_alg_values_supported is empty")
	}
	for _, a := range c.SigningAlgorithms {
		if c.Format == credentials.FormatSDJWTVC && a.Name == "" {
			return errors.New("configuration: algorithms of an SD-JWT VC are names")
		}
		if c.Format == credentials.FormatMdoc && a.Name != "" {
			return errors.New("configuration: algorithms of an mdoc are COSE numbers")
		}
	}
	return nil
}

func (m *CredentialMetadata) validate() error {
	if m == nil {
		return nil
	}
	if err := validateDisplay("credential_metadata.display", m.Display, true); err != nil {
		return err
	}
	if m.Claims != nil && len(m.Claims) == 0 {
		return errors.New("credential_metadata.claims is empty")
	}
	for _, claim := range m.Claims {
		if err := validateDisplay("credential_metadata.claims", claim.Display, false); err != nil {
			return err
		}
	}
	return CheckClaims(m.Claims)
}

// validateDisplay demands one entry per language, URIs of images and, for
// credentials, a name.
func validateDisplay(what string, list []Display, needName bool) error {
	if list != nil && len(list) == 0 {
		return fmt.Errorf("%s: display is empty", what)
	}
	var seen []string
	for _, d := range list {
		if d.Locale != "" && slices.Contains(seen, strings.ToLower(d.Locale)) {
			return fmt.Errorf("%s: two entries for one locale", what)
		}
		seen = append(seen, strings.ToLower(d.Locale))
		if needName && d.Name == "" {
			return fmt.Errorf("%s: an entry has no name", what)
		}
		if d.Logo != nil && d.Logo.URI == "" || d.BackgroundImage != nil && d.BackgroundImage.URI == "" {
			return fmt.Errorf("%s: an image has no uri", what)
		}
	}
	return nil
}

// CheckClaims refuses claims descriptions without a path, and such that repeat
// or contradict each other (appendix B.3).
func CheckClaims(claims []ClaimDescription) error {
	paths := map[string]bool{}
	below := map[string]shape{} // what the children of a path are addressed by
	for _, claim := range claims {
		if len(claim.Path) == 0 {
			return errors.New("claims description without a path")
		}
		prefix := ""
		for _, element := range claim.Path {
			s := below[prefix] | shapeOf(element)
			if s.contradicts() {
				return fmt.Errorf("claims descriptions contradict each other at %s", claim.Path)
			}
			below[prefix] = s
			// Lengths keep names from running into each other.
			text := credentials.Path{element}.String()
			prefix += fmt.Sprintf("/%d:%d:%s", shapeOf(element), len(text), text)
		}
		if paths[prefix] {
			return fmt.Errorf("claims description for %s is repeated", claim.Path)
		}
		paths[prefix] = true
	}
	return nil
}

type shape uint8

const (
	shapeName shape = 1 << iota
	shapeIndex
	shapeAll
)

func (s shape) contradicts() bool {
	array := s & (shapeIndex | shapeAll)
	return array != 0 && s&shapeName != 0 || array == shapeIndex|shapeAll
}

func shapeOf(e credentials.PathElement) shape {
	if e.IsAll() {
		return shapeAll
	}
	if _, ok := e.Index(); ok {
		return shapeIndex
	}
	return shapeName
}
