// Package registration reads registration certificates: what a registrar says a
// relying party is registered for, which verifiers send with a request and wallets
// show to people (ETSI TS 119 475). They say whose purpose it is and which claims it
// needs; who asks is proved by the certificate that signs the request.
//
// Certificates in JWT form are read, in the shapes of versions 1.1.1 and 1.2.1.
package registration

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust"
)

// Format is what verifier_info calls these certificates, and Type their typ.
const (
	Format = "registration_cert"
	Type   = "rc-wrp+jwt"
)

// MaxLifetime is the longest that a certificate counts after it was issued: 12
// months (section 5.2.4).
const MaxLifetime = 366 * 24 * time.Hour

// ErrCertificate says that a registration certificate must not be used.
var ErrCertificate = errors.New("the registration certificate is not acceptable")

// SignerProfile is for the signers of registration certificates.
func SignerProfile() trust.Profile {
	p := trust.ProfileListOperator
	p.Name = "registration-certificate-provider"
	return p
}

// Certificate is a registration certificate that was verified.
type Certificate struct {
	// Name is the name that people know the relying party by, LegalName that in
	// the register.
	Name, LegalName string
	// Identifiers are those of the legal entity, such as NTRJP- with a number, and
	// Intermediaries those of who may ask in its name.
	Identifiers, Intermediaries []string
	Country                     string
	// Purposes say why the claims are needed, Services what the relying party does.
	Purposes, Services []Text
	// Entitlements are URIs of annex A.
	Entitlements []string
	// Credentials are what may be asked for.
	Credentials []Credential
	// PublicBody says that it is part of the public sector.
	PublicBody bool
	// SupportURIs are where people can ask for their data to be deleted.
	SupportURIs []string
	// Expires is zero if the certificate does not say.
	IssuedAt, Expires time.Time
	Chain             *trust.Chain
}

// Text is a text in a language, a tag of BCP 47.
type Text struct{ Language, Text string }

