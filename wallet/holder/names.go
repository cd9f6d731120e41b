package holder

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/credentials/sdjwt/vctm"
)

// Names are what people read in the place of a type and its claims, as the type
// metadata or the issuer's metadata say. They are a stranger's words, with nothing
// in them but what can be printed.
type Names struct {
	Type   []Text      `json:"type,omitempty"`
	Claims []ClaimName `json:"claims,omitempty"`
}

// Text is a text in a language, a tag of BCP 47.
type Text struct {
	Locale string `json:"locale,omitempty"`
	Text   string `json:"text"`
}

// ClaimName is what people read in the place of a path.
type ClaimName struct {
	Path credentials.Path `json:"path"`
	Name []Text           `json:"name"`
}

// The bounds of [Names]: characters of a text, languages and claims.
const (
	maxNameLength = 100
	maxLanguages  = 30
	maxNames      = 300
)

// Name returns what people read in the place of the type, in a language or else in
// any, or else the type itself.
func (h *Held) Name(language string) string { return textIn(h.Names.Type, language, h.Type) }

// ClaimName does so for a claim.
func (h *Held) ClaimName(path credentials.Path, language string) string {
	for _, c := range h.Names.Claims {
		if len(c.Path) == len(path) && c.Path.Covers(path) {
			return textIn(c.Name, language, path.String())
		}
	}
	return path.String()
}

func textIn(texts []Text, language, fallback string) string {
	for _, t := range texts {
		if tag, _, _ := strings.Cut(t.Locale, "-"); strings.EqualFold(tag, language) {
			return t.Text
		}
	}
	if len(texts) > 0 {
		return texts[0].Text
	}
	return fallback
}

func appendText(list []Text, locale, text string) []Text {
	text = printable(text)
	if text == "" || len(list) == maxLanguages || len(locale) > maxNameLength {
		return list
	}
	return append(list, Text{locale, text})
}

// printable leaves out what could make a line look like another.
func printable(s string) string {
	count := 0
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if count == maxNameLength || !unicode.IsPrint(r) && r != '\u3000' {
			return -1
		}
		count++
		return r
	}, s))
}

// issuerNames are those in the issuer's metadata.
func issuerNames(c *openid4vci.Configuration) (out Names) {
	if c.Metadata == nil {
		return out
	}
	for _, d := range c.Metadata.Display {
		out.Type = appendText(out.Type, d.Locale, d.Name)
	}
	for _, claim := range c.Metadata.Claims {
		var name []Text
		for _, d := range claim.Display {
			name = appendText(name, d.Locale, d.Name)
		}
		out.add(claim.Path, name)
	}
	return out
}

func (n *Names) add(path credentials.Path, name []Text) {
	if len(name) > 0 && len(n.Claims) < maxNames {
		n.Claims = append(n.Claims, ClaimName{path, name})
	}
}

// typeNames are those in the metadata of the type.
func typeNames(m *sdjwt.TypeMetadata) (out Names) {
	for _, d := range m.Display {
		out.Type = appendText(out.Type, d.Locale, d.Name)
	}
	for _, claim := range m.Claims {
		var name []Text
		for _, d := range claim.Display {
			name = appendText(name, d.Locale, d.Label)
		}
		out.add(claim.Path, name)
	}
	return out
}

// name gives the credentials of one response their names, and holds SD-JWT VCs to
// the metadata of their type if it can be had: a type whose name is an https
// address. Metadata that is there and wrong, or that the credential contradicts,
// makes the credential unacceptable; metadata that is away doesn't.
func (i *issuance) name(ctx context.Context, want wanted, held []*Held) error {
	names := issuerNames(want.configuration)
	var metadata *sdjwt.TypeMetadata
	integrity := ""
	for n, h := range held {
		if h.Format != credentials.FormatSDJWTVC || !strings.HasPrefix(h.Type, "https://") {
			break
		}
		u, err := sdjwt.Parse(h.Raw)
		if err != nil {
			return err
		}
		if n == 0 || u.TypeIntegrity != integrity {
			integrity = u.TypeIntegrity
			metadata, err = vctm.Resolve(ctx, u.Type, integrity, i.fetchType)
			if err != nil && !errors.Is(err, vctm.ErrUnavailable) {
				return err
			}
		}
		if metadata == nil {
			continue
		}
		if err := u.CheckType(metadata); err != nil {
			return err
		}
		if of := typeNames(metadata); len(of.Type) > 0 {
			names = of
		}
	}
	for _, h := range held {
		h.Names = names
	}
	return nil
}

func (i *issuance) fetchType(ctx context.Context, uri string) ([]byte, error) {
	response, err := i.steps.get(ctx, "type metadata", PartyTypes, uri, vctm.MediaType)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}
