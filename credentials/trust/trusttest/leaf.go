package trusttest

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
)

// CorporateNumber is the made-up corporate number (with its right check digit)
// of the legal entity that signers name by default.
func CorporateNumber() string { return trust.CorporateNumber("700150012345") }

// LeafOptions describe an end-entity certificate. Every field has a default.
type LeafOptions struct {
	// Name is the common name; the default says what the key is for.
	Name string
	// Organization and OrganizationIdentifier name the legal entity; by
	// default a made-up city with a valid corporate number.
	Organization, OrganizationIdentifier string
	// NotBefore is that of the CA by default.
	NotBefore time.Time
	// Lifetime is one year by default, and never beyond the CA's end unless it
	// is given.
	Lifetime time.Duration
	// DNSNames are the subject alternative names.
	DNSNames []string
	// Signer is the key to certify; nil generates one on P-256.
	Signer crypto.Signer
	// Edit changes the certificate before it is signed.
	Edit func(*x509.Certificate)
}

// IssueSDJWTSigner issues a signer of SD-JWT VCs. Of an IACA it is an error.
func (ca *CA) IssueSDJWTSigner(o LeafOptions) (*keys.Key, error) {
	return ca.generic(o, "SD-JWT VC Signer")
}

// IssueStatusSigner issues a signer of status list tokens.
func (ca *CA) IssueStatusSigner(o LeafOptions) (*keys.Key, error) {
	return ca.generic(o, "Status List Signer")
}

// IssueWalletProvider issues a signer of wallet and key attestations.
func (ca *CA) IssueWalletProvider(o LeafOptions) (*keys.Key, error) {
	return ca.generic(o, "Wallet Provider")
}

// IssueVerifierAccess issues a signer of request objects. The DNS names are
// what a client identifier with the prefix x509_san_dns is compared with;
// verifier.test.invalid by default.
func (ca *CA) IssueVerifierAccess(o LeafOptions) (*keys.Key, error) {
	if len(o.DNSNames) == 0 {
		o.DNSNames = []string{"verifier.test.invalid"}
	}
	return ca.generic(o, "Verifier Access")
}

// IssueTLS issues a TLS server certificate for the given names and IP
// addresses; localhost, 127.0.0.1 and ::1 by default.
func (ca *CA) IssueTLS(o LeafOptions) (*keys.Key, error) {
	if len(o.DNSNames) == 0 {
		o.DNSNames = []string{"localhost", "127.0.0.1", "::1"}
	}
	template, err := ca.template(&o, "TLS Server")
	if err != nil {
		return nil, err
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.CRLDistributionPoints = nil
	return ca.finish(o, template)
}

// IssueMdocSigner issues a document signer of ISO/IEC 18013-5 annex B. The CA
// must be an IACA.
func (ca *CA) IssueMdocSigner(o LeafOptions) (*keys.Key, error) {
	if ca.options.Profile != IACA {
		return nil, errors.New("trusttest: document signers are issued by an IACA")
	}
	template, err := ca.template(&o, "Document Signer")
	if err != nil {
		return nil, err
	}
	template.ExtraExtensions = []pkix.Extension{CriticalExtKeyUsage(trust.OIDMdocSigner), issuerAltName()}
	return ca.finish(o, template)
}

// IssueSeal issues a certificate for electronic seals of the legal entity that
// the options name.
func (ca *CA) IssueSeal(o LeafOptions) (*keys.Key, error) {
	return ca.seal(o, "Seal")
}

// IssueListOperator issues a signer of lists of trusted entities.
func (ca *CA) IssueListOperator(o LeafOptions) (*keys.Key, error) {
	return ca.seal(o, "List Operator")
}

// IssueVICALSigner issues a signer of lists of IACAs.
func (ca *CA) IssueVICALSigner(o LeafOptions) (*keys.Key, error) {
	return ca.seal(o, "VICAL Signer", CriticalExtKeyUsage(trust.OIDVICALSigner))
}

// seal issues a certificate whose signatures commit to contents.
func (ca *CA) seal(o LeafOptions, purpose string, extensions ...pkix.Extension) (*keys.Key, error) {
	if ca.options.Profile == IACA {
		return nil, errors.New("trusttest: an IACA issues document signers only")
	}
	template, err := ca.template(&o, purpose)
	if err != nil {
		return nil, err
	}
	template.KeyUsage = x509.KeyUsageContentCommitment
	template.ExtraExtensions = extensions
	return ca.finish(o, template)
}

// CriticalExtKeyUsage returns an extended key usage extension, critical as the
// standard library never writes it. OIDs are in dotted form; it panics on
// others.
func CriticalExtKeyUsage(oids ...string) pkix.Extension {
	list := make([]asn1.ObjectIdentifier, len(oids))
	for i, text := range oids {
		oid, err := x509.ParseOID(text)
		if err != nil {
			panic(fmt.Sprintf("trusttest: OID %q: %v", text, err))
		}
		der, _ := oid.MarshalBinary()
		// The binary form is the content of the element without its header.
		if _, err := asn1.Unmarshal(append([]byte{asn1.TagOID, byte(len(der))}, der...), &list[i]); err != nil {
			panic(fmt.Sprintf("trusttest: OID %q: %v", text, err))
		}
	}
	value, err := asn1.Marshal(list)
	if err != nil {
		panic(fmt.Sprintf("trusttest: extended key usage: %v", err))
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: value}
}

func (ca *CA) generic(o LeafOptions, purpose string) (*keys.Key, error) {
	if ca.options.Profile == IACA {
		return nil, errors.New("trusttest: an IACA issues document signers only")
	}
	template, err := ca.template(&o, purpose)
	if err != nil {
		return nil, err
	}
	return ca.finish(o, template)
}

// template fills in the defaults of o and what all certificates share.
func (ca *CA) template(o *LeafOptions, purpose string) (*x509.Certificate, error) {
	if o.Name == "" {
		o.Name = ca.options.Name + " " + purpose
	}
	if o.Organization == "" {
		o.Organization = "手形市"
	}
	if o.OrganizationIdentifier == "" {
		o.OrganizationIdentifier = "NTRJP-" + CorporateNumber()
	}
	if o.NotBefore.IsZero() {
		o.NotBefore = ca.Certificate.NotBefore
	}
	notAfter := o.NotBefore.Add(o.Lifetime)
	if o.Lifetime == 0 {
		notAfter = o.NotBefore.Add(365 * 24 * time.Hour)
		if notAfter.After(ca.Certificate.NotAfter) {
			notAfter = ca.Certificate.NotAfter
		}
	}
	if o.Signer == nil {
		key, err := keys.GenerateP256()
		if err != nil {
			return nil, err
		}
		o.Signer = key
	}
	template := &x509.Certificate{
		Subject: pkix.Name{
			Country: []string{ca.options.Country}, Organization: []string{o.Organization}, CommonName: o.Name,
			ExtraNames: []pkix.AttributeTypeAndValue{
				{Type: asn1.ObjectIdentifier{2, 5, 4, 97}, Value: o.OrganizationIdentifier},
			},
		},
		NotBefore: o.NotBefore, NotAfter: notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		CRLDistributionPoints: ca.distributionPoints(),
	}
	for _, name := range o.DNSNames {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return template, nil
}

func (ca *CA) finish(o LeafOptions, template *x509.Certificate) (*keys.Key, error) {
	if o.Edit != nil {
		o.Edit(template)
	}
	cert, err := ca.Issue(template, o.Signer.Public())
	if err != nil {
		return nil, err
	}
	return &keys.Key{Signer: o.Signer, Chain: append([]*x509.Certificate{cert}, ca.above...)}, nil
}
