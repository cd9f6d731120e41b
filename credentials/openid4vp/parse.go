package openid4vp

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/trust"
)

// ParseOptions is what a wallet knows before it reads a request.
type ParseOptions struct {
	// ClientID is that of the link. It is mandatory for [ParseRequest] and
	// unused over the Digital Credentials API.
	ClientID string
	// WalletNonce is what the wallet sent when it fetched the request object;
	// empty if it sent none.
	WalletNonce string
	// Audience lists the values of aud that mean this wallet;
	// [AudienceSelfIssued] if empty.
	Audience []string
	// Trust decides on the certificates of verifiers. It is mandatory for
	// signed requests.
	Trust *trust.Policy
	// Now is mandatory.
	Now func() time.Time
	// TransactionData decides whether one element of transaction_data is of a
	// known type and well-formed, and whether the wallet will sign it. If it
	// is nil, every request with transaction_data is refused.
	TransactionData func(TransactionData) error
	// AllowHTTPOrigins admits the scheme http in expected_origins, for
	// development.
	AllowHTTPOrigins bool
}

// Request is an authorization request that a wallet may show to its user.
type Request struct {
	Parameters AuthorizationRequest
	Query      *dcql.Query
	// TransactionData holds the elements, all accepted by the wallet.
	TransactionData []TransactionData
	// ClientID is authenticated by Chain, which is nil for an unsigned request.
	// Over the Digital Credentials API that has no ClientID either.
	ClientID ClientID
	Chain    *trust.Chain
	// Origin is the origin that the platform named; empty over redirects.
	Origin string
}

// Binding returns what presentations for this request are bound to. e is nil
// if the response is not encrypted.
func (r *Request) Binding(e *Encryption) credentials.Binding {
	b := credentials.Binding{Nonce: r.Parameters.Nonce}
	if r.Parameters.ResponseMode.OverDCAPI() {
		b.Mode, b.Origin = credentials.BindingDCAPI, r.Origin
	} else {
		b.Mode, b.ResponseURI = credentials.BindingRedirect, r.Parameters.ResponseURI
	}
	b.ClientID = r.ClientID.String()
	if e != nil {
		b.EncryptionKeyThumbprint = e.Thumbprint()
	}
	return b
}

// clockSkew is what the clocks of wallet and verifier may differ by.
const clockSkew = 60 * time.Second

// ParseRequest authenticates and validates a request object that was fetched
// from a request_uri. The signer's certificate must satisfy the trust policy
// and prove the client identifier, which must equal that of the link. Only
// what the request object says counts (section 5.10.1).
//
// Errors are [*Error] and nothing may be presented after one; where Reply is
// set, the wallet may report it there. trust's error is among the causes if
// the certificate was refused.
func ParseRequest(ctx context.Context, requestObject string, o ParseOptions) (*Request, error) {
	payload, chain, err := authenticate(ctx, requestObject, o)
	if err != nil {
		return nil, err
	}
	r, err := decodeRequest(payload)
	if err != nil {
		return nil, err
	}
	if r.ClientID != o.ClientID {
		return nil, invalid("client_id of the request object differs from that of the link")
	}
	id, err := ParseClientID(r.ClientID)
	if err != nil {
		return nil, err
	}
	if err := id.certifiedBy(chain.Certificates[0]); err != nil {
		return nil, err
	}
	request := &Request{Parameters: *r, ClientID: id, Chain: chain}
	reply := r.replyTo(id)
	if err := request.check(o); err != nil {
		return nil, withReply(err, reply)
	}
	if reply == nil {
		return nil, invalid("response_uri does not belong to the client")
	}
	return request, nil
}

// ParseUnsigned validates the parameters of a link without a request object,
// whose client identifier must have the prefix redirect_uri (section 5.9.3).
// Nobody vouches for the sender: Chain of the result is nil, and all that is
// known is where the response goes. Errors are as with [ParseRequest].
func ParseUnsigned(parameters *AuthorizationRequest, o ParseOptions) (*Request, error) {
	p := *parameters
	id, err := ParseClientID(p.ClientID)
	if err != nil {
		return nil, err
	}
	if id.Prefix != RedirectURI {
		return nil, invalid("the client identifier prefix demands a signed request")
	}
	if p.ResponseURI == "" {
		p.ResponseURI = id.Value
	}
	request := &Request{Parameters: p, ClientID: id}
	reply := p.replyTo(id)
	if reply == nil {
		return nil, invalid("response_uri is not that of the client identifier")
	}
	switch {
	case p.ResponseMode.OverDCAPI():
		err = invalid("response_mode is for the Digital Credentials API")
	case p.ClientMetadata == nil:
		err = invalid("client_metadata is missing")
	default:
		err = request.checkParameters(o)
	}
	if err != nil {
		return nil, withReply(err, reply)
	}
	return request, nil
}

