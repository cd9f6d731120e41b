package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/internal/database"
)

// pathType is where the metadata of a type is, by the identifier of its
// configuration, and pathTypeDigest where a document is that credentials name.
const (
	pathType       = "/types/:name"
	pathTypeDigest = "/types/:name/:digest"
)

// typeDocument is type metadata as it is served.
type typeDocument struct {
	body []byte
	// digest is its SHA-256 in base64url, integrity what credentials name it by.
	digest, integrity string
}

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
func typeDocuments(configurations []Configuration) (map[string]typeDocument, error) {
	documents := map[string]typeDocument{}
	for n := range configurations {
		c := &configurations[n]
		if c.Format != credentials.FormatSDJWTVC {
			continue
		}
		m := c.TypeMetadata()
		if err := m.Validate(); err != nil {
			return nil, fmt.Errorf("configuration %s: %w", c.ID, err)
		}
		body, err := json.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("configuration %s: %w", c.ID, err)
		}
		digest := sha256.Sum256(body)
		documents[c.ID] = typeDocument{body, jose.EncodeBase64(digest[:]), sdjwt.Integrity(body)}
	}
	return documents, nil
}

// typeIntegrity returns what a credential names its type metadata by, empty for
// an mdoc. The document is kept before the first credential names it, so that it
// is there for as long as the credential, whatever the configuration becomes.
func (i *Issuer) typeIntegrity(ctx context.Context, c *Configuration) (string, error) {
	document, ok := i.types[c.ID]
	if !ok {
		return "", nil
	}
	if _, kept := i.keptTypes.Load(c.ID); !kept {
		if err := i.cfg.Records.KeepTypeDocument(ctx, i.cfg.Tenant, c.ID, document.digest, document.body); err != nil {
			return "", fmt.Errorf("%w: type metadata: %w", database.ErrUnavailable, err)
		}
		i.keptTypes.Store(c.ID, true)
	}
	return document.integrity, nil
}

// typeByDigest returns a document that is served now or was kept; errors wrap
// [records.ErrTypeDocumentUnknown] if there is none.
func (i *Issuer) typeByDigest(ctx context.Context, name, digest string) ([]byte, error) {
	if document, ok := i.types[name]; ok && document.digest == digest {
		return document.body, nil
	}
	return i.cfg.Records.TypeDocument(ctx, i.cfg.Tenant, name, digest)
}
