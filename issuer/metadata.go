package issuer

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vci"
	"github.com/tegata-id/tegata/credentials/sdjwt"
	"github.com/tegata-id/tegata/issuer/oauth"
)

// Paths of the endpoints under the issuer's path.
const (
	pathNonce        = "/nonce"
	pathCredential   = "/credential"
	pathDeferred     = "/deferred-credential"
	pathNotification = "/notification"
	pathOffer        = "/offers/:id"
	pathOfferPage    = "/page" // under that of the offer
	pathOffers       = "/admin/offers"
	pathDeferrals    = "/admin/deferred"
	pathStylesheet   = "/assets/issuer.css"
	pathScript       = "/assets/issuer.js"
)

// PathStatusLists is, under the issuer identifier, where status lists are
// published. The path itself lists them.
const PathStatusLists = "/status-lists"

// algES256 is ES256 as COSE numbers it (RFC 9053 section 2.1).
const algES256 = -7

// Metadata returns the credential issuer metadata (OpenID4VCI 1.0 section
// 12.2.4). Without authorization_servers the issuer is its own.
func (i *Issuer) Metadata() *openid4vci.IssuerMetadata {
	m := &openid4vci.IssuerMetadata{
		CredentialIssuer:     i.cfg.ID,
		CredentialEndpoint:   i.cfg.ID + pathCredential,
		NonceEndpoint:        i.cfg.ID + pathNonce,
		NotificationEndpoint: i.cfg.ID + pathNotification,

		DeferredCredentialEndpoint: i.cfg.ID + pathDeferred,

		RequestEncryption:  i.encryption.request,
		ResponseEncryption: i.encryption.response,
		Batch:              &openid4vci.Batch{Size: i.cfg.BatchSize},
		Display:            display(i.cfg.Name),
		Configurations:     map[string]*openid4vci.Configuration{},
	}
	for n := range i.cfg.Configurations {
		c := &i.cfg.Configurations[n]
		m.Configurations[c.ID] = i.describe(c)
	}
	return m
}

// VCIssuerMetadata returns the JWT VC issuer metadata (SD-JWT VC section 4): the
// keys of the SD-JWT VC signer that will sign, that signs, and those that did
// for as long as their chains are valid. It is nil without such a signer.
func (i *Issuer) VCIssuerMetadata() (*sdjwt.IssuerMetadata, error) {
	signer, ok := i.cfg.Signers[credentials.FormatSDJWTVC]
	if !ok {
		return nil, nil
	}
	now := i.cfg.Now()
	var published []*keys.Key
	for _, e := range signer.Keys.All() {
		if _, ends := e.Key.Validity(); !now.After(ends) {
			published = append(published, e.Key)
		}
	}
	return sdjwt.NewIssuerMetadata(i.cfg.ID, published)
}

// describe returns the metadata of a configuration.
func (i *Issuer) describe(c *Configuration) *openid4vci.Configuration {
	m := &openid4vci.Configuration{
		Format:     c.Format,
		Scope:      c.Scope,
		ProofTypes: i.proofTypes(c),
		Metadata:   &openid4vci.CredentialMetadata{Display: c.display(), ReusePolicy: c.ReusePolicy},
	}
	switch c.Format {
	case credentials.FormatMdoc:
		m.Doctype = c.Type
		m.BindingMethods = []string{"cose_key"}
		m.SigningAlgorithms = []openid4vci.Algorithm{{COSE: algES256}}
	default:
		m.VCT = c.Type
		m.BindingMethods = []string{"jwk"}
		m.SigningAlgorithms = []openid4vci.Algorithm{{Name: "ES256"}}
	}
	for _, claim := range c.Claims {
		m.Metadata.Claims = append(m.Metadata.Claims, openid4vci.ClaimDescription{
			Path: claim.Path, Mandatory: claim.Mandatory, Display: display(claim.Name),
		})
	}
	return m
}

// display shows the credential in each language.
func (c *Configuration) display() []openid4vci.Display {
	out := display(c.Name)
	for i := range out {
		d := &out[i]
		d.Logo, d.BackgroundImage = c.Look.Logo, c.Look.BackgroundImage
		d.BackgroundColor, d.TextColor = c.Look.BackgroundColor, c.Look.TextColor
		for _, t := range c.Look.Description {
			if t.Locale == d.Locale {
				d.Description = t.Text
			}
		}
	}
	return out
}

func display(texts []Text) []openid4vci.Display {
	var out []openid4vci.Display
	for _, t := range texts {
		out = append(out, openid4vci.Display{Name: t.Text, Locale: t.Locale})
	}
	return out
}

// Authorizable returns what the authorization server needs to know of the
// configurations.
func Authorizable(configurations []Configuration) []oauth.Configuration {
	var out []oauth.Configuration
	for _, c := range configurations {
		out = append(out, oauth.Configuration{ID: c.ID, Scope: c.Scope, Name: textsByLocale(c.Name)})
	}
	return out
}

func textsByLocale(texts []Text) map[string]string {
	out := map[string]string{}
	for _, t := range texts {
		out[strings.ToLower(t.Locale)] = t.Text
	}
	return out
}

// How long signed metadata is valid, and how long it is given out before it is
// signed anew.
const (
	signedMetadataLifetime = 24 * time.Hour
	signedMetadataRenewal  = time.Hour
)

// signedMetadata keeps the last metadata that was signed, so that who asks
// often does not make the issuer sign as often.
type signedMetadata struct {
	keys *keys.Ring

	mu sync.Mutex
	// parameters are what was signed last, and key what signed it.
	parameters      []byte
	key             *keys.Key
	signed          string
	issued, expires time.Time
}

// sign returns the metadata signed, and until when that is valid: not beyond the
// end of the signer's chain. The error is [keys.ErrNoSigner] if no key may sign.
func (s *signedMetadata) sign(m *openid4vci.IssuerMetadata, now time.Time) (string, time.Time, error) {
	key, err := s.keys.At(now)
	if err != nil {
		return "", time.Time{}, err
	}
	parameters, err := json.Marshal(m)
	if err != nil {
		return "", time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == key && bytes.Equal(s.parameters, parameters) && now.Before(s.expires) &&
		!now.Before(s.issued) && now.Sub(s.issued) < signedMetadataRenewal {
		return s.signed, s.expires, nil
	}
	issued := now.Truncate(time.Second)
	expires := issued.Add(signedMetadataLifetime)
	if _, end := key.Validity(); end.Before(expires) {
		expires = end
	}
	signed, err := openid4vci.SignMetadata(m, key, issued, expires)
	if err != nil {
		return "", time.Time{}, err
	}
	s.parameters, s.key, s.signed, s.issued, s.expires = parameters, key, signed, issued, expires
	return signed, expires, nil
}
