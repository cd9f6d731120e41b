package verifier

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/credentials/openid4vp"
)

// RequestForm says in what form a verifier makes its requests. The zero value
// is what HAIP 1.0 demands; everything else is for wallets that can't do that.
type RequestForm struct {
	// Prefix is that of the client identifier: X509Hash if empty, X509SanDNS
	// with the host of the base URL, or RedirectURI, whose requests are not
	// signed, so that wallets can't tell who asks.
	Prefix openid4vp.Prefix
	// Mode is DirectPostJWT if empty, or DirectPost, whose responses travel
	// under TLS alone.
	Mode openid4vp.ResponseMode
	// ByValue puts the signed request into links for the same device. A QR code
	// would not hold it.
	ByValue bool
	// VerifierInfo are statements of others about the relying party, such as
	// registration certificates, to be sent with every request.
	VerifierInfo []openid4vp.VerifierInfo
}

func (f *RequestForm) prefix() openid4vp.Prefix {
	if f.Prefix == "" {
		return openid4vp.X509Hash
	}
	return f.Prefix
}

func (f *RequestForm) mode() openid4vp.ResponseMode {
	if f.Mode == "" {
		return openid4vp.DirectPostJWT
	}
	return f.Mode
}

func (f *RequestForm) validate(host string, ring *keys.Ring) error {
	switch {
	case f.mode() != openid4vp.DirectPost && f.mode() != openid4vp.DirectPostJWT:
		return errors.New("the response mode is neither direct_post.jwt nor direct_post")
	case f.prefix() == openid4vp.RedirectURI && f.ByValue:
		return errors.New("requests that are not signed have no other form")
	}
	switch f.prefix() {
	case openid4vp.X509Hash, openid4vp.RedirectURI:
		return nil
	case openid4vp.X509SanDNS:
		for _, e := range ring.All() {
			names := e.Key.Leaf().DNSNames
			if !slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, host) }) {
				return fmt.Errorf("a certificate for requests does not name the host %s, as x509_san_dns needs", host)
			}
		}
		return nil
	}
	return errors.New("the prefix of the client identifier is not x509_hash, x509_san_dns or redirect_uri")
}

// identify sets who the transaction says it is. The error is [keys.ErrNoSigner]
// if no key may sign now.
func (v *Verifier) identify(t *transaction) error {
	if v.cfg.Request.prefix() == openid4vp.RedirectURI {
		t.ClientID = openid4vp.RedirectURIClientID(v.responseURI(t))
		return nil
	}
	key, err := v.cfg.Keys.At(v.cfg.Now())
	if err != nil {
		return err
	}
	t.ClientID = openid4vp.X509HashClientID(key.Leaf())
	if v.cfg.Request.prefix() == openid4vp.X509SanDNS {
		u, err := url.Parse(v.cfg.BaseURL)
		if err != nil {
			return err
		}
		t.Signer, t.ClientID = t.ClientID, openid4vp.X509SanDNSClientID(u.Hostname())
	}
	return nil
}

// signed reports whether the transaction has a request object.
func (t *transaction) signed() bool {
	id, err := openid4vp.ParseClientID(t.ClientID)
	return err == nil && id.Prefix != openid4vp.RedirectURI
}

// signerOf returns the key whose certificate a transaction began with, for as
// long as it is valid. The error is [keys.ErrNoSigner] if it has ended or is not
// here.
func (v *Verifier) signerOf(t *transaction) (*keys.Key, error) {
	signer := t.Signer
	if signer == "" {
		signer = t.ClientID
	}
	for _, e := range v.cfg.Keys.All() {
		if openid4vp.X509HashClientID(e.Key.Leaf()) == signer && e.Key.ValidAt(v.cfg.Now()) {
			return e.Key, nil
		}
	}
	return nil, keys.ErrNoSigner
}

// link makes what leads a wallet to the request.
func (v *Verifier) link(t *transaction) (string, error) {
	link := &openid4vp.RequestLink{ClientID: t.ClientID}
	switch {
	case !t.signed():
		request, err := v.authorizationRequest(t, "")
		if err != nil {
			return "", err
		}
		request.Audience, request.IssuedAt, request.Expires = nil, nil, nil
		if link, err = openid4vp.UnsignedLink(request); err != nil {
			return "", err
		}
	case v.cfg.Request.ByValue && t.Flow == SameDevice:
		var err error
		if link.Request, err = v.sign(t, openid4vp.RequestURIPost{}); err != nil {
			return "", err
		}
	default:
		link.RequestURI, link.RequestURIMethod = v.requestURI(t), openid4vp.MethodPost
	}
	return link.URL(v.cfg.WalletURL)
}
