package openid4vp

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/jose"
)

// ResponseMode says how the response travels (section 8).
type ResponseMode string

// The response modes.
const (
	DirectPost    ResponseMode = "direct_post"
	DirectPostJWT ResponseMode = "direct_post.jwt"
	DCAPI         ResponseMode = "dc_api"
	DCAPIJWT      ResponseMode = "dc_api.jwt"
)

// Encrypted reports whether the response must be encrypted.
func (m ResponseMode) Encrypted() bool { return m == DirectPostJWT || m == DCAPIJWT }

// OverDCAPI reports whether the response goes through the Digital Credentials
// API.
func (m ResponseMode) OverDCAPI() bool { return m == DCAPI || m == DCAPIJWT }

// ResponseTypeVPToken is the one response type that is used.
const ResponseTypeVPToken = "vp_token"

// AudienceSelfIssued is the aud of a request object for a wallet whose
// metadata the verifier has not discovered (section 5.8).
const AudienceSelfIssued = "https://self-issued.me/v2"

// AuthorizationRequest holds the parameters of an authorization request, as
// the claims of a request object or as the data of an unsigned request over
// the Digital Credentials API (sections 5.1, 5.2 and appendix A.2). Unknown
// parameters, and iss, are ignored on reading.
type AuthorizationRequest struct {
	ClientID     string       `json:"client_id,omitempty"`
	ResponseType string       `json:"response_type,omitempty"`
	ResponseMode ResponseMode `json:"response_mode,omitempty"`
	ResponseURI  string       `json:"response_uri,omitempty"`
	RedirectURI  string       `json:"redirect_uri,omitempty"`
	Nonce        string       `json:"nonce,omitempty"`
	State        string       `json:"state,omitempty"`
	Scope        string       `json:"scope,omitempty"`
	// DCQLQuery is the query as it was received or is to be sent;
	// [AuthorizationRequest.Query] parses it.
	DCQLQuery       json.RawMessage   `json:"dcql_query,omitempty"`
	ClientMetadata  *ClientMetadata   `json:"client_metadata,omitempty"`
	TransactionData []string          `json:"transaction_data,omitempty"`
	VerifierInfo    []VerifierInfo    `json:"verifier_info,omitempty"`
	ExpectedOrigins []string          `json:"expected_origins,omitempty"`
	WalletNonce     string            `json:"wallet_nonce,omitempty"`
	Audience        Audience          `json:"aud,omitempty"`
	IssuedAt        *jose.NumericDate `json:"iat,omitempty"`
	NotBefore       *jose.NumericDate `json:"nbf,omitempty"`
	Expires         *jose.NumericDate `json:"exp,omitempty"`
}

// VerifierInfo is a statement of a third party about the verifier, such as a
// registration certificate (section 5.11). Whoever uses it checks it.
type VerifierInfo struct {
	Format        string          `json:"format"`
	Data          json.RawMessage `json:"data"`
	CredentialIDs []string        `json:"credential_ids,omitempty"`
}

// Audience is the aud claim: one string or an array of strings.
type Audience []string

