package openid

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials/jose"
	"github.com/tegata-id/tegata/credentials/keys"
	"github.com/tegata-id/tegata/internal/fetch"
	"github.com/tegata-id/tegata/issuer/evidence"
)

// scope asks for the four basic attributes.
const scope = "openid name address birthdate gender"

// assertionLifetime is how long a client assertion may be used.
const assertionLifetime = time.Minute

// Endpoints are the URLs of a provider.
type Endpoints struct {
	Authorization, Token, UserInfo, Keys string
}

// EndpointsOf returns the endpoints of a provider whose issuer identifier ends
// with a realm, as that of the Digital Agency's authentication app does.
func EndpointsOf(issuer string) Endpoints {
	base := strings.TrimSuffix(issuer, "/") + "/protocol/openid-connect/"
	return Endpoints{Authorization: base + "auth", Token: base + "token", UserInfo: base + "userinfo", Keys: base + "certs"}
}

// Config is what a [Provider] is made of. Every field is needed unless it says
// otherwise.
type Config struct {
	// Issuer is the issuer identifier, character by character as in ID tokens.
	Issuer    string
	Endpoints Endpoints
	ClientID  string
	// Keys sign client assertions. Each is known to the provider under its
	// thumbprint (RFC 7638).
	Keys *keys.Ring
	// ACR is what the provider is asked for in acr_values, and the ID token must
	// say one of; empty for nothing.
	ACR []string
	// Client reaches the provider's hosts and follows no redirects.
	Client *fetch.Client
	Now    func() time.Time
}

// Provider is an OpenID provider that vouches for people. It is safe for
// concurrent use.
type Provider struct {
	cfg  Config
	keys keySet
}

// New returns a provider. It asks nothing of it yet.
func New(cfg Config) (*Provider, error) {
	for _, endpoint := range []string{cfg.Issuer, cfg.Endpoints.Authorization, cfg.Endpoints.Token, cfg.Endpoints.UserInfo, cfg.Endpoints.Keys} {
		if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
			return nil, errors.New("openid: issuer and endpoints must be https URLs")
		}
	}
	if cfg.ClientID == "" || cfg.Keys == nil || cfg.Client == nil || cfg.Now == nil {
		return nil, errors.New("openid: incomplete configuration")
	}
	p := &Provider{cfg: cfg}
	p.keys = keySet{url: cfg.Endpoints.Keys, client: cfg.Client, now: cfg.Now}
	return p, nil
}

// Origin returns the URL that the browser is sent to, without a query.
func (p *Provider) Origin() string { return p.cfg.Endpoints.Authorization }

// Begin returns where the browser goes, and what must be kept of it until it
// comes back to redirectURI. The challenge is that of the login.
func (p *Provider) Begin(c evidence.Challenge, redirectURI string) (location string, visit evidence.Visit) {
	visit = evidence.Visit{State: secret(), Verifier: secret(), Begun: p.cfg.Now()}
	challenge := sha256.Sum256([]byte(visit.Verifier))
	query := url.Values{
		"response_type": {"code"}, "scope": {scope}, "client_id": {p.cfg.ClientID}, "redirect_uri": {redirectURI},
		"state": {visit.State}, "nonce": {nonce(c, visit)},
		"code_challenge": {jose.EncodeBase64(challenge[:])}, "code_challenge_method": {"S256"},
	}
	if len(p.cfg.ACR) > 0 {
		query.Set("acr_values", strings.Join(p.cfg.ACR, " "))
	}
	separator := "?"
	if strings.Contains(p.cfg.Endpoints.Authorization, "?") {
		separator = "&"
	}
	return p.cfg.Endpoints.Authorization + separator + query.Encode(), visit
}

// nonce binds an ID token to the login and all that its challenge names.
func nonce(c evidence.Challenge, visit evidence.Visit) string {
	h := sha256.New()
	h.Write([]byte("tegata openid nonce v1\x00" + visit.State + "\x00"))
	h.Write(c.Bytes())
	return jose.EncodeBase64(h.Sum(nil))
}

