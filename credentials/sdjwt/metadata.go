package sdjwt

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
)

// IssuerMetadataPath is the well-known path of [IssuerMetadata]. It stands
// between the host of the issuer's URL and its path.
const IssuerMetadataPath = "/.well-known/jwt-vc-issuer"

// IssuerMetadata is the JWT VC issuer metadata (SD-JWT VC section 4.2) with the
// keys inside.
type IssuerMetadata struct {
	// Issuer is the URL of the issuer.
	Issuer string       `json:"issuer"`
	JWKS   IssuerKeySet `json:"jwks"`
}

// IssuerKeySet is a JWK Set (RFC 7517 section 5).
type IssuerKeySet struct {
	Keys []IssuerKey `json:"keys"`
}

// IssuerKey is a public key of an issuer. Its kid is the SHA-256 thumbprint of
// the key (RFC 7638).
type IssuerKey struct {
	jose.JWK
	// X5C holds the certificates in base64, leaf first, without the anchor.
	X5C []string `json:"x5c,omitempty"`
}

// IssuerMetadataURL returns where the metadata of an issuer is: the well-known
// path stands between host and path, and a slash that ends the path is dropped
// (SD-JWT VC section 4).
func IssuerMetadataURL(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(issuer, "?#") {
		return "", errors.New("issuer metadata: the issuer is not an https URL of host and path")
	}
	return "https://" + u.Host + IssuerMetadataPath + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// UnmarshalJSON implements json.Unmarshaler: the key by the rules of
// [jose.ParseJWK], the certificates unchecked.
func (k *IssuerKey) UnmarshalJSON(data []byte) error {
	var certificates struct {
		X5C []string `json:"x5c"`
	}
	if err := jose.UnmarshalJSON(data, &certificates); err != nil {
		return fmt.Errorf("%w: x5c", jose.ErrKey)
	}
	k.X5C = certificates.X5C
	return k.JWK.UnmarshalJSON(data)
}

// NewIssuerMetadata returns the metadata of an issuer that signs with the keys.
func NewIssuerMetadata(issuer string, signers []*keys.Key) (*IssuerMetadata, error) {
	m := &IssuerMetadata{Issuer: issuer, JWKS: IssuerKeySet{Keys: []IssuerKey{}}}
	for _, key := range signers {
		pub, err := key.Public()
		if err != nil {
			return nil, fmt.Errorf("issuer metadata: %w", err)
		}
		jwk, err := jose.NewJWK(pub)
		if err != nil {
			return nil, fmt.Errorf("issuer metadata: %w", err)
		}
		jwk.Kid, jwk.Use = jose.EncodeBase64(jwk.Thumbprint()), "sig"
		if jwk.Alg, err = jose.AlgorithmOf(pub); err != nil {
			return nil, fmt.Errorf("issuer metadata: %w", err)
		}
		published := IssuerKey{JWK: *jwk}
		for _, cert := range key.Chain {
			published.X5C = append(published.X5C, base64.StdEncoding.EncodeToString(cert.Raw))
		}
		m.JWKS.Keys = append(m.JWKS.Keys, published)
	}
	return m, nil
}
