package ca

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
	"github.com/tegata-id/tegata/internal/app/config"
)

// Subject is who a certificate shall name. Empty fields have defaults from the
// configuration where it knows them.
type Subject struct {
	// Country is JP by default.
	Country string
	// Organization is by default the Japanese name of the role.
	Organization string
	// OrganizationIdentifier is a corporate number (法人番号) of 13 digits, or
	// NTRJP- or LEIXG- and a number. Certificates for TLS need none.
	OrganizationIdentifier string
	// Name is the common name; by default the organization and the use.
	Name string
}

// uses are the ends of default common names.
var uses = map[string]string{
	"sd_jwt": "SD-JWT VC Signer", "mdoc": "Document Signer", "status": "Status List Signer", "openid": "OpenID Client",
	"request": "Verifier Access", "webhook": "Webhook Signer", "metadata": "Issuer Access", "attestation": "Wallet Provider",
}

// Request returns a certificate signing request (PKCS #10 in PEM) for a key of
// a configuration file, which is named like issuer.keys.sd_jwt or issuer.tls; in
// a file of its own, like city-tegata/issuer.keys.sd_jwt. Of several keys of one
// use it is the last unless the number follows: issuer.keys.sd_jwt[0].
// The key needs no certificates yet. With generate, a key file that does not
// exist is made first; keys in hardware modules are made with the tools of the
// module.
func Request(path, name string, s Subject, generate bool) ([]byte, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	tenant, use, key, err := keyNamed(c, name)
	if err != nil {
		return nil, err
	}
	template, err := template(tenant, use, s)
	if err != nil {
		return nil, err
	}
	if generate {
		if err := generateKey(key); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	var ring config.Keyring
	defer func() { _ = ring.Close() }()
	unchained := *key
	unchained.Chain = ""
	opened, err := ring.Open(unchained)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, opened.Signer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// keyNamed returns a key of the configuration that is set, its tenant and its
// use.
func keyNamed(c *config.Config, name string) (tenant config.Tenant, use string, key *config.Key, err error) {
	var known []string
	for _, t := range c.Tenants() {
		for _, named := range t.Keys() {
			list := *named.List
			for n := range list {
				if list[n].Key == "" && list[n].PKCS11 == nil {
					continue
				}
				full := t.Name() + "." + named.Use
				if name == fmt.Sprintf("%s[%d]", full, n) || name == full && n == len(list)-1 {
					return t, named.Use, &list[n], nil
				}
				if n == len(list)-1 {
					known = append(known, full)
				}
			}
		}
	}
	return tenant, "", nil, fmt.Errorf("the configuration has no key %q, only %s", name, strings.Join(known, ", "))
}

// template returns the request for a key, with defaults filled in.
func template(t config.Tenant, use string, s Subject) (*x509.CertificateRequest, error) {
	use = strings.TrimPrefix(use, "keys.")
	organization := ""
	switch {
	case t.Issuer != nil:
		organization = t.Issuer.NameJA
	case t.Verifier != nil:
		organization = t.Verifier.NameJA
	}
	host, err := url.Parse(t.Origin)
	if err != nil {
		return nil, err
	}
	if s.Country == "" {
		s.Country = "JP"
	}
	if s.Organization == "" {
		s.Organization = organization
	}
	template := &x509.CertificateRequest{}
	if use == config.UseTLS || use == "request" || use == "metadata" {
		if ip := net.ParseIP(host.Hostname()); ip != nil {
			template.IPAddresses = []net.IP{ip}
		} else {
			template.DNSNames = []string{host.Hostname()}
		}
	}
	if s.Name == "" && use == config.UseTLS {
		s.Name = host.Hostname()
	} else if s.Name == "" {
		s.Name = strings.TrimSpace(s.Organization + " " + uses[use])
	}
	template.Subject, err = s.encode(use != config.UseTLS)
	return template, err
}

// encode returns the distinguished name. A signer must name its legal entity.
func (s Subject) encode(signer bool) (pkix.Name, error) {
	name := pkix.Name{Country: []string{s.Country}, CommonName: s.Name}
	if s.Organization != "" {
		name.Organization = []string{s.Organization}
	}
	if trust.ValidCorporateNumber(s.OrganizationIdentifier) {
		s.OrganizationIdentifier = "NTRJP-" + s.OrganizationIdentifier
	}
	if s.OrganizationIdentifier != "" {
		name.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 97}, Value: s.OrganizationIdentifier}}
	}
	if utf8.RuneCountInString(s.Name) > 64 || utf8.RuneCountInString(s.Organization) > 64 {
		return name, errors.New("names in certificates have 64 characters at most (RFC 5280 appendix A.1)")
	}
	if !signer && s.OrganizationIdentifier == "" {
		return name, nil
	}
	read := name
	read.Names = name.ExtraNames
	if _, ok := trust.LegalEntityOf(&x509.Certificate{Subject: read}); !ok {
		return name, errors.New("a signer's certificate names its legal entity: an organization and its identifier, with right check digits and the country that belongs to it, are needed")
	}
	return name, nil
}

// generateKey makes the key file of a configuration unless there is one.
func generateKey(c *config.Key) error {
	if c.PKCS11 != nil {
		return errors.New("keys in hardware modules are made with the tools of the module")
	}
	if _, err := os.Stat(c.Key); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	key, err := keys.GenerateP256()
	if err != nil {
		return err
	}
	data, err := keys.EncodeKeyPEM(key)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.Key, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
