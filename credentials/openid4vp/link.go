package openid4vp

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/tegata-id/tegata/credentials/jose"
)

// The custom schemes that wallets register: that of OpenID4VP and that of
// HAIP 1.0. Either may be replaced by a wallet's own https address.
const (
	EndpointOpenID4VP = "openid4vp://"
	EndpointHAIP      = "haip-vp://"
)

// The values of request_uri_method (section 5.1). They are case-sensitive.
const (
	MethodGet  = "get"
	MethodPost = "post"
)

// RequestLink is the authorization request as the wallet first sees it, in a
// link or a QR code: where the request object is (RFC 9101 section 5.2).
type RequestLink struct {
	ClientID   string
	RequestURI string
	// RequestURIMethod is MethodGet, MethodPost or empty.
	RequestURIMethod string
}

// URL returns the link for a wallet's authorization endpoint: one of the
// custom schemes or the https address of a wallet.
func (l RequestLink) URL(endpoint string) (string, error) {
	if err := l.validate(); err != nil {
		return "", err
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme == "" || strings.Contains(endpoint, "#") {
		return "", errors.New("openid4vp: wallet endpoint is not a URL without fragment")
	}
	query := "client_id=" + url.QueryEscape(l.ClientID) + "&request_uri=" + url.QueryEscape(l.RequestURI)
	if l.RequestURIMethod != "" {
		query += "&request_uri_method=" + l.RequestURIMethod
	}
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + query, nil
}

// ParseRequestLink reads a link under any scheme; which schemes reach the
// wallet is for the platform to say. Parameters other than the three are
// ignored, as section 5.10.1 demands, and none may occur twice. Requests by
// value are refused. Errors are [*Error].
func ParseRequestLink(raw string) (RequestLink, error) {
	if len(raw) > 4*maxURI {
		return RequestLink{}, invalid("request link is too long")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return RequestLink{}, invalid("request link is not a URL")
	}
	// ParseQuery fails on what Query would drop silently.
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return RequestLink{}, invalid("request link has a malformed query")
	}
	for _, name := range []string{"client_id", "request_uri", "request_uri_method"} {
		if len(query[name]) > 1 {
			return RequestLink{}, invalid("a request parameter occurs twice")
		}
	}
	if query.Has("request_uri_method") && query.Get("request_uri_method") == "" {
		return RequestLink{}, refuse(InvalidRequestURIMethod, "request_uri_method is neither get nor post")
	}
	l := RequestLink{
		ClientID:         query.Get("client_id"),
		RequestURI:       query.Get("request_uri"),
		RequestURIMethod: query.Get("request_uri_method"),
	}
	if query.Has("request") {
		return RequestLink{}, invalid("requests by value are not supported")
	}
	if err := l.validate(); err != nil {
		return RequestLink{}, err
	}
	return l, nil
}

func (l RequestLink) validate() error {
	if l.RequestURI == "" {
		return invalid("request_uri is missing")
	}
	if l.RequestURIMethod != "" && l.RequestURIMethod != MethodGet && l.RequestURIMethod != MethodPost {
		return refuse(InvalidRequestURIMethod, "request_uri_method is neither get nor post")
	}
	if _, err := ParseClientID(l.ClientID); err != nil {
		return err
	}
	if _, err := parseHTTPS(l.RequestURI); err != nil {
		return invalidBy("request_uri is not an https URL", err)
	}
	return nil
}

// RequestURIPost is what a wallet tells the verifier when it fetches the
// request object by POST (section 5.10). Both members are optional.
type RequestURIPost struct {
	WalletNonce    string
	WalletMetadata json.RawMessage
}

// ParseRequestURIPost reads the form. Unknown parameters are ignored, known
// ones must not occur twice. Errors are [*Error].
func ParseRequestURIPost(form url.Values) (RequestURIPost, error) {
	if len(form["wallet_nonce"]) > 1 || len(form["wallet_metadata"]) > 1 {
		return RequestURIPost{}, invalid("a parameter occurs twice")
	}
	p := RequestURIPost{WalletNonce: form.Get("wallet_nonce")}
	if form.Has("wallet_nonce") && (p.WalletNonce == "" || len(p.WalletNonce) > 512) {
		return RequestURIPost{}, invalid("wallet_nonce is empty or too long")
	}
	if metadata := form.Get("wallet_metadata"); metadata != "" {
		var object map[string]any
		if err := jose.UnmarshalJSON([]byte(metadata), &object); err != nil || object == nil {
			return RequestURIPost{}, invalid("wallet_metadata is not a JSON object")
		}
		p.WalletMetadata = json.RawMessage(metadata)
	}
	return p, nil
}

// Form returns the body of the POST.
func (p RequestURIPost) Form() url.Values {
	form := url.Values{}
	if p.WalletNonce != "" {
		form.Set("wallet_nonce", p.WalletNonce)
	}
	if len(p.WalletMetadata) > 0 {
		form.Set("wallet_metadata", string(p.WalletMetadata))
	}
	return form
}
