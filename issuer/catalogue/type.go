// Package catalogue reads types of credentials from the YAML blocks in which
// operators write them: what is in a credential, where each claim comes from and
// what it is called. A block is checked as a whole, and every fault in it is
// reported at once. docs/credential-types.md documents the notation.
//
// The types that come with Tegata are such blocks too; see [Shipped].
package catalogue

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// Type is a type of credential, in one format or two.
type Type struct {
	// ID names the type; its credential configurations are called after it, with
	// _sd_jwt or _mdoc at the end.
	ID          string `yaml:"id"`
	Name        Texts  `yaml:"name"`
	Description *Texts `yaml:"description,omitempty"`
	// Logo, BackgroundImage and the colours, such as #1d4f91, are what wallets
	// paint cards with.
	Logo            *Image `yaml:"logo,omitempty"`
	BackgroundImage *Image `yaml:"background_image,omitempty"`
	BackgroundColor string `yaml:"background_color,omitempty"`
	TextColor       string `yaml:"text_color,omitempty"`
	// SDJWT and Mdoc are the formats; at least one is needed.
	SDJWT *SDJWT `yaml:"sd_jwt,omitempty"`
	Mdoc  *Mdoc  `yaml:"mdoc,omitempty"`
	// Validity is the longest a credential lives; zero leaves it to the issuer.
	Validity time.Duration `yaml:"validity,omitempty"`
	// NoStatus leaves the reference to a status list out. Such credentials can't
	// be revoked, so the type must not fall with its evidence.
	NoStatus bool    `yaml:"no_status,omitempty"`
	Cascade  Cascade `yaml:"cascade,omitempty"`
	// Evidence lists the kinds of proof that are good enough; all if empty.
	Evidence []evidence.Kind `yaml:"evidence,omitempty"`
	// KeyAttestation demands key attestations for the holder's keys.
	KeyAttestation *KeyAttestation `yaml:"key_attestation,omitempty"`
	// ReusePolicy tells wallets how often to show one credential, by preference.
	ReusePolicy []ReuseOption `yaml:"reuse_policy,omitempty"`
	Claims      []Claim       `yaml:"claims"`
}

// Texts is a text in both languages.
type Texts struct {
	JA string `yaml:"ja"`
	EN string `yaml:"en"`
}

// Image is a picture by its https or data URI.
type Image struct {
	URI string `yaml:"uri"`
	Alt string `yaml:"alt,omitempty"`
}

// SDJWT describes the type as an SD-JWT VC.
type SDJWT struct {
	VCT string `yaml:"vct"`
	// Scope is the OAuth scope; the name of the configuration if empty.
	Scope string `yaml:"scope,omitempty"`
}

// Mdoc describes the type as an mdoc.
type Mdoc struct {
	Doctype string `yaml:"doctype"`
	// Namespace is that of elements that name none; the doctype if empty.
	Namespace string `yaml:"namespace,omitempty"`
	Scope     string `yaml:"scope,omitempty"`
}

// Cascade says what becomes of credentials when the certificate is revoked that
// they rest on, or the wallet that got them: they fall, unless None is set or Stand has the reason.
type Cascade struct {
	None  bool     `yaml:"none,omitempty"`
	Stand []string `yaml:"stand,omitempty"`
}

// KeyAttestation lists what a key attestation may assert (OpenID4VCI 1.0
// appendix D.2). An empty list does not constrain.
type KeyAttestation struct {
	KeyStorage         []string `yaml:"key_storage,omitempty"`
	UserAuthentication []string `yaml:"user_authentication,omitempty"`
}

// ReuseOption is an option of the reuse policy of the European framework (ETSI
// TS 119 472-3 section 4.2.4.2).
type ReuseOption struct {
	// Details has once_only or limited_time, and may have rotating-batch and
	// per-relying-party.
	Details   []string `yaml:"details"`
	BatchSize int      `yaml:"batch_size,omitempty"`
	// Unused is how many credentials are left when the wallet gets new ones, and
	// LifetimeLeft how long before their end.
	Unused       *int          `yaml:"reissue_trigger_unused,omitempty"`
	LifetimeLeft time.Duration `yaml:"reissue_trigger_lifetime_left,omitempty"`
}

// Claim is one claim of a type.
type Claim struct {
	Name Texts `yaml:"name"`
	// From is where the value comes from: a function of the person such as
	// person.name, a name of the issuer such as issuer.name_en, or a claim of a
	// register such as residents.nationality.
	From string `yaml:"from,omitempty"`
	// Value is the same for everybody, in place of From.
	Value yaml.Node `yaml:"value,omitempty"`
	Shape `yaml:",inline"`
	// Mandatory refuses credentials without the claim.
	Mandatory bool `yaml:"mandatory,omitempty"`
	// SDJWT and Mdoc are where the claim stands in each format: the names on the
	// way to it. An mdoc has an element, or a namespace and an element. A claim
	// may be absent from one of the formats.
	SDJWT []string `yaml:"sd_jwt,omitempty,flow"`
	Mdoc  []string `yaml:"mdoc,omitempty,flow"`
	// Always shows the claim in every presentation of an SD-JWT VC.
	Always bool `yaml:"always_disclosed,omitempty"`

	constant credentials.Value
}

// Kind is a type of values.
type Kind string

// The kinds of values.
const (
	// KindText is text; Individual Numbers are looked for in it.
	KindText Kind = "text"
	// KindLatin is text in ISO 8859-1 of at most 150 characters, as ISO/IEC
	// 18013-5 demands of some elements.
	KindLatin Kind = "latin"
	// KindIdentifier is a number or code of a known kind, in which no Individual
	// Number is looked for: one in ten of twelve digits looks like one.
	KindIdentifier Kind = "identifier"
	// KindCorporateNumber is a corporate number (法人番号): 13 digits of which the
	// first checks the others.
	KindCorporateNumber Kind = "corporate-number"
	KindBool            Kind = "bool"
	KindUnsigned        Kind = "unsigned"
	KindInteger         Kind = "integer"
	KindFullDate        Kind = "full-date"
	KindTime            Kind = "time"
	KindBytes           Kind = "bytes"
	// KindPortrait is a picture in JPEG or JPEG 2000: bytes in an mdoc, a data
	// URL in an SD-JWT VC. No bytes stand for a person who wants none shown.
	KindPortrait Kind = "portrait"
	KindList     Kind = "list"
	KindObject   Kind = "object"
)

// Shape is what values must be like.
type Shape struct {
	Kind Kind `yaml:"type"`
	// MaxLength is the most characters of a text; zero is no limit.
	MaxLength int `yaml:"max_length,omitempty"`
	// Items is the shape of the elements of a list, Members those of an object.
	Items   *Shape           `yaml:"items,omitempty"`
	Members map[string]Shape `yaml:"members,omitempty"`
	// Optional is of members that may be absent.
	Optional bool `yaml:"optional,omitempty"`
}

// ConfigurationID returns the credential configuration identifier of the type in
// the format.
func (t *Type) ConfigurationID(format credentials.Format) string {
	if format == credentials.FormatMdoc {
		return t.ID + "_mdoc"
	}
	return t.ID + "_sd_jwt"
}

// Scope returns the OAuth scope of the type in the format.
func (t *Type) Scope(format credentials.Format) string {
	switch {
	case format == credentials.FormatMdoc && t.Mdoc != nil && t.Mdoc.Scope != "":
		return t.Mdoc.Scope
	case format == credentials.FormatSDJWTVC && t.SDJWT != nil && t.SDJWT.Scope != "":
		return t.SDJWT.Scope
	}
	return t.ConfigurationID(format)
}
