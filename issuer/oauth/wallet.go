package oauth

import (
	"crypto/x509"
	"net/url"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// Wallet is a registered client. A wallet attestation says that an instance is
// genuine, not where its codes may be sent: whoever runs an instance on a phone
// that obeys them could start a request, have somebody else approve it in their
// own browser, and get the code at an address of their choosing. A code that
// goes to the wallet's own address ends in the app of the person who approved,
// which can do nothing with it.
type Wallet struct {
	// ID is the client_id, which is the subject of the wallet attestation.
	ID string
	// Keys, if there are any, are what the client authenticates with, by signing
	// assertions (RFC 7523), and the only way: its wallet attestations are
	// refused. All are on P-256.
	Keys []jose.JWK
	// Name is what people read of a client with keys; that of others is in the
	// attestation.
	Name string
	// RedirectURIs are compared character by character (RFC 9700 section 2.1).
	RedirectURIs []string
	// Provider is the anchor under which the wallet's attestations are signed:
	// another provider that is trusted too can't speak for this wallet. Nil
	// admits every provider.
	Provider *x509.Certificate
	// Configurations and GrantTypes are all that the wallet may ask for and come
	// with; empty limits nothing.
	Configurations, GrantTypes []string
}

// byKey reports whether the wallet authenticates with keys of its own.
func (w *Wallet) byKey() bool { return len(w.Keys) > 0 }

// checkGrant refuses a grant type that the wallet is not registered for.
func (w *Wallet) checkGrant(grantType string) error {
	if w == nil || len(w.GrantTypes) == 0 || slices.Contains(w.GrantTypes, grantType) {
		return nil
	}
	return refuse(openid4vci.CodeUnauthorizedClient, "the wallet is not registered for this grant type", nil)
}

// mayHave reports whether the wallet is registered for a configuration.
func (w *Wallet) mayHave(configuration string) bool {
	return w == nil || len(w.Configurations) == 0 || slices.Contains(w.Configurations, configuration)
}

// registered checks the client against the registered wallets and returns its
// registration, or nil if every attested wallet is let in.
func (s *Server) registered(clientID string) (*Wallet, error) {
	if len(s.cfg.Wallets) == 0 {
		return nil, nil
	}
	i := slices.IndexFunc(s.cfg.Wallets, func(w Wallet) bool { return w.ID == clientID })
	if i < 0 {
		return nil, refuse(openid4vci.CodeInvalidClient, "the wallet is not registered here", nil)
	}
	return &s.cfg.Wallets[i], nil
}

// returnsTo checks a redirect_uri, against those of the wallet if it is
// registered.
func (w *Wallet) returnsTo(redirectURI string) error {
	if !validRedirectURI(redirectURI) {
		return refuse(openid4vci.CodeInvalidRequest, "redirect_uri must be https or of an app's own scheme, without fragment", nil)
	}
	if w != nil && !slices.Contains(w.RedirectURIs, redirectURI) {
		return refuse(openid4vci.CodeInvalidRequest, "redirect_uri is not registered for this wallet", nil)
	}
	return nil
}

// validRedirectURI accepts https URIs and private-use schemes (RFC 8252
// section 7.1). Clients are authenticated and not registered, so that any such
// URI may be pushed (RFC 9126 section 2.4).
func validRedirectURI(s string) bool {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxRedirectURILength || u.Fragment != "" || strings.Contains(s, "#") || u.User != nil {
		return false
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r >= 0x7f || r == '\\' }) {
		return false
	}
	// The response's own parameters must not be there twice.
	for _, pair := range strings.FieldsFunc(u.RawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || slices.Contains([]string{"code", "state", "iss", "error", "error_description", "error_uri", "response"}, name) {
			return false
		}
	}
	switch u.Scheme {
	case "https":
		return u.Host != ""
	case "", "http", "javascript", "data", "file", "blob", "about", "vbscript", "ws", "wss", "ftp", "filesystem", "view-source", "intent":
		return false
	}
	return true
}