// MarshalJSON writes a single audience as a string.
func (a Audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// UnmarshalJSON reads a string or a non-empty array of strings.
func (a *Audience) UnmarshalJSON(data []byte) error {
	var one string
	if err := jose.UnmarshalJSON(data, &one); err == nil && one != "" {
		*a = Audience{one}
		return nil
	}
	var many []string
	if err := jose.UnmarshalJSON(data, &many); err != nil || len(many) == 0 {
		return errors.New("aud is neither a string nor an array of strings")
	}
	*a = many
	return nil
}

// Query parses the DCQL query. Errors are [*Error] with the code
// invalid_request.
func (r *AuthorizationRequest) Query() (*dcql.Query, error) {
	q, err := dcql.Parse(r.DCQLQuery)
	if err != nil {
		return nil, invalidBy("dcql_query is not valid", err)
	}
	return q, nil
}

const (
	maxURI      = 2048
	maxVerifier = 16
)

// Validate checks the rules about parameters that hold for both ends and for
// every way a request travels (sections 5 and 8.2, appendix A.2) and returns
// the parsed query. Errors are [*Error].
func (r *AuthorizationRequest) Validate() (*dcql.Query, error) {
	if r.ResponseType != ResponseTypeVPToken {
		return nil, refuse(UnsupportedResponseType, "response_type must be vp_token")
	}
	if !validToken(r.Nonce) {
		return nil, invalid("nonce is missing or has characters that are not URL-safe")
	}
	if r.State != "" && !validToken(r.State) {
		return nil, invalid("state has characters that are not URL-safe")
	}
	if err := r.validateMode(); err != nil {
		return nil, err
	}
	q, err := r.validateQuery()
	if err != nil {
		return nil, err
	}
	if !q.HolderBindingRequired() && r.State == "" && !r.ResponseMode.OverDCAPI() {
		return nil, invalid("state is required because a credential is requested without holder binding")
	}
	if err := r.validateVerifierInfo(q); err != nil {
		return nil, err
	}
	if err := r.ClientMetadata.validate(r.ResponseMode); err != nil {
		return nil, err
	}
	return q, nil
}

func (r *AuthorizationRequest) validateMode() error {
	switch r.ResponseMode {
	case DCAPI, DCAPIJWT:
		return nil
	case DirectPost, DirectPostJWT:
	case "":
		return invalid("response_mode is missing")
	default:
		return invalid("response_mode is not supported")
	}
	if r.RedirectURI != "" {
		return invalid("redirect_uri must not be present with response_mode direct_post")
	}
	if _, err := parseHTTPS(r.ResponseURI); err != nil {
		return invalidBy("response_uri is not an https URL", err)
	}
	return nil
}

func (r *AuthorizationRequest) validateQuery() (*dcql.Query, error) {
	hasQuery := len(r.DCQLQuery) > 0
	switch {
	case hasQuery && r.Scope != "":
		return nil, invalid("dcql_query and scope must not both be present")
	case !hasQuery && r.Scope != "":
		return nil, refuse(InvalidScope, "scope stands for no known query")
	case !hasQuery:
		return nil, invalid("dcql_query is missing")
	}
	return r.Query()
}

func (r *AuthorizationRequest) validateVerifierInfo(q *dcql.Query) error {
	if r.VerifierInfo != nil && (len(r.VerifierInfo) == 0 || len(r.VerifierInfo) > maxVerifier) {
		return invalid("verifier_info has no elements or too many")
	}
	for _, info := range r.VerifierInfo {
		if info.Format == "" || len(info.Data) == 0 || (info.Data[0] != '"' && info.Data[0] != '{') {
			return invalid("verifier_info has an element without format or data")
		}
		if info.CredentialIDs != nil && len(info.CredentialIDs) == 0 {
			return invalid("verifier_info has empty credential_ids")
		}
		if slices.ContainsFunc(info.CredentialIDs, func(id string) bool { return q.Credential(id) == nil }) {
			return invalid("verifier_info refers to a credential that is not requested")
		}
	}
	return nil
}

// checkFormats refuses a query that asks only for formats that this package's
// users do not have, or that the verifier does not claim to understand.
func checkFormats(q *dcql.Query, m *ClientMetadata) error {
	for i := range q.Credentials {
		f := q.Credentials[i].Format
		if (f == credentials.FormatSDJWTVC || f == credentials.FormatMdoc) && m.supports(f) {
			return nil
		}
	}
	return refuse(VPFormatsNotSupported, "no requested credential format is supported by both sides")
}

// validToken reports whether s has only the characters that nonce and state
// may have (section 5.2), and a sensible length.
func validToken(s string) bool {
	if s == "" || len(s) > 512 {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.ContainsRune("-._~", c):
			return false
		}
		return true
	})
}

// parseHTTPS reads an absolute https URL with a host and without userinfo and
// fragment.
func parseHTTPS(s string) (*url.URL, error) {
	if s == "" || len(s) > maxURI {
		return nil, errors.New("missing or too long")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("not an absolute https URL")
	case u.User != nil || u.Fragment != "" || strings.Contains(s, "#"):
		return nil, errors.New("has userinfo or a fragment")
	}
	return u, nil
}
