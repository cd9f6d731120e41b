package openid4vci

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/trust"
)

// TypeSignedMetadata is the typ of signed issuer metadata, and
// MediaTypeSignedMetadata what an Accept header asks for it with.
const (
	TypeSignedMetadata      = "openidvci-issuer-metadata+jwt"
	MediaTypeSignedMetadata = "application/jwt"
)

// ErrSignedMetadata says that signed issuer metadata must not be used.
var ErrSignedMetadata = errors.New("the signed issuer metadata is not acceptable")

// metadataClaims are the claims of signed metadata about itself. The parameters
// of the metadata stand beside them.
type metadataClaims struct {
	Subject  string            `json:"sub"`
	IssuedAt *jose.NumericDate `json:"iat"`
	Starts   *jose.NumericDate `json:"nbf,omitempty"`
	Expires  *jose.NumericDate `json:"exp,omitempty"`
}

// SignMetadata signs issuer metadata (section 12.2.3) with the chain of the key
// in x5c, which must not include the trust anchor (HAIP 1.0 section 4.1). The
// claim exp is expires or the end of the chain, whichever comes first; the zero
// time leaves it to the chain. A key that may not sign at issued is an error.
func SignMetadata(m *IssuerMetadata, key *keys.Key, issued, expires time.Time) (string, error) {
	if err := checkMetadataSigner(key, issued); err != nil {
		return "", fmt.Errorf("sign issuer metadata: %w", err)
	}
	if _, end := key.Validity(); expires.IsZero() || expires.After(end) {
		expires = end
	}
	if !expires.After(issued) {
		return "", errors.New("sign issuer metadata: it would have expired already")
	}
	iat, exp := jose.NewNumericDate(issued), jose.NewNumericDate(expires)
	claims, err := json.Marshal(metadataClaims{Subject: m.CredentialIssuer, IssuedAt: &iat, Expires: &exp})
	if err != nil {
		return "", fmt.Errorf("sign issuer metadata: %w", err)
	}
	parameters, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("sign issuer metadata: %w", err)
	}
	// Two objects, neither of them empty, become one.
	payload := append(append(bytes.TrimSuffix(claims, []byte("}")), ','), bytes.TrimPrefix(parameters, []byte("{"))...)
	signed, err := jose.Sign(jose.Header{Typ: TypeSignedMetadata, X5C: key.Chain}, payload, key.Signer)
	if err != nil {
		return "", fmt.Errorf("sign issuer metadata: %w", err)
	}
	return signed, nil
}

func checkMetadataSigner(key *keys.Key, issued time.Time) error {
	if key == nil || !key.ValidAt(issued) {
		return errors.New("the key has no chain that is valid now")
	}
	pub, err := key.Public()
	if err != nil {
		return err
	}
	if !pub.Equal(key.Leaf().PublicKey) {
		return errors.New("the certificate is another key's")
	}
	for _, cert := range key.Chain {
		if bytes.Equal(cert.RawIssuer, cert.RawSubject) {
			return errors.New("the chain includes a self-signed certificate")
		}
	}
	return nil
}

// SignedMetadataExpect is what signed metadata must be. All fields but Skew are
// mandatory.
type SignedMetadataExpect struct {
	// Identifier is the credential issuer's.
	Identifier string
	// Policy says who may sign; its profile is usually
	// [trust.ProfileVerifierAccess].
	Policy *trust.Policy
	// Now is the time of the check and Skew how far clocks may differ.
	Now  time.Time
	Skew time.Duration
}

// ParseSignedMetadata verifies signed issuer metadata (section 12.2.3) and
// returns what it says, validated as by [ParseIssuerMetadata], with the signer's
// chain. The signer must be trusted, and if its certificate names hosts, that of the issuer must be one
// of them: nothing in the metadata is used otherwise. Errors are
// [ErrSignedMetadata].
func ParseSignedMetadata(ctx context.Context, compact string, e SignedMetadataExpect) (*IssuerMetadata, *trust.Chain, error) {
	m, chain, err := parseSignedMetadata(ctx, compact, e)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrSignedMetadata, err)
	}
	return m, chain, nil
}

func parseSignedMetadata(ctx context.Context, compact string, e SignedMetadataExpect) (*IssuerMetadata, *trust.Chain, error) {
	u, err := jose.Parse(compact)
	switch {
	case err != nil:
		return nil, nil, err
	case u.Header.Typ != TypeSignedMetadata:
		return nil, nil, errors.New("typ is not " + TypeSignedMetadata)
	case len(u.Header.X5C) == 0:
		return nil, nil, errors.New("the header has no x5c")
	case e.Policy == nil:
		return nil, nil, errors.New("nobody is trusted to sign issuer metadata")
	}
	payload, err := u.Verify(u.Header.X5C[0].PublicKey)
	if err != nil {
		return nil, nil, err
	}
	chain, err := e.Policy.Verify(ctx, u.Header.X5C[0], u.Header.X5C[1:])
	if err != nil {
		return nil, nil, err
	}
	if err := checkMetadataHost(u.Header.X5C[0], e.Identifier); err != nil {
		return nil, nil, err
	}
	var claims metadataClaims
	if err := parse(payload, &claims); err != nil {
		return nil, nil, err
	}
	if err := claims.check(e); err != nil {
		return nil, nil, err
	}
	m, err := ParseIssuerMetadata(payload, e.Identifier)
	return m, chain, err
}

// checkMetadataHost holds a certificate that names hosts to them: one that was
// made for another party under the same anchor says nothing about this issuer.
func checkMetadataHost(leaf *x509.Certificate, identifier string) error {
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		return nil
	}
	u, err := url.Parse(identifier)
	if err != nil {
		return errors.New("the identifier is not a URL")
	}
	if err := leaf.VerifyHostname(u.Hostname()); err != nil {
		return errors.New("the signer's certificate is for another host than the credential issuer's")
	}
	return nil
}

func (c metadataClaims) check(e SignedMetadataExpect) error {
	switch {
	case c.Subject != e.Identifier:
		return errors.New("sub is not the credential issuer that was asked")
	case c.IssuedAt == nil:
		return errors.New("it has no iat")
	case c.IssuedAt.Time().After(e.Now.Add(e.Skew)):
		return errors.New("it was issued in the future")
	case c.Starts != nil && c.Starts.Time().After(e.Now.Add(e.Skew)):
		return errors.New("it is not valid yet")
	case c.Expires != nil && !e.Now.Before(c.Expires.Time().Add(e.Skew)):
		return errors.New("it has expired")
	}
	return nil
}
