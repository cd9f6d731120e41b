package issuer

import (
	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/openid4vci"
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
	// Claims describes the claims for wallets and for the review page.
	Claims []Claim
	// Map makes the claims about a person, as known on the given day.
	Map func(p *source.Person, today credentials.FullDate) credentials.Object
	// Cascade says what becomes of credentials of the type when the certificate
	// is revoked that they rest on. It is the same for all formats of a type.
	Cascade CascadeRule
	// KeyAttestation, if not nil, demands key attestations for the holder's keys;
	// empty, it demands them without constraints.
	KeyAttestation *openid4vci.KeyAttestationsRequired
	// Approval says that credentials are issued only once the operator has
	// approved them, and are deferred until then.
	Approval bool
}

// Text is a text in one language.
type Text struct {
	// Locale is a BCP 47 tag.
	Locale string
	Text   string
}

// Claim describes one claim of a configuration.
type Claim struct {
	Path      credentials.Path
	Mandatory bool
	Name      []Text
}

// The flagship type: the four basic attributes of JPKI. It is not an EUDI PID,
// because JPKI knows neither nationality nor place of birth.
const (
	IdentityVCT       = "urn:tegata:identity:jp:1"
	IdentityDoctype   = "id.tegata.identity.jp.1"
	identityNamespace = IdentityDoctype
	isoNamespace      = "org.iso.23220.1"
)

// ageThresholds are the ages that Japanese law and everyday use ask about.
var ageThresholds = []int{13, 15, 16, 18, 20, 60, 65, 70, 75}

// Identity returns the two configurations of the flagship type.
func Identity() []Configuration {
	name := []Text{{"ja", "本人確認証明書（基本4情報）"}, {"en", "Identity (Japan)"}}
	return []Configuration{
		{
			ID: "identity_sd_jwt", Format: credentials.FormatSDJWTVC, Type: IdentityVCT,
			Scope: "identity_sd_jwt", Name: name, Claims: identitySDJWTClaims(), Map: identitySDJWT,
		},
		{
			ID: "identity_mdoc", Format: credentials.FormatMdoc, Type: IdentityDoctype,
			Scope: "identity_mdoc", Name: name, Claims: identityMdocClaims(), Map: identityMdoc,
		},
	}
}
