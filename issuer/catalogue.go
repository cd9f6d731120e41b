package issuer

import (
	"fmt"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/issuer/catalogue"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

// Configuration is one entry of credential_configurations_supported: one type
// of credential in one format.
type Configuration struct {
	// ID is the credential configuration identifier.
	ID     string
	Format credentials.Format
	// Type is the vct or the doctype.
	Type string
	// Scope is unique to the type and format (HAIP 1.0 section 4.1).
	Scope string
	// Name is what people read, by language tag; ja comes first.
	Name []Text
	// Look is how wallets show the credential, beside the name.
	Look Look
	// Claims describes the claims for wallets and for the review page.
	Claims []Claim
	// Map makes the claims about a person, as known on the given day. Errors
	// wrap [catalogue.ErrIncomplete].
	Map func(p *source.Person, today credentials.FullDate) (credentials.Object, error)
	// Registers are the claims that Map takes from registers, by their names.
	Registers map[string][]string
	// Evidence lists the kinds of proof that are good enough; nil for all.
	Evidence []evidence.Kind
	// MaxValidity is the longest a credential lives; zero leaves it to the
	// issuer.
	MaxValidity time.Duration
	// NoStatus leaves the reference to a status list out.
	NoStatus bool
	// Cascade says what becomes of credentials of the type when the certificate
	// is revoked that they rest on. It is the same for all formats of a type.
	Cascade CascadeRule
	// KeyAttestation, if not nil, demands key attestations for the holder's keys;
	// empty, it demands them without constraints.
	KeyAttestation *openid4vci.KeyAttestationsRequired
	// Approval says that credentials are issued only once the operator has
	// approved them, and are deferred until then.
	Approval bool
	// ReusePolicy tells wallets how often to show one credential, if not nil.
	ReusePolicy *openid4vci.ReusePolicy
}

// The flagship type, which types/identity.yaml of package catalogue describes.
const (
	IdentityVCT     = "urn:tegata:identity:jp:1"
	IdentityDoctype = "id.tegata.identity.jp.1"
)

// Text is a text in one language.
type Text struct {
	// Locale is a BCP 47 tag.
	Locale string
	Text   string
}

// Look is how a wallet shows a credential. Empty members leave it to the wallet.
type Look struct {
	Description                []Text
	Logo, BackgroundImage      *openid4vci.Image
	BackgroundColor, TextColor string
}

// Claim describes one claim of a configuration.
type Claim struct {
	Path      credentials.Path
	Mandatory bool
	// Always says that the claim is in every presentation of an SD-JWT VC.
	Always bool
	Name   []Text
}

// Configure returns the configurations of a type, one for each format, for an
// issuer with the given names.
func Configure(t *catalogue.Type, nameJA, nameEN string) []Configuration {
	var out []Configuration
	if t.SDJWT != nil {
		out = append(out, configure(t, credentials.FormatSDJWTVC, t.SDJWT.VCT, nameJA, nameEN))
	}
	if t.Mdoc != nil {
		out = append(out, configure(t, credentials.FormatMdoc, t.Mdoc.Doctype, nameJA, nameEN))
	}
	return out
}

func configure(t *catalogue.Type, format credentials.Format, name, nameJA, nameEN string) Configuration {
	c := Configuration{
		ID: t.ConfigurationID(format), Format: format, Type: name, Scope: t.Scope(format), Name: texts(t.Name),
		Look:      Look{Logo: image(t.Logo), BackgroundImage: image(t.BackgroundImage), BackgroundColor: t.BackgroundColor, TextColor: t.TextColor},
		Registers: t.Registers(format), Evidence: t.Evidence, MaxValidity: t.Validity, NoStatus: t.NoStatus, Cascade: CascadeRule(t.Cascade),
		ReusePolicy: reusePolicy(t.ReusePolicy),
		Map: func(p *source.Person, today credentials.FullDate) (credentials.Object, error) {
			return t.Map(format, catalogue.Subject{Person: p, Today: today, IssuerJA: nameJA, IssuerEN: nameEN})
		},
	}
	if t.Description != nil {
		c.Look.Description = texts(*t.Description)
	}
	if k := t.KeyAttestation; k != nil {
		c.KeyAttestation = &openid4vci.KeyAttestationsRequired{KeyStorage: k.KeyStorage, UserAuthentication: k.UserAuthentication}
	}
	for i := range t.Claims {
		if path := t.Path(&t.Claims[i], format); path != nil {
			always := t.Claims[i].Always && format == credentials.FormatSDJWTVC
			c.Claims = append(c.Claims, Claim{Path: path, Mandatory: t.Claims[i].Mandatory, Always: always, Name: texts(t.Claims[i].Name)})
		}
	}
	return c
}

func texts(t catalogue.Texts) []Text { return []Text{{"ja", t.JA}, {"en", t.EN}} }

func image(i *catalogue.Image) *openid4vci.Image {
	if i == nil {
		return nil
	}
	return &openid4vci.Image{URI: i.URI, AltText: i.Alt}
}

func reusePolicy(options []catalogue.ReuseOption) *openid4vci.ReusePolicy {
	if len(options) == 0 {
		return nil
	}
	p := &openid4vci.ReusePolicy{ID: openid4vci.ReusePolicyARF}
	for _, o := range options {
		p.Options = append(p.Options, openid4vci.ReuseOption{
			Details: o.Details, BatchSize: o.BatchSize, Unused: o.Unused, LifetimeLeft: int64(o.LifetimeLeft / time.Second),
		})
	}
	return p
}

// accepts reports whether evidence of the kind is good enough.
func (c *Configuration) accepts(kind evidence.Kind) bool {
	return len(c.Evidence) == 0 || slices.Contains(c.Evidence, kind)
}

// always returns the names of the claims that every presentation shows.
func (c *Configuration) always() []string {
	var names []string
	for _, claim := range c.Claims {
		if name, ok := claim.Path[0].Name(); ok && claim.Always {
			names = append(names, name)
		}
	}
	return names
}

// claims maps what is known of a person whom evidence of the kind describes.
// Errors wrap [catalogue.ErrIncomplete].
func (c *Configuration) claims(kind evidence.Kind, p *source.Person, today credentials.FullDate) (credentials.Object, error) {
	if !c.accepts(kind) {
		return nil, fmt.Errorf("%s: %w: the evidence is of kind %s", c.ID, catalogue.ErrIncomplete, kind)
	}
	claims, err := c.Map(p, today)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.ID, err)
	}
	return claims, nil
}