// check validates a request over redirects whose sender is known.
func (r *Request) check(o ParseOptions) error {
	p := &r.Parameters
	if p.ResponseMode.OverDCAPI() {
		return invalid("response_mode is for the Digital Credentials API")
	}
	if len(p.Audience) == 0 {
		return invalid("aud is missing")
	}
	if err := p.checkEnvelope(o); err != nil {
		return err
	}
	if o.WalletNonce != "" && p.WalletNonce != o.WalletNonce {
		return invalid("wallet_nonce is missing or not the one that was sent")
	}
	return r.checkParameters(o)
}

// checkEnvelope checks the registered claims of a request object.
func (r *AuthorizationRequest) checkEnvelope(o ParseOptions) error {
	accepted := o.Audience
	if len(accepted) == 0 {
		accepted = []string{AudienceSelfIssued}
	}
	if r.Audience != nil && !slices.ContainsFunc(r.Audience, func(a string) bool { return slices.Contains(accepted, a) }) {
		return invalid("aud names another wallet")
	}
	now := o.Now()
	if r.Expires != nil && !now.Before(r.Expires.Time().Add(clockSkew)) {
		return invalid("request has expired")
	}
	for _, start := range []*jose.NumericDate{r.IssuedAt, r.NotBefore} {
		if start != nil && now.Add(clockSkew).Before(start.Time()) {
			return invalid("request is from the future")
		}
	}
	return nil
}

// checkParameters applies the rules that signed and unsigned requests share.
func (r *Request) checkParameters(o ParseOptions) error {
	p := &r.Parameters
	q, err := p.Validate()
	if err != nil {
		return err
	}
	r.Query = q
	if err := checkFormats(q, p.ClientMetadata); err != nil {
		return err
	}
	if p.TransactionData == nil {
		return nil
	}
	if o.TransactionData == nil {
		return refuse(InvalidTransactionData, "transaction_data is not supported")
	}
	if r.TransactionData, err = ParseTransactionData(p.TransactionData, q); err != nil {
		return err
	}
	for _, t := range r.TransactionData {
		if err := o.TransactionData(t); err != nil {
			return &Error{Code: InvalidTransactionData, Description: "transaction_data is not acceptable", Err: err}
		}
	}
	return nil
}

// authenticate checks typ, chain and signature of a request object and returns
// its payload.
func authenticate(ctx context.Context, requestObject string, o ParseOptions) ([]byte, *trust.Chain, error) {
	if o.Trust == nil || o.Now == nil {
		return nil, nil, errors.New("openid4vp: ParseOptions lack a trust policy or a clock")
	}
	u, err := jose.Parse(requestObject)
	if err != nil {
		return nil, nil, invalidBy("request object is not an acceptable JWS", err)
	}
	return authenticateJWS(ctx, u, o)
}

func authenticateJWS(ctx context.Context, u *jose.Unverified, o ParseOptions) ([]byte, *trust.Chain, error) {
	if u.Header.Typ != RequestObjectType {
		return nil, nil, invalid("typ of the request object is not oauth-authz-req+jwt")
	}
	if len(u.Header.X5C) == 0 {
		return nil, nil, invalid("request object has no x5c")
	}
	leaf := u.Header.X5C[0]
	chain, err := o.Trust.Verify(ctx, leaf, u.Header.X5C[1:])
	if err != nil {
		return nil, nil, invalidBy("certificate of the verifier is not trusted", err)
	}
	payload, err := u.Verify(leaf.PublicKey)
	if err != nil {
		return nil, nil, invalidBy("signature of the request object is not valid", err)
	}
	return payload, chain, nil
}

// decodeRequest reads the parameters of a request object. RFC 9101 section 4
// forbids request and request_uri inside.
func decodeRequest(payload []byte) (*AuthorizationRequest, error) {
	var r struct {
		AuthorizationRequest
		Request    json.RawMessage `json:"request"`
		RequestURI json.RawMessage `json:"request_uri"`
	}
	if err := jose.UnmarshalJSON(payload, &r); err != nil {
		return nil, invalidBy("request is not an object of request parameters", err)
	}
	if r.Request != nil || r.RequestURI != nil {
		return nil, invalid("request object contains request or request_uri")
	}
	return &r.AuthorizationRequest, nil
}

// replyTo returns where errors may be sent, or nil.
func (r *AuthorizationRequest) replyTo(id ClientID) *Reply {
	u, err := parseHTTPS(r.ResponseURI)
	if err != nil || !id.allowsResponseURI(u) {
		return nil
	}
	reply := &Reply{ResponseURI: r.ResponseURI}
	if validToken(r.State) {
		reply.State = r.State
	}
	return reply
}

func withReply(err error, reply *Reply) error {
	var e *Error
	if errors.As(err, &e) {
		e.Reply = reply
	}
	return err
}