// In returns the text in a language (the first part of a tag), else the first.
func In(texts []Text, language string) string {
	for _, t := range texts {
		if tag, _, _ := strings.Cut(t.Language, "-"); strings.EqualFold(tag, language) {
			return t.Text
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return texts[0].Text
}

// Credential is what may be asked for of credentials of some types.
type Credential struct {
	Format credentials.Format
	Types  []string
	// Claims is empty if every claim may be asked for.
	Claims []credentials.Path
}

// Expect is what a certificate is held to. All fields but Skew are mandatory.
type Expect struct {
	// Policy says whose certificates count; its profile is usually
	// [SignerProfile].
	Policy *trust.Policy
	Now    time.Time
	Skew   time.Duration
}

// Parse verifies a certificate. Whether it was revoked is not looked up. Errors are
// [ErrCertificate].
func Parse(ctx context.Context, compact string, e Expect) (*Certificate, error) {
	c, err := parse(ctx, compact, e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return c, nil
}

func parse(ctx context.Context, compact string, e Expect) (*Certificate, error) {
	u, err := jose.Parse(compact)
	switch {
	case err != nil:
		return nil, err
	case u.Header.Typ != Type:
		return nil, errors.New("typ is not " + Type)
	case len(u.Header.X5C) == 0:
		return nil, errors.New("the header has no x5c")
	case e.Policy == nil:
		return nil, errors.New("nobody is trusted to register relying parties")
	}
	payload, err := u.Verify(u.Header.X5C[0].PublicKey)
	if err != nil {
		return nil, err
	}
	chain, err := e.Policy.Verify(ctx, u.Header.X5C[0], u.Header.X5C[1:])
	if err != nil {
		return nil, err
	}
	var w wire
	if err := jose.UnmarshalJSON(payload, &w); err != nil {
		return nil, err
	}
	c, err := w.certificate()
	if err != nil {
		return nil, err
	}
	c.Chain = chain
	return c, c.checkTime(e)
}

func (c *Certificate) checkTime(e Expect) error {
	switch {
	case c.IssuedAt.After(e.Now.Add(e.Skew)):
		return errors.New("it was issued in the future")
	case !c.Expires.IsZero() && !e.Now.Before(c.Expires.Add(e.Skew)):
		return errors.New("it has expired")
	case !e.Now.Before(c.IssuedAt.Add(MaxLifetime)):
		return errors.New("it is older than twelve months")
	}
	return nil
}

// oidOrganizationIdentifier is the attribute of X.520.
var oidOrganizationIdentifier = asn1.ObjectIdentifier{2, 5, 4, 97}

// IsOf reports whether the certificate is of the party that an access certificate
// names, or lets that party ask for another.
func (c *Certificate) IsOf(access *x509.Certificate) bool {
	for _, attribute := range access.Subject.Names {
		if id, ok := attribute.Value.(string); ok && attribute.Type.Equal(oidOrganizationIdentifier) {
			return slices.Contains(c.Identifiers, id) || slices.Contains(c.Intermediaries, id)
		}
	}
	return false
}

// Allows reports whether the claim of a credential may be asked for.
func (c *Certificate) Allows(format credentials.Format, kind string, claim credentials.Path) bool {
	return slices.ContainsFunc(c.Credentials, func(r Credential) bool {
		return r.Format == format && slices.Contains(r.Types, kind) &&
			(len(r.Claims) == 0 || slices.ContainsFunc(r.Claims, func(p credentials.Path) bool { return covers(p, format, claim) }))
	})
}

// covers also takes the name of an element for the element: registers leave out
// the namespaces of mdocs.
func covers(registered credentials.Path, format credentials.Format, claim credentials.Path) bool {
	if format == credentials.FormatMdoc && len(registered) == 1 && len(claim) > 1 {
		return registered.Equal(claim[1:2])
	}
	return registered.Covers(claim)
}

// wire is the payload in both versions.
type wire struct {
	Name      string          `json:"name"`
	Subject   json.RawMessage `json:"sub"`
	LegalName string          `json:"sub_ln"`
	Country   string          `json:"country"`
	Purpose   []text          `json:"purpose"`
	Services  []text          `json:"srv_description"`
	Service   []text          `json:"service"`

	Entitlements []string          `json:"entitlements"`
	Credentials  []credential      `json:"credentials"`
	PublicBody   bool              `json:"public_body"`
	Support      json.RawMessage   `json:"support_uri"`
	Intermediary *party            `json:"intermediary"`
	Act          *actor            `json:"act"`
	IssuedAt     *jose.NumericDate `json:"iat"`
	Expires      *jose.NumericDate `json:"exp"`
}

type actor struct {
	Subject party `json:"sub"`
}

// party is a legal entity: with one identifier or a list of them.
type party struct {
	Subject   string          `json:"sub"`
	ID        json.RawMessage `json:"id"`
	LegalName json.RawMessage `json:"legal_name"`
}

type text struct {
	Language string `json:"lang"`
	Content  string `json:"content"`
	Value    string `json:"value"`
}

type credential struct {
	Format credentials.Format `json:"format"`
	Meta   json.RawMessage    `json:"meta"`
	Claims []claim            `json:"claims"`
	Claim  []claim            `json:"claim"`
}

type claim struct {
	Path json.RawMessage `json:"path"`
}

func (w *wire) certificate() (*Certificate, error) {
	if w.IssuedAt == nil {
		return nil, errors.New("it has no iat")
	}
	c := &Certificate{
		Name: w.Name, LegalName: w.LegalName, Country: w.Country, Entitlements: w.Entitlements, PublicBody: w.PublicBody,
		Purposes: texts(w.Purpose), Services: texts(append(w.Services, w.Service...)), SupportURIs: list(w.Support), IssuedAt: w.IssuedAt.Time(),
	}
	if w.Expires != nil {
		c.Expires = w.Expires.Time()
	}
	if c.Identifiers = list(w.Subject); c.Identifiers == nil {
		var p party
		if err := json.Unmarshal(w.Subject, &p); err != nil {
			return nil, errors.New("sub is neither an identifier nor a legal entity")
		}
		c.Identifiers, c.LegalName = p.identifiers(), strings.Join(list(p.LegalName), ", ")
	}
	if len(c.Identifiers) == 0 || c.Name == "" && c.LegalName == "" {
		return nil, errors.New("it names nobody")
	}
	if w.Intermediary != nil {
		c.Intermediaries = w.Intermediary.identifiers()
	}
	if w.Act != nil {
		c.Intermediaries = append(c.Intermediaries, w.Act.Subject.identifiers()...)
	}
	for _, r := range w.Credentials {
		registered, err := r.read()
		if err != nil {
			return nil, err
		}
		c.Credentials = append(c.Credentials, registered)
	}
	return c, nil
}

func (p party) identifiers() []string {
	var many []struct {
		Identifier string `json:"identifier"`
	}
	out := list(p.ID)
	if p.Subject != "" {
		out = append(out, p.Subject)
	}
	if json.Unmarshal(p.ID, &many) == nil {
		for _, id := range many {
			if id.Identifier != "" {
				out = append(out, id.Identifier)
			}
		}
	}
	return out
}

// list reads a string or an array of strings, nil of anything else.
func list(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil {
		return nil
	}
	return many
}

func texts(in []text) []Text {
	var out []Text
	for _, t := range in {
		if content := t.Content + t.Value; content != "" {
			out = append(out, Text{t.Language, content})
		}
	}
	return out
}

func (r credential) read() (Credential, error) {
	out := Credential{Format: r.Format, Types: list(r.Meta)}
	if out.Types == nil {
		var meta struct {
			VCT     []string `json:"vct_values"`
			Doctype string   `json:"doctype_value"`
		}
		if err := json.Unmarshal(r.Meta, &meta); err != nil {
			return out, errors.New("credentials: meta is neither a type nor an object")
		}
		if out.Types = meta.VCT; meta.Doctype != "" {
			out.Types = append(out.Types, meta.Doctype)
		}
	}
	for _, c := range append(r.Claims, r.Claim...) {
		var path credentials.Path
		var name string
		if json.Unmarshal(c.Path, &name) == nil {
			path = credentials.PathOf(name)
		} else if err := json.Unmarshal(c.Path, &path); err != nil || len(path) == 0 {
			return out, errors.New("credentials: a claim has no path")
		}
		out.Claims = append(out.Claims, path)
	}
	return out, nil
}
