package openid4vp

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/tegata-id/tegata/credentials/jose"
)

// The exchange protocols of the Digital Credentials API (appendix A.1).
const (
	ProtocolUnsigned    = "openid4vp-v1-unsigned"
	ProtocolSigned      = "openid4vp-v1-signed"
	ProtocolMultisigned = "openid4vp-v1-multisigned"
)

const (
	maxDCAPIRequest = 256 << 10
	maxSignatures   = 8
)

// ParseDCAPIRequest validates a request that came through the Digital
// Credentials API. origin is what the platform says about the caller.
// Signed requests are authenticated like those of [ParseRequest] and must
// expect that origin; of a request with several signatures, the first that the
// wallet trusts counts. Errors are [*Error] without Reply: they go back
// through the API.
func ParseDCAPIRequest(ctx context.Context, protocol string, data []byte, origin string, o ParseOptions) (*Request, error) {
	if o.Now == nil {
		return nil, errors.New("openid4vp: ParseOptions lack a clock")
	}
	if origin == "" || len(data) > maxDCAPIRequest {
		return nil, invalid("origin is missing or the request is too large")
	}
	var r *Request
	var err error
	switch protocol {
	case ProtocolUnsigned:
		r, err = parseUnsigned(data)
	case ProtocolSigned:
		r, err = parseSigned(ctx, data, origin, o)
	case ProtocolMultisigned:
		r, err = parseMultisigned(ctx, data, origin, o)
	default:
		err = invalid("exchange protocol is not supported")
	}
	if err != nil {
		return nil, err
	}
	if !r.Parameters.ResponseMode.OverDCAPI() {
		return nil, invalid("response_mode is not one of the Digital Credentials API")
	}
	r.Origin = origin
	// Parameters that mean nothing here are ignored, not obeyed.
	r.Parameters.State, r.Parameters.ResponseURI, r.Parameters.RedirectURI = "", "", ""
	if err := r.checkParameters(o); err != nil {
		return nil, err
	}
	return r, nil
}

// parseUnsigned ignores client_id and expected_origins (appendix A.2).
func parseUnsigned(data []byte) (*Request, error) {
	var wire struct {
		AuthorizationRequest
		Request json.RawMessage `json:"request"`
	}
	if err := jose.UnmarshalJSON(data, &wire); err != nil {
		return nil, invalidBy("request is not an object of request parameters", err)
	}
	if wire.Request != nil {
		return nil, invalid("request is signed although the protocol says that it is not")
	}
	p := wire.AuthorizationRequest
	p.ClientID, p.ExpectedOrigins = "", nil
	return &Request{Parameters: p}, nil
}

func parseSigned(ctx context.Context, data []byte, origin string, o ParseOptions) (*Request, error) {
	var wire struct {
		Request string `json:"request"`
	}
	if err := jose.UnmarshalJSON(data, &wire); err != nil || wire.Request == "" {
		return nil, invalid("data has no request object in compact form")
	}
	payload, chain, err := authenticate(ctx, wire.Request, o)
	if err != nil {
		return nil, err
	}
	p, err := decodeRequest(payload)
	if err != nil {
		return nil, err
	}
	r := &Request{Parameters: *p, Chain: chain}
	if err := r.identify(origin, o); err != nil {
		return nil, err
	}
	return r, nil
}

// identify checks what binds a signed request to its sender and its origin.
func (r *Request) identify(origin string, o ParseOptions) error {
	id, err := ParseClientID(r.Parameters.ClientID)
	if err != nil {
		return err
	}
	if err := id.certifiedBy(r.Chain.Certificates[0]); err != nil {
		return err
	}
	r.ClientID = id
	if err := r.Parameters.checkEnvelope(o); err != nil {
		return err
	}
	return checkOrigins(r.Parameters.ExpectedOrigins, origin, o.AllowHTTPOrigins)
}

// checkOrigins compares strings and interprets nothing but the scheme
// (appendix A.2).
func checkOrigins(expected []string, origin string, allowHTTP bool) error {
	if len(expected) == 0 {
		return invalid("expected_origins is missing")
	}
	for _, e := range expected {
		scheme, _, _ := strings.Cut(strings.ToLower(e), ":")
		if slices.Contains([]string{"ftp", "javascript", "data", "ws", "wss"}, scheme) || (scheme == "http" && !allowHTTP) {
			return invalid("expected_origins has a scheme that is not allowed")
		}
	}
	if !slices.Contains(expected, origin) {
		return invalid("request is for another origin")
	}
	return nil
}

// parseMultisigned reads the JWS JSON serialization (appendix A.3.2.2):
// client_id and verifier_info stand in the protected headers, everything else
// in the payload. Unprotected headers are ignored.
func parseMultisigned(ctx context.Context, data []byte, origin string, o ParseOptions) (*Request, error) {
	type signature struct {
		Protected string `json:"protected"`
		Signature string `json:"signature"`
	}
	var wire struct {
		Request struct {
			Payload    string      `json:"payload"`
			Signatures []signature `json:"signatures"`
		} `json:"request"`
	}
	if err := jose.UnmarshalJSON(data, &wire); err != nil {
		return nil, invalidBy("data has no request object in JSON form", err)
	}
	list := wire.Request.Signatures
	if len(list) == 0 || len(list) > maxSignatures {
		return nil, invalid("request object has no signatures or too many")
	}
	var first error
	for _, s := range list {
		r, err := parseOneSignature(ctx, s.Protected+"."+wire.Request.Payload+"."+s.Signature, o)
		if err == nil {
			err = r.identify(origin, o)
		}
		if err == nil {
			return r, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func parseOneSignature(ctx context.Context, compact string, o ParseOptions) (*Request, error) {
	if o.Trust == nil {
		return nil, errors.New("openid4vp: ParseOptions lack a trust policy")
	}
	u, err := jose.Parse(compact)
	if err != nil {
		return nil, invalidBy("request object is not an acceptable JWS", err)
	}
	payload, chain, err := authenticateJWS(ctx, u, o)
	if err != nil {
		return nil, err
	}
	p, err := decodeRequest(payload)
	if err != nil {
		return nil, err
	}
	if p.ClientID != "" || p.VerifierInfo != nil {
		return nil, invalid("client_id and verifier_info must stand in the protected header")
	}
	protected, err := json.Marshal(map[string]any{
		"client_id": u.Header.Extra["client_id"], "verifier_info": u.Header.Extra["verifier_info"],
	})
	if err != nil {
		return nil, invalidBy("protected header", err)
	}
	var header struct {
		ClientID     string         `json:"client_id"`
		VerifierInfo []VerifierInfo `json:"verifier_info"`
	}
	if err := jose.UnmarshalJSON(protected, &header); err != nil {
		return nil, invalidBy("protected header has parameters of the wrong type", err)
	}
	p.ClientID, p.VerifierInfo = header.ClientID, header.VerifierInfo
	return &Request{Parameters: *p, Chain: chain}, nil
}
