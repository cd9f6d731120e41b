package issuer

import (
	"encoding/json"
	"fmt"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/sdjwt"
)

// pathType is where the metadata of a type is, by the identifier of its
// configuration.
const pathType = "/types/:name"

// TypeMetadata returns the SD-JWT VC type metadata of a configuration
// (draft-ietf-oauth-sd-jwt-vc section 5). It depends on the type alone, so that
// every issuer of the type serves the same bytes.
func (c *Configuration) TypeMetadata() *sdjwt.TypeMetadata {
	m := &sdjwt.TypeMetadata{VCT: c.Type}
	for _, t := range c.Name {
		m.Display = append(m.Display, sdjwt.TypeDisplay{Locale: t.Locale, Name: t.Text})
		if t.Locale == "en" {
			m.Name = t.Text
		}
	}
	for _, claim := range c.Claims {
		described := sdjwt.ClaimMetadata{Path: claim.Path, Mandatory: claim.Mandatory, Disclosure: sdjwt.SDAlways}
		if claim.Always {
			described.Disclosure = sdjwt.SDNever
		}
		for _, t := range claim.Name {
			described.Display = append(described.Display, sdjwt.ClaimDisplay{Locale: t.Locale, Label: t.Text})
		}
		m.Claims = append(m.Claims, described)
	}
	return m
}

// typeDocuments returns what is served for each SD-JWT VC configuration.
func typeDocuments(configurations []Configuration) (map[string][]byte, error) {
	documents := map[string][]byte{}
	for n := range configurations {
		c := &configurations[n]
		if c.Format != credentials.FormatSDJWTVC {
			continue
		}
		m := c.TypeMetadata()
		if err := m.Validate(); err != nil {
			return nil, fmt.Errorf("configuration %s: %w", c.ID, err)
		}
		document, err := json.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("configuration %s: %w", c.ID, err)
		}
		documents[c.ID] = document
	}
	return documents, nil
}
