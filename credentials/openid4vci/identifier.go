package openid4vci

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const https = "https://"

// CheckIdentifier reports whether s can be a credential issuer identifier
// (section 12.2.1) or an authorization server's issuer identifier (RFC 8414
// section 2): an https URL with a host, without user information, query and
// fragment.
func CheckIdentifier(s string) error {
	if err := checkURL(s); err != nil {
		return fmt.Errorf("identifier: %w", err)
	}
	if strings.ContainsAny(s, "?#") {
		return errors.New("identifier: has a query or a fragment")
	}
	return nil
}

// checkURL demands an https URL with a host and without user information and
// fragment.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case !strings.HasPrefix(s, https):
		return errors.New("not an https URL")
	case u.Hostname() == "" || u.User != nil || strings.Contains(s, "#"):
		return errors.New("has no host, or has user information or a fragment")
	}
	return nil
}

// MetadataURL returns where the metadata of a credential issuer is: the
// well-known segment stands between host and path, and the path stays as it is
// (section 12.2.2).
func MetadataURL(identifier string) (string, error) {
	return insert(identifier, WellKnownIssuer, false)
}

// AuthorizationServerMetadataURL returns where the metadata of an
// authorization server is: the well-known segment stands between host and path,
// and a slash that ends the path is dropped (RFC 8414 section 3.1).
func AuthorizationServerMetadataURL(issuer string) (string, error) {
	return insert(issuer, WellKnownAuthorizationServer, true)
}

func insert(identifier, segment string, trim bool) (string, error) {
	if err := CheckIdentifier(identifier); err != nil {
		return "", err
	}
	if trim {
		identifier = strings.TrimSuffix(identifier, "/")
	}
	host, path, found := strings.Cut(strings.TrimPrefix(identifier, https), "/")
	if found {
		path = "/" + path
	}
	return https + host + segment + path, nil
}
