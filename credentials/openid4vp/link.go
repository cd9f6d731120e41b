package openid4vp

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
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
// link or a QR code. One of RequestURI, Request and Parameters is set.
type RequestLink struct {
	ClientID string
	// RequestURI is where the request object is (RFC 9101 section 5.2).
	RequestURI string
	// RequestURIMethod is MethodGet, MethodPost or empty.
	RequestURIMethod string
	// Request is the request object itself (RFC 9101 section 5.1).
	Request string
	// Parameters are those of a request that is not signed.
	Parameters *AuthorizationRequest
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
	query := "client_id=" + url.QueryEscape(l.ClientID)
	switch {
	case l.Parameters != nil:
		if query, err = l.Parameters.query(); err != nil {
			return "", err
		}
	case l.Request != "":
		query += "&request=" + url.QueryEscape(l.Request)
	default:
		query += "&request_uri=" + url.QueryEscape(l.RequestURI)
	}
	if l.RequestURIMethod != "" {
		query += "&request_uri_method=" + l.RequestURIMethod
	}
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + query, nil
}

// query writes the parameters of an unsigned request: strings as they are,
// everything else as JSON (section 5).
func (r *AuthorizationRequest) query() (string, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return "", err
	}
	out := url.Values{}
	for name, value := range members {
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		out.Set(name, text)
	}
	return out.Encode(), nil
}

// structured are the parameters whose values are JSON in a link.
var structured = []string{"dcql_query", "client_metadata", "transaction_data", "verifier_info"}

// parameters reads an unsigned request from a link.
func parameters(query url.Values) (*AuthorizationRequest, error) {
	members := map[string]any{}
	for name, values := range query {
		if len(values) > 1 {
			return nil, invalid("a request parameter occurs twice")
		}
		members[name] = values[0]
		if slices.Contains(structured, name) {
			members[name] = json.RawMessage(values[0])
		}
	}
	// What only request objects have means nothing here.
	for _, name := range []string{"iss", "aud", "iat", "nbf", "exp", "wallet_nonce", "expected_origins"} {
		delete(members, name)
	}
	data, err := json.Marshal(members)
	if err != nil {
		return nil, invalid("a request parameter is not JSON")
	}
	return decodeRequest(data)
}

// maxLink is the longest link in bytes: a request by value with its chain of
// certificates and attachments.
const maxLink = 64 << 10

// ParseRequestLink reads a link under any scheme; which schemes reach the
// wallet is for the platform to say. Where there is a request object, all
// parameters beside it are ignored but client_id, as section 5.10.1 demands.
// None may occur twice. Errors are [*Error].
func ParseRequestLink(raw string) (RequestLink, error) {
	if len(raw) > maxLink {
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
	for _, name := range []string{"client_id", "request", "request_uri", "request_uri_method"} {
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
		Request:          query.Get("request"),
	}
	if !query.Has("request") && !query.Has("request_uri") && query.Has("response_type") {
		if l.Parameters, err = parameters(query); err != nil {
			return RequestLink{}, err
		}
	}
	if err := l.validate(); err != nil {
		return RequestLink{}, err
	}
	return l, nil
}

func (l RequestLink) validate() error {
	forms := 0
	for _, there := range []bool{l.RequestURI != "", l.Request != "", l.Parameters != nil} {
		if there {
			forms++
		}
	}
	if forms != 1 {
		return invalid("not exactly one of request, request_uri and the parameters themselves")
	}
	if l.RequestURIMethod != "" && l.RequestURI == "" {
		return invalid("request_uri_method without request_uri")
	}
	if l.RequestURIMethod != "" && l.RequestURIMethod != MethodGet && l.RequestURIMethod != MethodPost {
		return refuse(InvalidRequestURIMethod, "request_uri_method is neither get nor post")
	}
	if _, err := ParseClientID(l.ClientID); err != nil {
		return err
	}
	if l.RequestURI == "" {
		return nil
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
	WalletMetadata *WalletMetadata
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
		p.WalletMetadata = &WalletMetadata{}
		if err := jose.UnmarshalJSON([]byte(metadata), p.WalletMetadata); err != nil {
			return RequestURIPost{}, invalid("wallet_metadata has a member of the wrong type")
		}
	}
	return p, nil
}

// Form returns the body of the POST.
func (p RequestURIPost) Form() (url.Values, error) {
	form := url.Values{}
	if p.WalletNonce != "" {
		form.Set("wallet_nonce", p.WalletNonce)
	}
	if p.WalletMetadata != nil {
		metadata, err := json.Marshal(p.WalletMetadata)
		if err != nil {
			return nil, err
		}
		form.Set("wallet_metadata", string(metadata))
	}
	return form, nil
}
