package app

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
	"sd_jwt": "SD-JWT VC Signer", "mdoc": "Document Signer", "status": "Status List Signer",
	"request": "Verifier Access", "attestation": "Wallet Provider",
}

// Request returns a certificate signing request (PKCS #10 in PEM) for a key of
// a configuration file, which is named like issuer.keys.sd_jwt or issuer.tls.
// The key needs no certificates yet. With generate, a key file that does not
// exist is made first; keys in hardware modules are made with the tools of the
// module.
func Request(path, name string, s Subject, generate bool) ([]byte, error) {
	c, err := LoadConfig(path)
	if err != nil {
		return nil, err
	}
	config, err := c.keyNamed(name)
	if err != nil {
		return nil, err
	}
	template, err := c.request(name, s)
	if err != nil {
		return nil, err
	}
	if generate {
		if err := generateKey(config); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	var ring keyring
	defer func() { _ = ring.close() }()
	unchained := *config
	unchained.Chain = ""
	key, err := ring.open(unchained)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key.Signer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// keyNamed returns a key of the configuration that is set.
func (c *Config) keyNamed(name string) (*KeyConfig, error) {
	var known []string
	for _, key := range c.allKeys() {
		if key.config.Key == "" && key.config.PKCS11 == nil {
			continue
		}
		if key.name == name {
			return key.config, nil
		}
		known = append(known, key.name)
	}
	return nil, fmt.Errorf("the configuration has no key %q, only %s", name, strings.Join(known, ", "))
}

// request returns the request for the key of a name, with defaults filled in.
func (c *Config) request(name string, s Subject) (*x509.CertificateRequest, error) {
	role, use, _ := strings.Cut(name, ".")
	use = strings.TrimPrefix(use, "keys.")
	var origin, organization string
	switch role {
	case "issuer":
		origin, organization = c.Issuer.Origin, c.Issuer.NameJA
	case "verifier":
		origin, organization = c.Verifier.Origin, c.Verifier.NameJA
	default:
		origin = c.Provider.Origin
	}
	host, err := url.Parse(origin)
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
	if use == "tls" || use == "request" {
		if ip := net.ParseIP(host.Hostname()); ip != nil {
			template.IPAddresses = []net.IP{ip}
		} else {
			template.DNSNames = []string{host.Hostname()}
		}
	}
	if s.Name == "" && use == "tls" {
		s.Name = host.Hostname()
	} else if s.Name == "" {
		s.Name = strings.TrimSpace(s.Organization + " " + uses[use])
	}
	template.Subject, err = s.encode(use != "tls")
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
func generateKey(c *KeyConfig) error {
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
