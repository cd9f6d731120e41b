package openid4vp

import (
	"crypto/sha256"
	"crypto/x509"
	"net/url"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/jose"
)

// Prefix is a client identifier prefix (section 5.9.3), without the colon.
type Prefix string

// The prefixes that the specification defines. [ParseRequest] accepts X509Hash
// and X509SanDNS, [ParseUnsigned] accepts RedirectURI.
const (
	// PreRegistered is the absence of a known prefix.
	PreRegistered           Prefix = ""
	RedirectURI             Prefix = "redirect_uri"
	OpenIDFederation        Prefix = "openid_federation"
	DecentralizedIdentifier Prefix = "decentralized_identifier"
	VerifierAttestation     Prefix = "verifier_attestation"
	X509SanDNS              Prefix = "x509_san_dns"
	X509Hash                Prefix = "x509_hash"
	// Origin is reserved for the audience of presentations over the Digital
	// Credentials API and refused in requests.
	Origin Prefix = "origin"
)

// ClientID is a client identifier taken apart. Only the full identifier
// identifies the verifier (section 14.10); String returns it.
type ClientID struct {
	Prefix Prefix
	// Value is what follows the prefix, or the whole identifier if there is no
	// known prefix.
	Value string
	full  string
}

// String returns the full client identifier with its prefix.
func (c ClientID) String() string { return c.full }

const maxClientID = 2048

// ParseClientID reads a client identifier. The prefix ends at the first colon.
// An identifier without a colon or with an unknown prefix is that of a
// pre-registered client. The reserved prefix origin is an error.
func ParseClientID(s string) (ClientID, error) {
	if s == "" || len(s) > maxClientID {
		return ClientID{}, invalid("client_id is missing or too long")
	}
	before, after, found := strings.Cut(s, ":")
	prefix := Prefix(before)
	known := []Prefix{RedirectURI, OpenIDFederation, DecentralizedIdentifier, VerifierAttestation, X509SanDNS, X509Hash}
	switch {
	case found && prefix == Origin:
		return ClientID{}, invalid("client identifier prefix origin is reserved")
	case found && slices.Contains(known, prefix):
		if after == "" {
			return ClientID{}, invalid("client_id is empty after its prefix")
		}
		return ClientID{Prefix: prefix, Value: after, full: s}, nil
	}
	return ClientID{Prefix: PreRegistered, Value: s, full: s}, nil
}

// X509HashClientID returns the client identifier of the prefix x509_hash for
// the certificate that requests are signed with.
func X509HashClientID(leaf *x509.Certificate) string {
	sum := sha256.Sum256(leaf.Raw)
	return string(X509Hash) + ":" + jose.EncodeBase64(sum[:])
}

// X509SanDNSClientID returns the client identifier of the prefix x509_san_dns
// for a DNS name, which must be among the dNSNames of the certificate that
// requests are signed with.
func X509SanDNSClientID(name string) string { return string(X509SanDNS) + ":" + name }

// RedirectURIClientID returns the client identifier of the prefix redirect_uri:
// nothing but where the response goes. Requests under it can't be signed.
func RedirectURIClientID(responseURI string) string { return string(RedirectURI) + ":" + responseURI }

// certifiedBy reports whether the certificate proves the client identifier.
// The chain and the signature are checked elsewhere.
func (c ClientID) certifiedBy(leaf *x509.Certificate) error {
	switch c.Prefix {
	case X509Hash:
		if c.full != X509HashClientID(leaf) {
			return invalid("client_id is not the hash of the signer's certificate")
		}
		return nil
	case X509SanDNS:
		if !slices.ContainsFunc(leaf.DNSNames, func(n string) bool { return strings.EqualFold(n, c.Value) }) ||
			strings.Contains(c.Value, "*") {
			return invalid("client_id is not a DNS name of the signer's certificate")
		}
		return nil
	case PreRegistered:
		return invalid("client identifier prefix is unknown and the client is not registered")
	case RedirectURI:
		return invalid("client identifier prefix redirect_uri does not allow signed requests")
	}
	return invalid("client identifier prefix is not supported")
}

// allowsResponseURI reports whether the client may receive responses at u
// (section 8.2). A certificate hash says nothing about addresses.
func (c ClientID) allowsResponseURI(u *url.URL) bool {
	switch c.Prefix {
	case X509SanDNS:
		return strings.EqualFold(c.Value, u.Hostname())
	case RedirectURI:
		return c.Value == u.String()
	}
	return true
}
