package openid4vp

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/tegata-id/tegata/credentials/jose"
)

// ResponseParams are the parameters of an authorization response or error
// response (sections 8.1 and 8.5). Either VPToken or Error is set.
type ResponseParams struct {
	// VPToken maps the id of a credential query to its presentations: SD-JWTs
	// with key binding, or base64url DeviceResponses.
	VPToken          map[string][]string `json:"vp_token,omitempty"`
	State            string              `json:"state,omitempty"`
	Error            ErrorCode           `json:"error,omitempty"`
	ErrorDescription string              `json:"error_description,omitempty"`
}

// The limits on a response.
const (
	maxQueries       = 32
	maxPresentations = 32
	maxDescription   = 1024
)

// ParseVPToken reads a vp_token (section 8.1): an object whose members are
// non-empty arrays of strings, under identifiers that a query can have.
// Presentations as objects are refused: no format used here has any. The error
// is an [*Error].
func ParseVPToken(data []byte) (map[string][]string, error) {
	var token map[string][]string
	if err := jose.UnmarshalJSON(data, &token); err != nil {
		return nil, invalidBy("vp_token is not an object of arrays of strings", err)
	}
	if err := validateVPToken(token); err != nil {
		return nil, err
	}
	return token, nil
}

func validateVPToken(token map[string][]string) error {
	if len(token) == 0 || len(token) > maxQueries {
		return invalid("vp_token has no members or too many")
	}
	for id, list := range token {
		if id == "" || strings.Contains(id, ".") || strings.Contains(id, "~") || !validToken(id) {
			return invalid("vp_token has a member whose name is not an identifier")
		}
		if len(list) == 0 || len(list) > maxPresentations {
			return invalid("vp_token has a member with no presentations or too many")
		}
		for _, p := range list {
			if p == "" {
				return invalid("vp_token has an empty presentation")
			}
		}
	}
	return nil
}

func (p *ResponseParams) validate() error {
	switch {
	case p.State != "" && !validToken(p.State):
		return invalid("state has characters that are not URL-safe")
	case p.Error == "" && p.VPToken == nil:
		return invalid("response has neither vp_token nor error")
	case p.Error != "" && p.VPToken != nil:
		return invalid("response has both vp_token and error")
	case p.Error == "":
		return validateVPToken(p.VPToken)
	case len(p.Error) > 64 || strings.ContainsFunc(string(p.Error), notNQSCHAR):
		return invalid("error is not an error code")
	case len(p.ErrorDescription) > maxDescription:
		return invalid("error_description is too long")
	}
	return nil
}

// notNQSCHAR reports whether c is outside the characters of an error code
// (RFC 6749 appendix A.7).
func notNQSCHAR(c rune) bool { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' }

// parseResponse reads response parameters from a JSON object.
func parseResponse(data []byte) (*ResponseParams, error) {
	var wire struct {
		VPToken          json.RawMessage `json:"vp_token"`
		State            string          `json:"state"`
		Error            ErrorCode       `json:"error"`
		ErrorDescription string          `json:"error_description"`
	}
	if err := jose.UnmarshalJSON(data, &wire); err != nil {
		return nil, invalidBy("response is not an object of response parameters", err)
	}
	p := &ResponseParams{State: wire.State, Error: wire.Error, ErrorDescription: wire.ErrorDescription}
	if len(wire.VPToken) > 0 {
		var err error
		if p.VPToken, err = ParseVPToken(wire.VPToken); err != nil {
			return nil, err
		}
	}
	if err := p.validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// Form returns the parameters as the body of a direct_post: a response in the
// mode direct_post, or an error in either mode.
func (p *ResponseParams) Form() (url.Values, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	form := url.Values{}
	if p.VPToken != nil {
		token, err := json.Marshal(p.VPToken)
		if err != nil {
			return nil, err
		}
		form.Set("vp_token", string(token))
	}
	for name, value := range map[string]string{
		"state": p.State, "error": string(p.Error), "error_description": p.ErrorDescription,
	} {
		if value != "" {
			form.Set(name, value)
		}
	}
	return form, nil
}

// Posted is what arrived from the wallet: a JWE to open with
// [DecryptResponse], or parameters in the clear.
type Posted struct {
	JWE    string
	Params *ResponseParams
}

// ParsePost reads the form of a post to the response_uri for the mode that the
// request demanded. In the mode direct_post.jwt a vp_token in the clear is
// refused, while an error may come unencrypted (section 8.3.1). Parameters
// that occur twice are refused, unknown ones ignored. Errors are [*Error].
func ParsePost(form url.Values, mode ResponseMode) (*Posted, error) {
	known := map[string]string{}
	for _, name := range []string{"response", "vp_token", "state", "error", "error_description"} {
		values := form[name]
		if len(values) > 1 {
			return nil, invalid("a response parameter occurs twice")
		}
		if len(values) == 1 {
			known[name] = values[0]
		}
	}
	p := &ResponseParams{
		State:            known["state"],
		Error:            ErrorCode(known["error"]),
		ErrorDescription: known["error_description"],
	}
	jwe := known["response"]
	token, hasToken := known["vp_token"]
	if err := checkMode(mode, jwe, hasToken, p.Error); err != nil {
		return nil, err
	}
	if jwe != "" {
		return &Posted{JWE: jwe}, nil
	}
	if hasToken {
		var err error
		if p.VPToken, err = ParseVPToken([]byte(token)); err != nil {
			return nil, err
		}
	}
	if err := p.validate(); err != nil {
		return nil, err
	}
	return &Posted{Params: p}, nil
}

// checkMode refuses what does not come the way the request demanded.
func checkMode(mode ResponseMode, jwe string, hasToken bool, code ErrorCode) error {
	switch {
	case jwe != "" && !mode.Encrypted():
		return invalid("response is encrypted although the request did not ask for it")
	case jwe != "" && (hasToken || code != ""):
		return invalid("response has parameters beside the encrypted ones")
	case jwe == "" && mode.Encrypted() && (hasToken || code == ""):
		return invalid("response is not encrypted although the request demands it")
	}
	return nil
}

// ParseDCAPIResponse reads the data that the Digital Credentials API returned
// for the mode that the request demanded, under the rules of [ParsePost].
func ParseDCAPIResponse(data []byte, mode ResponseMode) (*Posted, error) {
	if len(data) > jose.MaxTokenSize {
		return nil, invalid("response is too large")
	}
	var wire struct {
		Response string          `json:"response"`
		VPToken  json.RawMessage `json:"vp_token"`
		Error    ErrorCode       `json:"error"`
	}
	if err := jose.UnmarshalJSON(data, &wire); err != nil {
		return nil, invalidBy("response is not an object of response parameters", err)
	}
	if err := checkMode(mode, wire.Response, len(wire.VPToken) > 0, wire.Error); err != nil {
		return nil, err
	}
	if wire.Response != "" {
		return &Posted{JWE: wire.Response}, nil
	}
	p, err := parseResponse(data)
	if err != nil {
		return nil, err
	}
	return &Posted{Params: p}, nil
}