// Finish checks what the browser came back with, and returns the evidence.
// Errors wrap [evidence.ErrRefused] or, if the provider could not be asked,
// [evidence.ErrUnavailable].
func (p *Provider) Finish(ctx context.Context, c evidence.Challenge, visit evidence.Visit, redirectURI string, params map[string]string) (*evidence.Evidence, error) {
	switch {
	case subtle.ConstantTimeCompare([]byte(params["state"]), []byte(visit.State)) != 1:
		return nil, refused("the state is that of another login")
	case params["iss"] != "" && params["iss"] != p.cfg.Issuer:
		return nil, refused("the answer is another provider's")
	case params["error"] != "":
		return nil, refused("the provider did not vouch for the person")
	case params["code"] == "":
		return nil, refused("there is no code")
	}
	tokens, err := p.exchange(ctx, visit, redirectURI, params["code"])
	if err != nil {
		return nil, err
	}
	now := p.cfg.Now()
	subject, err := p.verifyIDToken(ctx, tokens, nonce(c, visit), visit.Begun, now)
	if err != nil {
		return nil, err
	}
	stated, err := p.userInfo(ctx, tokens.AccessToken, subject)
	if err != nil {
		return nil, err
	}
	return &evidence.Evidence{Kind: evidence.KindOpenID, Stated: stated, VerifiedAt: now}, nil
}

// tokens is the answer of the token endpoint.
type tokens struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	IDToken     string `json:"id_token"`
}

// exchange redeems the code (OpenID Connect Core 1.0 section 3.1.3).
func (p *Provider) exchange(ctx context.Context, visit evidence.Visit, redirectURI, code string) (*tokens, error) {
	assertion, err := p.assertion()
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {visit.Verifier},
		"client_id": {p.cfg.ClientID}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	response, err := p.cfg.Client.Post(ctx, p.cfg.Endpoints.Token, "application/x-www-form-urlencoded", []byte(form.Encode()), http.Header{"Accept": {"application/json"}})
	if err != nil {
		return nil, asked("token", err)
	}
	var t tokens
	if response.ContentType != "application/json" || jose.UnmarshalJSON(response.Body, &t) != nil ||
		t.AccessToken == "" || t.IDToken == "" || !strings.EqualFold(t.TokenType, "Bearer") || strings.ContainsAny(t.AccessToken, " \r\n") {
		return nil, refused("the answer of the token endpoint is malformed")
	}
	return &t, nil
}

// assertion authenticates the client (OpenID Connect Core 1.0 section 9,
// private_key_jwt).
func (p *Provider) assertion() (string, error) {
	now := p.cfg.Now()
	key, err := p.cfg.Keys.At(now)
	if err != nil {
		return "", fmt.Errorf("%w: %w", evidence.ErrUnavailable, err)
	}
	pub, err := key.Public()
	if err != nil {
		return "", err
	}
	kid, err := jose.ThumbprintOf(pub)
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": p.cfg.ClientID, "sub": p.cfg.ClientID, "aud": p.cfg.Endpoints.Token, "jti": secret(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	return jose.Sign(jose.Header{Typ: "JWT", Kid: kid}, claims, key.Signer)
}

// asked turns the failure of a request into the fault of one or the other: a
// provider that says no with a status of 4xx refuses, all else passes.
func asked(what string, err error) error {
	var status *fetch.StatusError
	if errors.As(err, &status) && status.Response.Status >= 400 && status.Response.Status < 500 && status.Response.Status != http.StatusTooManyRequests {
		return refused("the %s endpoint answers with status %d", what, status.Response.Status)
	}
	return fmt.Errorf("%w: %w", evidence.ErrUnavailable, err)
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: OpenID: %s", evidence.ErrRefused, fmt.Sprintf(format, args...))
}

// secret returns 256 random bits in base64url.
func secret() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return jose.EncodeBase64(b[:])
}
