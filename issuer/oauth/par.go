package oauth

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/openid4vci"
)

// requestURIPrefix is what RFC 9126 section 2.2 suggests for request_uri.
const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

// The most that a client may make the server keep or echo.
const (
	maxStateLength       = 2048
	maxRedirectURILength = 2048
)

// pushedRequest is an authorization request that a wallet has pushed, with the
// keys that it is bound to.
type pushedRequest struct {
	Client         Client
	RedirectURI    string
	State          string
	CodeChallenge  string
	Configurations []string
	// Details says that authorization_details were used, so that the token
	// response has them too.
	Details bool
	// DPoPKey is the thumbprint from dpop_jkt or from a proof at this
	// endpoint; empty if the wallet named none.
	DPoPKey     string
	IssuerState string
	// Returning is set if the person may come back by a link.
	Returning *returning `json:",omitempty"`
	// Code is the code that a decision will give. It is chosen here, so that a
	// decision that is made twice, because the session store forgot the first,
	// gives the same code, which the database lets be used once.
	Code string
	// VisitBy is when the first visit must have come.
	VisitBy time.Time
	Visited bool
	// Done is set once a browser has come back with a decision; the request
	// is not used again.
	Done bool
}

// Params are the parameters of a form, each given once and with a value.
type Params map[string]string

// Get returns a parameter, or "".
func (p Params) Get(name string) string { return p[name] }

// Has reports whether the parameter was given.
func (p Params) Has(name string) bool { return p[name] != "" }

// Push accepts a pushed authorization request (RFC 9126 section 2). endpoint is
// the URL of the endpoint, for the DPoP proof.
func (s *Server) Push(ctx context.Context, endpoint string, h ClientHeaders, form Params) (*openid4vci.PARResponse, error) {
	client, err := s.authenticateClient(ctx, h, form)
	if err != nil {
		return nil, err
	}
	wallet, err := s.registered(client.ID)
	if err != nil {
		return nil, err
	}
	if err := wallet.checkGrant(openid4vci.GrantAuthorizationCode); err != nil {
		return nil, err
	}
	request, err := s.parseRequest(ctx, wallet, form)
	if err != nil {
		return nil, err
	}
	request.Client = *client
	if request.Returning, err = s.returns(ctx, client, wallet, form); err != nil {
		return nil, err
	}
	request.Code = newSecret()
	request.VisitBy = s.cfg.Now().Add(s.cfg.Lifetimes.Request)
	if len(h.DPoP) > 0 {
		proof, err := s.verifyDPoP(ctx, "POST", endpoint, h.DPoP, "")
		if err != nil {
			return nil, err
		}
		if request.DPoPKey != "" && request.DPoPKey != proof {
			return nil, refuse(openid4vci.CodeInvalidDPoPProof, "dpop_jkt is not the key of the DPoP proof", nil)
		}
		request.DPoPKey = proof
	}
	secret := newSecret()
	if err := s.requests.Put(ctx, secret, *request); err != nil {
		return nil, unavailable(err)
	}
	return &openid4vci.PARResponse{
		RequestURI: requestURIPrefix + secret,
		ExpiresIn:  int64(s.cfg.Lifetimes.Request.Seconds()),
	}, nil
}

func (s *Server) parseRequest(ctx context.Context, wallet *Wallet, form Params) (*pushedRequest, error) {
	for _, name := range []string{"request_uri", "request"} {
		if form.Has(name) {
			return nil, refuse(openid4vci.CodeInvalidRequest, name+" is not accepted here", nil)
		}
	}
	if !form.Has("client_id") {
		return nil, refuse(openid4vci.CodeInvalidRequest, "client_id is missing", nil)
	}
	if form.Get("response_type") != "code" {
		return nil, refuse(openid4vci.CodeUnsupportedResponseType, "response_type must be code", nil)
	}
	if mode := form.Get("response_mode"); mode != "" && mode != "query" {
		return nil, refuse(openid4vci.CodeInvalidRequest, "response_mode must be query", nil)
	}
	if form.Get("code_challenge_method") != "S256" || openid4vci.CheckCodeChallenge(form.Get("code_challenge")) != nil {
		return nil, refuse(openid4vci.CodeInvalidRequest, "PKCE with S256 is required", nil)
	}
	if err := wallet.returnsTo(form.Get("redirect_uri")); err != nil {
		return nil, err
	}
	if len(form.Get("state")) > maxStateLength {
		return nil, refuse(openid4vci.CodeInvalidRequest, "state is too long", nil)
	}
	if jkt := form.Get("dpop_jkt"); jkt != "" {
		if raw, err := jose.DecodeBase64(jkt); err != nil || len(raw) != 32 {
			return nil, refuse(openid4vci.CodeInvalidRequest, "dpop_jkt is not a SHA-256 thumbprint", err)
		}
	}
	configurations, details, err := s.requested(wallet, form)
	if err != nil {
		return nil, err
	}
	if state := form.Get("issuer_state"); form.Has("issuer_state") {
		offered, err := s.cfg.Offers.Open(ctx, state)
		if err != nil {
			return nil, stored(err, openid4vci.CodeInvalidRequest, "issuer_state is unknown or has expired")
		}
		for _, id := range configurations {
			if !slices.Contains(offered, id) {
				return nil, refuse(openid4vci.CodeInvalidRequest, "the offer does not include what is requested", nil)
			}
		}
	}
	return &pushedRequest{
		RedirectURI:    form.Get("redirect_uri"),
		State:          form.Get("state"),
		CodeChallenge:  form.Get("code_challenge"),
		Configurations: configurations,
		Details:        details,
		DPoPKey:        form.Get("dpop_jkt"),
		IssuerState:    form.Get("issuer_state"),
	}, nil
}

// requested reads which configurations are wanted, by authorization_details
// and by scope (OpenID4VCI 1.0 section 5.1). Unknown scopes are ignored, and so
// are those of what the wallet is not registered for.
func (s *Server) requested(wallet *Wallet, form Params) (ids []string, details bool, err error) {
	if details = form.Has("authorization_details"); details {
		if ids, err = s.detailed(wallet, form.Get("authorization_details")); err != nil {
			return nil, false, err
		}
	}
	for _, scope := range strings.Fields(form.Get("scope")) {
		for _, c := range s.cfg.Configurations {
			if c.Scope == scope && wallet.mayHave(c.ID) {
				ids = append(ids, c.ID)
			}
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil, false, refuse(openid4vci.CodeInvalidScope, "nothing that can be issued is requested", nil)
	}
	return ids, details, nil
}

// detailed reads the configurations that authorization_details name.
func (s *Server) detailed(wallet *Wallet, value string) (ids []string, err error) {
	list, err := openid4vci.ParseAuthorizationDetails([]byte(value))
	if err != nil {
		return nil, refuse(openid4vci.CodeInvalidAuthorizationDetails, "authorization_details are not valid", err)
	}
	for _, d := range list {
		if _, known := s.configuration(d.CredentialConfigurationID); !known || !wallet.mayHave(d.CredentialConfigurationID) {
			return nil, refuse(openid4vci.CodeInvalidAuthorizationDetails, "unknown credential_configuration_id", nil)
		}
		if d.Locations != nil && !slices.Contains(d.Locations, s.cfg.Issuer) {
			return nil, refuse(openid4vci.CodeInvalidAuthorizationDetails, "locations names another credential issuer", nil)
		}
		ids = append(ids, d.CredentialConfigurationID)
	}
	return ids, nil
}
